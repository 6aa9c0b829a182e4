//! Redis goes, and comes back or does not.

use std::sync::{Arc, Mutex};

use super::{AFTER, KEY, args, kamailio, redis, reset, says};
use crate::lab::{End, Fault, Redis, RedisOptions, RedisProxy, Rule, kamonline};

#[test]
fn a_removal_that_may_have_been_done_is_looked_at_again() {
    let redis = redis();
    let rule = |times, fault| Rule {
        command: "SREM",
        times,
        onwards: false,
        fault,
    };
    let refused = b"-READONLY You can't write\r\n".to_vec();
    let rules = vec![
        rule(0..1, Fault::After(End::Close)),
        rule(1..2, Fault::Says(refused)),
    ];
    let (kamailio, proxy) = (kamailio(), RedisProxy::new(&redis, rules));
    let run = kamonline(&args(&kamailio.url(), &proxy.url())).expect(1);
    says(
        &run,
        "",
        &["it is a replica", "0 of 2 were removed, perhaps 2 more"],
    );
    assert_eq!(redis.members(KEY), ["100", "back"]);
}

#[test]
fn redis_is_restarted_in_the_middle() {
    for (command, comes_back) in [
        ("SCAN", true),
        ("SMEMBERS", true),
        ("SREM", true),
        ("SADD", true),
        ("SREM", false),
    ] {
        let options = RedisOptions {
            extra: vec!["appendonly yes".into()],
            ..RedisOptions::default()
        };
        let redis = Arc::new(Mutex::new(Redis::with(options)));
        reset(&redis.lock().unwrap());
        let restarted = redis.clone();
        let fault = Fault::Meanwhile(Arc::new(move || match comes_back {
            true => restarted.lock().unwrap().restart(),
            false => restarted.lock().unwrap().kill(),
        }));
        let rule = Rule {
            command,
            times: 0..1,
            onwards: false,
            fault,
        };
        let proxy = RedisProxy::new(&redis.lock().unwrap(), vec![rule]);
        let kamailio = kamailio();
        let run = kamonline(&args(&kamailio.url(), &proxy.url()));
        if comes_back {
            run.expect(0);
            let members = redis.lock().unwrap().members(KEY);
            assert_eq!(members, AFTER, "restarted at {command}");
        } else {
            let lost = "not put back: back in";
            let said = [
                "the connection broke",
                "0 of 2 were removed, perhaps 2 more",
                lost,
            ];
            says(&run.expect(1), command, &said);
        }
    }
}
