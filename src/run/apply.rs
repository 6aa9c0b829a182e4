//! What a run changes in Redis, and how it takes a removal back.

use super::config::{Config, MissingUsers};
use super::stop::Stop;
use crate::failure::{Exit, Failure};
use crate::matching::{MemberId, Plan};
use crate::store::{Change, Fate, Store, Verb, Written};
use crate::text::{Shown, counted};

/// How many users an error names; the report names all of them.
const SOME: usize = 20;

/// How far the plan was carried out.
pub struct Applied {
    /// Who was removed, or may have been: Redis did not say.
    pub removed: Vec<MemberId>,
    /// How many of them Redis confirmed.
    pub confirmed: usize,
    pub added: usize,
    /// Why not all of the plan was carried out.
    pub failure: Option<Failure>,
}

/// Removes the `stale`, then adds the missing if that is asked for. Nobody is removed who could not be put back.
pub fn apply(
    config: &Config,
    store: &mut Store,
    plan: &Plan,
    stale: &[MemberId],
    stop: &Stop,
) -> Result<Applied, Failure> {
    let removals = by_key(plan, stale);
    store
        .check_add(&removals)
        .map_err(Failure::nothing_changed)?;
    stop.begin_writing()
        .map_err(|signal| Failure::from(signal).nothing_changed())?;

    let may_go_on = || stop.signal().is_none();
    let removal = store.write(Verb::Remove, &removals, &may_go_on);
    let mut applied = Applied {
        removed: with_fates(stale, &removal, &[Fate::Done, Fate::Unsure]),
        confirmed: removal.count(Fate::Done),
        added: 0,
        failure: unfinished(removal, "removed", stop),
    };
    if applied.failure.is_none() && config.missing == MissingUsers::Add {
        let addition = store.write(Verb::Add, &additions(plan), &may_go_on);
        applied.added = addition.count(Fate::Done);
        applied.failure = unfinished(addition, "added", stop);
    }
    Ok(applied)
}

impl Applied {
    /// Puts those back who are registered again. Returns who is back, ascending.
    pub fn restore(
        self,
        store: &mut Store,
        plan: &Plan,
        returned: &[MemberId],
    ) -> (Vec<MemberId>, Option<Failure>) {
        let (back, lost) = put_back(store, plan, returned);
        let failure = lost.map(|lost| {
            let names = format!(
                "removed, registered again, and not put back: {}",
                lost.names
            );
            let failure = lost.why.context("second look");
            failure.and(names).hint(ADD_MISSING)
        });
        match failure {
            Some(failure) => (back, Some(after(self.failure, failure))),
            None => (back, self.failure),
        }
    }

    /// Puts everyone back, since nobody can tell who of them is registered. Returns who is back, ascending.
    pub fn roll_back(
        self,
        store: &mut Store,
        plan: &Plan,
        doubt: Failure,
    ) -> (Vec<MemberId>, Failure) {
        let (back, lost) = put_back(store, plan, &self.removed);
        let stay = match self.added {
            0 => String::new(),
            added => format!("; everyone who was added stays: {}", counted(added, "user")),
        };
        let failure = match lost {
            None => doubt.and(format!(
                "everyone who was removed is back: {}{stay}",
                counted(back.len(), "user")
            )),
            Some(lost) => doubt
                .and(format!(
                    "{}; of {} who were removed {} are back{stay}, and these are not: {}",
                    lost.why,
                    counted(self.removed.len(), "user"),
                    back.len(),
                    lost.names
                ))
                .hint(ADD_MISSING),
        };
        (back, after(self.failure, failure))
    }
}

/// A later failure, and the earlier one that stopped the plan. A signal is named once.
fn after(earlier: Option<Failure>, later: Failure) -> Failure {
    match earlier {
        Some(earlier) if !matches!(earlier.exit, Exit::Stopped(_)) => Failure {
            exit: later.exit,
            hint: later.hint.clone(),
            ..earlier.and(&later)
        },
        _ => later,
    }
}

const ADD_MISSING: &str = "run kamonline --add-missing";

/// Who could not be put back, and why.
struct Lost {
    why: Failure,
    names: String,
}

fn put_back(store: &mut Store, plan: &Plan, members: &[MemberId]) -> (Vec<MemberId>, Option<Lost>) {
    let written = store.write(Verb::Add, &by_key(plan, members), &|| true);
    let mut back = with_fates(members, &written, &[Fate::Done]);
    let lost = with_fates(
        members,
        &written,
        &[Fate::Untouched, Fate::Unsure, Fate::WrongType],
    );
    back.sort_unstable();
    if lost.is_empty() {
        return (back, None);
    }
    let why = || Failure::new("a key holds no set any more");
    let name = |member: &MemberId| {
        format!(
            "{} in {}",
            Shown(plan.sets.member(*member)),
            Shown(plan.sets.key_name(*member))
        )
    };
    let mut names: Vec<_> = lost.iter().take(SOME).map(name).collect();
    if lost.len() > SOME {
        names.push(format!("and {} more, listed above", lost.len() - SOME));
    }
    let lost = Lost {
        why: written.failure.unwrap_or_else(why),
        names: names.join(", "),
    };
    (back, Some(lost))
}

fn with_fates(members: &[MemberId], written: &Written, fates: &[Fate]) -> Vec<MemberId> {
    let members = members.iter().zip(&written.fates);
    members
        .filter(|(_, fate)| fates.contains(fate))
        .map(|(member, _)| *member)
        .collect()
}

/// Why a write did not come to its end, and how far it came.
fn unfinished(written: Written, verb: &str, stop: &Stop) -> Option<Failure> {
    let [done, unsure, untouched] =
        [Fate::Done, Fate::Unsure, Fate::Untouched].map(|fate| written.count(fate));
    let stopped = || stop.signal().filter(|_| untouched > 0).map(Failure::from);
    let failure = written.failure.or_else(stopped)?;
    Some(failure.with_progress(verb, done, unsure, written.fates.len()))
}

/// Members that stand together by key.
fn by_key<'a>(plan: &'a Plan, members: &[MemberId]) -> Vec<Change<'a>> {
    members
        .chunk_by(|a, b| plan.sets.key_of(*a) == plan.sets.key_of(*b))
        .map(|members| Change {
            key: plan.sets.key_name(members[0]),
            members: members
                .iter()
                .map(|member| plan.sets.member(*member))
                .collect(),
        })
        .collect()
}

fn additions(plan: &Plan) -> Vec<Change<'_>> {
    plan.entries
        .iter()
        .map(|entry| Change {
            key: &entry.key,
            members: entry
                .missing
                .iter()
                .map(|user| plan.missing(*user))
                .collect(),
        })
        .collect()
}
