//! A large board holds up neither Redis nor Kamailio.

use crate::lab::{HttpStub, Redis, Reply, kamonline};

const USERS: usize = 50_000;
const GONE: usize = 5_000;

/// Sets of so many members each, and a registrar of which the first of them are gone.
fn board(domains: usize) -> (Redis, HttpStub) {
    let redis = Redis::start();
    let member = |user: usize| format!("user{user}");
    for domain in 0..domains {
        let members = (domain..USERS).step_by(domains).map(member);
        redis.add_many(&format!("ONLINE:d{domain}.voip.ca"), members);
    }
    let aors: Vec<_> = (GONE..USERS)
        .map(|user| format!("user{user}@d{}.voip.ca", user % domains))
        .collect();
    let aors: Vec<_> = aors.iter().map(String::as_str).collect();
    let kamailio = HttpStub::serve(vec![Reply::Whole(HttpStub::dump(&aors))]);
    redis.reset_stats();
    (redis, kamailio)
}

fn run(redis: &Redis, kamailio: &HttpStub, said: &str) {
    let run = kamonline(&[
        "--kamailio",
        &kamailio.url(),
        "--redis",
        &redis.url(),
        "--settle=0s",
    ]);
    assert!(run.expect(0).stdout.contains(said));
}

#[test]
fn a_set_of_many_thousands_is_read_and_thinned_in_small_portions() {
    let (redis, kamailio) = board(1);
    run(&redis, &kamailio, "removed 5000 stale users");
    assert_eq!(redis.calls("smembers"), 0);
    assert!(redis.calls("sscan") >= USERS as u64 / 4_000);
    assert_eq!(redis.calls("srem"), GONE as u64 / 1_000);
    assert_eq!(
        redis.ask::<usize>(&["SCARD", "ONLINE:d0.voip.ca"]),
        USERS - GONE
    );
}

#[test]
fn sets_of_some_thousands_take_one_command_each() {
    let (redis, kamailio) = board(10);
    run(&redis, &kamailio, "removed 5000 stale users");
    assert_eq!(redis.calls("smembers"), 10);
    assert_eq!(redis.calls("sscan"), 0);
}

#[test]
fn kamailio_is_asked_three_times_when_somebody_is_removed_and_else_once() {
    let (redis, kamailio) = board(10);
    run(&redis, &kamailio, "removed 5000 stale users");
    assert_eq!(kamailio.looks().len(), 3);
    assert_eq!(kamailio.uptimes_asked(), 18, "six times after each");
    run(&redis, &kamailio, "in sync");
    assert_eq!(kamailio.looks().len(), 4);
    assert_eq!(kamailio.uptimes_asked(), 18);
}
