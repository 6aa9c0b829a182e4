//! Redis: what it writes, and the SADDs that it refuses.

use crate::kamailio_cfg::push;
use crate::setting::{Sadd, Setting};
use crate::world::{Steps, Who, World};

pub fn steps(setting: &Setting, world: &World, steps: &mut Steps) {
    let mut then = |does, full| {
        let mut after = *world;
        after.full = full;
        push(steps, Who::Redis, does, after);
    };
    if world.full {
        then("has memory again", false);
    } else if setting.sadd == Sadd::RefusedAtTimes {
        then("is full", true);
    }
}

impl World {
    pub fn refuses_sadd(&self, setting: &Setting) -> bool {
        self.full || setting.sadd == Sadd::RefusedByAcl
    }

    /// kamailio.cfg's SADD or SREM.
    pub fn write_unaided(&mut self, adds: bool) {
        if !(adds && self.full) {
            (self.board, self.unaided) = (adds, adds);
        }
    }
}
