//! `kamonline` makes the Redis sets `ONLINE:DOMAIN` say what Kamailio knows. The map of the crate:
//!
//! - [`cli`] and [`config`]: what is asked of a run
//! - [`aor`]: the vocabulary, and how users are matched
//! - [`store`]: the presence sets in Redis, into [`sets`]
//! - [`kamailio`]: a registrar's dump, proved whole, heard by a [`roll_call`], into who is [`registered`]
//! - [`plan`]: what is to be done, and the guard
//! - [`report`]: what was found and done, told
//!
//! and the small parts: [`scope`], [`names`], [`domains`], [`index`], [`shown`], [`failure`], [`waiting`].

pub mod aor;
pub mod cli;
pub mod config;
pub mod domains;
pub mod failure;
pub mod index;
pub mod kamailio;
pub mod names;
pub mod plan;
pub mod registered;
pub mod report;
pub mod roll_call;
pub mod scope;
pub mod sets;
pub mod shown;
pub mod store;
pub mod waiting;

use std::rc::Rc;
use std::thread;
use std::time::Instant;

use config::{Config, MissingUsers, Mode};
use failure::Failure;
use plan::Plan;
use registered::Registered;
use report::Outcome;
use roll_call::RollCall;
use sets::Sets;
use shown::{Shown, counted};
use store::{Change, Store, Verb};
use waiting::Waiting;

/// One run, to its end or to its failure.
///
/// Redis is read before Kamailio is asked, so whoever registers in between is no candidate; and whoever registers
/// while the stale are being removed is put back by the second look.
pub fn run(config: &Config, waiting: &Waiting) -> Outcome {
    let started = Instant::now();
    let mut outcome = Outcome::begin(config);
    let mut store = Store::new(&config.redis);
    outcome.failure = steps(config, &mut store, waiting, &mut outcome).err();
    outcome.warnings.append(&mut store.warnings);
    outcome.duration = started.elapsed();
    outcome
}

fn steps(
    config: &Config,
    store: &mut Store,
    waiting: &Waiting,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    waiting.on("Redis");
    let sets = Rc::new(store.read(&config.rules).map_err(nothing_changed)?);
    waiting.on("Kamailio");
    let registered = call_the_roll(config, &sets, Some(outcome)).map_err(nothing_changed)?;
    let plan = Plan::new(&config.rules, sets.clone(), registered);
    let totals = plan.totals;
    outcome.plan = Some(plan);
    config.guard.check(&totals)?;
    if config.mode != Mode::Apply {
        return Ok(());
    }
    waiting.on("Redis");
    let applied = apply(config, store, outcome);
    if applied.touched {
        second_look(config, &sets, store, waiting, outcome)
            .map_err(|failure| failure.after(&applied.failure))?;
    }
    applied.failure.map_or(Ok(()), Err)
}

/// Asks every registrar, and unites what they say; one that fails fails them all. The first time, what each answered goes
/// into the outcome.
fn call_the_roll<'a>(
    config: &'a Config,
    sets: &'a Sets,
    outcome: Option<&mut Outcome>,
) -> Result<Registered<'a>, Failure> {
    let dumps = thread::scope(|threads| {
        let begin = || RollCall::begin(&config.rules, sets, threads);
        kamailio::dump_all(&config.registrars, begin)
    });
    if let Some(outcome) = outcome {
        for (answer, dump) in outcome.registrars.iter_mut().zip(&dumps) {
            let Ok(dump) = dump else { continue };
            answer.server = dump.server.clone();
            answer.aors = Some(dump.told.aors);
            if dump.told.without_domain > 0 {
                let count = counted(dump.told.without_domain, "AoR");
                outcome.warnings.push(format!(
                    "Kamailio at {}: {count} without a user, for no set",
                    answer.url
                ));
            }
        }
    }
    let dumps = dumps.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut dumps = dumps.into_iter().map(|dump| dump.told);
    let mut registered = dumps.next().unwrap_or_else(|| Registered::nobody(sets));
    for other in dumps {
        registered.unite(other)?;
    }
    Ok(registered)
}

/// How far the plan was carried out.
struct Applied {
    /// Whether any member may have been removed.
    touched: bool,
    failure: Option<Failure>,
}

fn apply(config: &Config, store: &mut Store, outcome: &mut Outcome) -> Applied {
    let Some(plan) = &outcome.plan else {
        return Applied {
            touched: false,
            failure: None,
        };
    };
    let stale = plan.entries.iter().map(|entry| Change {
        key: &entry.key,
        members: entry
            .stale
            .iter()
            .map(|member| plan.sets.member(*member))
            .collect(),
    });
    let removed = store.write(Verb::Remove, &stale.collect::<Vec<_>>());
    outcome.removed = removed.done;
    let touched = removed.done + removed.unsure > 0;
    if let Some(failure) = removed.failure {
        return Applied {
            touched,
            failure: Some(failure.left("removed", removed.done, removed.unsure, plan.totals.stale)),
        };
    }
    if config.missing == MissingUsers::Leave {
        return Applied {
            touched,
            failure: None,
        };
    }
    let missing = plan.entries.iter().map(|entry| Change {
        key: &entry.key,
        members: entry
            .missing
            .iter()
            .map(|user| plan.missing(*user))
            .collect(),
    });
    let added = store.write(Verb::Add, &missing.collect::<Vec<_>>());
    outcome.added = added.done;
    let failure = added
        .failure
        .map(|failure| failure.left("added", added.done, added.unsure, plan.totals.missing));
    Applied { touched, failure }
}

/// Puts back everyone removed who is registered now: he came while he was being removed.
fn second_look(
    config: &Config,
    sets: &Sets,
    store: &mut Store,
    waiting: &Waiting,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    waiting.on("the second look");
    thread::sleep(config.settle);
    let Some(plan) = &outcome.plan else {
        return Ok(());
    };
    let registered = call_the_roll(config, sets, None).map_err(|failure| {
        let unverified = counted(outcome.removed, "user");
        Failure::new(format!("second look: {}; {unverified} removed, listed above, and not verified", failure.message))
            .hint("whoever of them registered during the run is off the board until his phone registers again: run kamonline --add-missing")
    })?;
    let back = |entry: &plan::Entry| {
        entry
            .stale
            .iter()
            .copied()
            .filter(|member| registered.is_online(*member))
            .collect::<Vec<_>>()
    };
    let changes: Vec<_> = plan
        .entries
        .iter()
        .map(|entry| Change {
            key: &entry.key,
            members: back(entry)
                .into_iter()
                .map(|member| sets.member(member))
                .collect(),
        })
        .collect();
    let written = store.write(Verb::Add, &changes);
    if let Some(failure) = written.failure {
        let users: Vec<_> = changes
            .iter()
            .flat_map(|change| {
                change
                    .members
                    .iter()
                    .map(|user| format!("{} in {}", Shown(user), Shown(change.key)))
            })
            .collect();
        return Err(Failure::new(format!(
            "second look: {}; removed, registered again, and not put back: {}",
            failure.message,
            users.join(", ")
        ))
        .hint("run kamonline --add-missing"));
    }
    outcome.restored = plan.entries.iter().flat_map(back).collect();
    outcome.restored.sort_unstable();
    Ok(())
}

fn nothing_changed(failure: Failure) -> Failure {
    Failure {
        message: format!("{}; nothing was changed", failure.message),
        ..failure
    }
}
