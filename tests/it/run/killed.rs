//! A run that is killed at any step leaves what the next one mends; and a report that nobody can read stops no run.

use std::fs::File;
use std::process::{Child, Stdio};

use crate::faults::table::{AFTER, BEFORE, KEY, args, first_dump, kamailio, redis, second_dump};
use crate::lab::{
    End, Fault, HttpStub, Redis, RedisProxy, Reply, Rule, kamonline, kamonline_command, until,
};

fn kill(mut child: Child) {
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
}

/// What the killed run left, and that a whole run mends it.
fn leaves(redis: &Redis, members: &[&str], row: &str) {
    assert_eq!(redis.members(KEY), members, "{row}");
    let kamailio = HttpStub::serve(vec![Reply::Whole(second_dump())]);
    kamonline(&args(&kamailio.url(), &redis.url())).expect(0);
    assert_eq!(redis.members(KEY), AFTER, "{row}, and then another run");
    redis.command(&["DEL", KEY]);
    redis.add_many(KEY, BEFORE);
}

/// With more time than it takes to kill it.
fn quiet(kamailio: &str, redis: &str) -> Child {
    let mut args = args(kamailio, redis);
    args.retain(|arg| !arg.starts_with("--timeout"));
    let mut command = kamonline_command(&args);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// A Redis that hangs at the n-th command of this name (from 0), before or after it has run it.
pub fn hanging(redis: &Redis, command: &'static str, nth: usize, has_run: bool) -> RedisProxy {
    redis.reset_stats();
    let rule = Rule {
        command,
        times: nth..nth + 1,
        onwards: false,
        fault: match has_run {
            true => Fault::After(End::Hang),
            false => Fault::Before(End::Hang),
        },
    };
    RedisProxy::new(redis, vec![rule])
}

pub fn until_it_hangs(redis: &Redis, proxy: &RedisProxy, command: &str, nth: usize, has_run: bool) {
    until(command, || proxy.seen(command) > nth);
    until(command, || !has_run || redis.calls(command) > nth as u64);
}

#[test]
fn killed_at_any_step_of_redis() {
    // Killed between the removal and the second look, a run leaves out who came back meanwhile: `back`.
    let steps: [(&str, usize, bool, &[&str]); 12] = [
        ("HELLO", 0, false, &BEFORE),
        ("SCAN", 0, true, &BEFORE),
        ("SCARD", 0, true, &BEFORE),
        ("SMEMBERS", 0, true, &BEFORE),
        ("SADD", 0, false, &BEFORE),
        ("SADD", 0, true, &BEFORE),
        ("SREM", 0, false, &BEFORE),
        ("SREM", 0, true, &["100"]),
        ("SADD", 1, false, &["100"]),
        ("SADD", 1, true, &["100", "new"]),
        ("SADD", 2, false, &["100", "new"]),
        ("SADD", 2, true, &AFTER),
    ];
    let redis = redis();
    for (command, nth, has_run, left) in steps {
        let row = format!("killed at {command} {nth}, has run: {has_run}");
        let (kamailio, proxy) = (kamailio(), hanging(&redis, command, nth, has_run));
        let child = quiet(&kamailio.url(), &proxy.url());
        until_it_hangs(&redis, &proxy, command, nth, has_run);
        kill(child);
        leaves(&redis, left, &row);
    }
}

#[test]
fn killed_while_kamailio_is_asked() {
    let redis = redis();
    for (replies, left) in [
        (vec![Reply::Hang(vec![])], &BEFORE[..]),
        (
            vec![Reply::Whole(first_dump()), Reply::Hang(vec![])],
            &["100", "new"],
        ),
    ] {
        let asked = replies.len();
        let row = format!("killed at dump {asked}");
        let stub = HttpStub::serve(replies);
        let child = quiet(&stub.url(), &redis.url());
        until(&row, || stub.requests().len() == asked);
        kill(child);
        leaves(&redis, left, &row);
    }
}

#[test]
fn a_report_that_cannot_be_printed_stops_no_run() {
    let redis = redis();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for format in ["--format=text", "--format=json"] {
        let spawn = |stdout: Stdio| {
            let kamailio = kamailio();
            let mut command = kamonline_command(&args(&kamailio.url(), &redis.url()));
            command.arg(format).stdout(stdout).stderr(Stdio::piped());
            (command.spawn().unwrap(), kamailio)
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
