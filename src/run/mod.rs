//! One run, step by step: read the sets, ask Kamailio, plan, guard, apply, look a second time.
//!
//! Redis is read before Kamailio is asked, so a user who registers in between is no candidate. A user who registers while
//! the stale are being removed is put back by the second look, which must confirm every removal.

mod answer;
mod apply;
mod ask;
mod config;
mod findings;
mod guard;
mod notice;
mod outcome;
mod progress;
mod second_look;
mod stop;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use crate::failure::Failure;

use crate::matching::Plan;
use crate::store::Store;
use crate::text::counted;
pub use answer::Answer;
use apply::apply;
pub use config::{Config, MissingUsers, Mode, StaleUsers};
pub use findings::Findings;
pub use guard::{EmptyDump, Guard, MaxRemoval};
pub use notice::Notice;
pub use outcome::{Outcome, Verdict};
pub use progress::Progress;
pub use stop::{Signal, Stop};

enum Event {
    Ended(Box<Outcome>),
    Signal(Signal),
}

/// A run to its end, to its failure, or to the signal that stops it.
///
/// It has a thread of its own, which is left where it is when a signal comes before the first write.
pub fn run_until_signal(config: &Arc<Config>, progress: &Progress) -> Outcome {
    let begun = Instant::now();
    let stopped = |failure: Failure| Outcome {
        duration: begun.elapsed(),
        failure: Some(failure.nothing_changed()),
        ..Outcome::begin(config)
    };
    let (tell, events) = channel();
    let signalled = tell.clone();
    let watched = stop::on_signal(move |signal| signalled.send(Event::Signal(signal)).is_ok());
    if let Err(error) = watched {
        return stopped(Failure::new(format!("cannot wait for signals: {error}")));
    }
    let stop = Arc::new(Stop::default());
    let (its_config, its_stop, its_progress) = (config.clone(), stop.clone(), progress.clone());
    thread::spawn(move || {
        let outcome = run(&its_config, &its_stop, &its_progress);
        tell.send(Event::Ended(Box::new(outcome)))
    });
    for event in events {
        match event {
            Event::Ended(outcome) => return *outcome,
            Event::Signal(signal) if stop.raise(signal) => {
                return stopped(signal.into());
            }
            Event::Signal(_) => {}
        }
    }
    unreachable!("the run's thread tells its outcome, or its panic ends the process")
}

/// A run to its end or to its failure, or until `stop` is raised.
pub fn run(config: &Arc<Config>, stop: &Stop, progress: &Progress) -> Outcome {
    let started = Instant::now();
    let mut outcome = Outcome::begin(config);
    let mut store = Store::new(&config.redis, &config.rules.prefix, config.mode.access());
    outcome.failure = steps(config, &mut store, stop, progress, &mut outcome).err();
    outcome.warnings.append(&mut store.warnings);
    outcome.duration = started.elapsed();
    outcome
}

fn steps(
    config: &Arc<Config>,
    store: &mut Store,
    stop: &Stop,
    progress: &Progress,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    progress.wait_for("Redis");
    let sets = store
        .read(&config.rules)
        .map_err(Failure::nothing_changed)?;

    progress.wait_for("Kamailio");
    let dumps = ask::for_dumps(config, &sets);
    outcome.warnings.extend(dumps.warnings);
    outcome.registrars = dumps.answers;
    let matches = dumps.matches.map_err(Failure::nothing_changed)?;

    let plan = Arc::new(Plan::new(&config.rules, sets, matches));
    let several = ask::for_several_addresses(config);
    outcome.notices = Notice::all(
        &plan,
        &outcome.registrars,
        several,
        config.replicated,
        &config.rules.scope,
    );
    outcome.plan = Some(plan.clone());
    if let Some(unheard) = dumps.unheard {
        return Err(only_add(config, store, &plan, stop, outcome, unheard));
    }
    if plan.totals.stale > 0 && config.stale == StaleUsers::Remove {
        ask::for_uptimes(config, &dumps.asked, &mut outcome.registrars)
            .map_err(Failure::nothing_changed)?;
    }

    guard::check_default_domain(&plan).map_err(Failure::nothing_changed)?;
    let findings = Findings::new(&plan, &outcome.registrars);
    match config.stale {
        StaleUsers::Remove => config.guard.check(&findings)?,
        StaleUsers::Keep => config.guard.check_additions(&findings)?,
    }
    if config.mode != Mode::Apply {
        return Ok(());
    }

    progress.wait_for("Redis");
    let stale = match config.stale {
        StaleUsers::Remove => plan.stale(),
        StaleUsers::Keep => Vec::new(),
    };
    let applied = apply(config, store, &plan, &stale, stop)?;
    outcome.removed = applied.confirmed;
    outcome.added = applied.added;
    if applied.removed.is_empty() {
        return applied.failure.map_or(Ok(()), Err);
    }

    progress.wait_for("the second look");
    let first = &outcome.registrars;
    let looked = second_look::look(config, &plan, &applied.removed, first, stop);
    progress.wait_for("Redis");
    match looked {
        Ok(returned) => {
            let (restored, failure) = applied.restore(store, &plan, &returned);
            outcome.restored = restored;
            failure.map_or(Ok(()), Err)
        }
        Err(doubt) => {
            let (rolled_back, failure) = applied.roll_back(store, &plan, doubt);
            outcome.rolled_back = rolled_back;
            Err(failure)
        }
    }
}

/// Adds the missing, if that is asked for, and removes nobody: a registrar that did not answer may have users of its own.
fn only_add(
    config: &Config,
    store: &mut Store,
    plan: &Plan,
    stop: &Stop,
    outcome: &mut Outcome,
    unheard: Failure,
) -> Failure {
    let leave_out = "leave it out of --kamailio, if it is dead for good";
    let hint = match &unheard.hint {
        Some(hint) => format!("{hint}; {leave_out}"),
        None => leave_out.into(),
    };
    let unheard = unheard
        .and("it may have users whom the others do not know: nobody was removed")
        .hint(hint);
    let allowed = guard::check_default_domain(plan).and_then(|()| {
        let findings = Findings::new(plan, &outcome.registrars);
        config.guard.check_additions(&findings)
    });
    if let Err(refusal) = allowed {
        return unheard.and(format!("nor was anybody added: {refusal}"));
    }
    if config.mode != Mode::Apply {
        return unheard;
    }
    match apply(config, store, plan, &[], stop) {
        Ok(applied) => {
            outcome.added = applied.added;
            match applied.failure {
                Some(failure) => Failure {
                    exit: failure.exit,
                    ..unheard.and(&failure)
                },
                None => unheard.and(format!("added {}", counted(applied.added, "user"))),
            }
        }
        Err(failure) => failure,
    }
}
