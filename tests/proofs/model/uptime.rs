//! The second half of a look: since when has each registrar been up?

use crate::look::{Asking, Look, Role, Then};
use crate::run::{Doing, Next};
use crate::setting::{Address, Order};

impl Asking<'_> {
    pub fn has_asked_uptime(&self) -> bool {
        self.look != Look::First && self.setting.order == Order::UpSinceBeforeDump
    }

    /// The uptime of each, after its dump.
    pub fn uptimes(&self, then: &mut Then) {
        if self.setting.shares_address() {
            return self.shared_uptimes(then);
        }
        let first = self.look == Look::First;
        let order = self.setting.order;
        let replicated = self.setting.is_replicated();
        let restarted = self.world.runs[self.number]
            .seen
            .iter()
            .any(|seen| seen.restarted);
        let doubt = match order {
            // A replica that is too young does not vouch; that is no doubt about the others.
            _ if first && replicated => false,
            Order::UptimeOfNow if first => self.world.registrars.iter().any(|at| at.young),
            Order::WithoutUpSince if !first => false,
            _ => restarted,
        };
        let does = match doubt {
            true => "asks for the uptimes: a registrar restarted",
            false => "asks for the uptimes",
        };
        then(does, &|world| {
            for seen in &mut world.runs[self.number].seen {
                if first && replicated && seen.role == Role::Vouches {
                    seen.role = self.role(!seen.restarted);
                }
                seen.restarted = false;
            }
            let mut dump = self.dump;
            dump.doubt |= doubt;
            match self.has_asked_uptime() {
                true => Next::Do(Doing::Dump {
                    look: self.look,
                    dump,
                }),
                false => self.conclude(world, dump),
            }
        });
    }

    /// Each question meets the next registrar, or either.
    fn shared_uptimes(&self, then: &mut Then) {
        let questions = match self.setting.order {
            Order::OneUptime => 1,
            Order::FiveUptimes => 5,
            _ => 6,
        };
        let before = self.world.runs[self.number].up_since;
        let mut hears = |up_since: bool, both: bool| {
            let differs = both || (self.look != Look::First && up_since != before);
            let does = match differs {
                true => "asks for the uptimes: they differ",
                false => "asks for the uptimes",
            };
            then(does, &|world| {
                world.turn ^= questions % 2 > 0;
                world.runs[self.number].up_since = up_since;
                let mut dump = self.dump;
                dump.doubt |= differs;
                self.conclude(world, dump)
            });
        };
        match self.setting.address {
            Address::SharedInTurn { same_start: true } => hears(false, false),
            Address::SharedInTurn { same_start: false } => hears(self.world.turn, questions > 1),
            _ => {
                hears(false, false);
                hears(true, false);
            }
        }
    }
}
