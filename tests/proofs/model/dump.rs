//! What one run's dumps of the registrars have shown so far.

use crate::setting::{REGISTRARS, Setting};
use crate::world::World;

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Dump {
    pub asked: [bool; REGISTRARS],
    /// The user is in it.
    pub online: bool,
    /// Some user is in it.
    pub anybody: bool,
    /// A registrar reported nobody, and was not asked how long it has been up.
    pub empty: bool,
    /// A registrar was too young, or grew, or changed where nobody asked whether it restarted.
    pub doubt: bool,
}

/// What a run knows of a registrar since its first dump of it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Since {
    #[default]
    Loaded,
    Loading,
    Restarted,
}

impl Dump {
    pub fn is_whole(&self, setting: &Setting) -> bool {
        self.asked[..setting.registrars].iter().all(|asked| *asked)
    }

    pub fn with_doubt(mut self, doubt: bool) -> Dump {
        self.doubt |= doubt;
        self
    }
}

/// Each dump that may come next: of which registrar, and with what it adds.
pub fn dumps(setting: &Setting, world: &World, dump: Dump) -> Vec<(usize, &'static str, Dump)> {
    const SAYS: [[&str; 2]; REGISTRARS] = [
        [
            "dumps registrar 1, without the user",
            "dumps registrar 1, with the user",
        ],
        [
            "dumps registrar 2, without the user",
            "dumps registrar 2, with the user",
        ],
    ];
    let open = (0..setting.registrars).filter(|at| !dump.asked[*at]);
    open.map(|at| {
        let found = world.registered[at];
        let mut more = dump;
        more.asked[at] = true;
        more.online |= found;
        more.anybody |= !world.reports_nobody(at);
        more.empty |= world.reports_nobody(at) && setting.asks_nothing();
        (at, SAYS[at][usize::from(found)], more)
    })
    .collect()
}
