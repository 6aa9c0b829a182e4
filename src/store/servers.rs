//! Where the sets are, as `--redis` says it, and a connection to one server. Every wait has a bound.

use std::path::Path;

use redis::{Client, Connection, ConnectionInfo, RedisConnectionInfo, TlsCertificates};

use super::deadline::within;
use super::error::{Error, Peer, PeerError, Result};
use super::{identity, url};
use crate::failure::Failure;
use crate::password::Password;
use crate::peer::{Attempts, Deadlines, trusted};
use crate::shown::without_secrets;

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
    ca: Option<Vec<u8>>,
    deadlines: Deadlines,
}

impl Servers {
    /// `urls` is what `--redis` says; `password` goes before one in a URL; `ca` is a PEM file, the only root of trust.
    pub fn new(
        urls: &[String],
        topology: Topology,
        password: Option<&str>,
        ca: Option<&Path>,
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
        if ca.is_some() && !infos.iter().any(url::has_tls) {
            return Err(
                Failure::usage("--redis-ca is given, and no URL of --redis is with TLS")
                    .hint("rediss:// is with TLS; without it, leave out --redis-ca"),
            );
        }
        let shown: Vec<_> = urls.iter().map(|url| without_secrets(url)).collect();
        Ok(Self {
            topology,
            infos,
            shown: shown.join(", "),
            ca: ca
                .map(|file| trusted("--redis-ca", file).map(|(pem, _)| pem))
                .transpose()?,
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
        let client = match self.certificates() {
            Some(certificates) => Client::build_with_tls(info.clone(), certificates)?,
            None => Client::open(info.clone())?,
        };
        let timeout = self.deadlines.timeout;
        let connection = within(timeout, move || client.get_connection_with_timeout(timeout))?;
        connection.set_read_timeout(Some(timeout))?;
        connection.set_write_timeout(Some(timeout))?;
        Ok(connection)
    }

    pub(super) fn certificates(&self) -> Option<TlsCertificates> {
        let root_cert = Some(self.ca.clone()?);
        Some(TlsCertificates {
            client_tls: None,
            root_cert,
        })
    }
}
