//! Removes members from sets and adds members to them, one batch at a time.

use std::iter::repeat_n;
use std::ops::Range;

use redis::Cmd;

use super::connection::Connection;
use super::error::Result;
use super::pipeline::{COMMAND, Pipeline};
use crate::failure::Failure;

/// How many members one SREM or SADD names.
const MOST_MEMBERS: usize = 1_000;
/// What Redis is given to remove or to add in a row, in members.
const BATCH: usize = 2_000;

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

/// What became of a member that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Never sent, or refused: it is as it was.
    Untouched,
    /// Sent, and Redis did not say that it was done.
    Unsure,
    /// Redis confirmed it.
    Done,
    /// Its key holds no set any more.
    WrongType,
}

/// How far a write came.
#[derive(Default)]
pub struct Written {
    /// Of each member, in the order of the changes.
    pub fates: Vec<Fate>,
    pub failure: Option<Failure>,
}

impl Written {
    pub fn count(&self, fate: Fate) -> usize {
        self.fates.iter().filter(|one| **one == fate).count()
    }
}

/// A write under way: at most one batch of commands was sent and is not confirmed, the first of those that are not done.
pub struct Write<'a> {
    verb: Verb,
    commands: Vec<Command<'a>>,
}

struct Command<'a> {
    key: &'a [u8],
    members: &'a [&'a [u8]],
    fate: Fate,
}

impl<'a> Write<'a> {
    pub fn new(verb: Verb, changes: &'a [Change<'a>]) -> Self {
        let command = |change: &'a Change<'a>| {
            change.members.chunks(MOST_MEMBERS).map(|members| Command {
                key: change.key,
                members,
                fate: Fate::Untouched,
            })
        };
        Self {
            verb,
            commands: changes.iter().flat_map(command).collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Sends what is not done yet, batch by batch, as long as it `may_go_on`. Over another pipeline it may be called again.
    pub fn send(&mut self, pipeline: &mut Pipeline, may_go_on: &dyn Fn() -> bool) -> Result<()> {
        while let Some(batch) = self.next_batch()
            && may_go_on()
        {
            self.exchange(batch, pipeline)?;
        }
        Ok(())
    }

    fn next_batch(&self) -> Option<Range<usize>> {
        let open = |command: &Command| matches!(command.fate, Fate::Untouched | Fate::Unsure);
        let start = self.commands.iter().position(open)?;
        let mut work = 0;
        let fits = |command: &&Command| {
            let begun_below = work < BATCH;
            work += command.members.len() + COMMAND;
            begun_below && open(command)
        };
        let length = self.commands[start..].iter().take_while(fits).count();
        Some(start..start + length)
    }

    fn exchange(&mut self, batch: Range<usize>, pipeline: &mut Pipeline) -> Result<()> {
        let batch = &mut self.commands[batch];
        let before: Vec<_> = batch.iter().map(|command| command.fate).collect();
        batch
            .iter_mut()
            .for_each(|command| command.fate = Fate::Unsure);
        pipeline.send(
            batch
                .iter()
                .map(|command| command.packed(self.verb))
                .collect(),
        )?;
        let mut refused = Ok(());
        for (command, before) in batch.iter_mut().zip(before) {
            match pipeline.receive(Connection::reply) {
                Ok(_) => command.fate = Fate::Done,
                Err(error) if error.is_wrong_type() => command.fate = Fate::WrongType,
                // It was not run this time. What was sent over a pipeline that broke may have been.
                Err(error) if error.refusal().is_some() => {
                    command.fate = before;
                    refused = refused.and(Err(error));
                }
                Err(error) => return refused.and(Err(error)),
            }
        }
        refused
    }

    pub fn wrong_types(&self) -> impl Iterator<Item = &[u8]> {
        let wrong = |command: &&Command| command.fate == Fate::WrongType;
        self.commands
            .iter()
            .filter(wrong)
            .map(|command| command.key)
    }

    pub fn ended(&self, failure: Option<Failure>) -> Written {
        let fates = |command: &Command| repeat_n(command.fate, command.members.len());
        Written {
            fates: self.commands.iter().flat_map(fates).collect(),
            failure,
        }
    }
}

impl Command<'_> {
    fn packed(&self, verb: Verb) -> Cmd {
        let mut command = redis::cmd(match verb {
            Verb::Remove => "SREM",
            Verb::Add => "SADD",
        });
        command.arg(self.key).arg(self.members);
        command
    }
}
