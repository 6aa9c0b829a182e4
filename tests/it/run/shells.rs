//! Signals as shells, terminals and timeout(1) send them.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use super::scripted::{
    AFTER, BEFORE, KEY, REMOVED, RESTORE, args, at, kamailio, redis, silent_at, until_asked,
};
use super::stopped::{send, signal};
use crate::lab::{Fault, HttpStub, RedisProxy, kamonline_by, until};

/// Under a pseudo-terminal, whose keys are standard input.
const TERMINAL: &str = "exec script -qec 'exec $RUN' /dev/null";

fn started_by(line: &str, kamailio: &HttpStub, redis: &str) -> Command {
    let url = kamailio.url();
    let mut command = kamonline_by(line, &args(&url, redis));
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn spawn(line: &str, kamailio: &HttpStub, redis: &str) -> Child {
    started_by(line, kamailio, redis).spawn().unwrap()
}

/// A Redis that does something at the first SADD after a removal.
fn meanwhile(redis: &crate::lab::Redis, act: impl Fn() + Send + Sync + 'static) -> RedisProxy {
    at(redis, "SADD", RESTORE, Fault::Meanwhile(Arc::new(act)))
}

#[test]
fn ctrl_c_twice_puts_everyone_back() {
    let redis = redis();
    let keys = Arc::new(Mutex::new(None));
    let (kamailio, again) = (silent_at(3), keys.clone());
    let press = |keys: &Mutex<Option<std::process::ChildStdin>>| {
        let mut keys = keys.lock().unwrap();
        keys.as_mut().unwrap().write_all(b"\x03").unwrap();
    };
    let proxy = meanwhile(&redis, move || {
        press(&again);
        sleep(Duration::from_millis(300));
    });
    let mut child = spawn(TERMINAL, &kamailio, &proxy.url());
    *keys.lock().unwrap() = child.stdin.take();
    until_asked(&kamailio, 3);
    assert_eq!(redis.members(KEY), REMOVED);
    press(&keys);
    let mut shown = String::new();
    let mut output = child.stdout.take().unwrap();
    output.read_to_string(&mut shown).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{shown}");
    assert_eq!(redis.members(KEY), BEFORE, "{shown}");
    assert_eq!(shown.matches("the run ends when everyone").count(), 2);
    assert!(shown.contains("everyone who was removed is back: 2 users"));
}

#[test]
fn a_terminal_that_is_closed_puts_everyone_back() {
    let redis = redis();
    let kamailio = silent_at(3);
    let mut terminal = spawn(TERMINAL, &kamailio, &redis.url());
    until_asked(&kamailio, 3);
    assert_eq!(redis.members(KEY), REMOVED);
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    until("everyone is back", || redis.members(KEY) == BEFORE);
}

#[test]
fn a_full_pipe_delays_no_put_back() {
    let redis = redis();
    let kamailio = silent_at(3);
    // A pipe takes 64 KB.
    let line = "head -c 65536 /dev/zero; head -c 65536 /dev/zero >&2; exec $RUN";
    let mut child = spawn(line, &kamailio, &redis.url());
    until_asked(&kamailio, 3);
    signal(&child, "TERM");
    until("everyone is back", || redis.members(KEY) == BEFORE);
    assert!(
        child.try_wait().unwrap().is_none(),
        "its report is not read"
    );
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
}

/// It shows what is waited for before the removal, and nothing until everyone is back.
#[test]
fn a_terminal_that_stands_still_delays_no_put_back() {
    let redis = redis();
    let kamailio = silent_at(3);
    let (url, redis_url) = (kamailio.url(), redis.url());
    let args = [&args(&url, &redis_url)[..], &["--settle=1500ms"]].concat();
    let mut terminal = kamonline_by(TERMINAL, &args);
    terminal.stdin(Stdio::piped());
    terminal.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut terminal = terminal.spawn().unwrap();
    until_asked(&kamailio, 3);
    assert_eq!(redis.members(KEY), REMOVED);
    const CTRL_S: &[u8] = b"\x13";
    terminal.stdin.as_mut().unwrap().write_all(CTRL_S).unwrap();
    sleep(Duration::from_millis(500));
    let children = format!("/proc/{0}/task/{0}/children", terminal.id());
    let kamonline = std::fs::read_to_string(children).unwrap();
    send(kamonline.trim().parse().unwrap(), "TERM");
    until("everyone is back", || redis.members(KEY) == BEFORE);
    terminal.kill().unwrap();
    terminal.wait().unwrap();
}

/// It sends its signal to its child, and then to the group, which the child is in.
#[test]
fn timeout_sends_two_signals_and_everyone_is_back() {
    let redis = redis();
    let kamailio = silent_at(3);
    let line = "exec timeout --preserve-status 5 $RUN";
    let child = spawn(line, &kamailio, &redis.url());
    until_asked(&kamailio, 3);
    assert_eq!(redis.members(KEY), REMOVED);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(143), "{said}");
    assert_eq!(redis.members(KEY), BEFORE, "{said}");
}

#[test]
fn a_signal_that_the_caller_ignores_stays_ignored() {
    for (line, ignored) in [
        ("exec nohup $RUN", "HUP"),
        ("trap '' HUP INT QUIT TERM; exec $RUN", "HUP INT QUIT TERM"),
        ("trap '' ALRM USR1 XCPU; exec $RUN", "ALRM USR1 XCPU"),
        // sh lets what it starts in the background ignore SIGINT and SIGQUIT; it survives them itself here.
        (
            "trap : INT QUIT; $RUN & wait $!; wait $!; wait $!",
            "INT QUIT",
        ),
    ] {
        use std::os::unix::process::CommandExt;
        let redis = redis();
        let pid = Arc::new(Mutex::new(0));
        let group = pid.clone();
        let proxy = meanwhile(&redis, move || {
            for signal in ignored.split(' ') {
                let mut kill = Command::new("sh");
                let group = format!("-{}", group.lock().unwrap());
                kill.args(["-c", "kill -s $0 -- $1", signal, &group]);
                assert!(kill.status().unwrap().success());
                sleep(Duration::from_millis(100));
            }
        });
        let kamailio = kamailio();
        let mut command = started_by(line, &kamailio, &proxy.url());
        let mut guard = pid.lock().unwrap();
        let child = command.process_group(0).spawn().unwrap();
        *guard = child.id();
        drop(guard);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {said}");
        assert_eq!(redis.members(KEY), AFTER, "{line}: {said}");
    }
}
