//! The presence sets in Redis: read, remove, add. Only this folder knows the redis crate.
//!
//! Redis serves live calls meanwhile: no command here walks more than a few thousand members, and only a few are in
//! flight at a time.

mod bounded;
mod cluster;
mod link;
mod read;
mod sentinel;
mod servers;
mod trouble;

use std::thread;
use std::time::{Duration, Instant};

use redis::RedisResult;

use crate::failure::Failure;
use crate::roll_call::Rules;
use crate::sets::Sets;
use crate::shown::Shown;
use link::Link;
pub use servers::{Servers, Topology};
use trouble::Trouble;

/// How many members one SREM or SADD names.
const WRITE_COUNT: usize = 1_000;
/// What Redis is given to remove or to add in a row, in members.
const WRITE_PORTION: usize = 2_000;
/// What any command costs Redis, in members.
const COMMAND: usize = 5;

/// An open connection to the sets, opened anew when it breaks.
pub struct Store<'a> {
    servers: &'a Servers,
    link: Option<Link>,
    /// Keys of another type, once each.
    pub warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Remove,
    Add,
}

/// The members to remove from, or to add to, the set of a key.
pub struct Change<'a> {
    pub key: &'a [u8],
    pub members: Vec<&'a [u8]>,
}

/// How far a write came.
#[derive(Default)]
pub struct Written {
    /// Members that Redis confirmed.
    pub done: usize,
    /// Members that were sent when the connection broke for good.
    pub unsure: usize,
    pub failure: Option<Failure>,
}

impl<'a> Store<'a> {
    pub fn new(servers: &'a Servers) -> Self {
        Self {
            servers,
            link: None,
            warnings: Vec::new(),
        }
    }

    /// Reads every set under the prefix whose domain is in scope.
    pub fn read(&mut self, rules: &Rules) -> Result<Sets, Failure> {
        let (sets, others) = self.retrying(|link| read::sets(link, rules))??;
        self.warnings.extend(others.iter().map(|key| {
            format!(
                "{} is no set, so it was left alone; --exclude-domain leaves it out for good",
                Shown(key)
            )
        }));
        Ok(sets)
    }

    /// Removes or adds members. What was done is told also when it fails half way; doing it again does no harm.
    pub fn write(&mut self, verb: Verb, changes: &[Change]) -> Written {
        let chunks: Vec<_> = changes
            .iter()
            .flat_map(|change| {
                change
                    .members
                    .chunks(WRITE_COUNT)
                    .map(|members| (change.key, members))
            })
            .collect();
        // Not even a connection, which may fail.
        if chunks.is_empty() {
            return Written::default();
        }
        let (mut confirmed, mut unsure, mut others) = (0, 0, Vec::new());
        // What was sent over a connection that broke may have been done, whatever is said of it afterwards.
        let mut sent = 0;
        let written = self.retrying(|link| {
            sent = sent.max(confirmed + unsure);
            unsure = 0;
            write(
                link,
                verb,
                &chunks,
                &mut confirmed,
                &mut unsure,
                &mut others,
            )
        });
        self.warnings.extend(
            others
                .iter()
                .map(|key| format!("{} is no set any more, so it was left alone", Shown(key))),
        );
        let unsure = unsure.max(sent.saturating_sub(confirmed));
        let members =
            |chunks: &[(&[u8], &[&[u8]])]| chunks.iter().map(|(_, members)| members.len()).sum();
        Written {
            done: members(&chunks[..confirmed]),
            unsure: members(&chunks[confirmed..confirmed + unsure]),
            failure: written.err(),
        }
    }

    /// Does a job that may be begun again, over a new connection where the old one broke.
    fn retrying<T>(
        &mut self,
        mut job: impl FnMut(&mut Link) -> RedisResult<T>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(100);
        for tried in 0.. {
            let trouble = match self.try_once(&mut job) {
                Ok(done) => return Ok(done),
                Err(trouble) => trouble,
            };
            self.link = None;
            if !self
                .servers
                .worth_another_try(&trouble, tried, started.elapsed())
            {
                return Err(trouble::explain(&trouble, self.servers));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        unreachable!("the loop ends with a return")
    }

    fn try_once<T>(
        &mut self,
        job: &mut impl FnMut(&mut Link) -> RedisResult<T>,
    ) -> Result<T, Trouble> {
        let link = match &mut self.link {
            Some(link) => link,
            none => none.insert(self.servers.connect()?),
        };
        job(link).map_err(|error| Trouble {
            error,
            with: link.peer.clone(),
        })
    }
}

/// Writes from the first chunk that is not `confirmed`; `others` are keys that turned out to be no sets.
fn write(
    link: &mut Link,
    verb: Verb,
    chunks: &[(&[u8], &[&[u8]])],
    confirmed: &mut usize,
    unsure: &mut usize,
    others: &mut Vec<Vec<u8>>,
) -> RedisResult<()> {
    let mut sent = *confirmed;
    while *confirmed < chunks.len() {
        while !link.is_busy() && sent < chunks.len() {
            let (mut portion, mut work) = (Vec::new(), 0);
            while work < WRITE_PORTION && sent < chunks.len() {
                let (key, members) = chunks[sent];
                let mut command = redis::cmd(match verb {
                    Verb::Remove => "SREM",
                    Verb::Add => "SADD",
                });
                command.arg(key).arg(members);
                portion.push(command);
                work += members.len() + COMMAND;
                sent += 1;
            }
            *unsure = sent - *confirmed;
            link.send(portion)?;
        }
        match link.receive() {
            Ok(_) => {}
            Err(error) if trouble::is_wrong_type(&error) => {
                others.push(chunks[*confirmed].0.to_vec())
            }
            Err(error) => {
                if trouble::is_refusal(&error) {
                    let refused = |link: &mut Link| {
                        link.receive()
                            .is_err_and(|error| trouble::is_refusal(&error))
                    };
                    *unsure = (*confirmed + 1..sent).filter(|_| !refused(link)).count();
                }
                return Err(error);
            }
        }
        *confirmed += 1;
        *unsure = sent - *confirmed;
    }
    Ok(())
}
