//! The presence sets in Redis: read, remove, add. Only this folder knows the redis crate.
//!
//! Redis serves live calls meanwhile: no command here walks more than a few thousand members, and only a few are in
//! flight at a time.

mod link;
mod trouble;

use std::collections::{HashSet, VecDeque};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisResult, Value};

use crate::failure::Failure;
use crate::roll_call::Rules;
use crate::sets::Sets;
use crate::shown::Shown;
use link::Link;
pub use link::{Servers, Topology};

/// How many keys one SCAN looks at, and members one SSCAN: about a millisecond of Redis each.
const SCAN_COUNT: usize = 5_000;
const SSCAN_COUNT: usize = 2_000;
/// How many members one SREM or SADD names.
const WRITE_COUNT: usize = 1_000;
/// Commands sent ahead of their replies. Redis runs those of one client in a row.
const READS_IN_FLIGHT: usize = 32;
const WRITES_IN_FLIGHT: usize = 4;

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
        let (sets, others) = self.retrying(|link| read(link, rules))??;
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
        let (mut confirmed, mut unsure, mut others) = (0, 0, Vec::new());
        let written = self.retrying(|link| {
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
                .map(|key| format!("{} is no set: nothing was added to it", Shown(key))),
        );
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
            let error = match self.link().and_then(&mut job) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            self.link = None;
            if !self
                .servers
                .worth_another_try(&error, tried, started.elapsed())
            {
                return Err(trouble::explain(&error, self.servers));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        unreachable!("the loop ends with a return")
    }

    fn link(&mut self) -> RedisResult<&mut Link> {
        match &mut self.link {
            Some(link) => Ok(link),
            none => Ok(none.insert(self.servers.connect()?)),
        }
    }
}

type Read = Result<(Sets, Vec<Vec<u8>>), Failure>;

/// The sets, and the keys that hold something else.
fn read(link: &mut Link, rules: &Rules) -> RedisResult<Read> {
    let mut keys: VecDeque<_> = keys(link, rules)?.into();
    let mut sets = Sets::new(rules.user_case);
    let mut others = Vec::new();
    let mut in_flight = VecDeque::new();
    loop {
        while in_flight.len() < READS_IN_FLIGHT {
            let Some(key) = keys.pop_front() else { break };
            link.send(sscan(&key, 0))?;
            in_flight.push_back((key, None));
        }
        let Some((key, number)) = in_flight.pop_front() else {
            return Ok(Ok((sets, others)));
        };
        let (cursor, members) = match link.receive().and_then(page) {
            Ok(page) => page,
            Err(error) if trouble::is_wrong_type(&error) => {
                others.push(key);
                continue;
            }
            Err(error) => return Err(error),
        };
        let number =
            number.unwrap_or_else(|| sets.add_key(key.clone(), &key[rules.prefix.len()..]));
        if cursor != 0 {
            link.send(sscan(&key, cursor))?;
            in_flight.push_back((key, Some(number)));
        }
        for member in members {
            if let Err(failure) = sets.add_member(number, &member) {
                return Ok(Err(failure));
            }
        }
    }
}

/// The keys under the prefix in scope, each once: SCAN may report one twice.
fn keys(link: &mut Link, rules: &Rules) -> RedisResult<Vec<Vec<u8>>> {
    let mut pattern = glob_escaped(&rules.prefix);
    pattern.push(b'*');
    let mut found = HashSet::new();
    link.scan(
        |cursor| {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(SCAN_COUNT);
            scan
        },
        |reply| {
            let (cursor, keys) = page(reply)?;
            found.extend(keys.into_iter().filter(|key| {
                key.strip_prefix(rules.prefix.as_slice())
                    .is_some_and(|domain| rules.scope.contains(domain))
            }));
            Ok(cursor)
        },
    )?;
    Ok(found.into_iter().collect())
}

/// SCAN's pattern is a glob, a prefix is not.
fn glob_escaped(prefix: &[u8]) -> Vec<u8> {
    prefix
        .iter()
        .flat_map(|byte| {
            if b"*?[]^\\-".contains(byte) {
                vec![b'\\', *byte]
            } else {
                vec![*byte]
            }
        })
        .collect()
}

fn sscan(key: &[u8], cursor: u64) -> Cmd {
    let mut sscan = redis::cmd("SSCAN");
    sscan.arg(key).arg(cursor).arg("COUNT").arg(SSCAN_COUNT);
    sscan
}

/// A reply of SCAN or SSCAN.
fn page(reply: Value) -> RedisResult<(u64, Vec<Vec<u8>>)> {
    Ok(redis::from_redis_value(reply)?)
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
        while sent < chunks.len().min(*confirmed + WRITES_IN_FLIGHT) {
            let (key, members) = chunks[sent];
            let mut command = redis::cmd(match verb {
                Verb::Remove => "SREM",
                Verb::Add => "SADD",
            });
            command.arg(key).arg(members);
            sent += 1;
            *unsure = sent - *confirmed;
            link.send(command)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_literally() {
        assert_eq!(glob_escaped(b"ONLINE:"), b"ONLINE:");
        assert_eq!(glob_escaped(b"a*[b]?\\"), b"a\\*\\[b\\]\\?\\\\");
    }
}
