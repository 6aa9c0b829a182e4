//! A limit on threads: TasksMax of systemd, pids of a container, ulimit -u. It counts the threads of an account.

use std::fs;
use std::process::{Child, Command, Stdio};

use super::scripted::{BEFORE, KEY, REMOVED, args, kamailio, redis};
use crate::lab::{HttpStub, Redis, Reply, Run, kamonline_for_everybody, until};

/// As an account that nobody else has, nor another of these tests.
fn as_account(test: u32, program: &str, args: &[&str]) -> Command {
    let account = 100_000 + 2 * std::process::id() + test;
    let mut command = Command::new("setpriv");
    let ids = [format!("--reuid={account}"), format!("--regid={account}")];
    command.args(ids).arg("--clear-groups");
    command.args([program]).args(args).env_clear();
    command.env("KAMONLINE_MIN_UPTIME", "0s");
    command.env("KAMONLINE_SETTINGS", "none");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// One whose thread panicked would end in a build for release only.
fn ended(mut child: Child) -> Run {
    until("it has ended", || child.try_wait().unwrap().is_some());
    child.wait_with_output().unwrap().into()
}

/// `further`: how many threads can be started after the removal.
#[test]
fn one_that_is_reached_after_the_removal_leaves_nobody_off_the_board() {
    let redis = redis();
    let (_dir, program) = kamonline_for_everybody();
    for further in 0..=2 {
        let (one, other) = (kamailio(), kamailio());
        let (url, at) = (one.url(), redis.url());
        let other = other.url();
        let two = ["--kamailio", &other, "--settle=2s"];
        let args = [&args(&url, &at)[..], &two].concat();
        let mut command = as_account(0, program.to_str().unwrap(), &args);
        let child = command.spawn().unwrap();
        until("removed", || redis.members(KEY) == REMOVED);
        let pid = child.id();
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().count();
        let limit = [
            format!("--pid={pid}"),
            format!("--nproc={}", threads + further),
        ];
        let mut limit = as_account(0, "prlimit", &limit.each_ref().map(String::as_str));
        assert!(limit.status().unwrap().success());
        let run = ended(child).expect(1);
        for part in [
            "last look: ",
            "cannot start a thread",
            "everyone who was removed is back",
        ] {
            assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
        }
        assert_eq!(redis.members(KEY), BEFORE, "{further}");
    }
}

/// Main, the signals, the run, the one that matches, and reqwest's.
#[test]
fn five_suffice_also_when_a_name_must_be_resolved() {
    let redis = Redis::start();
    redis.add(KEY, "100");
    let dump = HttpStub::dump(&["100@abc.voip.ca"]);
    let kamailio = HttpStub::serve(vec![Reply::Whole(dump)]);
    let url = kamailio.url().replace("127.0.0.1", "localhost");
    let (_dir, program) = kamonline_for_everybody();
    let program = program.to_str().unwrap();
    let servers = ["--kamailio", &url, "--redis", &redis.url()];
    for (threads, code) in [(5, 0), (4, 1)] {
        let limit = format!("--nproc={threads}");
        let limited = [&[&limit, program][..], &servers].concat();
        let mut command = as_account(1, "prlimit", &limited);
        ended(command.spawn().unwrap()).expect(code);
    }
}
