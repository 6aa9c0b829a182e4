//! A run that is killed at any step leaves what the next one mends; and a report that nobody can read stops no run.

use std::fs::File;
use std::process::{Child, Stdio};

use super::scripted::{
    ADDITION, AFTER, BEFORE, CHECK, KEY, REMOVED, RESTORE, RESTORED, args, command, hanging,
    kamailio, last_dump, redis, reset, silent_at, until_asked, until_it_hangs,
};
use crate::lab::{HttpStub, Redis, Reply, kamonline, kamonline_command, until};

fn kill(mut child: Child) {
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
}

/// What the killed run left, and that a whole run mends it.
fn leaves(redis: &Redis, members: &[&str], row: &str) {
    assert_eq!(redis.members(KEY), members, "{row}");
    let kamailio = HttpStub::serve(vec![last_dump()]);
    kamonline(&args(&kamailio.url(), &redis.url())).expect(0);
    assert_eq!(redis.members(KEY), AFTER, "{row}, and then another run");
    reset(redis);
}

#[test]
fn killed_at_any_step_of_redis() {
    // Killed between the removal and the end of the last look, a run leaves out who came back meanwhile: `zoe`.
    let steps: [(&str, usize, bool, &[&str]); 12] = [
        ("HELLO", 0, false, &BEFORE),
        ("SCAN", 0, true, &BEFORE),
        ("SCARD", 0, true, &BEFORE),
        ("SMEMBERS", 0, true, &BEFORE),
        ("SADD", CHECK, false, &BEFORE),
        ("SADD", CHECK, true, &BEFORE),
        ("SREM", 0, false, &BEFORE),
        ("SREM", 0, true, &REMOVED),
        ("SADD", RESTORE, false, &REMOVED),
        ("SADD", RESTORE, true, &RESTORED),
        ("SADD", ADDITION, false, &RESTORED),
        ("SADD", ADDITION, true, &AFTER),
    ];
    let redis = redis();
    for (name, nth, has_run, left) in steps {
        let row = format!("killed at {name} {nth}, has run: {has_run}");
        let (kamailio, proxy) = (kamailio(), hanging(&redis, name, nth, has_run));
        let child = command(&kamailio, &proxy.url(), &[]).spawn().unwrap();
        until_it_hangs(&redis, &proxy, name, nth, has_run);
        kill(child);
        leaves(&redis, left, &row);
    }
}

#[test]
fn killed_while_kamailio_is_asked() {
    let redis = redis();
    for (dump, left) in [(1, &BEFORE[..]), (2, &BEFORE), (3, &REMOVED)] {
        let kamailio = silent_at(dump);
        let child = command(&kamailio, &redis.url(), &[]).spawn().unwrap();
        until_asked(&kamailio, dump);
        kill(child);
        leaves(&redis, left, &format!("killed at dump {dump}"));
    }
}

#[test]
fn killed_while_kamailio_is_asked_for_its_uptime() {
    let redis = redis();
    let old = || Reply::Whole(HttpStub::up_for("86400"));
    // Six questions follow each dump.
    for (before, left) in [
        (0, &BEFORE[..]),
        (6, &BEFORE),
        (11, &BEFORE),
        (12, &REMOVED),
    ] {
        let mut uptimes = vec![old(); before];
        uptimes.push(Reply::Hang(vec![]));
        let dumps = vec![super::scripted::dump()];
        let kamailio = HttpStub::with_uptimes(dumps, uptimes);
        let child = command(&kamailio, &redis.url(), &[]).spawn().unwrap();
        until("asked", || kamailio.uptimes_asked() == before + 1);
        kill(child);
        leaves(&redis, left, &format!("killed at uptime {before}"));
    }
}

#[test]
fn a_report_that_cannot_be_printed_stops_no_run() {
    let redis = redis();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for format in ["--format=text", "--format=json"] {
        let spawn = |stdout: Stdio| {
            let kamailio = kamailio();
            let mut command = command(&kamailio, &redis.url(), &[format]);
            (command.stdout(stdout).spawn().unwrap(), kamailio)
        };
        let (mut unread, _kamailio) = spawn(Stdio::piped());
        drop(unread.stdout.take());
        let output = unread.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
        leaves(&redis, &AFTER, "nobody reads it");

        let (unwritten, _kamailio) = spawn(full());
        let output = unwritten.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("the run is done, but its report could not be printed"),
            "{said}"
        );
        leaves(&redis, &AFTER, "the disk is full");
    }
    // Not even its error can be printed: the exit code still tells.
    let mut command = kamonline_command(&args("http://127.0.0.1:1/rpc", &redis.url()));
    let status = command.stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}
