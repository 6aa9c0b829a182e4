//! kamonline: the steps of src/lib.rs, one by one.

use crate::kamailio_cfg::{await_saves, awaits_saves, push};
use crate::world::{
    AfterKill, Counts, Kills, Mends, Missing, REGISTRARS, Setting, Steps, Who, World,
};

/// The order of a run as it is, and the mutations that the checker must catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    AsBuilt,
    WithoutSecondLook,
    WithoutSettle,
    KamailioBeforeRedis,
}

#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Run {
    doing: Doing,
    /// The user was registered nowhere when it began, with nothing of his under way; he has not come back; and it is
    /// a run that `Counts`.
    pub gone: bool,
    /// He was registered when it began, with nothing of his under way; he has left nowhere, and no run was killed.
    pub here: bool,
    /// No other run was killed since it began.
    undisturbed: bool,
    /// At some moment since it began he was on the board and registered nowhere.
    pub was_stale: bool,
}

/// What comes next.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Doing {
    #[default]
    Nothing,
    /// The first dump, of each registrar in any order.
    Dump {
        listed: bool,
        dump: Dump,
    },
    /// Only `Order::KamailioBeforeRedis`.
    Read {
        online: bool,
    },
    Remove,
    Add,
    Settle,
    SecondDump {
        dump: Dump,
    },
    Restore,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Dump {
    asked: [bool; REGISTRARS],
    online: bool,
}

impl Run {
    pub fn is_under_way(&self) -> bool {
        self.doing != Doing::Nothing
    }

    pub fn restores(&self) -> bool {
        self.doing == Doing::Restore
    }

    /// A second look that is never finished may leave him off the board.
    fn owes_a_look(&self) -> bool {
        use Doing::*;
        matches!(self.doing, Remove | Settle | SecondDump { .. } | Restore)
    }
}

pub fn steps(setting: &Setting, world: &World, steps: &mut Steps) {
    let runs = &world.runs[..setting.runs];
    if let Some(idle) = runs.iter().position(|run| !run.is_under_way())
        && may_begin(setting, world)
    {
        begin(setting, world, idle, steps);
    }
    for number in 0..setting.runs {
        if world.runs[number].is_under_way() {
            carry_on(setting, world, number, steps);
            kill(setting, world, number, steps);
        }
    }
}

fn may_begin(setting: &Setting, world: &World) -> bool {
    let left_by_a_kill = |run: usize| !world.runs[run].is_under_way() && awaits_saves(world, run);
    setting.after_kill == AfterKill::AtOnce || !(0..setting.runs).any(left_by_a_kill)
}

fn begin(setting: &Setting, world: &World, number: usize, steps: &mut Steps) {
    let mut after = world.clone();
    let listed = setting.order != Order::KamailioBeforeRedis && world.board;
    let idle = world.workers_are_idle();
    let counts = setting.counts == Counts::EveryRun || world.runs_are_over();
    after.runs[number] = Run {
        doing: Doing::Dump {
            listed,
            dump: Dump::default(),
        },
        gone: idle && !world.is_registered() && counts,
        here: idle && world.is_registered(),
        undisturbed: true,
        was_stale: false,
    };
    let does = match (setting.order, listed) {
        (Order::KamailioBeforeRedis, _) => "begins",
        (_, true) => "reads the board, he is on it",
        (_, false) => "reads the board, he is not on it",
    };
    push(steps, Who::Run(number), does, after);
}

fn carry_on(setting: &Setting, world: &World, number: usize, steps: &mut Steps) {
    let mut then = |does, change: &dyn Fn(&mut World) -> Doing| {
        let mut after = world.clone();
        after.runs[number].doing = change(&mut after);
        if !after.runs[number].is_under_way() {
            end(setting, &mut after, number);
        }
        push(steps, Who::Run(number), does, after);
    };
    match world.runs[number].doing {
        Doing::Nothing => {}
        Doing::Dump { listed, dump } => {
            for (does, dump) in dumps(setting, world, dump) {
                then(does, &|_| match dump.is_whole(setting) {
                    false => Doing::Dump { listed, dump },
                    true if setting.order == Order::KamailioBeforeRedis => Doing::Read {
                        online: dump.online,
                    },
                    true => plan(setting, listed, dump.online),
                });
            }
        }
        Doing::Read { online } => then("reads the board", &|world| {
            plan(setting, world.board, online)
        }),
        Doing::Remove => {
            then("SREM", &|world| {
                remove(world, number);
                match setting.order {
                    Order::WithoutSecondLook => Doing::Nothing,
                    _ => Doing::Settle,
                }
            });
            then("SREM, whose reply is lost: to be sent again", &|world| {
                remove(world, number);
                Doing::Remove
            });
        }
        Doing::Settle => {
            if setting.order == Order::WithoutSettle || !awaits_saves(world, number) {
                then("has waited", &|_| Doing::SecondDump {
                    dump: Dump::default(),
                });
            }
        }
        Doing::SecondDump { dump } => {
            for (does, dump) in dumps(setting, world, dump) {
                then(does, &|_| match dump.is_whole(setting) {
                    false => Doing::SecondDump { dump },
                    true if dump.online => Doing::Restore,
                    true => Doing::Nothing,
                });
            }
        }
        Doing::Add | Doing::Restore => {
            then("SADD", &|world| {
                world.board = true;
                Doing::Nothing
            });
            then("SADD, whose reply is lost: to be sent again", &|world| {
                world.board = true;
                world.runs[number].doing
            });
        }
    }
}

/// Each dump that may come next, with what it adds.
fn dumps(setting: &Setting, world: &World, dump: Dump) -> Vec<(&'static str, Dump)> {
    const SAYS: [[&str; 2]; REGISTRARS] = [
        [
            "dumps registrar 1, without him",
            "dumps registrar 1, with him",
        ],
        [
            "dumps registrar 2, without him",
            "dumps registrar 2, with him",
        ],
    ];
    let open = (0..setting.registrars).filter(|at| !dump.asked[*at]);
    open.map(|at| {
        let found = world.registered[at];
        let mut more = dump;
        more.asked[at] = true;
        more.online |= found;
        (SAYS[at][usize::from(found)], more)
    })
    .collect()
}

impl Dump {
    fn is_whole(&self, setting: &Setting) -> bool {
        self.asked[..setting.registrars].iter().all(|asked| *asked)
    }
}

fn plan(setting: &Setting, listed: bool, online: bool) -> Doing {
    match (listed, online, setting.missing) {
        (true, false, _) => Doing::Remove,
        (false, true, Missing::Add) => Doing::Add,
        _ => Doing::Nothing,
    }
}

fn remove(world: &mut World, number: usize) {
    world.history.flickered |= world.board && !world.runs[number].was_stale;
    world.board = false;
    await_saves(world, number);
}

fn end(setting: &Setting, world: &mut World, number: usize) {
    let run = std::mem::take(&mut world.runs[number]);
    world.history.gone |= run.gone;
    let adds = setting.missing == Missing::Add;
    world.history.here |= run.here && adds;
    let mends = run.undisturbed && (adds || setting.mends == Mends::AnyRun);
    world.history.killed &= !mends;
}

/// A refusal of the guard, a dump that fails, and anything else that ends a run before it writes is a kill, too.
fn kill(setting: &Setting, world: &World, number: usize, steps: &mut Steps) {
    let owes = world.runs[number].owes_a_look();
    let allowed = match setting.kills {
        Kills::Never => false,
        Kills::BeforeTheRemoval => !owes,
        Kills::Anywhere => true,
    };
    if !allowed {
        return;
    }
    let mut after = world.clone();
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
