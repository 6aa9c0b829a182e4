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
    /// The user has been registered somewhere from the beginning on, and was on the board then.
    pub throughout: bool,
    /// The user left, then a run began that `Counts`, came to its end, and the user has not come back.
    pub gone: bool,
    /// The user was in a registrar's table when a whole run with `--add-missing` began, and has left no registrar since.
    pub here: bool,
    /// A run was killed between its removal and the end of its second look, and no whole run that `Mends` and began
    /// later has ended yet.
    pub killed: bool,
    /// A run took the user off the board, who had never stood there wrongly since that run began.
    pub flickered: bool,
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
            if wanted && (setting.registrars > 1 || !b) {
                let mut world = World {
                    registered: [a, b],
                    registrars: Default::default(),
                    full: setting.sadd == Sadd::RefusedAtFirst,
                    board,
                    unaided: board,
                    workers: Default::default(),
                    runs: Default::default(),
                    history: History {
                        throughout: board && (a || b),
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
        for run in &mut self.runs {
            run.was_stale |= stale && run.is_under_way();
        }
        self.history.throughout &= self.is_registered();
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

    /// In a table, or in a database that is still to be loaded.
    pub fn is_registered(&self) -> bool {
        self.registered.contains(&true) || self.registrars.iter().any(|at| at.stored)
    }

    pub fn workers_are_idle(&self) -> bool {
        self.workers.as_flattened().iter().all(Worker::is_idle)
    }

    pub fn runs_are_over(&self) -> bool {
        !self.runs.iter().any(Run::is_under_way)
    }

    pub fn is_quiet(&self) -> bool {
        self.workers_are_idle() && self.runs_are_over()
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
