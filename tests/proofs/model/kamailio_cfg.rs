//! The registrars: what the user does to them, and how kamailio.cfg then writes to the board.

use crate::setting::{Phones, RUNS, Setting};
use crate::world::{Step, Steps, Who, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// kamailio.cfg.example: save, ask registered(), SREM if the user is not; ask again, SADD if they are.
    AfterSave,
    /// Save, ask, then SADD or SREM.
    AfterSaveAskingOnce,
    /// What people write first: SADD or SREM by the Expires header, then save; nothing when a contact expires.
    BeforeSave,
}

/// A process of Kamailio, and what it does next.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Worker {
    #[default]
    Idle,
    Ask,
    Add,
    Remove,
    AskAgain,
    Save {
        registers: bool,
        /// The runs whose removal came while this waited, and whose `--settle` therefore outlasts it.
        awaited: [bool; RUNS],
    },
}

impl Worker {
    pub fn is_idle(&self) -> bool {
        *self == Worker::Idle
    }

    pub fn is_awaited(&self, run: usize) -> bool {
        matches!(self, Worker::Save { awaited, .. } if awaited[run])
    }
}

pub fn steps(setting: &Setting, world: &World, at: usize, steps: &mut Steps) {
    if world.registrars[at].is_down() {
        return;
    }
    vanish(setting, world, at, steps);
    let workers = &world.workers[at][..setting.workers];
    if let Some(idle) = workers.iter().position(Worker::is_idle) {
        match setting.fragment {
            Fragment::BeforeSave => before_save(setting, world, at, idle, steps),
            _ => after_save(setting, world, at, idle, steps),
        }
    }
    for (number, worker) in workers.iter().enumerate() {
        carry_on(setting, world, at, number, *worker, steps);
    }
}

/// The user is gone, and kamailio.cfg is not told: Kamailio was restarted, Redis was down, or BeforeSave and an expiry.
fn vanish(setting: &Setting, world: &World, at: usize, steps: &mut Steps) {
    if world.knows(at) {
        let mut after = *world;
        after.save(setting, at, false);
        after.leaves();
        push(steps, Who::User(at), "vanishes unheard", after);
    }
}

/// Expiry is in "leaves", too: usrloc runs its event route under the lock of the user's record, so that nobody saves, asks or
/// dumps the user between the two steps, and the model allows more than that.
fn after_save(setting: &Setting, world: &World, at: usize, worker: usize, steps: &mut Steps) {
    let mut saved = |does, registers| {
        let mut after = *world;
        after.save(setting, at, registers);
        after.workers[at][worker] = Worker::Ask;
        match registers {
            true => after.comes(),
            false => after.leaves(),
        }
        push(steps, Who::User(at), does, after);
    };
    saved("registers or refreshes: saved", true);
    if world.registered[at] {
        saved("unregisters or expires: saved", false);
    }
}

fn before_save(setting: &Setting, world: &World, at: usize, worker: usize, steps: &mut Steps) {
    let mut wrote = |does, adds, registers| {
        let mut after = *world;
        after.write_unaided(adds);
        after.workers[at][worker] = Worker::Save {
            registers,
            awaited: [false; RUNS],
        };
        if registers {
            after.comes();
        }
        if !adds {
            after.leaves();
        }
        push(steps, Who::User(at), does, after);
    };
    wrote("registers or refreshes: SADD, not saved yet", true, true);
    if setting.phones == Phones::HeaderOrContact {
        wrote(
            "registers without Expires: SREM, not saved yet",
            false,
            true,
        );
    }
    if world.registered[at] {
        wrote("unregisters: SREM, not saved yet", false, false);
    }
}

fn carry_on(
    setting: &Setting,
    world: &World,
    at: usize,
    number: usize,
    worker: Worker,
    steps: &mut Steps,
) {
    let registered = world.registered[at];
    let asks_again = setting.fragment == Fragment::AfterSave;
    let mut after = *world;
    let (does, next) = match worker {
        Worker::Idle => return,
        Worker::Ask if registered && asks_again => ("registered() says yes", Worker::AskAgain),
        Worker::Ask if registered => ("registered() says yes", Worker::Add),
        Worker::Ask => ("registered() says no", Worker::Remove),
        Worker::Add => {
            after.write_unaided(true);
            ("SADD", Worker::Idle)
        }
        Worker::Remove => {
            after.write_unaided(false);
            let next = match asks_again {
                true => Worker::AskAgain,
                false => Worker::Idle,
            };
            ("SREM", next)
        }
        Worker::AskAgain if registered => ("asked again, registered() says yes", Worker::Add),
        Worker::AskAgain => ("asked again, registered() says no", Worker::Idle),
        Worker::Save { registers, .. } => {
            after.save(setting, at, registers);
            ("save", Worker::Idle)
        }
    };
    after.workers[at][number] = next;
    push(steps, Who::Registrar(at), does, after);
}

pub fn push(steps: &mut Steps, who: Who, does: &'static str, after: World) {
    steps.push((Step { who, does }, after));
}

/// A removal by this run: every save whose SADD came before it is over before the run's `--settle` is.
pub fn await_saves(world: &mut World, run: usize) {
    for worker in world.workers.as_flattened_mut() {
        if let Worker::Save { awaited, .. } = worker {
            awaited[run] = true;
        }
    }
}

pub fn awaits_saves(world: &World, run: usize) -> bool {
    world
        .workers
        .as_flattened()
        .iter()
        .any(|worker| worker.is_awaited(run))
}
