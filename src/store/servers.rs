//! Where the sets are, as `--redis` says it, and a connection to one server. Every wait has a bound.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use redis::{
    Client, ClientTlsConfig, Connection, ConnectionAddr, ConnectionInfo, RedisConnectionInfo,
    RedisError, TlsCertificates,
};

use super::deadline::within;
use super::error::{Error, Peer, PeerError, Result};
use super::{identity, url};
use crate::failure::Failure;
use crate::peer::tls::{Own, Tls};
use crate::peer::{Attempts, Deadlines, Password};
use crate::text::without_secrets;

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
pub struct Servers {
    pub(super) topology: Topology,
    pub(super) infos: Vec<ConnectionInfo>,
    shown: String,
    tls: Tls,
    deadlines: Deadlines,
}

impl Servers {
    /// `urls` is what `--redis` says; `password` goes before one in a URL.
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
        let infos = urls
            .iter()
            .map(|url| url::parse(url, password))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        if topology == Topology::Cluster {
            url::check_cluster(&infos)?;
        }
        let shown: Vec<_> = urls.iter().map(|url| without_secrets(url)).collect();
        Ok(Self {
            topology,
            infos,
            shown: shown.join(", "),
            tls,
            deadlines,
        })
    }

    /// The URLs as they may be shown: without user and password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub fn with_tls(&self) -> bool {
        url::has_tls(&self.infos[0])
    }

    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// What to look at when the password is not accepted.
    pub fn password_doubt(&self) -> &'static str {
        let password = self.infos[0].redis_settings().password();
        password.map_or("", Password::doubt)
    }

    pub fn deadlines(&self) -> Deadlines {
        self.deadlines
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

    pub(super) fn open(&self, info: &ConnectionInfo) -> Result<Connection> {
        self.log_in(info)
            .map_err(|error| self.rejection(info, &error).unwrap_or(error))
    }

    /// What Redis says when it rejects every client. The redis crate drops these words when AUTH fails, or when the
    /// connection breaks before the last reply; a client that does not log in gets them too.
    fn rejection(&self, info: &ConnectionInfo, error: &Error) -> Option<Error> {
        if !matches!(error, Error::WrongLogin | Error::Broken(_)) {
            return None;
        }
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let bare = info.clone().set_redis_settings(settings);
        identity::rejection(self.log_in(&bare).ok()?, self.deadlines.timeout)
    }

    fn log_in(&self, info: &ConnectionInfo) -> Result<Connection> {
        let (info, certificates) = (info.clone(), self.certificates());
        let timeout = self.deadlines.timeout;
        let connection = within(timeout, move || {
            first_to_answer(addresses(info)?, certificates, timeout)
        })?;
        connection.set_read_timeout(Some(timeout))?;
        connection.set_write_timeout(Some(timeout))?;
        Ok(connection)
    }

    pub(super) fn certificates(&self) -> Option<TlsCertificates> {
        let of = |Own { certificate, key }| ClientTlsConfig {
            client_cert: certificate,
            client_key: key,
        };
        let Tls { roots, own, .. } = self.tls.clone();
        (roots.is_some() || own.is_some()).then(|| TlsCertificates {
            client_tls: own.map(of),
            root_cert: roots,
        })
    }
}

/// A server by each of the addresses of its host. With TLS the name is needed, which the certificate is for.
fn addresses(info: ConnectionInfo) -> Result<Vec<ConnectionInfo>> {
    let ConnectionAddr::Tcp(host, port) = info.addr() else {
        return Ok(vec![info]);
    };
    let found = (host.as_str(), *port).to_socket_addrs();
    let found: Vec<_> = found.map_err(RedisError::from)?.collect();
    if found.len() < 2 {
        return Ok(vec![info]);
    }
    let at = |address: SocketAddr| {
        // With the scope of a link-local address, which its IP does not tell.
        let ip = match address {
            SocketAddr::V6(v6) if v6.scope_id() > 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            _ => address.ip().to_string(),
        };
        info.clone()
            .set_addr(ConnectionAddr::Tcp(ip, address.port()))
    };
    Ok(found.into_iter().map(at).collect())
}

/// The first connection that comes about. Each has its share of the time: the redis crate gives the first address all of
/// it.
fn first_to_answer(
    infos: Vec<ConnectionInfo>,
    certificates: Option<TlsCertificates>,
    timeout: Duration,
) -> Result<Connection> {
    let started = Instant::now();
    let mut failed = None;
    for (info, others) in infos.iter().zip((0..infos.len() as u32).rev()) {
        let client = match &certificates {
            Some(certificates) => Client::build_with_tls(info.clone(), certificates.clone())?,
            None => Client::open(info.clone())?,
        };
        let left = timeout.saturating_sub(started.elapsed()) / (others + 1);
        let error = match client.get_connection_with_timeout(left.max(Duration::from_millis(1))) {
            Ok(connection) => return Ok(connection),
            Err(error) => Error::from(error),
        };
        if !matches!(
            error,
            Error::TimedOut(_) | Error::NotListening(_) | Error::Unreachable(_)
        ) {
            return Err(error);
        }
        failed = Some(error);
    }
    Err(failed.unwrap_or_else(|| Error::Other("no address was asked".into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::IntoConnectionInfo;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn an_address_that_hangs_leaves_time_for_the_next_one() {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let info = |listener: &TcpListener| {
            let url = format!("redis://:secret@{}", listener.local_addr().unwrap());
            let info = url.into_connection_info().unwrap();
            let settings = info.redis_settings().clone().set_skip_set_lib_name();
            info.set_redis_settings(settings)
        };
        let infos: Vec<_> = listeners.iter().map(info).collect();
        let [_hangs, answers] = listeners;
        std::thread::spawn(move || {
            let (mut client, _) = answers.accept().unwrap();
            while client.read(&mut [0; 1_024]).is_ok_and(|length| length > 0) {
                client.write_all(b"+OK\r\n").unwrap();
            }
        });
        let started = Instant::now();
        let timeout = Duration::from_secs(2);
        assert!(first_to_answer(infos, None, timeout).is_ok());
        assert!(started.elapsed() < timeout, "{:?}", started.elapsed());
    }
}
