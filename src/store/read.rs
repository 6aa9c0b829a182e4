//! The presence sets as they are: which keys there are, and their members.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use redis::{Cmd, Value};

use super::error::{Error, Result};
use super::pipeline::{COMMAND, Pipeline, advanced};
use crate::matching::{Distinct, KeyId, MemberId, Rules, Sets};
use crate::peer::limits::KEYS_BYTES;

/// How many keys one SCAN looks at, and members one SSCAN: about a millisecond of Redis each.
const SCAN_COUNT: usize = 5_000;
const SSCAN_COUNT: usize = 2_000;
/// A set of at most so many members is read at once, by SMEMBERS: it costs Redis a quarter to three
/// quarters of what SSCAN does.
const MOST_AT_ONCE: usize = 10_000;
/// What Redis is given to do together, in members of SMEMBERS.
const BATCH: usize = 5_000;
/// For how many keys SCARD is sent together.
const SIZES: usize = 1_000;

/// The sets without the users who are excluded, and the keys that hold something else.
pub fn sets(pipeline: &mut Pipeline, rules: &Rules) -> Result<(Sets, Vec<Arc<[u8]>>)> {
    let mut sets = Sets::new(rules.user_case);
    let mut wrong_type = Vec::new();
    // SSCAN may report a member twice. Of each set that is being scanned, whom it has reported.
    let mut seen: HashMap<KeyId, Distinct<MemberId>> = HashMap::new();
    let mut queue = unread(pipeline, rules, &mut sets, &mut wrong_type)?;
    let mut in_flight = VecDeque::new();
    loop {
        // Redis goes on with the next batch while this one is read.
        while !pipeline.is_busy() && !queue.is_empty() {
            let batch = batch(&mut queue);
            pipeline.send(batch.iter().map(|item| item.command(&sets)).collect())?;
            in_flight.extend(batch);
        }
        let Some(item) = in_flight.pop_front() else {
            return Ok((sets, wrong_type));
        };
        let (members, next) = match pipeline.receive().and_then(|reply| item.read(reply)) {
            Ok(read) => read,
            Err(error) if error.is_wrong_type() => {
                wrong_type.push(item.key_in(&sets).clone());
                (Vec::new(), None)
            }
            Err(error) => return Err(error),
        };
        let counts = |member: &Vec<u8>| !rules.excluded.contains(member);
        let mut members = members.into_iter().filter(counts);
        match item.way {
            SetRead::Members(_) => {
                members.try_for_each(|member| sets.add_member(item.key, &member).map(drop))
            }
            SetRead::Scan { .. } => {
                let seen = seen.entry(item.key).or_default();
                members.try_for_each(|member| sets.add_once(seen, item.key, &member))
            }
        }?;
        match next {
            Some(way) => queue.push_front(Unread { way, ..item }),
            None => drop(seen.remove(&item.key)),
        }
    }
}

/// What one command reads of the set of a key.
#[derive(Clone, Copy)]
struct Unread {
    key: KeyId,
    way: SetRead,
}

/// How a set is read.
#[derive(Clone, Copy)]
enum SetRead {
    /// All of its members, as many as this.
    Members(usize),
    /// Some, from a cursor on, after so many calls.
    Scan { cursor: u64, calls: u64 },
}

impl Unread {
    fn key_in<'a>(&self, sets: &'a Sets) -> &'a Arc<[u8]> {
        &sets.key(self.key).name
    }

    fn command(&self, sets: &Sets) -> Cmd {
        let key = self.key_in(sets);
        match self.way {
            SetRead::Members(_) => command("SMEMBERS", key),
            SetRead::Scan { cursor, .. } => {
                let mut sscan = command("SSCAN", key);
                sscan.arg(cursor).arg("COUNT").arg(SSCAN_COUNT);
                sscan
            }
        }
    }

    fn work(&self) -> usize {
        match self.way {
            SetRead::Members(members) => members + COMMAND,
            SetRead::Scan { .. } => 4 * SSCAN_COUNT,
        }
    }

    /// The members, and what is left to read.
    fn read(&self, reply: Value) -> Result<(Vec<Vec<u8>>, Option<SetRead>)> {
        match self.way {
            SetRead::Members(_) => Ok((redis::from_redis_value(reply)?, None)),
            SetRead::Scan { cursor, mut calls } => {
                let (next, members) = page(reply)?;
                let cursor = advanced(cursor, next, &mut calls)?;
                let left = (cursor != 0).then_some(SetRead::Scan { cursor, calls });
                Ok((members, left))
            }
        }
    }
}

/// The keys become those of `sets`; `wrong_type` are those that hold something else.
fn unread(
    pipeline: &mut Pipeline,
    rules: &Rules,
    sets: &mut Sets,
    wrong_type: &mut Vec<Arc<[u8]>>,
) -> Result<VecDeque<Unread>> {
    let mut unread = VecDeque::new();
    let keys = keys(pipeline, rules)?;
    let mut queue = keys.chunks(SIZES);
    for key in &keys {
        while !pipeline.is_busy()
            && let Some(keys) = queue.next()
        {
            pipeline.send(keys.iter().map(|key| command("SCARD", key)).collect())?;
        }
        let members = match pipeline.receive() {
            Ok(members) => redis::from_redis_value(members)?,
            Err(error) if error.is_wrong_type() => {
                wrong_type.push(key.clone());
                continue;
            }
            Err(error) => return Err(error),
        };
        let way = match members {
            0..=MOST_AT_ONCE => SetRead::Members(members),
            _ => SetRead::Scan {
                cursor: 0,
                calls: 0,
            },
        };
        let key = sets.add_key(key.clone(), &key[rules.prefix.len()..])?;
        unread.push_back(Unread { key, way });
    }
    Ok(unread)
}

fn batch(queue: &mut VecDeque<Unread>) -> Vec<Unread> {
    let (mut batch, mut work) = (Vec::new(), 0);
    while work < BATCH
        && let Some(item) = queue.pop_front()
    {
        work += item.work();
        batch.push(item);
    }
    batch
}

/// The keys under the prefix in scope, each once: SCAN may report one twice.
fn keys(pipeline: &mut Pipeline, rules: &Rules) -> Result<Vec<Arc<[u8]>>> {
    let mut pattern = glob_escaped(&rules.prefix);
    pattern.push(b'*');
    let (mut found, mut bytes) = (HashSet::<_, RandomState>::default(), 0);
    pipeline.scan(
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
