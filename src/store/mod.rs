//! The presence sets in Redis: read, remove, add. Only this folder knows the redis crate.
//!
//! Redis serves live calls meanwhile: no command here walks more than a few thousand members, and only a few are in
//! flight at a time.

mod cluster;
mod connection;
mod error;
mod explain;
mod identity;
mod pipeline;
mod read;
mod sentinel;
mod servers;
mod url;
mod write;

use std::time::Instant;

use crate::failure::Failure;
use crate::matching::{Rules, Sets};
use crate::peer;
use crate::peer::limits::READING;
use crate::text::Shown;
use connection::Connection;
use error::{Error, Peer, PeerError};
use explain::{explain, warning_of_replica};
use identity::{Identity, identify};
use pipeline::Pipeline;
use servers::Server;
pub use servers::{Access, Servers, Topology};
use write::Write;
pub use write::{Change, Fate, Verb, Written};

/// An open connection to the sets, opened anew when it breaks.
pub struct Store<'a> {
    servers: &'a Servers,
    prefix: &'a [u8],
    access: Access,
    pipeline: Option<Pipeline<'a>>,
    /// Keys of another type, and a replica, once each.
    pub warnings: Vec<String>,
}

impl<'a> Store<'a> {
    /// `prefix` is that of the sets.
    pub fn new(servers: &'a Servers, prefix: &'a [u8], access: Access) -> Self {
        Self {
            servers,
            prefix,
            access,
            pipeline: None,
            warnings: Vec::new(),
        }
    }

    /// Reads every set under the prefix whose domain is in scope.
    pub fn read(&mut self, rules: &Rules) -> Result<Sets, Failure> {
        let longest = self.servers.deadlines().timeout.saturating_mul(READING);
        let until = Instant::now().checked_add(longest);
        let (sets, wrong_type) = self.retrying(|pipeline| {
            pipeline.read_until = until.map(|until| (until, longest));
            let read = read::sets(pipeline, rules);
            pipeline.read_until = None;
            read
        })?;
        self.warnings.extend(wrong_type.iter().map(|key| {
            format!(
                "{} is no set, so it was left alone; --exclude-domain leaves it out for good",
                Shown(key)
            )
        }));
        Ok(sets)
    }

    /// Shows that everyone whom `changes` remove can be put back: on each master one of the members is added to the set
    /// that holds it, which changes nothing. At `maxmemory` a Redis runs SREM and refuses SADD.
    pub fn check_add(&mut self, changes: &[Change]) -> Result<(), Failure> {
        if changes.is_empty() {
            return Ok(());
        }
        self.retrying(|pipeline| {
            let keys = changes.iter().map(|change| change.key);
            let ones = pipeline.one_of_each_master(keys);
            let add = |one: &usize| {
                let Change { key, members } = &changes[*one];
                let mut add = redis::cmd("SADD");
                add.arg(key).arg(members[0]);
                add
            };
            pipeline.send(ones.iter().map(add).collect())?;
            for _ in ones {
                match pipeline.receive(Connection::reply) {
                    Err(error) if !error.is_wrong_type() => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        })
    }

    /// Removes or adds members, as long as it `may_go_on`. It says what was done also when it fails half way; doing it
    /// again does no harm.
    pub fn write(
        &mut self,
        verb: Verb,
        changes: &[Change],
        may_go_on: &dyn Fn() -> bool,
    ) -> Written {
        let mut write = Write::new(verb, changes);
        // Not even a connection, which may fail.
        if write.is_empty() {
            return Written::default();
        }
        let written = self.retrying(|pipeline| write.send(pipeline, may_go_on));
        let mut warned: Vec<_> = write.wrong_types().collect();
        warned.dedup();
        let warning =
            |key: &[u8]| format!("{} is no set any more, so it was left alone", Shown(key));
        self.warnings.extend(warned.into_iter().map(warning));
        write.ended(written.err())
    }

    /// Does a job that may be begun again, over a new connection where the old one broke.
    fn retrying<T>(
        &mut self,
        mut job: impl FnMut(&mut Pipeline<'a>) -> error::Result<T>,
    ) -> Result<T, Failure> {
        let servers = self.servers;
        let attempt = || {
            let done = self.try_once(&mut job);
            if done.is_err() {
                self.pipeline = None;
            }
            done
        };
        let done = peer::retrying(attempt, |error, attempts| {
            servers.worth_another_try(error, attempts)
        });
        done.map_err(|error| explain(error, servers))
    }

    fn try_once<T>(
        &mut self,
        job: &mut impl FnMut(&mut Pipeline<'a>) -> error::Result<T>,
    ) -> Result<T, PeerError> {
        let pipeline = self.pipeline()?;
        job(pipeline).map_err(|error| pipeline.peer().error(error))
    }

    /// The one there is, or a new one.
    fn pipeline(&mut self) -> Result<&mut Pipeline<'a>, PeerError> {
        let pipeline = match &mut self.pipeline {
            Some(pipeline) => pipeline,
            none => none.insert(connect(self.servers, self.prefix, self.access)?),
        };
        if pipeline.is_replica {
            let warning = warning_of_replica(pipeline.peer(), self.servers);
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        Ok(pipeline)
    }
}

/// The way to the sets: one server, a cluster, or a master that sentinels name.
fn connect<'a>(
    servers: &'a Servers,
    prefix: &[u8],
    access: Access,
) -> Result<Pipeline<'a>, PeerError> {
    match &servers.topology {
        Topology::One => {
            let server = servers.given[0].clone();
            to_one(servers, server, Peer::Configured, prefix, access)
        }
        Topology::Cluster => Pipeline::to_cluster(servers),
        Topology::Sentinel(name) => {
            let master = sentinel::master(servers, name);
            let master = master.map_err(|error| Peer::Configured.error(error))?;
            let peer = Peer::Discovered(Some(master.shown()));
            to_one(servers, master, peer, prefix, access)
        }
    }
}

/// A server that holds all sets, unless it is a replica and the run may write.
fn to_one<'a>(
    servers: &'a Servers,
    server: Server,
    peer: Peer,
    prefix: &[u8],
    access: Access,
) -> Result<Pipeline<'a>, PeerError> {
    let (connection, identity) = servers
        .ask(&server, |open| identify(open, prefix))
        .map_err(|error| peer.error(error))?;
    let unsuitable = match identity {
        Identity::ClusterNode => Some(Error::ClusterNode),
        Identity::Sentinel => Some(Error::Sentinel),
        Identity::Replica if access == Access::Change => Some(Error::replica()),
        Identity::Replica | Identity::Server => None,
    };
    if let Some(error) = unsuitable {
        return Err(peer.error(error));
    }
    let mut pipeline = Pipeline::to_one(servers, server, peer, connection);
    pipeline.is_replica = identity == Identity::Replica;
    Ok(pipeline)
}
