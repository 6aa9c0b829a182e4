//! A registrar that restarts: its table is empty, then it loads, and only then it is whole.

use crate::kamailio_cfg::{Worker, push};
use crate::setting::{Setting, Sign, Source, Uptime, Users};
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
    /// With `--replicated` only. Elsewhere its dump fails, as any look may.
    Down,
    Empty,
    /// Perfectly whole to a reader: each dump says as many records as it shows.
    Loading,
}

impl Registrar {
    pub fn is_down(&self) -> bool {
        self.table == Table::Down
    }
}

pub fn steps(setting: &Setting, world: &World, at: usize, steps: &mut Steps) {
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
    if !setting.restarts() || (at > 0 && !setting.is_replicated()) {
        return;
    }
    // Who is saved and loses their SADD to a restart is lost by kamailio.cfg, not by kamonline.
    let idle = world.workers[at].iter().all(Worker::is_idle);
    // A replica does not restart again while it is young.
    if idle && !(young && setting.is_replicated()) {
        then("restarts", &|world| world.restart(setting, at));
    }
    match table {
        Table::Down => then("is up again", &|world| {
            world.registrars[at].table = Table::Loading
        }),
        Table::Empty if setting.source == Source::Forgets => {
            then("others register again", &|world| world.load(setting, at))
        }
        Table::Empty if setting.shows(Sign::Nobody) => {
            then("loads its users", &|world| world.load(setting, at))
        }
        Table::Empty => then("loads its first users", &|world| {
            world.registrars[at].table = Table::Loading
        }),
        Table::Loading if stored => then("loads the user", &|world| {
            world.registrars[at].stored = false;
            world.registered[at] = true;
        }),
        Table::Loading => then("ends its load", &|world| world.load(setting, at)),
        Table::Whole => {}
    }
    let loaded = match setting.users {
        Users::ItsOwn => table == Table::Whole || !setting.loads(),
        // By then it knows the users of the other.
        Users::Replicated => {
            table == Table::Whole && (world.registered[at] || !world.knows(1 - at))
        }
    };
    if young && (loaded || setting.uptime == Uptime::ShorterThanTheLoad) {
        then("has been up for --min-uptime", &|world| {
            world.registrars[at].young = false
        });
    }
}

impl World {
    pub fn restart(&mut self, setting: &Setting, at: usize) {
        let known = self.knows(at);
        self.registered[at] = false;
        self.registrars[at] = Registrar {
            table: if setting.is_replicated() {
                Table::Down
            } else {
                Table::Empty
            },
            young: setting.uptime != Uptime::Forbidden,
            stored: known && setting.loads(),
        };
        if known && !self.is_registered() {
            self.leaves();
        }
        for run in &mut self.runs {
            run.notice_restart(at);
            run.here &= !known;
        }
    }

    /// All that is in its database, and what the other knows.
    fn load(&mut self, setting: &Setting, at: usize) {
        let synchronised = setting.is_replicated() && self.registered[1 - at];
        let registrar = &mut self.registrars[at];
        registrar.table = Table::Whole;
        self.registered[at] |= registrar.stored || synchronised;
        registrar.stored = false;
    }

    pub fn save(&mut self, setting: &Setting, at: usize, registers: bool) {
        for other in 0..setting.registrars {
            let hears = setting.is_replicated() && !self.registrars[other].is_down();
            if other == at || hears {
                self.registered[other] = registers;
                self.registrars[other].stored = false;
            }
            // What it keeps of who leaves meanwhile expires before it is loaded.
            self.registrars[other].stored &= registers || !setting.is_replicated();
        }
    }

    /// In its table, or in its database.
    pub fn knows(&self, at: usize) -> bool {
        self.registered[at] || self.registrars[at].stored
    }

    /// A dump reports no AoR at all.
    pub fn reports_nobody(&self, at: usize) -> bool {
        self.registrars[at].table == Table::Empty && !self.registered[at]
    }

    /// It has restarted, and not loaded all.
    pub fn is_partial(&self, at: usize) -> bool {
        self.registrars[at].table != Table::Whole
    }

    pub fn is_loading(&self, at: usize) -> bool {
        self.registrars[at].table == Table::Loading
    }

    /// A look now and one later in the same load are certain to show it.
    pub fn has_yet_to_grow(&self, setting: &Setting, at: usize) -> bool {
        self.is_partial(at) && (setting.shows(Sign::Growth) || setting.shows(Sign::Flood))
    }
}
