//! A run that a signal stops has changed nothing, or puts back everyone whom it removed.

use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::scripted::{
    ADDITION, AFTER, BEFORE, CHECK, KEY, REMOVED, RESTORE, RESTORED, args, at, command, hanging,
    kamailio, redis, reset, silent_at, until_asked, until_it_hangs,
};
use crate::lab::{Fault, Redis, Run, kamonline_by, temp_dir, until};
use crate::output::json::assert_is_report;

const SIGNALS: [(&str, i32); 4] = [("HUP", 1), ("INT", 2), ("QUIT", 3), ("TERM", 15)];
/// Timers, limits, and what others send: they end a process, too.
const RARE: [(&str, i32); 12] = [
    ("USR1", 10),
    ("USR2", 12),
    ("ALRM", 14),
    ("XCPU", 24),
    ("VTALRM", 26),
    ("PROF", 27),
    ("IO", 29),
    // SIGSTKFLT and SIGPWR, which not every sh knows by name, and real-time ones.
    ("16", 16),
    ("30", 30),
    ("34", 34),
    ("50", 50),
    ("64", 64),
];
const UNCHANGED: &str = "nothing was changed";
const PUT_BACK: &str = "everyone who was removed is back: 2 users";
/// Nobody waits so long in these tests: not for a reply, nor for `--settle`.
const AT_ONCE: Duration = Duration::from_secs(20);
/// A reply of Redis that a signal can overtake: `:2`, and a line's end.
const SLOWLY: Fault = Fault::Drips(Duration::from_millis(300));

pub fn signal(child: &Child, signal: &str) {
    send(child.id(), signal);
}

pub fn send(pid: u32, signal: &str) {
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill -s $0 $1", signal, &pid.to_string()]);
    assert!(kill.status().unwrap().success());
}

/// The run ended by this signal, and said so; nobody is off the board.
#[track_caller]
fn stopped(output: Output, (name, number): (&str, i32), said: &str) -> Run {
    let run = Run::from(output).expect(128 + number);
    let name = match number {
        16 => "SIGSTKFLT".into(),
        30 => "SIGPWR".into(),
        34.. => format!("signal {number}"),
        _ => format!("SIG{name}"),
    };
    for part in [&format!("stopped by {name}"), said] {
        assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
    }
    let report = run.json();
    assert_is_report(&report);
    assert_eq!(report["outcome"], "failed");
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains(said), "{message}");
    assert_eq!(report["totals"]["off"], 0, "{report}");
    let put_back = if said == PUT_BACK { 2 } else { 0 };
    assert_eq!(report["totals"]["rolled_back"], put_back, "{report}");
    let names = report["domains"][0]["rolled_back"].as_array();
    assert_eq!(names.map_or(0, Vec::len), put_back, "{report}");
    run
}

/// Stopped at once, with the board as it was.
#[track_caller]
fn leaves_all(child: Child, kind: (&str, i32), redis: &Redis, said: &str) {
    let told = Instant::now();
    signal(&child, kind.0);
    stopped(child.wait_with_output().unwrap(), kind, said);
    assert!(told.elapsed() < AT_ONCE);
    assert_eq!(redis.members(KEY), BEFORE);
}

#[test]
fn before_the_first_removal_it_ends_at_once() {
    let redis = redis();
    for kind in SIGNALS {
        for (name, has_run) in [
            ("HELLO", false),
            ("SCAN", true),
            ("SCARD", true),
            ("SMEMBERS", true),
            ("SADD", false),
            ("SADD", true),
        ] {
            let (kamailio, proxy) = (kamailio(), hanging(&redis, name, CHECK, has_run));
            let mut command = command(&kamailio, &proxy.url(), &["--format=json"]);
            let child = command.spawn().unwrap();
            until_it_hangs(&redis, &proxy, name, CHECK, has_run);
            leaves_all(child, kind, &redis, UNCHANGED);
        }
        for dump in [1, 2] {
            let kamailio = silent_at(dump);
            let mut command = command(&kamailio, &redis.url(), &["--format=json"]);
            let child = command.spawn().unwrap();
            until_asked(&kamailio, dump);
            leaves_all(child, kind, &redis, UNCHANGED);
        }
        // Nor does the wait for the second look keep it.
        let kamailio = kamailio();
        let further = ["--settle=1h", "--format=json"];
        let child = command(&kamailio, &redis.url(), &further).spawn().unwrap();
        until("asked for its uptime", || kamailio.uptimes_asked() == 6);
        leaves_all(child, kind, &redis, UNCHANGED);
    }
    assert_eq!(redis.calls("srem"), 0);
}

#[test]
fn during_the_removal_everyone_removed_is_put_back_without_a_last_look() {
    let redis = redis();
    for kind in SIGNALS {
        let (kamailio, proxy) = (kamailio(), at(&redis, "SREM", 0, SLOWLY));
        let mut command = command(&kamailio, &proxy.url(), &["--format=json"]);
        let child = command.spawn().unwrap();
        until_it_hangs(&redis, &proxy, "SREM", 0, true);
        leaves_all(child, kind, &redis, PUT_BACK);
        assert_eq!(kamailio.looks().len(), 2);
    }
}

/// Their SREM may be on its way: a proxy may deliver it after the SADD.
#[test]
fn whose_removal_redis_does_not_answer_is_put_back_and_named() {
    let redis = redis();
    for has_run in [false, true] {
        let (kamailio, proxy) = (kamailio(), hanging(&redis, "SREM", 0, has_run));
        let further = ["--timeout=2s", "--format=json"];
        let mut command = command(&kamailio, &proxy.url(), &further);
        let child = command.spawn().unwrap();
        until_it_hangs(&redis, &proxy, "SREM", 0, has_run);
        signal(&child, "TERM");
        let run = Run::from(child.wait_with_output().unwrap()).expect(1);
        let perhaps = "perhaps off the board";
        for part in [
            "stopped by SIGTERM",
            PUT_BACK,
            perhaps,
            "gone in ONLINE:abc.voip.ca",
        ] {
            assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
        }
        let report = run.json();
        assert_eq!(report["domains"][0]["off"], json!(["gone", "zoe"]));
        assert_eq!(report["totals"]["rolled_back"], 2);
        assert_eq!(redis.members(KEY), BEFORE);
        assert_eq!(kamailio.looks().len(), 2);
    }
}

/// Redis answers meanwhile.
#[test]
fn a_run_that_stands_still_for_longer_than_its_timeout_goes_on() {
    let redis = redis();
    let kamailio = kamailio();
    let run = Arc::new(OnceLock::new());
    let its_run = run.clone();
    let stand_still = move || {
        let pid = *its_run.wait();
        send(pid, "STOP");
        spawn(move || {
            sleep(Duration::from_millis(1500));
            send(pid, "CONT");
        });
    };
    let proxy = at(&redis, "SREM", 0, Fault::Meanwhile(Arc::new(stand_still)));
    let mut command = command(&kamailio, &proxy.url(), &["--timeout=1s"]);
    let child = command.spawn().unwrap();
    run.set(child.id()).unwrap();
    Run::from(child.wait_with_output().unwrap()).expect(0);
    assert_eq!(redis.members(KEY), AFTER);
}

#[test]
fn during_the_last_look_everyone_removed_is_put_back_at_once() {
    let redis = redis();
    for kind in SIGNALS.into_iter().chain(RARE) {
        let kamailio = silent_at(3);
        let mut command = command(&kamailio, &redis.url(), &["--format=json"]);
        let child = command.spawn().unwrap();
        until_asked(&kamailio, 3);
        assert_eq!(redis.members(KEY), REMOVED);
        leaves_all(child, kind, &redis, PUT_BACK);
    }
}

/// Which nothing but SIGKILL may do. What it says on the way can be written nowhere.
#[test]
fn neither_a_full_log_nor_a_terminal_in_the_background_ends_or_stops_a_put_back() {
    let redis = redis();
    let dir = temp_dir();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (log, pid) = (file("log"), file("pid"));
    std::fs::write(&log, [b'x'; 512]).unwrap();
    // In sh `ulimit -f` counts 512 bytes.
    let full = format!("ulimit -f 1; echo $$ >{pid}; exec $RUN >>{log} 2>&1");
    let background = format!("set -m; stty tostop; $RUN >{log} & echo $! >{pid}; exec sleep 60");
    let background = format!("exec script -qec '{background}' /dev/null >/dev/null");
    for line in [full, background] {
        let kamailio = silent_at(3);
        let (url, at) = (kamailio.url(), redis.url());
        let mut command = kamonline_by(&line, &args(&url, &at));
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        until_asked(&kamailio, 3);
        assert_eq!(redis.members(KEY), REMOVED);
        let pid = std::fs::read_to_string(&pid).unwrap();
        send(pid.trim().parse().unwrap(), "TERM");
        until("everyone is back", || redis.members(KEY) == BEFORE);
        send(pid.trim().parse().unwrap(), "KILL");
        signal(&child, "TERM");
        child.wait().unwrap();
    }
}

#[test]
fn the_wait_for_the_last_look_keeps_nobody_off_the_board() {
    let redis = redis();
    let kamailio = kamailio();
    let further = ["--settle=3s", "--format=json"];
    let child = command(&kamailio, &redis.url(), &further).spawn().unwrap();
    until("removed", || redis.members(KEY) == REMOVED);
    leaves_all(child, SIGNALS[3], &redis, PUT_BACK);
    assert_eq!(kamailio.looks().len(), 2);
}

/// Of a put-back of which the signal `first` is the reason.
#[test]
fn further_signals_change_nothing() {
    let redis = redis();
    for first in SIGNALS {
        let kamailio = silent_at(3);
        let (tell_pid, pid) = channel::<u32>();
        let pid = std::sync::Mutex::new(pid);
        let flood = Fault::Meanwhile(Arc::new(move || {
            let pid = pid.lock().unwrap().recv().unwrap();
            for (further, _) in SIGNALS.iter().chain(&SIGNALS) {
                send(pid, further);
            }
            sleep(Duration::from_millis(100));
        }));
        let proxy = at(&redis, "SADD", RESTORE, flood);
        let mut command = command(&kamailio, &proxy.url(), &["--format=json"]);
        let child = command.spawn().unwrap();
        until_asked(&kamailio, 3);
        tell_pid.send(child.id()).unwrap();
        signal(&child, first.0);
        let run = stopped(child.wait_with_output().unwrap(), first, PUT_BACK);
        assert_eq!(redis.members(KEY), BEFORE);
        let said = "the run ends when everyone whom it removed is back or settled";
        assert!(run.stderr.contains(said), "{}", run.stderr);
        assert!(
            run.stderr.contains("SIGKILL would leave them off"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn while_the_returned_are_restored_it_restores_them_and_adds_nobody() {
    let redis = redis();
    for kind in SIGNALS {
        let (kamailio, proxy) = (kamailio(), at(&redis, "SADD", RESTORE, SLOWLY));
        let mut command = command(&kamailio, &proxy.url(), &["--format=json"]);
        let child = command.spawn().unwrap();
        until_it_hangs(&redis, &proxy, "SADD", RESTORE, true);
        signal(&child, kind.0);
        let output = child.wait_with_output().unwrap();
        let report = stopped(output, kind, "0 of 1 were added").json();
        assert_eq!(report["domains"][0]["restored"], json!(["zoe"]));
        assert_eq!(redis.members(KEY), RESTORED);
        reset(&redis);
    }
}

#[test]
fn what_is_done_to_its_end_in_spite_of_a_signal_is_no_failure() {
    let redis = redis();
    let (kamailio, proxy) = (kamailio(), at(&redis, "SADD", ADDITION, SLOWLY));
    let child = command(&kamailio, &proxy.url(), &[]).spawn().unwrap();
    until_it_hangs(&redis, &proxy, "SADD", ADDITION, true);
    signal(&child, "TERM");
    Run::from(child.wait_with_output().unwrap()).expect(0);
    assert_eq!(redis.members(KEY), AFTER);
}

#[test]
fn a_run_that_only_adds_does_not_speak_of_removals() {
    let redis = redis();
    let (kamailio, proxy) = (kamailio(), at(&redis, "SADD", 0, SLOWLY));
    let mut command = command(&kamailio, &proxy.url(), &["--keep-stale"]);
    let child = command.spawn().unwrap();
    until_it_hangs(&redis, &proxy, "SADD", 0, true);
    signal(&child, "TERM");
    let run = Run::from(child.wait_with_output().unwrap()).expect(0);
    let said = "kamonline: SIGTERM: the run ends when Redis has answered what was sent to it; nobody was removed\n";
    assert_eq!(run.stderr, said);
}

#[test]
fn the_report_of_a_stopped_run_tells_when_it_began() {
    let redis = redis();
    for (dump, said) in [(1, UNCHANGED), (3, PUT_BACK)] {
        let kamailio = silent_at(dump);
        let mut command = command(&kamailio, &redis.url(), &["--format=json"]);
        let child = command.spawn().unwrap();
        until_asked(&kamailio, dump);
        let asked = SystemTime::now();
        // The report tells whole seconds.
        sleep(Duration::from_millis(1_100));
        signal(&child, "TERM");
        let output = child.wait_with_output().unwrap();
        let report = stopped(output, SIGNALS[3], said).json();
        let started = report["started_at"].as_str().unwrap();
        assert!(humantime::parse_rfc3339(started).unwrap() <= asked);
        assert!(report["duration_seconds"].as_f64().unwrap() >= 1.1);
    }
}
