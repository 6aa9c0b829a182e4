//! A run that a signal stops has changed nothing, or puts back everyone whom it removed.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::faults::table::{BEFORE, BEFORE_AND_ADDED, KEY, args, first_dump, kamailio, redis};
use crate::lab::{HttpStub, Redis, Reply, Run, kamonline_command, until};
use crate::output::json::assert_is_report;
use crate::run::killed::{hanging, until_it_hangs};

const SIGNALS: [(&str, i32); 3] = [("HUP", 1), ("INT", 2), ("TERM", 15)];
const UNCHANGED: &str = "nothing was changed";
const PUT_BACK: &str = "everyone who was removed is back: 2 users";

/// With so much time for each reply of Redis.
fn start(kamailio: &str, redis: &str, timeout: &str) -> Child {
    let mut args = args(kamailio, redis);
    args.retain(|arg| !arg.starts_with("--timeout"));
    args.extend(["--format=json", timeout]);
    let mut command = kamonline_command(&args);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -s $0 $1", signal, &pid]);
    assert!(kill.status().unwrap().success());
}

/// The run ended by this signal, and said so; the set holds these members, and then those of before again.
fn stopped(child: Child, (name, number): (&str, i32), redis: &Redis, members: &[&str], said: &str) {
    let run: Run = child.wait_with_output().unwrap().into();
    let run = run.expect(128 + number);
    for part in [&format!("stopped by SIG{name}"), said] {
        assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
    }
    let report = run.json();
    assert_is_report(&report);
    assert_eq!(report["outcome"], "failed");
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains(said), "{message}");
    let put_back = if said == PUT_BACK { 2 } else { 0 };
    assert_eq!(report["totals"]["rolled_back"], put_back, "{report}");
    let names = report["domains"][0]["rolled_back"].as_array();
    assert_eq!(names.map_or(0, Vec::len), put_back, "{report}");
    assert_eq!(redis.members(KEY), members, "{}", run.stderr);
    redis.command(&["DEL", KEY]);
    redis.add_many(KEY, BEFORE);
}

#[test]
fn before_the_first_removal_it_ends_at_once() {
    let redis = redis();
    for kind in SIGNALS {
        for (command, has_run) in [
            ("HELLO", false),
            ("SCAN", true),
            ("SCARD", true),
            ("SMEMBERS", true),
            ("SADD", false),
            ("SADD", true),
        ] {
            let (kamailio, proxy) = (kamailio(), hanging(&redis, command, 0, has_run));
            let child = start(&kamailio.url(), &proxy.url(), "--timeout=60s");
            until_it_hangs(&redis, &proxy, command, 0, has_run);
            let told = Instant::now();
            signal(&child, kind.0);
            stopped(child, kind, &redis, &BEFORE, UNCHANGED);
            assert!(told.elapsed() < Duration::from_secs(20), "{command}");
        }
        let stub = HttpStub::serve(vec![Reply::Hang(vec![])]);
        let child = start(&stub.url(), &redis.url(), "--timeout=60s");
        until("asked", || stub.requests().len() == 1);
        signal(&child, kind.0);
        stopped(child, kind, &redis, &BEFORE, UNCHANGED);
    }
}

#[test]
fn after_the_first_removal_everyone_removed_is_put_back() {
    let redis = redis();
    for kind in SIGNALS {
        // The reply that it waits for decides whether that was done, so it is waited for as long as ever.
        for (command, nth, has_run, members) in [
            ("SREM", 0, false, &BEFORE[..]),
            ("SREM", 0, true, &BEFORE),
            ("SADD", 1, false, &BEFORE),
            ("SADD", 1, true, &BEFORE_AND_ADDED),
        ] {
            let (kamailio, proxy) = (kamailio(), hanging(&redis, command, nth, has_run));
            let child = start(&kamailio.url(), &proxy.url(), "--timeout=2s");
            until_it_hangs(&redis, &proxy, command, nth, has_run);
            signal(&child, kind.0);
            stopped(child, kind, &redis, members, PUT_BACK);
            assert_eq!(kamailio.requests().len(), 1, "{command}: no second dump");
        }
    }
}

#[test]
fn during_the_second_look_everyone_removed_is_put_back_at_once() {
    let redis = redis();
    for kind in SIGNALS {
        let stub = HttpStub::serve(vec![Reply::Whole(first_dump()), Reply::Hang(vec![])]);
        let child = start(&stub.url(), &redis.url(), "--timeout=60s");
        until("asked twice", || stub.requests().len() == 2);
        let told = Instant::now();
        signal(&child, kind.0);
        stopped(child, kind, &redis, &BEFORE_AND_ADDED, PUT_BACK);
        assert!(told.elapsed() < Duration::from_secs(20));
    }
    // Nor does --settle keep it.
    let stub = kamailio();
    let (url, at) = (stub.url(), redis.url());
    let mut args = args(&url, &at);
    args.retain(|arg| !arg.starts_with("--settle"));
    args.extend(["--settle=1h", "--format=json"]);
    let mut command = kamonline_command(&args);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    until("removed and added", || redis.members(KEY) == ["100", "new"]);
    signal(&child, "TERM");
    stopped(child, SIGNALS[2], &redis, &BEFORE_AND_ADDED, PUT_BACK);
}

#[test]
fn a_second_signal_ends_it() {
    let redis = redis();
    let (kamailio, proxy) = (kamailio(), hanging(&redis, "SREM", 0, true));
    let mut child = start(&kamailio.url(), &proxy.url(), "--timeout=60s");
    until_it_hangs(&redis, &proxy, "SREM", 0, true);
    signal(&child, "TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it waits for Redis");
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(redis.members(KEY), ["100"], "as a kill leaves it");
}
