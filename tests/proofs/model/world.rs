//! The world of one user: the registrars, the board, what kamailio.cfg and the runs of kamonline have in hand.

use std::fmt;

use crate::kamailio_cfg::{self, Worker};
use crate::redis;
use crate::registrar::{self, Registrar};
use crate::run::{self, Run};
use crate::setting::{Begin, REGISTRARS, RUNS, Sadd, Setting, WORKERS};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    /// At each registrar: whether a dump would name the user.
    pub registered: [bool; REGISTRARS],
    pub registrars: [Registrar; REGISTRARS],
    /// Which of two registrars that share an address answers next, where they take turns.
    pub turn: bool,
    /// Whether the user is in the dump that a cache keeps. Only `Order::WithoutFreshWord`.
    pub cached: Option<bool>,
    /// Redis has no memory left: it refuses every SADD.
    pub full: bool,
    /// Whether the user is in their set in Redis.
    pub board: bool,
    /// Whether they would be, had kamonline never run.
    pub unaided: bool,
    pub workers: [[Worker; WORKERS]; REGISTRARS],
    pub runs: [Run; RUNS],
    pub history: History,
}

/// What the promises need to know of the past.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// At each registrar: the user has been registered there from the beginning on, and was on the board then.
    pub throughout: [bool; REGISTRARS],
    /// The user left, then a run began that `Counts`, came to its end, and the user has not come back.
    pub gone: bool,
    /// The user was in a registrar's table when a whole run with `--add-missing` began, and has left no registrar since.
    pub here: bool,
    /// A run that may have taken the user off named them as perhaps off; or it was killed, and they have not stayed at any
    /// registrar since its second look. No whole run that `Mends` and began later has ended yet.
    pub excused: bool,
    /// A run took the user off the board, who had never stood there wrongly since that run began.
    pub flickered: bool,
}

/// What a promise may ask of the past. What none of a check's promises asks is forgotten: fewer worlds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Past {
    Throughout,
    Gone,
    Here,
    Flickered,
}

pub struct Step {
    pub who: Who,
    pub does: &'static str,
}

#[derive(Clone, Copy)]
pub enum Who {
    User(usize),
    /// kamailio.cfg.
    Registrar(usize),
    /// Kamailio itself.
    Source(usize),
    Redis,
    Run(usize),
}

pub type Steps = Vec<(Step, World)>;

impl World {
    pub fn beginnings(setting: &Setting) -> Vec<World> {
        let mut worlds = Vec::new();
        for bits in 0..8 {
            let [a, b, board] = [bits & 1 > 0, bits & 2 > 0, bits & 4 > 0];
            let wanted = match setting.begin {
                Begin::Anyhow | Begin::JustRestarted => true,
                Begin::NobodyMissing => board || !(a || b),
            };
            let differ = setting.is_replicated() && a != b;
            if wanted && !differ && (setting.registrars > 1 || !b) {
                let mut world = World {
                    registered: [a, b],
                    registrars: Default::default(),
                    turn: false,
                    cached: None,
                    full: setting.sadd == Sadd::RefusedAtFirst,
                    board,
                    unaided: board,
                    workers: Default::default(),
                    runs: Default::default(),
                    history: History {
                        throughout: [board && a, board && b],
                        ..History::default()
                    },
                };
                if setting.begin == Begin::JustRestarted {
                    world.restart(setting, 0);
                }
                worlds.push(world);
            }
        }
        worlds
    }

    /// Everything that may happen next.
    pub fn steps(&self, setting: &Setting) -> Steps {
        let mut steps = Steps::new();
        for registrar in 0..setting.registrars {
            kamailio_cfg::steps(setting, self, registrar, &mut steps);
            registrar::steps(setting, self, registrar, &mut steps);
        }
        redis::steps(setting, self, &mut steps);
        run::steps(setting, self, &mut steps);
        for (_, world) in &mut steps {
            world.remember();
        }
        steps
    }

    fn remember(&mut self) {
        let stale = self.board && !self.is_registered();
        let known = [0, 1].map(|at| self.knows(at));
        for run in &mut self.runs {
            run.was_stale |= stale && run.is_under_way();
            and(&mut run.stayed, known);
        }
        and(&mut self.history.throughout, known);
    }

    pub fn forget_all_but(&mut self, needed: &[Past]) {
        let forgets = |past| !needed.contains(&past);
        if forgets(Past::Throughout) {
            self.history.throughout = Default::default();
        }
        if forgets(Past::Gone) {
            self.history.gone = false;
            self.runs.iter_mut().for_each(|run| run.gone = false);
        }
        if forgets(Past::Here) {
            self.history.here = false;
            self.runs.iter_mut().for_each(|run| run.here = false);
        }
        if forgets(Past::Flickered) {
            self.history.flickered = false;
            self.runs.iter_mut().for_each(|run| run.was_stale = false);
        }
    }

    /// The user begins to register.
    pub fn comes(&mut self) {
        self.history.gone = false;
        for run in &mut self.runs {
            run.gone = false;
        }
    }

    /// The user leaves a registrar, or kamailio.cfg takes it for that.
    pub fn leaves(&mut self) {
        self.history.here = false;
        for run in &mut self.runs {
            run.here = false;
        }
    }

    pub fn excuse(&mut self) {
        self.history.excused = true;
        self.history.here = false;
        for run in &mut self.runs {
            (run.here, run.undisturbed) = (false, false);
        }
    }

    /// In a table, or in a database that is still to be loaded.
    pub fn is_registered(&self) -> bool {
        (0..REGISTRARS).any(|at| self.knows(at))
    }

    pub fn workers_are_idle(&self) -> bool {
        self.workers.as_flattened().iter().all(Worker::is_idle)
    }

    pub fn runs_are_over(&self) -> bool {
        self.runs.iter().all(Run::is_over)
    }

    pub fn is_quiet(&self) -> bool {
        self.workers_are_idle() && self.runs_are_over()
    }
}

fn and(flags: &mut [bool; REGISTRARS], others: [bool; REGISTRARS]) {
    for (flag, other) in flags.iter_mut().zip(others) {
        *flag &= other;
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let text = match self.who {
            Who::User(at) => format!("the user, at registrar {}: {}", at + 1, self.does),
            Who::Registrar(at) => format!("kamailio.cfg of registrar {}: {}", at + 1, self.does),
            Who::Source(at) => format!("registrar {}: {}", at + 1, self.does),
            Who::Redis => format!("Redis: {}", self.does),
            Who::Run(number) => format!("run {}: {}", number + 1, self.does),
        };
        out.pad(&text)
    }
}

impl fmt::Display for World {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let mark = |is: bool| if is { "yes" } else { "no " };
        let [first, second] = self.registered.map(mark);
        let board = mark(self.board);
        write!(out, "registered: {first} {second} on the board: {board}")?;
        for (at, registrar) in self.registrars.iter().enumerate() {
            if registrar.stored {
                write!(out, "  yet to be loaded by registrar {}", at + 1)?;
            }
        }
        Ok(())
    }
}
