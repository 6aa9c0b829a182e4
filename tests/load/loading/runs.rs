//! kamonline, run after run without pause, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::board::STALE_NAME;
use crate::lab::{Run, kamonline};

/// How long it may take to remove the stale once every registrar has loaded: longer than the default of `--min-uptime`.
const LONGEST: Duration = Duration::from_secs(180);

#[derive(Default)]
pub struct Runs {
    count: usize,
    /// Those whose first dump held some of the users, and not all.
    pub partial: usize,
    codes: BTreeMap<i32, usize>,
    removed: u64,
    /// Users who were removed, and put back.
    pub registered: usize,
}

impl Runs {
    /// Until one finds the board in sync that began when all was `loaded`. None begins while the registrar is down, where
    /// it would wait before it tries again, and could sleep through the time that matters.
    pub fn until(loaded: &AtomicBool, registrar: SocketAddr, args: &[&str], users: usize) -> Self {
        let mut runs = Runs::default();
        let mut deadline = None;
        loop {
            if loaded.load(Ordering::Relaxed) {
                deadline.get_or_insert_with(|| Instant::now() + LONGEST);
            }
            if TcpStream::connect(registrar).is_ok() {
                let in_sync = runs.add(kamonline(args), users);
                if in_sync && deadline.is_some() {
                    return runs;
                }
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return runs;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether it found the board in sync.
    fn add(&mut self, run: Run, users: usize) -> bool {
        let Run { code, stderr, .. } = &run;
        assert!([0, 1, 3].contains(code), "exit code {code}\n{stderr}");
        let report = run.json();
        let aors = |registrar: &Value| registrar["aors"].as_u64();
        let registrars = report["registrars"].as_array().unwrap();
        let aors = registrars.iter().map(aors).sum::<Option<u64>>();
        let is_partial = aors.is_some_and(|aors| 0 < aors && aors < users as u64);
        self.count += 1;
        self.partial += usize::from(is_partial);
        *self.codes.entry(*code).or_default() += 1;
        let total = |name: &str| report["totals"][name].as_u64().unwrap();
        self.removed += total("removed");
        for back in ["restored", "rolled_back", "off"] {
            let domains = report["domains"].as_array().unwrap().iter();
            let names = domains.flat_map(|domain| domain[back].as_array().unwrap());
            let is_user = |name: &&Value| !name.as_str().unwrap().starts_with(STALE_NAME);
            self.registered += names.filter(is_user).count();
        }
        *code == 0 && total("stale") == 0
    }
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Runs {
            count,
            partial,
            codes,
            removed,
            registered,
        } = self;
        let code = |code: i32| codes.get(&code).unwrap_or(&0);
        write!(
            f,
            "{count} runs, {partial} on a part of the users: {} done, {} failed, {} refused; {removed} removed, {registered} \
             of them registered",
            code(0),
            code(1),
            code(3)
        )
    }
}
