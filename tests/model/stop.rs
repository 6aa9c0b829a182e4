//! What ends a run before its time: a signal, after which it puts back whom it removed, and a kill.

use crate::kamailio_cfg::push;
use crate::run::{Doing, Run};
use crate::setting::{Kills, Order, Setting, Signals};
use crate::world::{Steps, Who, World};

/// SIGINT, SIGTERM, SIGHUP. A second one is a kill.
pub fn signal(setting: &Setting, world: &World, number: usize, steps: &mut Steps) {
    let run = &world.runs[number];
    if setting.signals == Signals::Never || matches!(run.doing, Doing::PutBack | Doing::Overtaken) {
        return;
    }
    let mut after = *world;
    if setting.order == Order::PutBackOvertakesRemoval && matches!(run.doing, Doing::Remove { .. })
    {
        after.board = true;
        after.runs[number].doing = Doing::Overtaken;
        let does = "a signal: SADD, and its SREM is still on its way";
        push(steps, Who::Run(number), does, after);
        return;
    }
    let does = if run.owes_a_look() && setting.order != Order::SignalKeepsRemovals {
        after.runs[number].doing = Doing::PutBack;
        "a signal: is to put back everyone removed"
    } else {
        after.runs[number] = Run::default();
        "a signal: ends"
    };
    push(steps, Who::Run(number), does, after);
}

/// A refusal of the guard, a dump that fails, and anything else that ends a run before it writes is a kill, too.
pub fn kill(setting: &Setting, world: &World, number: usize, steps: &mut Steps) {
    let owes = world.runs[number].owes_a_look();
    let allowed = match setting.kills {
        Kills::Never => false,
        Kills::BeforeTheRemoval => !owes,
        Kills::Anywhere => true,
    };
    if !allowed {
        return;
    }
    let mut after = *world;
    after.runs[number] = Run::default();
    if owes {
        after.history.killed = true;
        after.history.here = false;
        for run in &mut after.runs {
            (run.here, run.undisturbed) = (false, false);
        }
    }
    push(steps, Who::Run(number), "is killed", after);
}
