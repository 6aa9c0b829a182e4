//! The servers that are measured: a Kamailio with many users, and the sets in Redis.

use crate::lab::{KamailioOptions, Lab};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::ops::Range;

pub fn domain(number: usize) -> String {
    format!("customer{number}.voip.ca")
}

pub struct Board {
    pub lab: Lab,
    pub domains: usize,
    in_order: bool,
}

impl Board {
    pub fn new(domains: usize, in_order: bool) -> Self {
        let lab = Lab::with(KamailioOptions {
            big_queues: true,
            private_memory_mb: 256,
            shared_memory_mb: 2048,
            // usrloc's default. More often, its look at every contact would take one of the processors.
            timer_interval: 60,
            ..KamailioOptions::default()
        });
        Self {
            lab,
            domains,
            in_order,
        }
    }

    /// kamailio.cfg puts them into Redis.
    pub fn register(&self, users: Range<usize>) {
        let mut users: Vec<_> = users.collect();
        if !self.in_order {
            // As phones do: else Redis would hold the sets side by side in the order in which the floor reads them.
            let shuffle = BuildHasherDefault::<DefaultHasher>::new();
            users.sort_by_cached_key(|user| shuffle.hash_one(user));
        }
        let aors = users.into_iter().map(|user| self.aor(user));
        self.lab.kamailio.phone().register_many(aors);
    }

    pub fn aor(&self, user: usize) -> String {
        format!("user{user}@{}", domain(user % self.domains))
    }

    pub fn add_stale(&self, users: usize, percent: usize) {
        let add = "for i = 1, ARGV[1] do redis.call('SADD', 'ONLINE:customer' .. i % ARGV[2] .. '.voip.ca', 'gone' .. i) end";
        let count = users * percent / 100;
        self.lab.redis.command(&[
            "EVAL",
            add,
            "0",
            &count.to_string(),
            &self.domains.to_string(),
        ]);
    }

    pub fn members(&self) -> usize {
        let count = "local n = 0 for _, key in ipairs(redis.call('KEYS', 'ONLINE:*')) do n = n + redis.call('SCARD', key) end return n";
        self.lab.redis.ask(&["EVAL", count, "0"])
    }
}
