//! The order of a run, checked by machine: every interleaving of what one user, kamailio.cfg and several runs of
//! kamonline can do.
//!
//! # How to read it
//! A `World` (world.rs) is one moment: where the user is registered, whether they are on the board (in their set in
//! Redis), and what everyone has in hand. `World::steps` lists every moment that can come next; any time may pass between two
//! steps. The checker (checker.rs) starts from every beginning, follows every step to every world that can be reached,
//! and holds each of them to its promises. Nothing is counted up, so the worlds are finite though the stories are
//! endless: the user comes and goes as often as they like, runs follow one another for ever. A promise that does not
//! hold yields a shortest story that breaks it.
//!
//! - setting.rs: what a check is about
//! - kamailio_cfg.rs: the user registers, refreshes, unregisters, expires or vanishes; kamailio.cfg saves, asks, writes
//! - registrar.rs: Kamailio restarts, and loads its users or forgets them; redis.rs: Redis refuses SADD
//! - run.rs, dump.rs, second_look.rs: kamonline, in the order of a run in src/: a change of that order is a change
//!   here, too
//! - stop.rs: what ends a run before its time
//! - kept.rs, kept_faults.rs: what is promised; limits.rs, limits_faults.rs: where it ends, and the mutations of a run
//!   that the checker must catch
//!
//! `cargo test --test model -- --nocapture` shows the numbers of worlds, and the stories.
//!
//! # Why one user is enough
//! A dump, a read and a write of many users take their time, but each meets a given user at one instant. What a run
//! concludes from many users is modelled by its weakest sure effect. A load that is fast and lasts from look to look is
//! seen as growth; a slow one is not. A registrar that has just started reports nobody. A flood is chance, as a second
//! look that fails is: no promise rests on it. A refusal of the guard is a run that ends before it writes: a kill.
//!
//! # What is assumed
//! Kamailio and Redis keep what they have confirmed, and kamailio.cfg reaches Redis. Kamailio does not restart between
//! the save of a REGISTER and its SADD. Who is in its database is registered, though no dump shows them yet. A Redis that
//! takes SADD goes on to take it. A write arrives while its run lives and before what the run writes next, or never.
//! With SADD before save, the save follows within `--settle`. `up_since` tells any two starts apart, and the uptime is
//! exact; Kamailio's are whole seconds.
//!
//! The checker is our own: it is shorter than its packages would be many, and it compares worlds, not hashes of them.

mod checker;
mod dump;
mod kamailio_cfg;
mod kept;
mod kept_faults;
mod limits;
mod limits_faults;
mod redis;
mod registrar;
mod run;
mod second_look;
mod setting;
mod stop;
mod world;

use checker::{Promise, explore};
use kamailio_cfg::Fragment;
use setting::{
    AfterKill, Begin, Counts, Kills, Look, Mends, MinUptime, Missing, Order, Phones, Proof,
    Restarts, Sadd, Setting, Signals, Source,
};
use world::World;

/// What kamonline must never do, whatever kamailio.cfg itself gets wrong. Once a run was killed in the middle it is
/// promised again from the end of the next whole run with `--add-missing`.
const HARMLESS: Promise = Promise {
    says: "who is registered, and would be on the board had kamonline never run, is on it when all is quiet",
    holds: |world| !(is_due(world) && world.unaided) || world.board,
};

const NOBODY_MISSING: Promise = Promise {
    says: "who is registered is on the board when all is quiet",
    holds: |world| !is_due(world) || world.board,
};

const STAYS: Promise = Promise {
    says: "who was registered throughout, and on the board at first, is on it when all is quiet",
    holds: |world| !(is_due(world) && world.history.throughout) || world.board,
};

const OUT: Promise = Promise {
    says: "who was gone before a whole run began, and stays gone, is not on the board after it",
    holds: |world| !world.history.gone || !world.board,
};

const IN: Promise = Promise {
    says: "whom a registrar showed before a whole run with --add-missing began, and who leaves none, is on the board when all is quiet",
    holds: |world| !(world.is_quiet() && world.history.here) || world.board,
};

const NEVER_OFF: Promise = Promise {
    says: "a run takes nobody off the board, not even for a moment, who has not stood there wrongly since it began",
    holds: |world| !world.history.flickered,
};

fn is_due(world: &World) -> bool {
    world.is_quiet() && world.is_registered() && !world.history.killed
}

/// kamailio.cfg.example, one registrar, one REGISTER at a time, one run at a time.
const PLAIN: Setting = Setting {
    fragment: Fragment::AfterSave,
    phones: Phones::HeaderOrContact,
    registrars: 1,
    workers: 1,
    runs: 1,
    missing: Missing::Leave,
    order: Order::AsBuilt,
    source: Source::Steady,
    restarts: Restarts::Anytime,
    min_uptime: MinUptime::LongerThanTheLoad,
    look: Look::Succeeds,
    sadd: Sadd::Taken,
    proof: Proof::OfAnother,
    signals: Signals::Never,
    kills: Kills::Never,
    after_kill: AfterKill::Settled,
    mends: Mends::AddingRun,
    counts: Counts::Alone,
    begin: Begin::Anyhow,
};

const BEFORE_SAVE: Setting = Setting {
    fragment: Fragment::BeforeSave,
    ..PLAIN
};

/// A registrar that restarts at any time, and loads its users so fast that a run sees it grow.
const LOADS_FAST: Setting = Setting {
    source: Source::LoadsFast,
    ..PLAIN
};

const LOADS_SLOWLY: Setting = Setting {
    source: Source::LoadsSlowly,
    ..PLAIN
};

/// Without and with `--add-missing`.
fn both(setting: Setting) -> [Setting; 2] {
    [Missing::Leave, Missing::Add].map(|missing| Setting { missing, ..setting })
}

#[track_caller]
fn holds(setting: &Setting, promises: &[&Promise]) {
    match explore(setting, promises) {
        Ok(states) => println!("{states:>9} states  {setting:?}"),
        Err(broken) => panic!("{}", broken.told(setting)),
    }
}

/// Shows the shortest story that breaks the promise.
#[track_caller]
fn breaks(setting: &Setting, promise: &Promise) {
    match explore(setting, &[promise]) {
        Ok(_) => panic!("holds after all: {}\n{setting:?}", promise.says),
        Err(broken) => println!("{}", broken.told(setting)),
    }
}
