//! The presence sets as they are: which keys there are, and their members.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use redis::Cmd;

use super::error::{Error, Result};
use super::pipeline::{COMMAND, Pipeline, advanced};
use super::server::Place;
use crate::matching::{Distinct, KeyId, MemberId, Rules, Sets};
use crate::peer::limits::KEYS_BYTES;

/// How many keys one SCAN looks at, and members one SSCAN: about a millisecond of Redis each.
const SCAN_COUNT: usize = 5_000;
const SSCAN_COUNT: usize = 2_000;
/// A set of at most so many members is read at once, by SMEMBERS: it costs Redis a quarter to three
/// quarters of what SSCAN does.
const MOST_AT_ONCE: usize = 10_000;
/// What Redis is given to do together, in members of SMEMBERS.
const READ_BATCH: usize = 5_000;
/// For how many keys SCARD is sent together.
const SIZES: usize = 1_000;
/// No more than one member in so many comes or goes while a set is scanned.
const CHANGE: usize = 100;
/// How often a set is scanned until all of it was reported. Slots that move interrupt a scan now and then.
const PASSES: usize = 100;

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
        let Some(Unread { key, way }) = in_flight.pop_front() else {
            return Ok((sets, wrong_type));
        };
        let counts = |member: &[u8]| !rules.excluded.contains(member);
        let next = match way {
            SetRead::Members(_) => {
                let mut add = |member: &[u8]| match counts(member) {
                    true => Ok(sets.add_member(key, member).map(drop)?),
                    false => Ok(()),
                };
                pipeline
                    .receive(|connection| connection.members(&mut add))
                    .map(|()| None)
            }
            SetRead::Scan(mut scan) => {
                let seen = seen.entry(key).or_default();
                let mut add = |member: &[u8]| match counts(member) {
                    true => Ok(sets.add_once(seen, key, member)?),
                    false => {
                        scan.excluded += 1;
                        Ok(())
                    }
                };
                pipeline
                    .receive(|connection| connection.page(&mut add))
                    .and_then(|next| scan.advanced(next, pipeline.answered_by()))
                    .map(Some)
            }
            SetRead::Check { excluded, passes } => pipeline
                .receive(|connection| connection.reply()?.into_number())
                .and_then(|size: usize| {
                    let is_short = is_short(sets.key(key).members + excluded, size);
                    is_short
                        .then(|| SetRead::after(passes, Error::EndlessScan))
                        .transpose()
                }),
        };
        match next {
            Ok(Some(way)) => queue.push_front(Unread { key, way }),
            Ok(None) => drop(seen.remove(&key)),
            Err(error) if error.is_wrong_type() => wrong_type.push(sets.key(key).name.clone()),
            Err(error) => return Err(error),
        }
    }
}

/// What one command reads of the set of a key.
struct Unread {
    key: KeyId,
    way: SetRead,
}

/// How a set is read.
enum SetRead {
    /// All of its members, as many as this.
    Members(usize),
    /// Some, from a cursor on.
    Scan(Scan),
    /// None: SCARD says how many there are.
    Check { excluded: usize, passes: usize },
}

#[derive(Default)]
struct Scan {
    cursor: u64,
    calls: u64,
    /// How many excluded members were reported. The others are counted once each.
    excluded: usize,
    /// How often the set was scanned before.
    passes: usize,
    /// Who gave the cursor. It means nothing to another server.
    by: Option<Place>,
}

impl Scan {
    fn advanced(mut self, next: u64, by: &Place) -> Result<SetRead> {
        if self.cursor != 0 && self.by.as_ref() != Some(by) {
            return SetRead::after(self.passes, Error::MovingSlots);
        }
        self.cursor = advanced(self.cursor, next, &mut self.calls)?;
        self.by = Some(by.clone());
        let (excluded, passes) = (self.excluded, self.passes);
        Ok(match self.cursor {
            0 => SetRead::Check { excluded, passes },
            _ => SetRead::Scan(self),
        })
    }
}

/// Whether SSCAN reported fewer members than come and go while a set is scanned.
fn is_short(members: usize, size: usize) -> bool {
    members + size / CHANGE < size
}

impl SetRead {
    /// From the start, after so many passes and one more. `endless` is why it never ends.
    fn after(passes: usize, endless: Error) -> Result<Self> {
        let passes = passes + 1;
        match passes < PASSES {
            true => Ok(Self::Scan(Scan {
                passes,
                ..Scan::default()
            })),
            false => Err(endless),
        }
    }
}

impl Unread {
    fn command(&self, sets: &Sets) -> Cmd {
        let key = &sets.key(self.key).name;
        match &self.way {
            SetRead::Members(_) => command("SMEMBERS", key),
            SetRead::Scan(Scan { cursor, .. }) => {
                let mut sscan = command("SSCAN", key);
                sscan.arg(cursor).arg("COUNT").arg(SSCAN_COUNT);
                sscan
            }
            SetRead::Check { .. } => command("SCARD", key),
        }
    }

    fn work(&self) -> usize {
        match self.way {
            SetRead::Members(members) => members + COMMAND,
            SetRead::Scan(_) => 4 * SSCAN_COUNT,
            SetRead::Check { .. } => COMMAND,
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
    let mut keys = keys(pipeline, rules)?;
    let in_scope = keys.len();
    keys.retain(|key| !rules.is_other(&key[rules.prefix.len()..]));
    sets.others = in_scope - keys.len();
    sizes(pipeline, &keys, |key, members| {
        let Some(members) = members else {
            wrong_type.push(key.clone());
            return Ok(());
        };
        let way = match members {
            0..=MOST_AT_ONCE => SetRead::Members(members),
            _ => SetRead::Scan(Scan::default()),
        };
        let key = sets.add_key(key.clone(), &key[rules.prefix.len()..])?;
        unread.push_back(Unread { key, way });
        Ok(())
    })?;
    Ok(unread)
}

/// How many members the set of each key has; None is a key that holds something else.
pub fn sizes(
    pipeline: &mut Pipeline,
    keys: &[Arc<[u8]>],
    mut visit: impl FnMut(&Arc<[u8]>, Option<usize>) -> Result<()>,
) -> Result<()> {
    let mut queue = keys.chunks(SIZES);
    for key in keys {
        while !pipeline.is_busy()
            && let Some(keys) = queue.next()
        {
            pipeline.send(keys.iter().map(|key| command("SCARD", key)).collect())?;
        }
        match pipeline.receive(|connection| connection.reply()?.into_number()) {
            Ok(members) => visit(key, Some(members))?,
            Err(error) if error.is_wrong_type() => visit(key, None)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn batch(queue: &mut VecDeque<Unread>) -> Vec<Unread> {
    let (mut batch, mut work) = (Vec::new(), 0);
    while work < READ_BATCH
        && let Some(item) = queue.pop_front()
    {
        work += item.work();
        batch.push(item);
    }
    batch
}

/// The keys under the prefix in scope, each once: SCAN may report one twice.
pub fn keys(pipeline: &mut Pipeline, rules: &Rules) -> Result<Vec<Arc<[u8]>>> {
    let mut pattern = glob_escaped(&rules.prefix);
    pattern.push(b'*');
    let (mut found, mut bytes) = (HashSet::<Arc<[u8]>, RandomState>::default(), 0);
    let scanned = pipeline.scan(
        |cursor| {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(SCAN_COUNT);
            scan
        },
        |connection| {
            connection.page(&mut |key| {
                let domain = key.strip_prefix(rules.prefix.as_slice());
                let in_scope = domain.is_some_and(|domain| rules.scope.contains(domain));
                if in_scope && !found.contains(key) {
                    bytes += key.len() + 100;
                    found.insert(key.into());
                }
                match bytes > KEYS_BYTES {
                    true => Err(Error::TooManyKeys),
                    false => Ok(()),
                }
            })
        },
    );
    scanned.map_err(Error::at_scan)?;
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

pub fn command(name: &str, key: &[u8]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(key);
    command
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
