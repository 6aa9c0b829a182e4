//! A put-back of three batches, of two commands each.

use std::sync::{Arc, Mutex};

use super::sixty::{all_args, cut_off};
use super::{KEY, off, says};
use crate::lab::{Fault, HttpStub, Redis, RedisProxy, Reply, Rule, kamonline};

const REMOVED: usize = 6_000;
const ALL_BACK: &str = "everyone who was removed is back: 6000 users";
/// How many SADDs show that everyone could be put back.
const CHECKS: usize = 1;

fn fill(redis: &Redis) {
    redis.add_many(KEY, (0..REMOVED).map(|user| format!("bea{user}")));
    redis.add(KEY, "100");
}

/// The last look fails, so everyone is put back.
#[track_caller]
fn puts_everyone_back(redis: &RedisProxy, timeout: &str, row: &str) {
    let first = Reply::Whole(HttpStub::dump(&["100@abc.voip.ca"]));
    let kamailio = HttpStub::serve(vec![first.clone(), first, cut_off()]);
    let (url, at) = (kamailio.url(), redis.url());
    let run = kamonline(&[&all_args(&url, &at)[..], &[timeout]].concat()).expect(1);
    says(&run, row, &[ALL_BACK]);
    assert!(off(&run).is_empty(), "{row}");
}

#[test]
fn however_long_the_timeout_all_are_sent() {
    let redis = Redis::start();
    for timeout in ["--timeout=1m", "--timeout=10m", "--timeout=1d"] {
        redis.command(&["FLUSHALL"]);
        fill(&redis);
        puts_everyone_back(&RedisProxy::new(&redis, vec![]), timeout, timeout);
        assert_eq!(redis.members(KEY).len(), REMOVED + 1, "{timeout}");
    }
}

/// It was saved before the put-back, and is killed in the second batch: what the first one added is gone.
#[test]
fn what_redis_confirmed_and_lost_is_sent_again() {
    let redis = Arc::new(Mutex::new(Redis::start()));
    fill(&redis.lock().unwrap());
    let rule = |nth: usize, act: fn(&mut Redis)| {
        let redis = redis.clone();
        let act = move || act(&mut redis.lock().unwrap());
        Rule {
            command: "SADD",
            times: nth..nth + 1,
            onwards: false,
            fault: Fault::Meanwhile(Arc::new(act)),
        }
    };
    let rules = vec![
        rule(CHECKS, |redis| drop(redis.command(&["SAVE"]))),
        rule(CHECKS + 2, Redis::restart),
    ];
    let proxy = RedisProxy::new(&redis.lock().unwrap(), rules);
    puts_everyone_back(
        &proxy,
        "--timeout=5s",
        "a Redis that loses what it confirmed",
    );
    let redis = redis.lock().unwrap();
    assert_eq!(redis.members(KEY).len(), REMOVED + 1);
}
