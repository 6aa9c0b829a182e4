//! The last look, after the removal: a user who registers in between is on the board when the run ends.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::deaf::{Flood, KEY, LAST_LOOK, deaf, load, restarted_before, run};
use crate::lab::{Fault, HttpStub, Kamailio, Proxy, Redis, RedisProxy, Rule, Run, kamonline};

#[test]
fn who_registers_between_the_removal_and_the_last_look_is_back() {
    let (kamailio, redis) = deaf();
    kamailio.register("new@abc.voip.ca");
    let (phone, client) = (kamailio.phone(), redis.client());
    let proxy = Proxy::before(&kamailio, LAST_LOOK, move || {
        assert_eq!(
            client.members(KEY),
            ["100"],
            "the removal comes first, and nobody is added yet"
        );
        phone.register("101@abc.voip.ca");
    });
    let report = run(&proxy, &redis, &["--add-missing", "--format=json"]);
    let report = report.expect(0).json();
    assert_eq!(redis.members(KEY), ["100", "101", "new"]);
    assert_eq!(proxy.looks().len(), 3);
    assert_eq!(report["outcome"], "changed");
    assert_eq!(report["totals"]["removed"], 2);
    assert_eq!(report["totals"]["restored"], 1);
    assert_eq!(report["totals"]["off"], 0);
    assert_eq!(report["domains"][0]["stale"], json!(["101", "102"]));
    assert_eq!(report["domains"][0]["restored"], json!(["101"]));
}

#[test]
fn the_text_says_who_was_restored_in_his_own_spelling() {
    let (kamailio, redis) = deaf();
    redis.add(KEY, "Bob%20B");
    let phone = kamailio.phone();
    let proxy = Proxy::before(&kamailio, LAST_LOOK, move || {
        phone.register("bob%20b@abc.voip.ca");
    });
    let run = run(&proxy, &redis, &[]).expect(0);
    assert!(
        run.stdout.contains("  + Bob%20B (restored"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("removed 3 stale users, restored 1;"),
        "{}",
        run.stdout
    );
    assert_eq!(redis.members(KEY), ["100", "Bob%20B"]);
}

#[test]
fn it_comes_late_enough_for_a_kamailio_cfg_that_fills_the_set_before_it_saves() {
    let (kamailio, redis) = deaf();
    let removed = Arc::new(Mutex::new(None));
    let (at_removal, at_look) = (removed.clone(), removed);
    let rule = Rule {
        command: "SREM",
        times: 0..1,
        onwards: false,
        fault: Fault::Meanwhile(Arc::new(move || {
            *at_removal.lock().unwrap() = Some(Instant::now());
        })),
    };
    let (between, phone) = (RedisProxy::new(&redis, vec![rule]), kamailio.phone());
    let proxy = Proxy::before(&kamailio, LAST_LOOK, move || {
        let removed = at_look.lock().unwrap().expect("the removal comes first");
        assert!(removed.elapsed() >= Duration::from_millis(200));
        phone.register("101@abc.voip.ca");
    });
    let (url, at) = (proxy.url(), between.url());
    kamonline(&["--kamailio", &url, "--redis", &at, "--settle=0s"]).expect(0);
    assert_eq!(redis.members(KEY), ["100", "101"]);
}

/// The run failed, says why, everyone whom it removed is back, and nobody was added.
#[track_caller]
fn rolled_back(run: Run, redis: &Redis, removed: usize, why: &str) {
    let run = run.expect(1);
    let back = format!("everyone who was removed is back: {removed} users");
    for part in ["last look: ", why, &back] {
        assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
    }
    let summary = format!("failed: removed {removed} stale users, put back {removed};");
    assert!(run.stdout.contains(&summary), "{}", run.stdout);
    let members = redis.members(KEY);
    assert_eq!(members.len(), 1 + removed, "{members:?}");
    assert!(!members.contains(&"new".into()));
    assert!(redis.calls("srem") > 0);
}

/// Rolled back, as `meanwhile` happens between the removal and the last look.
#[track_caller]
fn doubted(
    kamailio: &Kamailio,
    redis: &Redis,
    removed: usize,
    meanwhile: impl FnMut() + Send + 'static,
    why: &str,
) {
    kamailio.register("new@abc.voip.ca");
    redis.reset_stats();
    let proxy = Proxy::before(kamailio, LAST_LOOK, meanwhile);
    let run = run(&proxy, redis, &["--add-missing", "--max-removal=100%"]);
    let next = "let the next run try again";
    assert!(run.stderr.contains(next), "{}", run.stderr);
    rolled_back(run, redis, removed, why);
}

#[test]
fn a_last_dump_that_fails_puts_everyone_back() {
    for broken in [
        HttpStub::answer("500 Internal Server Error", "Internal Server Error"),
        b"HTTP/1.1 200 OK\r\n".to_vec(),
    ] {
        let (kamailio, redis) = deaf();
        redis.add_many(KEY, (200..230).map(|user| user.to_string()));
        kamailio.register("new@abc.voip.ca");
        redis.reset_stats();
        let proxy = Proxy::new(&kamailio).replace(LAST_LOOK, broken);
        let args = ["--add-missing", "--max-removal=100%", "--retries=0"];
        rolled_back(run(&proxy, &redis, &args), &redis, 32, "Kamailio at");
    }
}

#[test]
fn a_flood_of_those_who_were_removed_is_not_believed() {
    let (kamailio, redis) = deaf();
    let flood = Flood::before(&kamailio, &redis);
    let comes = move || flood.comes();
    doubted(&kamailio, &redis, Flood::STALE, comes, Flood::SAID);
}

#[test]
fn a_registrar_that_is_still_filling_is_not_believed() {
    let (kamailio, redis) = deaf();
    let phone = kamailio.phone();
    let why = "is still filling: 2 AoRs before, 202 now";
    doubted(&kamailio, &redis, 2, move || load(&phone), why);
}

#[test]
fn a_registrar_that_was_restarted_after_the_removal_is_not_believed() {
    for comes_back in [false, true] {
        let (proxy, redis, _kamailio) = restarted_before(LAST_LOOK, comes_back);
        let why = "was restarted, or another machine answers there: up since ";
        rolled_back(run(&proxy, &redis, &["--min-uptime=1s"]), &redis, 2, why);
    }
}

#[test]
fn who_cannot_be_put_back_is_named() {
    for (args, then) in [
        (&["--format=json"][..], "run kamonline --add-missing"),
        (
            &["--format=json", "--ignore-domain"],
            "put them back by hand: redis-cli SADD KEY MEMBER",
        ),
    ] {
        let (kamailio, redis) = deaf();
        let (client, phone) = (redis.client(), kamailio.phone());
        let proxy = Proxy::before(&kamailio, LAST_LOOK, move || {
            phone.register("101@abc.voip.ca");
            client.command(&["DEL", KEY]);
            client.command(&["SET", KEY, "no set"]);
        });
        let report = run(&proxy, &redis, args).expect(1).json();
        let message = report["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("still off the board: 101 in ONLINE:abc.voip.ca"),
            "{message}"
        );
        let hint = report["error"]["hint"].as_str().unwrap();
        assert!(hint.ends_with(then), "{hint}");
        assert_eq!(report["totals"]["restored"], 0);
        assert_eq!(report["totals"]["off"], 1);
        assert_eq!(report["domains"][0]["off"], json!(["101"]));
    }
}
