//! The second look: a removal is kept only when it is confirmed.

use crate::dump::{Dump, Since, dumps};
use crate::kamailio_cfg::awaits_saves;
use crate::run::{Doing, Next};
use crate::setting::{Look, Order, Setting};
use crate::world::World;

/// Adds what the run may do next.
type Then<'a> = dyn FnMut(&'static str, &dyn Fn(&mut World) -> Next) + 'a;

pub fn steps(setting: &Setting, world: &World, number: usize, then: &mut Then) {
    let order = setting.order;
    let run = &world.runs[number];
    match run.doing {
        Doing::Settle => {
            if order == Order::WithoutSettle || !awaits_saves(world, number) {
                let restarted = run.saw_restart();
                let seen = order == Order::UpSinceBeforeSecondDump && restarted;
                then("has waited", &|_| {
                    let dump = Dump::default().with_doubt(seen);
                    Next::Do(Doing::SecondDump { dump })
                });
            }
        }
        Doing::SecondDump { dump } => {
            for (at, does, dump) in dumps(setting, world, dump) {
                let in_one_load = run.since[at] == Since::Loading;
                let grew = in_one_load && world.has_grown(setting, at);
                let dump = dump.with_doubt(grew && order != Order::WithoutGrowth);
                // A restart leaves it with more or less than it had, unless it has loaded all.
                let changed = run.since[at] == Since::Restarted && world.is_partial(at);
                let unasked = setting.asks_nothing() && order != Order::WithoutChange;
                let dump = dump.with_doubt(unasked && changed);
                then(does, &|_| match dump.is_whole(setting) {
                    false => Next::Do(Doing::SecondDump { dump }),
                    true if setting.asks_uptime() => Next::Do(Doing::Confirm { dump }),
                    true => confirm(dump, dump.empty && order != Order::WithoutChange),
                });
            }
        }
        Doing::Confirm { dump } => {
            let blind = matches!(
                order,
                Order::WithoutUpSince | Order::UpSinceBeforeSecondDump
            );
            match run.saw_restart() && !blind {
                true => then("finds that a registrar restarted", &|_| confirm(dump, true)),
                false => then("finds no restart", &|_| confirm(dump, false)),
            }
        }
        _ => return,
    }
    if setting.look == Look::MayFail {
        then("its second look fails, or is doubtful", &|_| match order {
            Order::FailedLookKeepsRemovals => Next::EndUnfinished,
            _ => Next::Do(Doing::PutBack),
        });
    }
}

/// A second dump without anybody confirms nothing: the first had users, or the plan was refused.
fn confirm(dump: Dump, doubt: bool) -> Next {
    match dump.doubt || doubt || !dump.anybody {
        true => Next::Do(Doing::PutBack),
        false if dump.online => Next::Do(Doing::Restore),
        false => Next::EndWhole,
    }
}
