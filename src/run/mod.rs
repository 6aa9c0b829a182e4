//! One run in two halves: *prepare*, in which nothing is changed, and *carry out*.

mod answer;
mod carry_out;
mod changes;
mod checked;
mod config;
mod doubt;
mod dump_facts;
mod facts;
mod findings;
mod guard;
mod look;
mod max_removal;
mod notice;
mod outcome;
mod prepare;
mod progress;
mod questions;
mod signals;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::Builder;
use std::time::Instant;

use crate::failure::Failure;
use crate::store::Store;
pub use answer::{Answer, Other};
use carry_out::Carrier;
pub use config::{Config, MissingUsers, Mode, StaleUsers};
pub use facts::{Facts, RegistrarFacts};
pub use findings::Findings;
pub use guard::{EmptyDump, Guard};
pub use max_removal::MaxRemoval;
pub use notice::Notice;
pub use outcome::{Off, Outcome, Verdict, WhyOff};
use prepare::prepare;
pub use progress::Progress;
use progress::Wait;
pub use signals::{Signal, Stop};

enum Event {
    Ended(Box<Outcome>),
    Signal(Signal),
}

/// A run to its end, to its failure, or to the signal that stops it.
///
/// The run has its own thread. A signal before the first write abandons that thread; after it, everyone who was removed is
/// put back, whatever more signals come.
pub fn run_until_signal(config: &Arc<Config>, progress: &Progress) -> Outcome {
    let begun = Instant::now();
    let mut stopped = Outcome::begin(config);
    let (tell, events) = channel();
    let signalled = tell.clone();
    let watched = signals::on_signal(move |signal| signalled.send(Event::Signal(signal)).is_ok());
    let stop = Arc::new(Stop::default());
    let (its_config, its_stop, its_progress) = (config.clone(), stop.clone(), progress.clone());
    let started = watched.and_then(|()| {
        let run = Builder::new().spawn(move || {
            let outcome = run(&its_config, &its_stop, &its_progress);
            tell.send(Event::Ended(Box::new(outcome)))
        });
        run.map_err(Failure::no_thread)
    });
    if let Err(failure) = started {
        stopped.failure = Some(failure.nothing_changed());
        return stopped;
    }
    for event in &events {
        match event {
            Event::Ended(outcome) => {
                if !outcome.off.is_empty() {
                    // No signal ends the process before the report has named them.
                    std::mem::forget(events);
                }
                return *outcome;
            }
            Event::Signal(signal) if stop.raise(signal) => {
                stopped.duration = begun.elapsed();
                stopped.failure = Some(Failure::from(signal).nothing_changed());
                return stopped;
            }
            Event::Signal(signal) => {
                progress.say(&format!("{}: {}", signal.name(), stop.what_follows()));
            }
        }
    }
    unreachable!("the run's thread tells its outcome, or its panic ends the process")
}

/// A run to its end or to its failure, or until `stop` is raised.
pub fn run(config: &Arc<Config>, stop: &Stop, progress: &Progress) -> Outcome {
    let started = Instant::now();
    let mut outcome = Outcome::begin(config);
    let mut store = Store::new(&config.redis, &config.rules.prefix, config.mode.access());
    let prepared = prepare(config, &mut store, stop, progress, &mut outcome);
    let ended = prepared.and_then(|(plan, changes)| {
        outcome.began_writing = changes.writes().is_some();
        let mut carrier = Carrier {
            config,
            store: &mut store,
            plan: &plan,
            stop,
            progress,
            outcome: &mut outcome,
        };
        carrier.carry_out(changes)
    });
    outcome.failure = ended.err();
    if config.mode.tells_facts() {
        progress.wait_for(Wait::Facts);
        outcome.facts = Some(facts::gather(config, &mut store, &mut outcome.registrars));
    }
    if let (Some(key), Some(plan)) = (&config.checked_key, outcome.left_right()) {
        outcome
            .warnings
            .extend(checked::write(&mut store, key, &plan).err());
    }
    outcome.warnings.append(&mut store.warnings);
    outcome.duration = started.elapsed();
    outcome
}
