//! kamonline: the steps of design.md, one by one.

use crate::kamailio_cfg::{await_saves, awaits_saves, push};
use crate::look::{self, Asking, Dump, Look, Role, Seen};
use crate::setting::{
    AfterKill, Counts, Kills, LastLook, Mends, Missing, Network, Order, Proof, REGISTRARS, Sadd,
    Setting,
};
use crate::stop;
use crate::world::{Steps, Who, World};

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Run {
    pub doing: Doing,
    pub seen: [Seen; REGISTRARS],
    /// Which of two registrars that share an address told its `up_since`.
    pub up_since: bool,
    pub late: Late,
    /// At each registrar: the user was registered there all the time since the last look before the removal began.
    pub stayed: [bool; REGISTRARS],
    /// The user was registered nowhere when it began, with nothing of theirs under way; they have not come back; and it is
    /// a run that `Counts`.
    pub gone: bool,
    /// The user was in a registrar's table when it began, with nothing of theirs under way; since then they have left
    /// nowhere, no registrar that knew them restarted, and nobody was excused.
    pub here: bool,
    /// Nobody was excused since it began.
    pub undisturbed: bool,
    /// At some moment since it began the user was on the board and registered nowhere.
    pub was_stale: bool,
}

/// A SREM that nobody answered, and that may still reach Redis. It outlives its run.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Late {
    #[default]
    Nothing,
    OfThisRun,
    OfAKilledRun,
}

/// What comes next.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Doing {
    #[default]
    Nothing,
    /// Each registrar, in any order.
    Dump {
        look: Look,
        dump: Dump,
    },
    Uptime {
        look: Look,
        dump: Dump,
    },
    Proof,
    Remove,
    /// Before the last look. No promise rests on the wait before the second one.
    Settle,
    /// The user, who is registered again.
    Restore,
    /// Everyone removed.
    PutBack,
    Add,
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

    pub fn is_over(&self) -> bool {
        !self.is_under_way() && self.late == Late::Nothing
    }

    /// Its end may leave the user off the board.
    pub fn owes_a_look(&self) -> bool {
        self.is_at_its_last_look() || matches!(self.doing, Doing::Restore | Doing::PutBack)
    }

    fn is_at_its_last_look(&self) -> bool {
        match self.doing {
            Doing::Dump { look, .. } | Doing::Uptime { look, .. } => look == Look::Last,
            doing => doing == Doing::Settle,
        }
    }

    /// What a kill may cost is told by what the user does from now on.
    pub fn begins_last_look_before_removal(&mut self, setting: &Setting) {
        if setting.kills == Kills::Anywhere {
            self.stayed = [true; REGISTRARS];
        }
    }

    pub fn has_stayed(&self) -> bool {
        self.stayed.contains(&true)
    }

    pub fn notice_restart(&mut self, at: usize) {
        if self.is_under_way() && self.seen[at].role == Role::Vouches {
            self.seen[at].restarted = true;
            self.seen[at].loading = false;
        }
    }

    pub fn end(&mut self) {
        let late = self.late;
        let stayed = match late {
            Late::Nothing => Default::default(),
            _ => self.stayed,
        };
        *self = Run {
            late,
            stayed,
            ..Run::default()
        };
    }
}

pub fn steps(setting: &Setting, world: &World, steps: &mut Steps) {
    let runs = &world.runs[..setting.runs];
    if let Some(idle) = runs.iter().position(Run::is_over)
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
    (0..setting.runs).all(|run| world.is_in_order(setting, run))
        && (setting.after_kill == AfterKill::AtOnce || !(0..setting.runs).any(left_by_a_kill))
}

fn begin(setting: &Setting, world: &World, number: usize, steps: &mut Steps) {
    let mut after = *world;
    let idle = world.workers_are_idle();
    let counts = setting.counts == Counts::EveryRun || world.runs_are_over();
    after.runs[number] = Run {
        doing: Doing::Dump {
            look: Look::First,
            dump: Dump::after_reading(world),
        },
        gone: idle && !world.is_registered() && counts,
        here: idle && world.registered.contains(&true),
        undisturbed: true,
        ..Run::default()
    };
    after.runs[number].begins_last_look_before_removal(setting);
    let does = match world.board {
        true => "reads the board, the user is on it",
        false => "reads the board, the user is not on it",
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
            Next::EndUnfinished => after.runs[number].end(),
        }
        push(steps, Who::Run(number), does, after);
    };
    let asking = |look, dump| Asking {
        setting,
        world,
        number,
        look,
        dump,
    };
    let doing = world.runs[number].doing;
    match doing {
        Doing::Nothing => {}
        Doing::Dump { look, dump } => asking(look, dump).dumps(&mut then),
        Doing::Uptime { look, dump } => asking(look, dump).uptimes(&mut then),
        Doing::Proof if world.refuses_sadd(setting) => {
            then("SADD of a member to be removed: refused", &|_| {
                Next::EndUnfinished
            });
        }
        Doing::Proof => {
            then("SADD of another to be removed: taken", &|_| {
                Next::Do(Doing::Remove)
            });
            if setting.proof == Proof::OfAnyone {
                then("SADD of the user, who is to be removed: taken", &|world| {
                    world.board = true;
                    Next::Do(Doing::Remove)
                });
            }
        }
        Doing::Remove => {
            then("SREM", &|world| {
                remove(world, number);
                match order {
                    Order::WithoutLastLook => Next::EndWhole,
                    _ => Next::Do(Doing::Settle),
                }
            });
            if setting.network != Network::Answers {
                then("SREM: run, and not answered", &|world| {
                    remove(world, number);
                    Next::Do(Doing::PutBack)
                });
                then("SREM: not answered, and still under way", &|world| {
                    world.runs[number].late = Late::OfThisRun;
                    Next::Do(Doing::PutBack)
                });
            }
        }
        Doing::Settle => {
            if order == Order::WithoutSettle || !awaits_saves(world, number) {
                then("has waited", &|_| {
                    Next::Do(look::begin(setting, Look::Last))
                });
            }
        }
        // Over a connection that is opened when the last one is aborted.
        Doing::PutBack if !world.is_in_order(setting, number) => {}
        Doing::Add | Doing::Restore | Doing::PutBack => write(setting, world, doing, &mut then),
    }
    if world.runs[number].is_at_its_last_look() && setting.last_look == LastLook::MayFail {
        then("its last look fails, or is doubtful", &|_| match order {
            Order::FailedLookKeepsRemovals => Next::EndUnfinished,
            _ => Next::Do(Doing::PutBack),
        });
    }
}

/// Once it has removed, a run comes back to what is refused until it is refused for good.
fn write(setting: &Setting, world: &World, doing: Doing, then: &mut look::Then) {
    if world.refuses_sadd(setting) {
        if doing == Doing::Add || setting.order == Order::PutBackEndsAtRefusal {
            then("SADD: refused", &|_| Next::EndUnfinished);
        } else if setting.sadd.may_stay_refused() {
            then(
                "SADD: refused for good, the user is named as off",
                &|world| {
                    world.excuse();
                    Next::EndUnfinished
                },
            );
        }
        return;
    }
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

pub fn prove(setting: &Setting) -> Doing {
    let changes_nothing = setting.sadd == Sadd::Taken && setting.proof == Proof::OfAnother;
    match changes_nothing || setting.order == Order::WithoutProof {
        true => Doing::Remove,
        false => Doing::Proof,
    }
}

fn remove(world: &mut World, number: usize) {
    world.history.flickered |= world.board && !world.runs[number].was_stale;
    world.board = false;
    await_saves(world, number);
}

fn end(setting: &Setting, world: &mut World, number: usize) {
    let run = world.runs[number];
    world.runs[number].end();
    world.history.gone |= run.gone;
    let adds = setting.missing == Missing::Add;
    world.history.here |= run.here && adds;
    let mends = run.undisturbed && (adds || setting.mends == Mends::AnyRun);
    world.history.excused &= !mends;
}
