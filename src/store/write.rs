//! Removes members from sets and adds members to them, one batch at a time.

use redis::Cmd;

use super::connection::Connection;
use super::error::{Error, Refusal, Result};
use super::pipeline::{COMMAND, Pipeline};
use super::server::Place;
use crate::failure::Failure;

/// How many members one SREM or SADD names.
const MOST_MEMBERS: usize = 1_000;
/// What Redis is given to remove or to add in a row, in members.
const WRITE_BATCH: usize = 2_000;
/// How often what was confirmed is sent again: a server may hang before it dies.
const MOST_REPEATS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Remove,
    Add,
}

/// The members to remove from, or to add to, the set of a key; what each is to the caller, and its name.
pub struct Change<'a, Id> {
    pub key: &'a [u8],
    pub members: Vec<(Id, &'a [u8])>,
}

/// What became of a member that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Never sent, or refused: it is as it was.
    Untouched,
    /// Sent, and Redis did not say that it was done.
    Unconfirmed,
    /// Redis confirmed it.
    Done,
    /// Redis confirmed it, broke the connection, and did not confirm it again: it may have lost it.
    PerhapsLost,
    /// Its key holds no set any more.
    WrongType,
}

/// How far a write came.
pub struct Written<Id> {
    pub fates: Vec<(Id, Fate)>,
    /// Sent at least once without an answer, whatever became of it later: what a proxy has taken may be run late.
    pub unanswered: Vec<Id>,
    pub failure: Option<Failure>,
}

impl<Id: Copy> Written<Id> {
    pub fn with(&self, fates: &[Fate]) -> Vec<Id> {
        let members = self.fates.iter().filter(|(_, fate)| fates.contains(fate));
        members.map(|(id, _)| *id).collect()
    }
}

/// A write in progress. At most one batch is unconfirmed at any time.
pub struct Write<'a, Id> {
    verb: Verb,
    commands: Vec<Command<'a, Id>>,
    /// How many replies confirmed a command.
    confirmations: usize,
    /// How many commands a batch has at most.
    most_commands: usize,
}

struct Command<'a, Id> {
    key: &'a [u8],
    members: &'a [(Id, &'a [u8])],
    fate: Fate,
    is_unanswered: bool,
    /// Where the master was that confirmed it last.
    confirmed_at: Option<Place>,
    /// How often it was sent.
    tries: usize,
    /// How often it was confirmed, and sent again.
    repeats: usize,
    /// Refused in a way that no further try changes.
    is_refused: bool,
}

impl<'a, Id: Copy> Write<'a, Id> {
    pub fn new(verb: Verb, changes: &'a [Change<'a, Id>]) -> Self {
        let command = |change: &'a Change<'a, Id>| {
            change.members.chunks(MOST_MEMBERS).map(|members| Command {
                key: change.key,
                members,
                fate: Fate::Untouched,
                is_unanswered: false,
                confirmed_at: None,
                tries: 0,
                repeats: 0,
                is_refused: false,
            })
        };
        Self {
            verb,
            commands: changes.iter().flat_map(command).collect(),
            confirmations: 0,
            most_commands: usize::MAX,
        }
    }

    /// The commands, by number, that are not done and may be yet.
    pub fn open(&self) -> Vec<usize> {
        let is_open = |command: &Command<Id>| {
            matches!(command.fate, Fate::Untouched | Fate::Unconfirmed) && !command.is_refused
        };
        let numbered = self.commands.iter().enumerate();
        numbered
            .filter(|(_, command)| is_open(command))
            .map(|(number, _)| number)
            .collect()
    }

    /// The same, those first that were sent least often.
    pub fn least_tried(&self) -> Vec<usize> {
        let mut open = self.open();
        open.sort_by_key(|number| self.commands[*number].tries);
        open
    }

    pub fn key(&self, number: usize) -> &'a [u8] {
        self.commands[number].key
    }

    pub fn confirmations(&self) -> usize {
        self.confirmations
    }

    /// What was confirmed for these keys, by the master at this place, is sent once more: it may be lost. Not for ever, since
    /// one command may break each connection.
    pub fn repeat(&mut self, is_lost: impl Fn(&[u8], Option<&Place>) -> bool) {
        for command in &mut self.commands {
            if command.fate == Fate::Done && is_lost(command.key, command.confirmed_at.as_ref()) {
                command.fate = match command.repeats < MOST_REPEATS {
                    true => Fate::Unconfirmed,
                    false => Fate::PerhapsLost,
                };
                command.repeats += 1;
            }
        }
    }

    /// Sends what is not done yet, batch by batch, as long as it `may_go_on`. Over another pipeline it may be called again.
    pub fn send(&mut self, pipeline: &mut Pipeline, may_go_on: &dyn Fn() -> bool) -> Result<()> {
        loop {
            let batch = self.batch(&self.open(), |key| pipeline.master_of(key));
            if batch.is_empty() || !may_go_on() {
                return Ok(());
            }
            self.exchange(&batch, pipeline)?;
        }
    }

    /// The first of the `open` commands, and others of the same master.
    pub fn batch(&self, open: &[usize], master_of: impl Fn(&[u8]) -> usize) -> Vec<usize> {
        let (mut batch, mut work) = (Vec::new(), 0);
        let mut of = None;
        for number in open {
            let command = &self.commands[*number];
            let master = master_of(command.key);
            let has_room = work < WRITE_BATCH && batch.len() < self.most_commands;
            if has_room && *of.get_or_insert(master) == master {
                batch.push(*number);
                work += command.members.len() + COMMAND;
            }
        }
        batch
    }

    /// Sends a batch and reads all of its replies. The error is the first of them.
    pub fn exchange(&mut self, batch: &[usize], pipeline: &mut Pipeline) -> Result<()> {
        let mut packed = Vec::with_capacity(batch.len());
        for number in batch {
            let command = &mut self.commands[*number];
            packed.push(command.packed(self.verb));
            command.tries += 1;
        }
        let routed = pipeline.batch(packed)?;
        let mut sent = Vec::with_capacity(batch.len());
        for number in batch {
            let command = &mut self.commands[*number];
            sent.push((*number, command.fate));
            command.is_unanswered |= command.fate == Fate::Unconfirmed;
            command.fate = Fate::Unconfirmed;
        }
        pipeline.send_batch(routed)?;
        let mut refused = Ok(());
        for (answered, (number, before)) in sent.into_iter().enumerate() {
            let command = &mut self.commands[number];
            match pipeline.receive(Connection::reply) {
                Ok(reply) => match reply.into_number::<usize>() {
                    Ok(done) if done <= command.members.len() => {
                        command.fate = Fate::Done;
                        command.confirmed_at = pipeline.answered_for(command.key).cloned();
                        self.confirmations += 1;
                    }
                    // No reply to such a command: nobody knows what was run.
                    _ => return refused.and(Err(Error::NoNumber)),
                },
                Err(error) if error.is_wrong_type() => command.fate = Fate::WrongType,
                // It was not run this time. What was sent over a pipeline that broke may have been.
                Err(error) if error.refusal().is_some() => {
                    // What Redis never says a proxy does, and Redis may have run it.
                    if error.refusal() != Some(Refusal::Other) {
                        command.fate = before;
                    }
                    command.is_refused = error.is_for_good();
                    refused = refused.and(Err(error));
                }
                Err(error) => {
                    // It is slow rather than away: a batch that it ends in time is confirmed whole.
                    if matches!(error, Error::TimedOut) && answered > 0 {
                        self.most_commands = (answered / 2).max(1);
                    }
                    return refused.and(Err(error));
                }
            }
        }
        refused
    }

    pub fn wrong_types(&self) -> impl Iterator<Item = &[u8]> {
        let wrong = |command: &&Command<Id>| command.fate == Fate::WrongType;
        self.commands
            .iter()
            .filter(wrong)
            .map(|command| command.key)
    }

    pub fn ended(&self, failure: Option<Failure>) -> Written<Id> {
        let fates = self.commands.iter().flat_map(|command| {
            let members = command.members.iter();
            let fate = match command.fate {
                Fate::Unconfirmed if command.repeats > 0 => Fate::PerhapsLost,
                fate => fate,
            };
            members.map(move |(id, _)| (*id, fate))
        });
        let is_unanswered =
            |command: &&Command<Id>| command.is_unanswered || command.fate == Fate::Unconfirmed;
        let unanswered = self.commands.iter().filter(is_unanswered);
        let unanswered = unanswered.flat_map(|command| command.members);
        Written {
            fates: fates.collect(),
            unanswered: unanswered.map(|(id, _)| *id).collect(),
            failure,
        }
    }
}

impl<Id> Command<'_, Id> {
    fn packed(&self, verb: Verb) -> Cmd {
        let mut command = redis::cmd(match verb {
            Verb::Remove => "SREM",
            Verb::Add => "SADD",
        });
        command.arg(self.key);
        for (_, member) in self.members {
            command.arg(member);
        }
        command
    }
}
