//! The presence sets in Redis: read, remove, add. Only this folder knows the redis crate.
//!
//! Redis serves live calls meanwhile: no command here walks more than a few thousand members, and only a few are in
//! flight at a time.

mod cluster;
mod connection;
mod error;
mod explain;
mod facts;
mod hints;
mod identity;
mod pipeline;
mod put_back;
mod read;
mod reply;
mod sentinel;
mod server;
mod servers;
mod socket;
#[cfg(test)]
mod tests;
mod write;

use std::time::Instant;

use crate::failure::Failure;
use crate::matching::{Rules, Sets};
use crate::peer;
use crate::peer::limits::READING;
use crate::text::{Escaped, first_lines};
use connection::Connection;
use error::{Error, Peer, PeerError, Refusal};
use explain::{explain, warning_of_replica};
pub use facts::{Board, Facts, ServerFacts, Trial};
use identity::{Identity, identify};
use pipeline::{Pipeline, Reach};
use server::Server;
pub use servers::{Access, Servers, Topology};
use write::Write;
pub use write::{Change, Fate, Verb, Written};

/// For how many keys SADD is tried together.
const CHECKED_TOGETHER: usize = 1_000;

/// An open connection to the sets, opened anew when it breaks.
pub struct Store<'a> {
    servers: &'a Servers,
    prefix: &'a [u8],
    access: Access,
    pipeline: Option<Pipeline>,
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
        self.warnings
            .extend(first_lines(wrong_type.iter().map(|key| {
                format!(
                    "{} is no set, so it was left alone; --exclude-domain leaves it out for good",
                    Escaped(key)
                )
            })));
        Ok(sets)
    }

    /// What it is and allows, as far as it tells; or why it tells nothing. The sets stay as they are.
    pub fn facts(&mut self, rules: &Rules) -> Result<Facts, String> {
        // The connection there is may have been idle for long, which some do not allow.
        self.pipeline = None;
        let (servers, mut warnings) = (self.servers, Vec::new());
        let facts = self.try_once(
            servers,
            Reach::EveryMaster,
            &mut |pipeline: &mut Pipeline| {
                Ok(facts::gather(pipeline, servers, rules, &mut warnings))
            },
        );
        self.warnings.append(&mut warnings);
        facts.map_err(|error| explain(error, servers).to_string())
    }

    /// Shows that everyone whom `changes` remove can be put back: one member of each key is added to the set that holds it,
    /// which changes nothing. ACL DRYRUN does not see that memory is full, and then Redis runs SREM and refuses SADD.
    pub fn check_add<Id>(&mut self, changes: &[Change<Id>]) -> Result<(), Failure> {
        let add = |change: &Change<Id>| {
            let mut add = redis::cmd("SADD");
            add.arg(change.key).arg(change.members[0].1);
            add
        };
        self.retrying(|pipeline| {
            for batch in changes.chunks(CHECKED_TOGETHER) {
                pipeline.send(batch.iter().map(add).collect())?;
                for _ in batch {
                    match pipeline.receive(|connection| connection.reply()?.into_number::<usize>())
                    {
                        Err(error) if !error.is_wrong_type() => return Err(error),
                        _ => {}
                    }
                }
            }
            Ok(())
        })
    }

    /// Writes a key that is none of the sets.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        self.retrying(|pipeline| {
            let mut set = redis::cmd("SET");
            set.arg(key).arg(value);
            pipeline.send(vec![set])?;
            pipeline.receive(Connection::reply).map(drop)
        })
    }

    /// Removes or adds members, as long as it `may_go_on`. It says what was done also when it fails half way; doing it
    /// again does no harm.
    pub fn write<Id: Copy>(
        &mut self,
        verb: Verb,
        changes: &[Change<Id>],
        may_go_on: &dyn Fn() -> bool,
    ) -> Written<Id> {
        let mut write = Write::new(verb, changes);
        // Not even a connection, which may fail.
        if write.open().is_empty() {
            return write.ended(None);
        }
        let servers = match verb {
            Verb::Remove => self.servers.hurried(self.servers.deadlines().timeout),
            Verb::Add => self.servers.clone(),
        };
        let send = |pipeline: &mut Pipeline| write.send(pipeline, may_go_on);
        let written = self.retrying_while(&servers, may_go_on, send);
        self.warn_of_wrong_types(&write);
        write.ended(written.err())
    }

    fn warn_of_wrong_types<Id: Copy>(&mut self, write: &Write<Id>) {
        let mut warned: Vec<_> = write.wrong_types().collect();
        warned.dedup();
        let warning =
            |key: &[u8]| format!("{} is no set any more, so it was left alone", Escaped(key));
        self.warnings
            .extend(first_lines(warned.into_iter().map(warning)));
    }

    /// Does a job that may be begun again, over a new connection where the old one broke.
    fn retrying<T>(
        &mut self,
        job: impl FnMut(&mut Pipeline) -> error::Result<T>,
    ) -> Result<T, Failure> {
        self.retrying_while(self.servers, &|| true, job)
    }

    fn retrying_while<T>(
        &mut self,
        servers: &Servers,
        may_go_on: &dyn Fn() -> bool,
        mut job: impl FnMut(&mut Pipeline) -> error::Result<T>,
    ) -> Result<T, Failure> {
        let attempt = || {
            let done = self.try_once(servers, Reach::EveryMaster, &mut job);
            if done.is_err() {
                self.pipeline = None;
            }
            done
        };
        let done = peer::retrying(attempt, |error, attempts| {
            may_go_on() && servers.worth_another_try(error, attempts)
        });
        done.map_err(|error| explain(error, servers))
    }

    fn try_once<T>(
        &mut self,
        servers: &Servers,
        reach: Reach,
        job: &mut impl FnMut(&mut Pipeline) -> error::Result<T>,
    ) -> Result<T, PeerError> {
        let pipeline = self.pipeline(servers, reach)?;
        job(pipeline).map_err(|error| pipeline.peer().error(error))
    }

    /// The one there is, or a new one.
    fn pipeline(&mut self, servers: &Servers, reach: Reach) -> Result<&mut Pipeline, PeerError> {
        let pipeline = match self.pipeline.take() {
            Some(pipeline) => pipeline.timed_by(servers.clone()),
            None => connect(servers.clone(), self.prefix, self.access, reach)?,
        };
        let pipeline = self.pipeline.insert(pipeline);
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
fn connect(
    mut servers: Servers,
    prefix: &[u8],
    access: Access,
    reach: Reach,
) -> Result<Pipeline, PeerError> {
    servers.begin();
    match &servers.topology {
        Topology::One => {
            let server = servers.given[0].clone();
            to_one(servers, server, Peer::Configured, prefix, access)
        }
        Topology::Cluster => Pipeline::to_cluster(servers, reach),
        Topology::Sentinel(name) => {
            let master = sentinel::master(&servers, name);
            let master = master.map_err(|error| Peer::Configured.error(error))?;
            let peer = Peer::Discovered(Some(master.shown()));
            to_one(servers, master, peer, prefix, access)
        }
    }
}

/// A server that holds all sets, unless it is a replica and the run may write.
fn to_one(
    servers: Servers,
    server: Server,
    peer: Peer,
    prefix: &[u8],
    access: Access,
) -> Result<Pipeline, PeerError> {
    let asked = |server: &Server| servers.ask(server, |open| identify(open, prefix));
    let (connection, identity) = asked(&server)
        .or_else(|error| match error.refusal() {
            // Valkey 9 refuses a database of a cluster's node in the words of any server.
            Some(Refusal::NoSuchDatabase) => match asked(&server.in_database(0))? {
                node @ (_, Identity::ClusterNode) => Ok(node),
                _ => Err(error),
            },
            _ => Err(error),
        })
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
