//! The presence sets as they are: which keys there are, and their members.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use redis::{Cmd, Value};

use super::COMMAND;
use super::error::{Error, Result};
use super::link::{Link, advanced};
use crate::index::Index;
use crate::limits::KEYS_BYTES;
use crate::roll_call::Rules;
use crate::sets::Sets;

/// How many keys one SCAN looks at, and members one SSCAN: about a millisecond of Redis each.
const SCAN_COUNT: usize = 5_000;
const SSCAN_COUNT: usize = 2_000;
/// A set of at most so many members is read at once, by SMEMBERS: it costs Redis a quarter to three
/// quarters of what SSCAN does.
const MOST_AT_ONCE: usize = 10_000;
/// What Redis is given to do together, in members of SMEMBERS.
const PORTION: usize = 5_000;
/// For how many keys SCARD is sent together.
const SIZES: usize = 1_000;

/// The sets, and the keys that hold something else.
pub fn sets(link: &mut Link, rules: &Rules) -> Result<(Sets, Vec<Arc<[u8]>>)> {
    let mut sets = Sets::new(rules.user_case);
    let mut others = Vec::new();
    // SSCAN may report a member twice.
    let mut seen = Index::default();
    let mut ahead = parts(link, rules, &mut sets, &mut others)?;
    let mut in_flight = VecDeque::new();
    loop {
        // Redis goes on with the next portion while this one is read.
        while !link.is_busy() && !ahead.is_empty() {
            let portion = portion(&mut ahead);
            link.send(portion.iter().map(|part| part.command(&sets)).collect())?;
            in_flight.extend(portion);
        }
        let Some(part) = in_flight.pop_front() else {
            return Ok((sets, others));
        };
        let (members, next) = match link.receive().and_then(|reply| part.read(reply)) {
            Ok(read) => read,
            Err(error) if error.is_wrong_type() => {
                others.push(part.key_in(&sets).clone());
                (Vec::new(), None)
            }
            Err(error) => return Err(error),
        };
        if let Some(share) = next {
            ahead.push_front(Part { share, ..part });
        }
        for member in members {
            match part.share {
                Share::Whole(_) => sets.add_member(part.key, &member).map(drop),
                Share::From { .. } => sets.add_once(&mut seen, part.key, &member),
            }?;
        }
    }
}

/// What one command reads of the set of a key.
#[derive(Clone, Copy)]
struct Part {
    key: u32,
    share: Share,
}

#[derive(Clone, Copy)]
enum Share {
    /// All of its members, as many as this.
    Whole(usize),
    /// Some, from a cursor on, after so many calls.
    From { cursor: u64, calls: u64 },
}

impl Part {
    fn key_in<'a>(&self, sets: &'a Sets) -> &'a Arc<[u8]> {
        &sets.keys[self.key as usize].name
    }

    fn command(&self, sets: &Sets) -> Cmd {
        let key = self.key_in(sets);
        match self.share {
            Share::Whole(_) => command("SMEMBERS", key),
            Share::From { cursor, .. } => {
                let mut sscan = command("SSCAN", key);
                sscan.arg(cursor).arg("COUNT").arg(SSCAN_COUNT);
                sscan
            }
        }
    }

    fn work(&self) -> usize {
        match self.share {
            Share::Whole(members) => members + COMMAND,
            Share::From { .. } => 4 * SSCAN_COUNT,
        }
    }

    /// The members, and what is left to read.
    fn read(&self, reply: Value) -> Result<(Vec<Vec<u8>>, Option<Share>)> {
        match self.share {
            Share::Whole(_) => Ok((redis::from_redis_value(reply)?, None)),
            Share::From { cursor, mut calls } => {
                let (next, members) = page(reply)?;
                let cursor = advanced(cursor, next, &mut calls)?;
                let left = (cursor != 0).then_some(Share::From { cursor, calls });
                Ok((members, left))
            }
        }
    }
}

/// The keys become those of `sets`; `others` are those that hold something else.
fn parts(
    link: &mut Link,
    rules: &Rules,
    sets: &mut Sets,
    others: &mut Vec<Arc<[u8]>>,
) -> Result<VecDeque<Part>> {
    let mut parts = VecDeque::new();
    let keys = keys(link, rules)?;
    let mut ahead = keys.chunks(SIZES);
    for key in &keys {
        while !link.is_busy()
            && let Some(keys) = ahead.next()
        {
            link.send(keys.iter().map(|key| command("SCARD", key)).collect())?;
        }
        let members = match link.receive() {
            Ok(members) => redis::from_redis_value(members)?,
            Err(error) if error.is_wrong_type() => {
                others.push(key.clone());
                continue;
            }
            Err(error) => return Err(error),
        };
        let share = match members {
            0..=MOST_AT_ONCE => Share::Whole(members),
            _ => Share::From {
                cursor: 0,
                calls: 0,
            },
        };
        let key = sets.add_key(key.clone(), &key[rules.prefix.len()..])?;
        parts.push_back(Part { key, share });
    }
    Ok(parts)
}

fn portion(ahead: &mut VecDeque<Part>) -> Vec<Part> {
    let (mut portion, mut work) = (Vec::new(), 0);
    while work < PORTION
        && let Some(part) = ahead.pop_front()
    {
        work += part.work();
        portion.push(part);
    }
    portion
}

/// The keys under the prefix in scope, each once: SCAN may report one twice.
fn keys(link: &mut Link, rules: &Rules) -> Result<Vec<Arc<[u8]>>> {
    let mut pattern = glob_escaped(&rules.prefix);
    pattern.push(b'*');
    let (mut found, mut bytes) = (HashSet::<_, RandomState>::default(), 0);
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
            for key in keys {
                let domain = key.strip_prefix(rules.prefix.as_slice());
                if domain.is_some_and(|domain| rules.scope.contains(domain)) {
                    bytes += key.len() + 100;
                    found.insert(key.into());
                }
            }
            if bytes > KEYS_BYTES {
                return Err(Error::TooManyKeys);
            }
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

fn command(name: &str, key: &[u8]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(key);
    command
}

/// A reply of SCAN or SSCAN.
fn page(reply: Value) -> Result<(u64, Vec<Vec<u8>>)> {
    Ok(redis::from_redis_value(reply)?)
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
