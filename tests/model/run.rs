//! kamonline: the steps of design.md, one by one.

use crate::dump::{Dump, Since, dumps};
use crate::kamailio_cfg::{await_saves, awaits_saves, push};
use crate::setting::{AfterKill, Counts, Mends, Missing, Order, Proof, REGISTRARS, Sadd, Setting};
use crate::world::{Steps, Who, World};
use crate::{second_look, stop};

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Run {
    pub doing: Doing,
    pub since: [Since; REGISTRARS],
    /// The user was registered nowhere when it began, with nothing of theirs under way; they have not come back; and it is
    /// a run that `Counts`.
    pub gone: bool,
    /// The user was in a registrar's table when it began, with nothing of theirs under way; since then they have left
    /// nowhere, no registrar that knew them restarted, and no run was killed.
    pub here: bool,
    /// No other run was killed since it began.
    pub undisturbed: bool,
    /// At some moment since it began the user was on the board and registered nowhere.
    pub was_stale: bool,
}

/// What comes next.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Doing {
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
    Uptime {
        young: bool,
    },
    Proof,
    Remove {
        /// A SREM went out, and its reply is lost.
        sent: bool,
    },
    Add,
    Settle,
    SecondDump {
        dump: Dump,
    },
    /// `up_since`, held against the first.
    Confirm {
        dump: Dump,
    },
    Restore,
    PutBack,
    /// Only `Order::PutBackOvertakesRemoval`: everyone is put back, and a SREM is still to arrive.
    Overtaken,
}

/// How a step leaves a run.
pub enum Next {
    Do(Doing),
    EndWhole,
    /// Refused, failed or stopped: it promises nothing.
    EndUnfinished,
}

impl Run {
    pub fn is_under_way(&self) -> bool {
        self.doing != Doing::Nothing
    }

    pub fn restores(&self) -> bool {
        self.doing == Doing::Restore
    }

    /// Its end may leave the user off the board.
    pub fn owes_a_look(&self) -> bool {
        use Doing::*;
        match self.doing {
            Remove { sent } => sent,
            Settle | SecondDump { .. } | Confirm { .. } | Restore | PutBack | Overtaken => true,
            Nothing | Dump { .. } | Read { .. } | Uptime { .. } | Proof | Add => false,
        }
    }

    pub fn notice_restart(&mut self, at: usize) {
        if self.is_under_way() {
            self.since[at] = Since::Restarted;
        }
    }

    pub fn saw_restart(&self) -> bool {
        self.since.contains(&Since::Restarted)
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
            stop::kill(setting, world, number, steps);
            stop::signal(setting, world, number, steps);
        }
    }
}

fn may_begin(setting: &Setting, world: &World) -> bool {
    let left_by_a_kill = |run: usize| !world.runs[run].is_under_way() && awaits_saves(world, run);
    setting.after_kill == AfterKill::AtOnce || !(0..setting.runs).any(left_by_a_kill)
}

fn begin(setting: &Setting, world: &World, number: usize, steps: &mut Steps) {
    let mut after = *world;
    let listed = setting.order != Order::KamailioBeforeRedis && world.board;
    let idle = world.workers_are_idle();
    let counts = setting.counts == Counts::EveryRun || world.runs_are_over();
    after.runs[number] = Run {
        doing: Doing::Dump {
            listed,
            dump: Dump::default(),
        },
        since: Default::default(),
        gone: idle && !world.is_registered() && counts,
        here: idle && world.registered.contains(&true),
        undisturbed: true,
        was_stale: false,
    };
    let does = match (setting.order, listed) {
        (Order::KamailioBeforeRedis, _) => "begins",
        (_, true) => "reads the board, the user is on it",
        (_, false) => "reads the board, the user is not on it",
    };
    push(steps, Who::Run(number), does, after);
}

fn carry_on(setting: &Setting, world: &World, number: usize, steps: &mut Steps) {
    let order = setting.order;
    let mut then = |does, change: &dyn Fn(&mut World) -> Next| {
        let mut after = *world;
        match change(&mut after) {
            Next::Do(doing) => after.runs[number].doing = doing,
            Next::EndWhole => end(setting, &mut after, number),
            Next::EndUnfinished => after.runs[number] = Run::default(),
        }
        push(steps, Who::Run(number), does, after);
    };
    let doing = world.runs[number].doing;
    match doing {
        Doing::Nothing => {}
        Doing::Dump { listed, dump } => {
            for (at, does, dump) in dumps(setting, world, dump) {
                then(does, &|world| {
                    world.runs[number].since[at] = match world.has_yet_to_grow(setting, at) {
                        true => Since::Loading,
                        false => Since::Loaded,
                    };
                    let empty = order != Order::WithoutChange && world.reports_nobody(at);
                    let dump = dump.with_doubt(world.registrars[at].young || empty);
                    match dump.is_whole(setting) {
                        false => Next::Do(Doing::Dump { listed, dump }),
                        true if order == Order::KamailioBeforeRedis => Next::Do(Doing::Read {
                            online: dump.online,
                        }),
                        true => plan(setting, listed, dump),
                    }
                });
            }
        }
        Doing::Read { online } => then("reads the board", &|world| {
            let dump = Dump {
                online,
                anybody: true,
                ..Dump::default()
            };
            plan(setting, world.board, dump)
        }),
        Doing::Uptime { young } => {
            let too_young = match order {
                Order::UptimeOfNow => world.registrars.iter().any(|at| at.young),
                _ => young || world.runs[number].saw_restart(),
            };
            match too_young {
                true => then("finds a registrar too young: refused", &|_| {
                    Next::EndUnfinished
                }),
                false => then("finds every registrar old enough", &|world| {
                    for since in &mut world.runs[number].since {
                        if *since == Since::Restarted {
                            *since = Since::Loaded;
                        }
                    }
                    Next::Do(prove(setting))
                }),
            }
        }
        Doing::Proof => {
            if world.refuses_sadd(setting) {
                then("SADD of a member to be removed: refused", &|_| {
                    Next::EndUnfinished
                });
            } else {
                then("SADD of another to be removed: taken", &|_| {
                    Next::Do(Doing::Remove { sent: false })
                });
                if setting.proof == Proof::OfAnyone {
                    then("SADD of the user, who is to be removed: taken", &|world| {
                        world.board = true;
                        Next::Do(Doing::Remove { sent: false })
                    });
                }
            }
        }
        Doing::Remove { .. } => {
            then("SREM", &|world| {
                remove(world, number);
                match order {
                    Order::WithoutSecondLook => Next::EndWhole,
                    _ => Next::Do(Doing::Settle),
                }
            });
            then("SREM, whose reply is lost: to be sent again", &|world| {
                remove(world, number);
                Next::Do(Doing::Remove { sent: true })
            });
        }
        Doing::Settle | Doing::SecondDump { .. } | Doing::Confirm { .. } => {
            second_look::steps(setting, world, number, &mut then);
        }
        Doing::Add | Doing::Restore | Doing::PutBack if world.refuses_sadd(setting) => {
            then("SADD: refused", &|_| Next::EndUnfinished);
        }
        Doing::Add | Doing::Restore | Doing::PutBack => {
            then("SADD", &|world| {
                world.board = true;
                match doing {
                    Doing::PutBack => Next::EndUnfinished,
                    _ => Next::EndWhole,
                }
            });
            then("SADD, whose reply is lost: to be sent again", &|world| {
                world.board = true;
                Next::Do(doing)
            });
        }
        Doing::Overtaken => then("its SREM arrives at last", &|world| {
            remove(world, number);
            Next::EndUnfinished
        }),
    }
}

fn plan(setting: &Setting, listed: bool, dump: Dump) -> Next {
    match (listed, dump.online, setting.missing) {
        (true, false, _) if !dump.anybody => Next::EndUnfinished,
        (true, false, _) if setting.asks_uptime() => Next::Do(Doing::Uptime { young: dump.doubt }),
        (true, false, _) => Next::Do(prove(setting)),
        (false, true, Missing::Add) => Next::Do(Doing::Add),
        _ => Next::EndWhole,
    }
}

fn prove(setting: &Setting) -> Doing {
    let changes_nothing = setting.sadd == Sadd::Taken && setting.proof == Proof::OfAnother;
    match changes_nothing || setting.order == Order::WithoutProof {
        true => Doing::Remove { sent: false },
        false => Doing::Proof,
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
