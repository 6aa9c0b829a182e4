//! Redis: what it writes, the SADDs that it refuses, and the SREMs that reach it late.

use crate::kamailio_cfg::{await_saves, push};
use crate::run::Late;
use crate::setting::{Network, Order, Sadd, Setting};
use crate::world::{Steps, Who, World};

pub fn steps(setting: &Setting, world: &World, steps: &mut Steps) {
    let mut then = |does, change: &dyn Fn(&mut World)| {
        let mut after = *world;
        change(&mut after);
        push(steps, Who::Redis, does, after);
    };
    if world.full {
        then("has memory again", &|world| world.full = false);
    } else if matches!(setting.sadd, Sadd::RefusedForAWhile | Sadd::RefusedForGood) {
        then("is full", &|world| world.full = true);
    }
    for number in 0..setting.runs {
        let late = world.runs[number].late;
        if late == Late::Nothing {
            continue;
        }
        then("a late SREM is lost", &|world| {
            world.runs[number].late = Late::Nothing
        });
        then("a late SREM arrives", &|world| {
            world.runs[number].late = Late::Nothing;
            world.board = false;
            await_saves(world, number);
            let run = world.runs[number];
            let of_a_killed_run = late == Late::OfAKilledRun && !run.has_stayed();
            // The run has named the user as perhaps off.
            let named = setting.network == Network::DeliversLate && !run.is_under_way();
            if named || of_a_killed_run {
                world.excuse();
            }
        });
    }
}

impl World {
    pub fn refuses_sadd(&self, setting: &Setting) -> bool {
        self.full || setting.sadd == Sadd::RefusedByAcl
    }

    /// kamailio.cfg's SADD or SREM. Whom a full Redis refuses it has lost itself.
    pub fn write_unaided(&mut self, adds: bool) {
        self.unaided = adds && !self.full;
        if !(adds && self.full) {
            self.board = adds;
        }
    }

    /// Whether what comes now over a new connection comes after what the run sent over the last one.
    pub fn is_in_order(&self, setting: &Setting, number: usize) -> bool {
        self.runs[number].late == Late::Nothing
            || setting.network == Network::DeliversLate
            || setting.order == Order::PutBackOverOldConnection
    }
}
