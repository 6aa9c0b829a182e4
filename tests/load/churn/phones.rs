//! The users: they come, refresh, say good-bye or die, each at their own pace.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use crate::lab::{Kamailio, Phone};

pub const DOMAIN: &str = "abc.voip.ca";

/// They act side by side, each thread for its share of the users.
const THREADS: usize = 4;

#[derive(Default)]
pub struct Lived {
    pub registered: usize,
    pub refreshed: usize,
    pub unregistered: usize,
    /// Registered for a second, and said no more.
    pub died: usize,
    /// Made unknown to Kamailio, and kamailio.cfg did not hear of it.
    pub cut_off: usize,
    /// Who must be registered in the end.
    pub online: BTreeSet<String>,
}

impl Lived {
    pub fn turns(&self) -> usize {
        self.registered + self.refreshed + self.unregistered + self.died + self.cut_off
    }
}

impl AddAssign for Lived {
    fn add_assign(&mut self, other: Self) {
        self.registered += other.registered;
        self.refreshed += other.refreshed;
        self.unregistered += other.unregistered;
        self.died += other.died;
        self.cut_off += other.cut_off;
        self.online.extend(other.online);
    }
}

/// One of the many phones that send no Expires header: the naive fragment takes them off the board.
pub fn has_no_header(user: usize) -> bool {
    user.is_multiple_of(10)
}

pub fn name(user: usize) -> String {
    format!("{user:05}")
}

/// All of them are registered, and live until the time is over. Together they have so many turns a second, and more, as who
/// leaves is mostly back soon.
pub fn live(kamailio: &Kamailio, users: usize, time: Duration, turns: usize) -> Lived {
    kamailio.register_many((0..users).map(aor));
    let end = Instant::now() + time;
    let mut lived = Lived::default();
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..THREADS)
            .map(|share| {
                let users: Vec<_> = (share..users).step_by(THREADS).collect();
                scope.spawn(move || Share::new(kamailio, users, share, turns).live(end))
            })
            .collect();
        for share in shares {
            lived += share.join().unwrap();
        }
    });
    lived
}

struct Share<'a> {
    kamailio: &'a Kamailio,
    phone: Phone,
    dice: Dice,
    /// The mean time between two turns of a user.
    pace: f64,
    turns: BinaryHeap<Reverse<(Instant, usize)>>,
    lived: Lived,
}

impl<'a> Share<'a> {
    fn new(kamailio: &'a Kamailio, users: Vec<usize>, seed: usize, turns: usize) -> Self {
        let mut share = Share {
            kamailio,
            phone: kamailio.phone(),
            dice: Dice(seed as u64),
            pace: (users.len() * THREADS) as f64 / turns as f64,
            turns: BinaryHeap::new(),
            lived: Lived::default(),
        };
        for user in users {
            share.lived.online.insert(name(user));
            let wait = share.dice.below(share.pace);
            share.next(user, wait);
        }
        share
    }

    fn live(mut self, end: Instant) -> Lived {
        while let Some(Reverse((at, user))) = self.turns.pop()
            && at < end
        {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            if Instant::now() > end {
                break;
            }
            let wait = match self.lived.online.contains(&name(user)) {
                true => self.stay_or_leave(user),
                false => self.come_back(user),
            };
            self.next(user, wait);
        }
        self.lived
    }

    fn come_back(&mut self, user: usize) -> f64 {
        self.register(user, 3600);
        self.lived.registered += 1;
        self.lived.online.insert(name(user));
        self.dice.below(2.0 * self.pace)
    }

    fn stay_or_leave(&mut self, user: usize) -> f64 {
        match self.dice.below(10.0) as u32 {
            0..4 => {
                self.register(user, 3600);
                self.lived.refreshed += 1;
                return self.dice.below(2.0 * self.pace);
            }
            4..6 => {
                self.register(user, 0);
                self.lived.unregistered += 1;
            }
            6..9 => {
                self.register(user, 1);
                self.lived.died += 1;
            }
            _ => {
                self.kamailio.drop_contact(aor(user));
                self.lived.cut_off += 1;
            }
        }
        self.lived.online.remove(&name(user));
        // Most are back soon: those are the ones that a dump can miss.
        match self.dice.below(4.0) < 3.0 {
            true => self.dice.below(3.0),
            false => self.dice.below(4.0 * self.pace),
        }
    }

    fn register(&self, user: usize, seconds: u32) {
        match has_no_header(user) {
            true => self
                .phone
                .with_expires_in_contact()
                .register_for(&aor(user), seconds),
            false => self.phone.register_for(&aor(user), seconds),
        }
    }

    fn next(&mut self, user: usize, wait: f64) {
        let at = Instant::now() + Duration::from_secs_f64(wait);
        self.turns.push(Reverse((at, user)));
    }
}

fn aor(user: usize) -> String {
    format!("{}@{DOMAIN}", name(user))
}

/// splitmix64
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64 * limit
    }
}
