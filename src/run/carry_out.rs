//! The second half of a run: remove, look a last time, put back, add. Who may be off the board and should not be is known
//! at every step.
//!
//! kamailio.cfg's own SADD comes after the SREM, or the last look sees the user: it comes `--settle` after the removal.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::Duration;

use super::answer::Answer;
use super::changes::{Changes, additions, by_key};
use super::config::{Config, MissingUsers};
use super::doubt::{LET_IT_SETTLE, Looks};
use super::look::{self, ascending};
use super::outcome::{Off, Outcome, WhyOff};
use super::progress::Progress;
use super::signals::Stop;
use crate::failure::{Exit, Failure};
use crate::matching::{MemberId, Plan};
use crate::store::{Fate, Store, Verb, Written};
use crate::text::{Escaped, counted};

/// A kamailio.cfg may SADD a moment before it saves the contact.
const SADD_BEFORE_SAVE: Duration = Duration::from_millis(200);
/// How soon a signal is heeded while Kamailio is asked.
const HEED_EVERY: Duration = Duration::from_millis(20);
/// How many users an error names; the report names all of them.
const NAMED: usize = 20;

/// What carries out a plan.
pub struct Carrier<'a, 'store> {
    pub config: &'a Arc<Config>,
    pub store: &'a mut Store<'store>,
    pub plan: &'a Arc<Plan>,
    pub stop: &'a Stop,
    pub progress: &'a Progress,
    pub outcome: &'a mut Outcome,
}

impl Carrier<'_, '_> {
    pub fn carry_out(&mut self, changes: Changes) -> Result<(), Failure> {
        match changes {
            Changes::Nothing => Ok(()),
            Changes::Additions(None) => self.add(),
            Changes::Additions(Some(silent)) => Err(match self.add() {
                Ok(()) => silent.and(format!("added {}", counted(self.outcome.added, "user"))),
                Err(failure) => Failure {
                    exit: failure.exit,
                    ..silent.and(&failure)
                },
            }),
            Changes::All { stale, second } => {
                self.remove(&stale, &second)?;
                self.add()
            }
        }
    }

    fn remove(&mut self, stale: &[MemberId], second: &[Answer]) -> Result<(), Failure> {
        // From here on nothing waits for a terminal: one that stands still would delay the put-back.
        self.progress.end();
        let may_go_on = || self.stop.signal().is_none();
        let removal = self
            .store
            .write(Verb::Remove, &by_key(self.plan, stale), &may_go_on);
        let gone = removal.with(&[Fate::Done, Fate::Unconfirmed]);
        let unanswered = ascending(removal.unanswered.clone());
        self.outcome.removed = removal.with(&[Fate::Done]);
        let unfinished = self.unfinished(removal, "removed");
        if gone.is_empty() {
            return unfinished;
        }
        let looked = self.last_look(&gone, second);
        let put_back = match looked {
            Ok(returned) => self.restore(&returned, &unanswered, &unfinished),
            Err(doubt) => Err(self.roll_back(&gone, &unanswered, doubt)),
        };
        match (unfinished, put_back) {
            (unfinished, Ok(())) => unfinished,
            (Err(earlier), Err(later)) if !matches!(earlier.exit, Exit::Stopped(_)) => {
                Err(Failure {
                    exit: later.exit,
                    hint: later.hint.clone(),
                    ..earlier.and(&later)
                })
            }
            (_, Err(later)) => Err(later),
        }
    }

    /// Who of those removed is registered now, in the order of `gone`, or why nobody can tell. A signal ends it: everyone
    /// is put back at once.
    fn last_look(&self, gone: &[MemberId], second: &[Answer]) -> Result<Vec<MemberId>, Failure> {
        self.stop.sleep(self.config.settle.max(SADD_BEFORE_SAVE));
        self.stop.check()?;
        let (tell, looked) = channel();
        let (config, plan) = (self.config.clone(), self.plan.clone());
        let look = move || {
            tell.send(look::again(
                &config,
                &plan.sets,
                &plan.stale(),
                look::FEW_AORS,
            ))
        };
        let started = Builder::new().spawn(look);
        started.map_err(|error| Failure::no_thread(error).context("last look"))?;
        let last = loop {
            self.stop.check()?;
            match looked.recv_timeout(HEED_EVERY) {
                Ok(last) => break last,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("a panic ends the process"),
            }
        };
        let (last, online) = last.map_err(|failure| failure.context("last look"))?;
        let is_online = |member: &MemberId| online.binary_search(member).is_ok();
        let returned: Vec<_> = gone.iter().copied().filter(is_online).collect();
        let looks = Looks {
            first: second,
            second: &last,
            min_uptime: self.config.guard.min_uptime,
            replicated: self.config.replicated,
            stale: gone.len(),
            returned: returned.len(),
        };
        match looks.doubt() {
            Some(doubt) => Err(Failure::new(format!("last look: {doubt}")).hint(LET_IT_SETTLE)),
            None => Ok(returned),
        }
    }

    /// Puts those back who are registered again. Others may register before a removal is run late that nobody answered, also
    /// where it was confirmed when it was sent again.
    fn restore(
        &mut self,
        returned: &[MemberId],
        unanswered: &[MemberId],
        unfinished: &Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (back, why) = self.put_back(returned, unanswered);
        self.outcome.restored = back;
        let returned = ascending(returned.to_vec());
        let has_not_returned = |member: &&MemberId| returned.binary_search(member).is_err();
        let others = unanswered.iter().filter(has_not_returned);
        self.outcome.off.extend(others.map(|member| Off {
            member: *member,
            why: WhyOff::OnceRegistered,
        }));
        self.outcome.off.sort_unstable_by_key(|off| off.member);
        match self.off() {
            None => Ok(()),
            Some(off) => {
                let why = why.unwrap_or_else(|| Failure {
                    hint: unfinished.as_ref().err().and_then(|why| why.hint.clone()),
                    ..Failure::new("Redis did not answer a removal")
                });
                Err(self.then_add(why.context("last look").and(off)))
            }
        }
    }

    /// Puts everyone back, since nobody can tell who of them is registered.
    fn roll_back(&mut self, gone: &[MemberId], unanswered: &[MemberId], doubt: Failure) -> Failure {
        let (back, why) = self.put_back(gone, unanswered);
        let are_back = match back.len() == gone.len() {
            true => format!(
                "everyone who was removed is back: {}",
                counted(back.len(), "user")
            ),
            false => format!(
                "{} of {} are back",
                back.len(),
                counted(gone.len(), "removed user")
            ),
        };
        self.outcome.rolled_back = back;
        let Some(off) = self.off() else {
            return doubt.and(are_back);
        };
        let hint = why.as_ref().and_then(|why| why.hint.clone());
        let failure = match why {
            Some(why) => doubt.and(why),
            None => doubt,
        };
        self.then_add(Failure {
            exit: Exit::Failed,
            hint: hint.or(failure.hint.clone()),
            ..failure.and(are_back).and(off)
        })
    }

    /// Who is back, ascending, and why others are not. Who is not back is off the board, and so is perhaps whose removal
    /// Redis did not answer: a proxy may deliver it yet.
    fn put_back(
        &mut self,
        members: &[MemberId],
        unanswered: &[MemberId],
    ) -> (Vec<MemberId>, Option<Failure>) {
        let written = self.store.put_back(&by_key(self.plan, members));
        let off = written.fates.iter().filter_map(|(member, fate)| {
            let why = match fate {
                Fate::Done if unanswered.binary_search(member).is_err() => return None,
                Fate::Done => WhyOff::PerhapsLate,
                Fate::PerhapsLost => WhyOff::PerhapsLost,
                Fate::Untouched | Fate::Unconfirmed | Fate::WrongType => WhyOff::NotBack,
            };
            Some(Off {
                member: *member,
                why,
            })
        });
        self.outcome.off = off.collect();
        self.outcome.off.sort_unstable_by_key(|off| off.member);
        let mut back = written.with(&[Fate::Done]);
        back.sort_unstable();
        let no_set = || Failure::new("a key holds no set any more");
        let all_back = back.len() == members.len();
        let why = (!all_back).then(|| written.failure.unwrap_or_else(no_set));
        (back, why)
    }

    /// Names who may be off the board and should not be.
    fn off(&self) -> Option<String> {
        let names = |(why, what): (WhyOff, &str)| {
            let off = self.outcome.off.iter().filter(|off| off.why == why);
            let name = |off: &Off| {
                format!(
                    "{} in {}",
                    Escaped(self.plan.sets.member(off.member)),
                    Escaped(self.plan.sets.key_name(off.member))
                )
            };
            let more = off.clone().count().saturating_sub(NAMED);
            let mut names: Vec<_> = off.take(NAMED).map(name).collect();
            if more > 0 {
                names.push(format!("and {more} more, whom the report names"));
            }
            (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
        };
        let kinds = [
            (WhyOff::NotBack, "still off the board"),
            (
                WhyOff::PerhapsLost,
                "perhaps off the board, if Redis lost what it confirmed",
            ),
            (
                WhyOff::PerhapsLate,
                "perhaps off the board, if a removal that Redis did not answer is run late",
            ),
            (
                WhyOff::OnceRegistered,
                "not registered, and off the board once they are, if a removal that Redis did not \
                 answer is run late",
            ),
        ];
        let named: Vec<_> = kinds.into_iter().filter_map(names).collect();
        (!named.is_empty()).then(|| named.join("; "))
    }

    /// What is wrong is mended first.
    fn then_add(&self, failure: Failure) -> Failure {
        let add = match self.config.missing {
            MissingUsers::OfUnknownSets { .. } => {
                "put them back by hand: redis-cli SADD KEY MEMBER"
            }
            MissingUsers::Leave | MissingUsers::Add => "run kamonline --add-missing",
        };
        let hint = match &failure.hint {
            Some(hint) => format!("{hint}. Then {add}"),
            None => add.into(),
        };
        failure.hint(hint)
    }

    /// Adds the missing, if that is asked for.
    fn add(&mut self) -> Result<(), Failure> {
        if self.config.missing != MissingUsers::Add {
            return Ok(());
        }
        let additions = additions(self.plan);
        let may_go_on = || self.stop.signal().is_none();
        let addition = self.store.write(Verb::Add, &additions, &may_go_on);
        self.outcome.added = addition.with(&[Fate::Done]).len();
        self.unfinished(addition, "added")
    }

    /// Why a write did not come to its end, and how far it came.
    fn unfinished<Id: Copy>(&self, written: Written<Id>, verb: &str) -> Result<(), Failure> {
        let count = |fate| written.with(&[fate]).len();
        let [done, unconfirmed, untouched] =
            [Fate::Done, Fate::Unconfirmed, Fate::Untouched].map(count);
        let all = written.fates.len();
        let signal = self.stop.signal().filter(|_| untouched > 0);
        match written.failure.or(signal.map(Failure::from)) {
            None => Ok(()),
            Some(failure) => Err(failure.with_progress(verb, done, unconfirmed, all)),
        }
    }
}
