//! Two signals, microseconds apart, at each step from the last before the first removal: timeout(1) sends its signal to the
//! program and to its group, a closed terminal hangs up twice, `su -c` adds a SIGTERM to Ctrl-C.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use super::sixty::{self, CHECKS, DOMAINS, all_args, dump, everyone, last_dump, removed, zoes};
use super::{UNCHANGED, nobody_online_is_lost, off, says, side_by_side};
use crate::lab::{
    End, Fault, HttpStub, Redis, RedisProxy, Reply, Rule, Run, kamonline_command, until,
};

/// Two signals, and the exit codes of a run that either of them stops.
type Pair = ([&'static str; 2], &'static [i32]);

const PAIRS: [Pair; 4] = [
    (["TERM", "TERM"], &[143]),
    (["INT", "INT"], &[130]),
    (["HUP", "HUP"], &[129]),
    (["INT", "TERM"], &[130, 143]),
];
const ALL_BACK: &str = "everyone who was removed is back: 60 users";
const GOES_ON: &str = "SIGKILL would leave them off the board";

fn start(kamailio: &HttpStub, redis: &RedisProxy, further: &str) -> Child {
    let (kamailio, redis) = (kamailio.url(), redis.url());
    let args = [&all_args(&kamailio, &redis)[..], &[further]].concat();
    let mut command = kamonline_command(&args);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn send([one, other]: [&str; 2], process: u32) {
    let kill = "kill -s $0 $2; kill -s $1 $2";
    let mut sh = Command::new("sh");
    sh.args(["-c", kill, one, other, &process.to_string()]);
    // The first one may have ended it by then.
    sh.stderr(Stdio::null()).status().unwrap();
}

fn rule(command: &'static str, nth: usize, fault: Fault) -> Rule {
    Rule {
        command,
        times: nth..nth + 1,
        onwards: false,
        fault,
    }
}

/// Both come when the n-th command does, which then goes its way; `then` holds for the commands after it.
pub fn at_command(
    redis: &Redis,
    (command, nth): (&'static str, usize),
    signals: [&'static str; 2],
    then: Vec<Rule>,
) -> Run {
    sixty::fill(redis);
    let process = Arc::new(OnceLock::new());
    let its = process.clone();
    let fault = Fault::Meanwhile(Arc::new(move || send(signals, *its.wait())));
    let proxy = RedisProxy::new(redis, [vec![rule(command, nth, fault)], then].concat());
    let kamailio = sixty::kamailio(Reply::Whole(last_dump()));
    let child = start(&kamailio, &proxy, "--timeout=1s");
    process.set(child.id()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// Both come while Redis hangs at the n-th command, before or after it has run it.
pub fn while_redis_hangs(
    redis: &Redis,
    (command, nth): (&'static str, usize),
    fault: fn(End) -> Fault,
    signals: [&str; 2],
    timeout: &str,
) -> Run {
    sixty::fill(redis);
    let proxy = RedisProxy::new(redis, vec![rule(command, nth, fault(End::Hang))]);
    let kamailio = sixty::kamailio(Reply::Whole(last_dump()));
    let child = start(&kamailio, &proxy, timeout);
    until("it hangs", || proxy.seen(command) > nth);
    send(signals, child.id());
    child.wait_with_output().unwrap().into()
}

/// Both come while Kamailio hangs after so many dumps.
fn while_kamailio_hangs(redis: &Redis, before: usize, signals: [&str; 2]) -> Run {
    sixty::fill(redis);
    let proxy = RedisProxy::new(redis, vec![]);
    let dumps = vec![Reply::Whole(dump([])); before];
    let kamailio = HttpStub::serve([dumps, vec![Reply::Hang(vec![])]].concat());
    let child = start(&kamailio, &proxy, "--timeout=60s");
    until("it hangs", || kamailio.looks().len() > before);
    send(signals, child.id());
    child.wait_with_output().unwrap().into()
}

#[track_caller]
fn stopped(run: &Run, codes: &[i32], row: &str, said: &[&str]) {
    assert!(codes.contains(&run.code), "{row}: exit {}", run.code);
    says(run, row, &[&["stopped by SIG"], said].concat());
    assert!(off(run).is_empty(), "{row}: {}", run.stdout);
}

#[test]
fn before_the_first_removal_nothing_is_changed() {
    side_by_side(PAIRS, |(signals, codes), redis| {
        let check = ("SADD", 0);
        for (step, run) in [
            ("first look", while_kamailio_hangs(redis, 0, signals)),
            ("second look", while_kamailio_hangs(redis, 1, signals)),
            (
                "check",
                while_redis_hangs(redis, check, Fault::Before, signals, "--timeout=60s"),
            ),
        ] {
            let row = format!("{signals:?} at the {step}");
            stopped(&run, codes, &row, &[UNCHANGED]);
        }
        assert_eq!((removed(redis, "check"), redis.calls("srem")), (0, 0));
    });
}

#[test]
fn however_many_come_the_report_is_whole() {
    let redis = Redis::start();
    for _ in 0..5 {
        sixty::fill(&redis);
        let kamailio = HttpStub::serve(vec![Reply::Hang(vec![])]);
        let proxy = RedisProxy::new(&redis, vec![]);
        let child = start(&kamailio, &proxy, "--format=json");
        until("it hangs", || kamailio.looks().len() == 1);
        let kill = "while kill -s TERM $0; do :; done";
        let mut sh = Command::new("sh");
        sh.args(["-c", kill, &child.id().to_string()]);
        let mut sh = sh.stderr(Stdio::null()).spawn().unwrap();
        let run: Run = child.wait_with_output().unwrap().into();
        sh.wait().unwrap();
        assert_eq!(run.json()["error"]["hint"], serde_json::Value::Null);
        stopped(&run, &[143], "many signals", &[UNCHANGED]);
    }
}

#[test]
fn after_it_everyone_removed_is_put_back() {
    side_by_side(PAIRS, |(signals, codes), redis| {
        for nth in [0, 3] {
            let row = format!("{signals:?} at SREM {nth}");
            let run = at_command(redis, ("SREM", nth), signals, vec![]);
            stopped(&run, codes, &row, &[ALL_BACK, GOES_ON]);
            assert_eq!(removed(redis, &row), 0, "{row}");
        }
        let row = format!("{signals:?} at the last look");
        let run = while_kamailio_hangs(redis, 2, signals);
        stopped(&run, codes, &row, &[ALL_BACK, GOES_ON]);
        assert_eq!(removed(redis, &row), 0, "{row}");
    });
}

#[test]
fn who_may_be_off_the_board_is_named_whatever_ended_the_run() {
    let rows = PAIRS.map(|pair| [Fault::Before, Fault::After].map(|fault| (pair, fault)));
    side_by_side(
        rows.into_iter().flatten(),
        |((signals, _), fault), redis| {
            let row = format!("{signals:?} at an SREM that nobody answers");
            let run = while_redis_hangs(redis, ("SREM", 0), fault, signals, "--timeout=2s");
            assert_eq!(removed(redis, &row), 0, "{row}");
            let run = run.expect(1);
            let named = "and 40 more, whom the report names";
            says(&run, &row, &["stopped by SIG", ALL_BACK, named, GOES_ON]);
            let mut off = off(&run);
            off.sort();
            let mut everyone = everyone();
            everyone.sort();
            assert_eq!(off, everyone, "{row}");
        },
    );
}

#[test]
fn they_end_no_put_back() {
    let rows = PAIRS.map(|pair| [Fault::Before, Fault::After].map(|fault| (pair, fault)));
    side_by_side(
        rows.into_iter().flatten(),
        |((signals, codes), fault), redis| {
            let row = format!("{signals:?} at a put-back that hangs");
            let put_back = ("SADD", CHECKS);
            let run = while_redis_hangs(redis, put_back, fault, signals, "--timeout=2s");
            stopped(&run, codes, &row, &["0 of 1 were added", GOES_ON]);
            assert_eq!(removed(redis, &row), DOMAINS, "{row}");
        },
    );
}

/// They may come too late to stop the run.
#[test]
fn at_a_write_to_come_they_undo_nothing() {
    side_by_side(PAIRS, |(signals, codes), redis| {
        for nth in [CHECKS, CHECKS + DOMAINS] {
            let row = format!("{signals:?} at SADD {nth}");
            let run = at_command(redis, ("SADD", nth), signals, vec![]);
            assert!(
                [codes, &[0]].concat().contains(&run.code),
                "{row}: exit {}",
                run.code
            );
            assert_eq!(removed(redis, &row), DOMAINS, "{row}");
            nobody_online_is_lost(&run, redis, &zoes(), &row);
            let summary = "removed 60 stale users, ";
            assert!(run.stdout.contains(summary), "{row}: {}", run.stdout);
        }
    });
}
