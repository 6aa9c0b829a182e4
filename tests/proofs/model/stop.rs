//! What ends a run before its time: a signal, after which it puts back whom it removed, and a kill.

use crate::kamailio_cfg::push;
use crate::run::{Doing, Late};
use crate::setting::{Kills, Order, Setting, Signals};
use crate::world::{Steps, Who, World};

/// SIGTERM, or another one that ends a process. One that comes during a put-back changes nothing.
pub fn signal(setting: &Setting, world: &World, number: usize, steps: &mut Steps) {
    let run = &world.runs[number];
    let puts_back = run.doing == Doing::PutBack;
    let order = setting.order;
    if setting.signals == Signals::Never || (puts_back && order != Order::SecondSignalEnds) {
        return;
    }
    let mut after = *world;
    let does = if run.owes_a_look() && !puts_back && order != Order::SignalKeepsRemovals {
        after.runs[number].doing = Doing::PutBack;
        "a signal: is to put back everyone removed"
    } else {
        after.runs[number].end();
        "a signal: ends"
    };
    push(steps, Who::Run(number), does, after);
}

/// A refusal of the guard, a dump that fails, and anything else that ends a run before it writes is a kill, too.
pub fn kill(setting: &Setting, world: &World, number: usize, steps: &mut Steps) {
    let run = &world.runs[number];
    let owes = run.owes_a_look();
    let allowed = match setting.kills {
        Kills::Never => false,
        Kills::BeforeTheRemoval => !owes,
        Kills::Anywhere => true,
    };
    if !allowed {
        return;
    }
    let mut after = *world;
    after.runs[number].end();
    if run.late != Late::Nothing {
        after.runs[number].late = Late::OfAKilledRun;
    } else if owes && !run.has_stayed() {
        after.excuse();
    }
    push(steps, Who::Run(number), "is killed", after);
}
