//! The second look, before the removal: a source that does not say the same again changes nothing.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::deaf::{Flood, KEY, LAST_LOOK, SECOND_LOOK, deaf, load, restarted_before, run};
use crate::lab::{
    HttpStub, Kamailio, KamailioOptions, Lab, Proxy, Redis, RedisOptions, Run, kamonline,
};

/// Nobody was removed or added, nor even the members shown to be writable.
#[track_caller]
fn unchanged(run: Run, code: i32, redis: &Redis, before: &[String], said: &[&str]) {
    let run = run.expect(code);
    for part in [&["second look: ", "nothing was changed"], said].concat() {
        assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
    }
    assert_eq!(redis.members(KEY), before);
    assert_eq!((redis.calls("srem"), redis.calls("sadd")), (0, 0));
}

/// Refused, as `meanwhile` happens between the looks.
#[track_caller]
fn refused(
    kamailio: &Kamailio,
    redis: &Redis,
    meanwhile: impl FnMut() + Send + 'static,
    why: &str,
) {
    // Somebody to add: nobody is added from a source in doubt.
    kamailio.register("new@abc.voip.ca");
    let before = redis.members(KEY);
    redis.reset_stats();
    let proxy = Proxy::before(kamailio, SECOND_LOOK, meanwhile);
    let args = ["--add-missing", "--max-removal=100%"];
    let run = run(&proxy, redis, &args);
    let summary = "refused, nothing was changed;";
    assert!(run.stdout.contains(summary), "{}", run.stdout);
    unchanged(run, 3, redis, &before, &[why, "let the next run try again"]);
    assert_eq!(proxy.looks().len(), 2);
}

#[test]
fn who_registers_before_the_second_look_is_never_removed() {
    let (kamailio, redis) = deaf();
    let (phone, client) = (kamailio.phone(), redis.client());
    let proxy = Proxy::before(&kamailio, SECOND_LOOK, move || {
        phone.register("101@abc.voip.ca");
    })
    .and_before(LAST_LOOK, move || {
        assert_eq!(client.members(KEY), ["100", "101"]);
    });
    let report = run(&proxy, &redis, &["--format=json"]).expect(0).json();
    assert_eq!(redis.members(KEY), ["100", "101"]);
    assert_eq!(report["outcome"], "changed");
    assert_eq!(report["totals"]["removed"], 1);
    assert_eq!(report["totals"]["restored"], 0);
    assert_eq!(report["domains"][0]["stale"], json!(["101", "102"]));
    assert_eq!(report["domains"][0]["returned"], json!(["101"]));
}

#[test]
fn when_everyone_has_returned_nobody_is_removed_and_the_missing_are_added() {
    let (kamailio, redis) = deaf();
    kamailio.register("new@abc.voip.ca");
    redis.reset_stats();
    let phone = kamailio.phone();
    let proxy = Proxy::before(&kamailio, SECOND_LOOK, move || {
        phone.register("101@abc.voip.ca");
        phone.register("102@abc.voip.ca");
    });
    let run = run(&proxy, &redis, &["--add-missing"]).expect(0);
    assert!(
        run.stdout
            .contains("  + 102 (not removed: registered when Kamailio was asked again)"),
        "{}",
        run.stdout
    );
    assert_eq!(redis.members(KEY), ["100", "101", "102", "new"]);
    assert_eq!(redis.calls("srem"), 0);
    assert_eq!(proxy.looks().len(), 2);
}

#[test]
fn a_second_look_that_cannot_be_had_changes_nothing() {
    let (kamailio, redis) = deaf();
    redis.add_many(KEY, (200..230).map(|user| user.to_string()));
    kamailio.register("new@abc.voip.ca");
    let before = redis.members(KEY);
    redis.reset_stats();
    for broken in [
        HttpStub::answer("500 Internal Server Error", "Internal Server Error"),
        b"HTTP/1.1 200 OK\r\n".to_vec(),
        HttpStub::dump(&["100@abc.voip.ca"])[..300].to_vec(),
        vec![],
    ] {
        let proxy = Proxy::new(&kamailio).replace(SECOND_LOOK, broken);
        let args = ["--add-missing", "--max-removal=100%", "--retries=0"];
        let run = run(&proxy, &redis, &args);
        let summary = "failed, nothing was changed; ";
        assert!(run.stdout.contains(summary), "{}", run.stdout);
        unchanged(run, 1, &redis, &before, &["Kamailio at"]);
    }
}

#[test]
fn a_registrar_that_is_killed_before_the_second_look_changes_nothing() {
    let (kamailio, redis) = deaf();
    let before = redis.members(KEY);
    redis.reset_stats();
    let kamailio = Arc::new(Mutex::new(kamailio));
    let killed = kamailio.clone();
    let proxy = Proxy::before(&kamailio.lock().unwrap(), SECOND_LOOK, move || {
        killed.lock().unwrap().kill();
    });
    let run = run(&proxy, &redis, &["--retries=0"]);
    unchanged(run, 1, &redis, &before, &["Kamailio at"]);
}

#[test]
fn a_flood_of_those_who_would_be_removed_is_not_believed() {
    let (kamailio, redis) = deaf();
    let flood = Flood::before(&kamailio, &redis);
    refused(&kamailio, &redis, move || flood.comes(), Flood::SAID);
}

#[test]
fn a_registrar_that_is_still_filling_is_not_believed() {
    let (kamailio, redis) = deaf();
    let phone = kamailio.phone();
    let why = "is still filling: 2 AoRs before, 202 now";
    refused(&kamailio, &redis, move || load(&phone), why);
}

#[test]
fn a_registrar_that_was_restarted_before_the_second_look_is_not_believed() {
    for comes_back in [false, true] {
        let (proxy, redis, _kamailio) = restarted_before(SECOND_LOOK, comes_back);
        let before = redis.members(KEY);
        let why = "was restarted, or another machine answers there: up since ";
        let run = run(&proxy, &redis, &["--min-uptime=1s"]);
        unchanged(
            run,
            3,
            &redis,
            &before,
            &[why, "let the next run try again"],
        );
    }
}

#[test]
fn a_registrar_that_reports_nobody_any_more_is_not_believed() {
    let (kamailio, redis) = deaf();
    let before = redis.members(KEY);
    redis.reset_stats();
    let proxy = Proxy::new(&kamailio).replace(SECOND_LOOK, HttpStub::dump(&[]));
    let run = run(&proxy, &redis, &[]);
    let why = "reports nobody any more: 1 AoR before";
    unchanged(run, 3, &redis, &before, &[why]);
}

#[test]
fn nobody_is_removed_who_could_not_be_put_back() {
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    kamailio.register("100@abc.voip.ca");
    let rights = |name: &str, add: &str| {
        format!("{name} on >secret ~ONLINE:* +scan +scard +smembers +sscan +srem {add}")
    };
    let redis = Redis::with(RedisOptions {
        acl: vec![
            rights("nowhere", ""),
            rights("elsewhere", "(~ONLINE:abc.voip.ca +sadd)"),
            rights("anywhere", "+sadd"),
        ],
        ..RedisOptions::default()
    });
    let other = "ONLINE:xyz.voip.ca";
    redis.add_many(KEY, ["100", "101"]);
    redis.add_many(other, ["200", "201"]);
    redis.reset_stats();
    let kamailio = Proxy::new(&kamailio);
    let fails = |url: &str, why: &str, hint: &str| {
        let all = ["--kamailio", &kamailio.url(), "--redis", url, "--settle=0s"];
        let run = kamonline(&all).expect(1);
        for part in [why, "nothing was changed", hint] {
            assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
        }
        assert_eq!(redis.members(KEY), ["100", "101"]);
        assert_eq!(redis.members(other), ["200", "201"]);
        assert_eq!(redis.calls("srem"), 0);
    };
    let as_user = |name: &str| format!("redis://{name}:secret@127.0.0.1:{}", redis.port());
    fails(&as_user("nowhere"), "the ACL forbids it", "+srem +sadd");
    fails(&as_user("elsewhere"), "the ACL forbids it", "+srem +sadd");
    redis.command(&["CONFIG", "SET", "maxmemory", "1kb"]);
    fails(&redis.url(), "out of memory (maxmemory)", "raise maxmemory");
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    run_as(&kamailio, &as_user("anywhere")).expect(0);
    assert_eq!(redis.keys(), [KEY]);
}

fn run_as(kamailio: &Proxy, redis: &str) -> Run {
    let url = kamailio.url();
    kamonline(&["--kamailio", &url, "--redis", redis, "--settle=0s"])
}

#[test]
fn nothing_to_remove_needs_no_second_look() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.redis.command(&["DEL", KEY]);
    let proxy = Proxy::new(&lab.kamailio);
    run(&proxy, &lab.redis, &["--add-missing"]).expect(0);
    assert_eq!(lab.redis.members(KEY), ["100"]);
    assert_eq!(proxy.looks().len(), 1);
}

#[test]
fn a_dry_run_takes_one_look() {
    let (kamailio, redis) = deaf();
    let proxy = Proxy::new(&kamailio);
    run(&proxy, &redis, &["--dry-run"]).expect(0);
    assert_eq!(proxy.looks().len(), 1);
}

#[test]
fn a_cache_in_between_gives_no_old_answer() {
    let (kamailio, redis) = deaf();
    let phone = kamailio.phone();
    let proxy = Proxy::before(&kamailio, SECOND_LOOK, move || {
        phone.register("101@abc.voip.ca");
    });
    run(&proxy.caching(), &redis, &[]).expect(0);
    assert_eq!(redis.members(KEY), ["100", "101"]);
    assert_eq!(redis.calls("srem"), 1);
}

#[test]
fn a_cache_that_leaves_out_the_query_is_noticed() {
    let both =
        "a cache answers: all dumps came over one connection to Kamailio, and nothing else did";
    let still = "a cache answers, or the clock was set back: up for ";
    for (cached, settle, said) in [
        ("", "--settle=0s", both),
        ("ul.dump", "--settle=0s", both),
        ("", "--settle=3s", still),
    ] {
        let (kamailio, redis) = deaf();
        let phone = kamailio.phone();
        let proxy = Proxy::before(&kamailio, SECOND_LOOK, move || {
            phone.register("101@abc.voip.ca");
        });
        let run = run(&proxy.caching_by_path(cached), &redis, &[settle]).expect(3);
        for part in ["second look: ", said, "without a cache in between"] {
            assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
        }
        assert_eq!(redis.members(KEY), ["100", "101", "102"]);
    }
}
