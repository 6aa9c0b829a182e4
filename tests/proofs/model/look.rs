//! A look: every registrar dumps, then tells since when it has been up (uptime.rs). What a run makes of it.

use crate::run::{self, Doing, Next};
use crate::setting::{Address, Missing, Order, REGISTRARS, Setting, Sign, Uptime, Users};
use crate::world::World;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Look {
    First,
    /// The last before the removal.
    Second,
    /// After the removal.
    Last,
}

/// What the dumps of a look have shown so far.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Dump {
    /// At the first look: the user was on the board when it was read.
    listed: bool,
    asked: [bool; REGISTRARS],
    /// The user is in it.
    online: bool,
    /// Some user is in it.
    anybody: bool,
    /// A registrar reported nobody.
    empty: bool,
    pub doubt: bool,
}

/// What a run knows of a registrar from its looks so far.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    pub role: Role,
    /// It was in a load that a later dump is sure to show.
    pub loading: bool,
    nobody: bool,
    /// It restarted since it was asked for its first dump, or for its uptime; where that is forbidden, for its last dump.
    pub restarted: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// At the first look it was old enough and had users: a removal rests on it.
    #[default]
    Vouches,
    /// With `--replicated` only: it was too young, or had no users.
    Answers,
    /// With `--replicated` only.
    Refuses,
}

/// A run in the middle of a look.
pub struct Asking<'a> {
    pub setting: &'a Setting,
    pub world: &'a World,
    pub number: usize,
    pub look: Look,
    pub dump: Dump,
}

/// Adds what the run may do next.
pub type Then<'a> = dyn FnMut(&'static str, &dyn Fn(&mut World) -> Next) + 'a;

/// How a later look begins.
pub fn begin(setting: &Setting, look: Look) -> Doing {
    let dump = Dump::default();
    match setting.order {
        Order::UpSinceBeforeDump => Doing::Uptime { look, dump },
        _ => Doing::Dump { look, dump },
    }
}

impl Dump {
    pub fn after_reading(board: &World) -> Self {
        Self {
            listed: board.board,
            ..Self::default()
        }
    }
}

impl Asking<'_> {
    /// Each registrar that may answer next, or refuse.
    pub fn dumps(&self, then: &mut Then) {
        for url in (0..self.setting.urls()).filter(|url| !self.dump.asked[*url]) {
            let answering = match self.setting.address {
                Address::OfEach => vec![url],
                Address::SharedInTurn { .. } => vec![usize::from(self.world.turn)],
                Address::SharedAtRandom => vec![0, 1],
            };
            for at in answering {
                match self.world.registrars[at].is_down() {
                    true => self.is_refused(at, then),
                    false => self.is_answered(url, at, then),
                }
            }
        }
    }

    fn is_refused(&self, at: usize, then: &mut Then) {
        let answered = self.look != Look::First && self.seen(at).role != Role::Refuses;
        let mut dump = self.dump;
        dump.asked[at] = true;
        dump.doubt |= answered && self.setting.order != Order::WithoutRefusal;
        then("asks a registrar that refuses", &|world| {
            world.runs[self.number].seen[at] = Seen {
                role: Role::Refuses,
                ..Seen::default()
            };
            self.dumped(world, dump)
        });
    }

    fn is_answered(&self, url: usize, at: usize, then: &mut Then) {
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
        let (setting, world) = (self.setting, self.world);
        let cached = match setting.order {
            Order::WithoutFreshWord => world.cached,
            _ => None,
        };
        let online = cached.unwrap_or(world.registered[at]);
        let nobody = world.reports_nobody(at);
        let mut dump = self.dump;
        dump.asked[url] = true;
        dump.online |= online;
        dump.anybody |= !nobody;
        dump.empty |= nobody;

        let before = self.seen(at);
        let mut role = before.role;
        match (self.look, role, setting.users) {
            (Look::First, _, Users::ItsOwn) => dump.doubt |= self.is_young(at),
            (Look::First, _, Users::Replicated) => role = self.role(!nobody && !self.is_young(at)),
            (_, Role::Vouches, _) => dump.doubt |= self.has_changed(at),
            (_, Role::Answers | Role::Refuses, _) => role = Role::Answers,
        }
        let counts_anew = self.look == Look::First || setting.uptime == Uptime::Forbidden;
        let seen = match role {
            Role::Vouches => Seen {
                role,
                loading: world.has_yet_to_grow(setting, at),
                nobody,
                restarted: before.restarted && !counts_anew,
            },
            _ => Seen {
                role,
                ..Seen::default()
            },
        };
        then(SAYS[at][usize::from(online)], &|world| {
            world.runs[self.number].seen[at] = seen;
            world.turn ^= setting.shares_address();
            if setting.order == Order::WithoutFreshWord {
                world.cached = Some(online);
            }
            self.dumped(world, dump)
        });
    }

    fn seen(&self, at: usize) -> Seen {
        self.world.runs[self.number].seen[at]
    }

    fn is_young(&self, at: usize) -> bool {
        self.world.registrars[at].young && self.setting.order != Order::UptimeOfNow
    }

    pub fn role(&self, old: bool) -> Role {
        match old || self.setting.order == Order::YoungVouches {
            true => Role::Vouches,
            false => Role::Answers,
        }
    }

    /// This dump does not agree with an earlier one.
    fn has_changed(&self, at: usize) -> bool {
        let (setting, world, before) = (self.setting, self.world, self.seen(at));
        let order = setting.order;
        let nobody =
            world.reports_nobody(at) && !before.nobody && order != Order::WithoutNobodyLater;
        let seen_by = |sign, rule| setting.shows(sign) && order != rule;
        let grew = before.loading
            && world.is_loading(at)
            && (seen_by(Sign::Growth, Order::WithoutGrowth)
                || seen_by(Sign::Flood, Order::WithoutFlood));
        let shrank = before.restarted
            && world.is_partial(at)
            && setting.uptime == Uptime::Forbidden
            && seen_by(Sign::Growth, Order::WithoutShrinking);
        nobody || grew || shrank
    }

    fn dumped(&self, world: &mut World, dump: Dump) -> Next {
        let setting = self.setting;
        if dump.asked[..setting.urls()].contains(&false) {
            return Next::Do(Doing::Dump {
                look: self.look,
                dump,
            });
        }
        let listed = match setting.order {
            Order::KamailioBeforeRedis => world.board,
            _ => dump.listed,
        };
        match self.look {
            Look::First if !listed && dump.online && setting.missing == Missing::Add => {
                Next::Do(Doing::Add)
            }
            Look::First if !listed || dump.online => Next::EndWhole,
            Look::Second if dump.online => Next::EndWhole,
            look if setting.asks_uptime() && !self.has_asked_uptime() => {
                Next::Do(Doing::Uptime { look, dump })
            }
            _ => self.conclude(world, dump),
        }
    }

    pub fn conclude(&self, world: &mut World, dump: Dump) -> Next {
        let setting = self.setting;
        let refused = self.look == Look::First && self.is_refused_by_guard(world, dump);
        let doubt = dump.doubt || refused;
        match self.look {
            Look::First | Look::Second if doubt => Next::EndUnfinished,
            Look::First if setting.order != Order::WithoutSecondLook => {
                world.runs[self.number].begins_last_look_before_removal(setting);
                Next::Do(begin(setting, Look::Second))
            }
            Look::First | Look::Second => Next::Do(run::prove(setting)),
            Look::Last if doubt => Next::Do(Doing::PutBack),
            Look::Last if dump.online => Next::Do(Doing::Restore),
            Look::Last => Next::EndWhole,
        }
    }

    fn is_refused_by_guard(&self, world: &World, dump: Dump) -> bool {
        let order = self.setting.order;
        let seen = &world.runs[self.number].seen[..self.setting.urls()];
        let nobody_vouches = !seen.iter().any(|seen| seen.role == Role::Vouches);
        let nobody_is_registered = !dump.anybody && order != Order::WithoutNobodyAtAll;
        // Before it loads it neither grows nor shrinks. A standby, which has no users either, is older.
        let is_yet_to_load =
            dump.anybody && dump.empty && order != Order::WithoutNobodyBesideAnother;
        nobody_vouches || nobody_is_registered || (is_yet_to_load && !self.setting.is_replicated())
    }
}
