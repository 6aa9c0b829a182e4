//! A board that only kamonline can mend: its Redis hears of no registration.

use std::sync::{Arc, Mutex};

use crate::lab::{Kamailio, KamailioOptions, Phone, Proxy, Redis, Run, kamonline, until};

pub const KEY: &str = "ONLINE:abc.voip.ca";
/// Of the dumps, from 1.
pub const SECOND_LOOK: usize = 2;
pub const LAST_LOOK: usize = 3;

/// Kamailio knows 100; Redis holds 100, 101 and 102.
pub fn deaf() -> (Kamailio, Redis) {
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    let redis = Redis::start();
    kamailio.register("100@abc.voip.ca");
    redis.add_many(KEY, ["100", "101", "102"]);
    (kamailio, redis)
}

pub fn run(proxy: &Proxy, redis: &Redis, args: &[&str]) -> Run {
    let (url, at) = (proxy.url(), redis.url());
    let servers = ["--kamailio", &url, "--redis", &at, "--settle=0s"];
    kamonline(&[&servers, args].concat())
}

/// Registers so many users of another domain, far more than phones do in a few seconds.
pub fn load(phone: &Phone) {
    (0..200).for_each(|user| phone.register(&format!("{user}@xyz.voip.ca")));
}

/// Twenty more stale members of the board; a look at which eleven of them are registered, and as many others have left: the
/// registrar does not grow.
pub struct Flood(Phone);

impl Flood {
    pub const STALE: usize = 22;
    pub const SAID: &str = "11 of 22 stale members are registered again";

    pub fn before(kamailio: &Kamailio, redis: &Redis) -> Self {
        redis.add_many(KEY, (200..220).map(|user| user.to_string()));
        let phone = kamailio.phone();
        (300..311).for_each(|user| phone.register(&format!("{user}@xyz.voip.ca")));
        Flood(phone)
    }

    pub fn comes(&self) {
        (300..311).for_each(|user| self.0.unregister(&format!("{user}@xyz.voip.ca")));
        (200..211).for_each(|user| self.0.register(&format!("{user}@abc.voip.ca")));
    }
}

/// A proxy that restarts Kamailio before a look, and, where they come back, registers 100 again. The first look is at a
/// Kamailio that has been up for a second.
pub fn restarted_before(look: usize, comes_back: bool) -> (Proxy, Redis, Arc<Mutex<Kamailio>>) {
    let (kamailio, redis) = deaf();
    let (url, phone) = (kamailio.rpc_url(), kamailio.phone());
    until("it is up for a second", || {
        let args = ["--min-uptime=1s", "--dry-run", "--redis", &redis.url()];
        kamonline(&[&args[..], &["--kamailio", &url]].concat()).code == 0
    });
    redis.reset_stats();
    let kamailio = Arc::new(Mutex::new(kamailio));
    let restarted = kamailio.clone();
    let proxy = Proxy::before(&kamailio.lock().unwrap(), look, move || {
        restarted.lock().unwrap().restart();
        if comes_back {
            phone.register("100@abc.voip.ca");
        }
    });
    (proxy, redis, kamailio)
}
