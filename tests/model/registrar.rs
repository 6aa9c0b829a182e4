//! A registrar that restarts: its table is empty, then it loads, and only then it is whole.

use crate::kamailio_cfg::{Worker, push};
use crate::setting::{MinUptime, Restarts, Setting, Source};
use crate::world::{Steps, Who, World};

/// What a registrar shows of everybody's users, and what it has yet to load.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Registrar {
    pub table: Table,
    /// Its uptime is below `--min-uptime`.
    pub young: bool,
    /// The user is in its database, and not yet in its table. They are registered.
    pub stored: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Table {
    #[default]
    Whole,
    Empty,
    /// Perfectly whole to a reader: each dump says as many records as it shows.
    Loading,
}

pub fn steps(setting: &Setting, world: &World, at: usize, steps: &mut Steps) {
    if !setting.restarts() || at > 0 {
        return;
    }
    let may_restart = setting.restarts == Restarts::Anytime || world.runs_are_over();
    if may_restart && world.workers[at].iter().all(Worker::is_idle) {
        // Who is saved and loses their SADD to a restart is lost by kamailio.cfg, not by kamonline.
        let mut after = *world;
        after.restart(setting, at);
        push(steps, Who::Source(at), "restarts", after);
    }
    let mut then = |does, change: &dyn Fn(&mut World)| {
        let mut after = *world;
        change(&mut after);
        push(steps, Who::Source(at), does, after);
    };
    let Registrar {
        table,
        young,
        stored,
    } = world.registrars[at];
    match table {
        Table::Empty if setting.loads() => then("loads its first users", &|world| {
            world.registrars[at].table = Table::Loading
        }),
        Table::Empty => then("others register again", &|world| {
            world.registrars[at].table = Table::Whole
        }),
        Table::Loading if stored => then("loads the user", &|world| {
            world.registrars[at].stored = false;
            world.registered[at] = true;
        }),
        Table::Loading => then("ends its load", &|world| {
            world.registrars[at].table = Table::Whole
        }),
        Table::Whole => {}
    }
    let loaded = table == Table::Whole || !setting.loads();
    if young && (loaded || setting.min_uptime == MinUptime::ShorterThanTheLoad) {
        then("has been up for --min-uptime", &|world| {
            world.registrars[at].young = false
        });
    }
}

impl World {
    pub fn restart(&mut self, setting: &Setting, at: usize) {
        let known = self.registered[at] || self.registrars[at].stored;
        self.registered[at] = false;
        self.registrars[at] = Registrar {
            table: Table::Empty,
            young: setting.min_uptime != MinUptime::Zero,
            stored: known && setting.loads(),
        };
        if known && !setting.loads() {
            self.leaves();
        }
        for run in &mut self.runs {
            run.notice_restart(at);
            run.here &= !known;
        }
    }

    pub fn save(&mut self, at: usize, registers: bool) {
        self.registered[at] = registers;
        self.registrars[at].stored = false;
    }

    /// A dump reports no AoR at all.
    pub fn reports_nobody(&self, at: usize) -> bool {
        self.registrars[at].table == Table::Empty && !self.registered[at]
    }

    /// It has restarted, and not loaded all.
    pub fn is_partial(&self, at: usize) -> bool {
        self.registrars[at].table != Table::Whole
    }

    /// A look now and one later in the same load are certain to show growth.
    pub fn has_yet_to_grow(&self, setting: &Setting, at: usize) -> bool {
        setting.source == Source::LoadsFast && self.is_partial(at)
    }

    /// A look now and an earlier one in the same load are certain to show growth.
    pub fn has_grown(&self, setting: &Setting, at: usize) -> bool {
        setting.source == Source::LoadsFast && self.registrars[at].table == Table::Loading
    }
}
