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
//! - registrar.rs: Kamailio restarts, and loads its users or forgets them; redis.rs: Redis refuses SADD, a SREM is late
//! - run.rs, look.rs, uptime.rs: kamonline, in the order of a run in src/: a change of that order is a change here, too
//! - stop.rs: what ends a run before its time
//! - kept.rs, kept_faults.rs: what is promised; limits.rs, limits_faults.rs: where it ends, and the mutations of a run
//!   that the checker must catch
//!
//! `cargo test --test model -- --nocapture` shows the numbers of worlds, and the stories.
//!
//! # Why one user is enough
//! A dump, a read and a write of many users take their time, but each meets a given user at one instant. What a run
//! concludes from many users is modelled by its weakest sure effect (`Sign`): a load that adds much from look to look is
//! seen as growth or as a flood, a slow one is not, and a registrar that has just started reports nobody. By chance any
//! look may fail: before the removal that is a run that ends before it writes, as a refusal of the guard is, and so a
//! kill; after it, everyone is put back.
//!
//! # What is assumed
//! Kamailio and Redis keep what they have confirmed, and kamailio.cfg reaches Redis. Kamailio does not restart between
//! the save of a REGISTER and its SADD. Who is in its database is registered, though no dump shows them yet. With SADD
//! before save, the save follows within `--settle`. `up_since` tells any two starts of one registrar apart, and the
//! uptime is exact; Kamailio's are whole seconds. Before a registrar loads, it is younger than any standby must be.
//!
//! What a connection had brought to Redis when it was aborted is run before anything that comes over one opened later,
//! or never; only a proxy delivers it later still.
//!
//! With `--replicated`, registrars that are up tell each other at once of whom they save, one that has been up for
//! `--min-uptime` knows the users of the others, and none restarts again before that.
//!
//! The checker is our own: it is shorter than its packages would be many, and it compares worlds, not hashes of them.

mod checker;
mod kamailio_cfg;
mod kept;
mod kept_faults;
mod limits;
mod limits_faults;
mod look;
mod redis;
mod registrar;
mod run;
mod setting;
mod stop;
mod uptime;
mod world;

use checker::{Promise, explore};
use kamailio_cfg::Fragment;
use setting::{
    Address, AfterKill, Begin, Counts, Kills, LastLook, Mends, Missing, Network, Order, Phones,
    Proof, Sadd, Setting, Sign, Signals, Source, Uptime, Users,
};
use world::{Past, World};

/// What kamonline must never do, whatever kamailio.cfg itself gets wrong. Who is excused (`History`) is promised it again
/// from the end of the next whole run with `--add-missing`.
const HARMLESS: Promise = Promise {
    says: "who is registered, and would be on the board had kamonline never run, is on it when all is quiet",
    holds: |world| !(is_due(world) && world.unaided) || world.board,
    needs: None,
};

const NOBODY_MISSING: Promise = Promise {
    says: "who is registered is on the board when all is quiet",
    holds: |world| !is_due(world) || world.board,
    needs: None,
};

const STAYS: Promise = Promise {
    says: "who was registered throughout, and on the board at first, is on it when all is quiet",
    holds: |world| !(is_due(world) && world.history.throughout.contains(&true)) || world.board,
    needs: Some(Past::Throughout),
};

/// No kill and no Redis that is gone excuses it.
const STAYED_THROUGHOUT: Promise = Promise {
    says: "who stayed at a registrar throughout, and would be on the board had kamonline never run, is on it when all is quiet",
    holds: |world| {
        let stayed = world.history.throughout.contains(&true);
        !(world.is_quiet() && stayed && world.unaided) || world.board
    },
    needs: Some(Past::Throughout),
};

const OUT: Promise = Promise {
    says: "who was gone before a whole run began, and stays gone, is not on the board after it",
    holds: |world| !world.history.gone || !world.board,
    needs: Some(Past::Gone),
};

const IN: Promise = Promise {
    says: "whom a registrar showed before a whole run with --add-missing began, and who leaves none, is on the board when all is quiet",
    holds: |world| !(world.is_quiet() && world.history.here) || world.board,
    needs: Some(Past::Here),
};

const NEVER_OFF: Promise = Promise {
    says: "a run takes nobody off the board, not even for a moment, who has not stood there wrongly since it began",
    holds: |world| !world.history.flickered,
    needs: Some(Past::Flickered),
};

const NOBODY_EXCUSED: Promise = Promise {
    says: "no run names the user as perhaps off the board, or is killed before it knows",
    holds: |world| !world.history.excused,
    needs: None,
};

fn is_due(world: &World) -> bool {
    world.is_quiet() && world.is_registered() && !world.history.excused
}

/// kamailio.cfg.example, one registrar, one REGISTER at a time, one run at a time.
const PLAIN: Setting = Setting {
    fragment: Fragment::AfterSave,
    phones: Phones::HeaderOrContact,
    registrars: 1,
    users: Users::ItsOwn,
    address: Address::OfEach,
    workers: 1,
    runs: 1,
    missing: Missing::Leave,
    order: Order::AsBuilt,
    source: Source::Steady,
    uptime: Uptime::LongerThanTheLoad,
    last_look: LastLook::Succeeds,
    sadd: Sadd::Taken,
    proof: Proof::OfAnother,
    network: Network::Answers,
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
    source: Source::Loads(Sign::Growth),
    ..PLAIN
};

const LOADS_SLOWLY: Setting = Setting {
    source: Source::Loads(Sign::Nothing),
    ..PLAIN
};

/// `--min-uptime` does not outlast the load.
const TOO_SHORT: Setting = Setting {
    uptime: Uptime::ShorterThanTheLoad,
    ..LOADS_FAST
};

const FORBIDDEN: Setting = Setting {
    uptime: Uptime::Forbidden,
    ..LOADS_FAST
};

const REPLICATED: Setting = Setting {
    registrars: 2,
    users: Users::Replicated,
    fragment: Fragment::AfterSaveAskingOnce,
    ..LOADS_SLOWLY
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
