//! Where the sets are, as `--redis` says it, and a connection to one server.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::error::{Error, Peer, PeerError, Result};
use super::server::{self, Server};
use super::socket::Address;
use crate::failure::Failure;
use crate::peer::limits::{LEAST_SHARE, PUT_BACK_TIMEOUT};
use crate::peer::tls::Tls;
use crate::peer::{Attempts, Deadlines, Password};
use crate::text::{Escaped, without_secrets};

/// What the URLs of `--redis` are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    One,
    /// Some nodes of a Redis Cluster.
    Cluster,
    /// Sentinels that know a master by this name.
    Sentinel(String),
}

/// What a run does with the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It reads them only: a replica will do.
    Look,
    /// It may write to them.
    Change,
}

/// Where the sets are.
#[derive(Clone)]
pub struct Servers {
    pub(super) topology: Topology,
    pub(super) given: Vec<Server>,
    shown: String,
    tls: Tls,
    deadlines: Deadlines,
    /// How long connecting may take in all, and one batch of commands.
    longest: Option<Duration>,
    /// When the present one of these ends.
    pub(super) until: Option<Instant>,
}

/// Opens a connection and logs in.
type Open<'a> = &'a dyn Fn() -> Result<Connection>;

impl Servers {
    /// `urls` is what `--redis` says; `password` takes precedence over one in a URL.
    pub fn new(
        urls: &[String],
        topology: Topology,
        password: Option<&str>,
        tls: Tls,
        deadlines: Deadlines,
    ) -> std::result::Result<Self, Failure> {
        if topology == Topology::One && urls.len() > 1 {
            return Err(Failure::usage(
                "--redis is given several times, which is for clusters and sentinels only",
            )
            .hint("add --redis-cluster or --redis-sentinel MASTER"));
        }
        let given = urls
            .iter()
            .map(|url| server::parse(url, password))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        if topology == Topology::Cluster {
            server::check_cluster(&given)?;
        }
        let shown: Vec<_> = urls.iter().map(|url| without_secrets(url)).collect();
        Ok(Self {
            topology,
            given,
            shown: shown.join(", "),
            tls,
            deadlines,
            longest: None,
            until: None,
        })
    }

    /// The URLs as they may be shown: without user and password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub fn with_tls(&self) -> bool {
        self.given[0].with_tls
    }

    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// What to look at when the password is not accepted.
    pub fn password_doubt(&self) -> &'static str {
        let password = self.given[0].login.password.as_deref();
        password.map_or("", Password::doubt)
    }

    /// What a server says, without a password that it repeats.
    pub fn discreet(&self, said: String) -> String {
        let passwords = self.given.iter().flat_map(|one| &one.login.password);
        let shown = passwords.map(|password| Escaped(password.as_bytes()).to_string());
        let shown = shown.filter(|password| !password.is_empty());
        shown.fold(said, |said, password| said.replace(&password, "(password)"))
    }

    pub fn deadlines(&self) -> Deadlines {
        self.deadlines
    }

    /// The same, of which no connect and no reply takes longer.
    pub fn within(&self, longest: Duration) -> Self {
        let mut servers = self.clone();
        servers.deadlines.timeout = servers.deadlines.timeout.min(longest);
        servers
    }

    /// The same, while members are removed or put back: connecting ends in time, too, and so does each batch.
    pub fn hurried(&self, timeout: Duration) -> Self {
        Self {
            longest: Some(PUT_BACK_TIMEOUT),
            ..self.within(timeout.min(PUT_BACK_TIMEOUT))
        }
    }

    /// Connecting begins now, or a batch.
    pub fn begin(&mut self) {
        self.until = self.longest.map(|longest| Instant::now() + longest);
    }

    /// A broken connection is tried again `--retries` times. A cluster or a sentinel needs seconds to put another
    /// master in the place of a dead one: that is waited for, as long as `--timeout`.
    pub fn worth_another_try(
        &self,
        PeerError { error, peer }: &PeerError,
        attempts: &Attempts,
    ) -> bool {
        let is_broken = error.is_broken();
        match peer {
            Peer::Configured => attempts.retries < self.deadlines.retries && is_broken,
            Peer::Discovered(_) => {
                self.deadlines.retries > 0
                    && attempts.all < self.deadlines.timeout
                    && (is_broken || error.is_failing_over())
            }
        }
    }

    /// Asks those that `--redis` names until one answers; each has its share of the time.
    pub(super) fn ask_given<T>(&self, ask: impl Fn(&Self, &Server) -> Result<T>) -> Result<T> {
        let until = Instant::now() + self.deadlines.timeout;
        let mut failed: Option<Error> = None;
        for (server, others) in self.given.iter().zip((0..self.given.len() as u32).rev()) {
            let share = share(until, others).max(LEAST_SHARE);
            match ask(&self.within(share), server) {
                Ok(answer) => return Ok(answer),
                // What one that answers says is the better explanation.
                Err(error) if failed.as_ref().is_none_or(Error::is_of_the_connection) => {
                    failed = Some(error)
                }
                Err(_) => {}
            }
        }
        Err(failed.unwrap_or_else(|| Error::Other("no server was asked".into())))
    }

    /// Asks a server at each of its addresses until one answers; each has its share of the time. `ask` is given what
    /// opens a connection.
    pub(super) fn ask<T>(&self, server: &Server, ask: impl Fn(Open) -> Result<T>) -> Result<T> {
        self.first_to_answer(server, &server.place.addresses()?, ask)
    }

    fn first_to_answer<T>(
        &self,
        server: &Server,
        addresses: &[Address],
        ask: impl Fn(Open) -> Result<T>,
    ) -> Result<T> {
        let until = Instant::now() + self.deadlines.timeout;
        let until = self.until.map_or(until, |earlier| until.min(earlier));
        let mut failed = None;
        for (address, others) in addresses.iter().zip((0..addresses.len() as u32).rev()) {
            let share = share(until, others).max(Duration::from_millis(1));
            match ask(&|| self.open(server, address, share)) {
                Err(error @ (Error::TimedOut | Error::NotListening(_) | Error::Unreachable(_))) => {
                    failed = Some(error)
                }
                answer => return answer,
            }
        }
        Err(failed.unwrap_or_else(|| Error::NoSuchName("no address".into())))
    }

    fn open(&self, server: &Server, address: &Address, timeout: Duration) -> Result<Connection> {
        let tls = match &server.place {
            server::Place::Host { name, .. } if server.with_tls => {
                Some((self.tls.config(), &**name))
            }
            _ => None,
        };
        let mut connection = Connection::open(address, tls, timeout)?;
        connection.end_by(self.until);
        server.login.log_in(&mut connection)?;
        Ok(connection)
    }
}

/// What is left for one and as many others.
fn share(until: Instant, others: u32) -> Duration {
    until.saturating_duration_since(Instant::now()) / (others + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::tls::Options;
    use crate::store::{cluster, sentinel};
    use std::io::{Read, Write};
    use std::net::TcpListener;

    impl Servers {
        /// One server, which is not tried again.
        pub fn at(url: &str, timeout: Duration) -> Self {
            Self::of(&[url.to_owned()], Topology::One, timeout, 0)
        }

        pub fn of(urls: &[String], topology: Topology, timeout: Duration, retries: u32) -> Self {
            let options = Options {
                server: "redis",
                ca: None,
                cert: None,
                key: None,
            };
            let deadlines = Deadlines { timeout, retries };
            let (tls, _) = options.read("rediss://", false).unwrap();
            Self::new(urls, topology, None, tls, deadlines).unwrap()
        }

        pub fn ending_in(&self, longest: Duration) -> Self {
            Self {
                longest: Some(longest),
                ..self.clone()
            }
        }
    }

    /// Servers that accept connections and say nothing.
    fn silent<const COUNT: usize>() -> ([TcpListener; COUNT], Vec<String>) {
        let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let url = |listener: &TcpListener| format!("redis://{}", listener.local_addr().unwrap());
        let urls = listeners.iter().map(url).collect();
        (listeners, urls)
    }

    #[test]
    fn those_that_hang_share_the_time_with_a_second_at_least_each() {
        let (_listeners, urls) = silent::<4>();
        for topology in [Topology::Cluster, Topology::Sentinel("m".into())] {
            for (timeout, least, most) in [(6, 6, 9), (2, 4, 7)] {
                let timeout = Duration::from_secs(timeout);
                let servers = Servers::of(&urls, topology.clone(), timeout, 0);
                let started = Instant::now();
                let failed = match &servers.topology {
                    Topology::Sentinel(name) => sentinel::master(&servers, name).err(),
                    _ => cluster::slots(&servers).err(),
                };
                assert!(matches!(failed, Some(Error::TimedOut)), "{failed:?}");
                let took = started.elapsed().as_secs();
                assert!((least..most).contains(&took), "{topology:?}: {took} s");
            }
        }
    }

    #[test]
    fn all_ends_in_time_however_many_questions_there_are() {
        let longest = Duration::from_millis(500);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://:secret@{}/3", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            while client.read(&mut [0; 1_024]).is_ok_and(|length| length > 0) {
                std::thread::sleep(Duration::from_millis(300));
                let _ = client.write_all(b"+OK\r\n");
            }
        });
        let mut servers = Servers::at(&url, Duration::from_secs(9)).ending_in(longest);
        servers.begin();
        let started = Instant::now();
        let failed = servers.ask(&servers.given[0], |open| open()).err();
        assert!(matches!(failed, Some(Error::TimedOut)), "{failed:?}");
        assert!(started.elapsed() < 2 * longest, "{:?}", started.elapsed());
    }

    #[test]
    fn an_address_that_hangs_leaves_time_for_the_next_one() {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners
            .each_ref()
            .map(|listener| Address::Ip(listener.local_addr().unwrap()));
        let [_hangs, answers] = listeners;
        std::thread::spawn(move || {
            let (mut client, _) = answers.accept().unwrap();
            while client.read(&mut [0; 1_024]).is_ok_and(|length| length > 0) {
                client.write_all(b"+OK\r\n").unwrap();
            }
        });
        let timeout = Duration::from_secs(2);
        let servers = Servers::at("redis://:secret@localhost", timeout);
        let started = Instant::now();
        let answer = servers.first_to_answer(&servers.given[0], &addresses, |open| open());
        assert!(answer.is_ok());
        assert!(started.elapsed() < timeout, "{:?}", started.elapsed());
    }
}
