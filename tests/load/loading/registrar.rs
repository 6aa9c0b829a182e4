//! Registrars that load: a real Kamailio with a database, and a scripted one that loads as slowly as it is told to.

use std::io::Write;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::board::{DOMAIN, name, write_database};
use crate::lab::{HttpStub, Kamailio, KamailioOptions, Listener, Redis, read_message, swallow};

pub trait Registrar {
    fn address(&self) -> SocketAddr;

    /// Returns while it is loading.
    fn restart(&mut self);

    fn wait_until_loaded(&self);

    fn url(&self) -> String {
        format!("http://{}/rpc", self.address())
    }
}

/// How long a load may take.
const LONGEST: Duration = Duration::from_secs(180);

fn wait(what: &str, mut is_over: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONGEST;
    while !is_over() {
        assert!(Instant::now() < deadline, "{what} within {LONGEST:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub struct Real {
    kamailio: Kamailio,
    _database: TempDir,
}

impl Real {
    pub fn start(users: Range<usize>, redis: &Redis) -> Self {
        let database = tempfile::tempdir().unwrap();
        let megabytes = users.len() as u32 / 1_000;
        write_database(database.path(), users);
        let options = KamailioOptions {
            database: Some(database.path().into()),
            big_queues: true,
            private_memory_mb: 64 + megabytes,
            shared_memory_mb: 256 + 4 * megabytes,
            ..KamailioOptions::default()
        };
        Real {
            kamailio: Kamailio::start(&options, Some(redis)),
            _database: database,
        }
    }
}

impl Registrar for Real {
    fn address(&self) -> SocketAddr {
        self.kamailio.address()
    }

    fn restart(&mut self) {
        self.kamailio.restart_unloaded();
    }

    /// The only process for UDP loads the table before it reads its first request.
    fn wait_until_loaded(&self) {
        wait("Kamailio has not loaded", || self.kamailio.is_answered());
    }
}

/// How many users it knows after a restart.
#[derive(Clone, Copy)]
pub enum Loading {
    /// All but what it loads in this time, and at this rate the rest.
    Steady { per_second: usize, time: Duration },
    /// Three of five for this time, and then all of them.
    Stalled(Duration),
}

#[derive(Clone, Copy)]
pub enum Uptime {
    /// Since its last restart.
    True,
    /// Days, as after a step of the clock: only that the start is another one shows a restart.
    Old,
}

pub struct Scripted {
    listener: Listener,
    script: Arc<Mutex<Script>>,
}

impl Scripted {
    /// It has loaded everything.
    pub fn start(users: usize, loading: Loading, uptime: Uptime) -> Self {
        let begun = Instant::now();
        let script = Arc::new(Mutex::new(Script {
            list: (0..users).map(line).collect(),
            users,
            loading,
            uptime,
            restarts: 0,
            restarted: None,
            begun,
        }));
        let shared = script.clone();
        let listener = Listener::serve(move |mut stream| {
            while let Some(request) = read_message(&mut stream) {
                swallow(&mut stream);
                let answer = shared.lock().unwrap().answer(&request);
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
        });
        Scripted { listener, script }
    }
}

impl Registrar for Scripted {
    fn address(&self) -> SocketAddr {
        self.listener.address
    }

    fn restart(&mut self) {
        let mut script = self.script.lock().unwrap();
        script.restarts += 1;
        script.restarted = Some(Instant::now());
    }

    fn wait_until_loaded(&self) {
        let is_loaded = || {
            let script = self.script.lock().unwrap();
            script.loaded() == script.users
        };
        wait("the script has not loaded", is_loaded);
    }
}

struct Script {
    /// Every user's line of the dump, one as long as the other.
    list: String,
    users: usize,
    loading: Loading,
    uptime: Uptime,
    restarts: usize,
    restarted: Option<Instant>,
    begun: Instant,
}

fn line(user: usize) -> String {
    format!("\t\t\tAoR: {}@{DOMAIN}<br/>", name(user))
}

impl Script {
    fn loaded(&self) -> usize {
        let Some(restarted) = self.restarted else {
            return self.users;
        };
        let left = |time: Duration| time.saturating_sub(restarted.elapsed()).as_secs_f64();
        let missing = match self.loading {
            Loading::Steady { per_second, time } => (left(time) * per_second as f64) as usize,
            Loading::Stalled(time) if left(time) > 0.0 => self.users / 5 * 2,
            Loading::Stalled(_) => 0,
        };
        self.users.saturating_sub(missing)
    }

    fn answer(&self, request: &[u8]) -> Vec<u8> {
        let request = String::from_utf8_lossy(request);
        match request.split(' ').nth(1).unwrap() {
            path if path.starts_with("/rpc/ul/ul.dump?arg=brief+") => self.dump(),
            path if path.starts_with("/rpc/core/core.uptime?arg=") => self.up(),
            path if path.starts_with("/rpc/core/core.ps?arg=") => HttpStub::processes(b"GET"),
            path => panic!("the script has no answer for {path}"),
        }
    }

    fn dump(&self) -> Vec<u8> {
        let records = self.loaded();
        let list = &self.list[..records * line(0).len()];
        HttpStub::page(format!(
            "<td>200: OK</td><pre>Domains: <br/>\tDomain: <br/>\t\tDomain: location<br/>\t\tSize: 512<br/>\t\tAoRs: <br/>{list}\
             \t\tStats: <br/>\t\t\tRecords: {records}<br/>\t\t\tMax-Slots: 1<br/></pre>"
        ))
    }

    fn up(&self) -> Vec<u8> {
        let uptime = match self.uptime {
            Uptime::True => self.restarted.unwrap_or(self.begun).elapsed().as_secs(),
            Uptime::Old => 3 * 24 * 3600 + self.begun.elapsed().as_secs(),
        };
        let (hour, minute) = (self.restarts / 60 % 24, self.restarts % 60);
        HttpStub::page(format!(
            "<td>200: OK</td><pre>now: Wed Nov 25 08:17:15 2026<br/>up_since: Sun Nov 22 {hour:02}:{minute:02}:15 2026<br/>\
             uptime: {uptime}<br/></pre>"
        ))
    }
}
