//! Redis goes wrong for good: who cannot be put back is named, and the run ends a minute later. That minute is why all rows
//! run at once.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::sixty::{self, CHECKS, all_args, cut_off, everyone, last_dump, zoes};
use super::{ADD_MISSING, nobody_online_is_lost, off, restart, says, signals};
use crate::lab::{End, Fault, Redis, RedisProxy, Reply, Rule, Run, kamonline};

/// How long a put-back goes on after the last that Redis confirmed, and some time for the rest of the run.
const PATIENCE: Duration = Duration::from_secs(60);
const REST: Duration = Duration::from_secs(30);

type Kept = Arc<Mutex<Redis>>;

struct Row {
    name: &'static str,
    command: &'static str,
    nth: usize,
    /// What happens when that command comes, or to all that come from there on.
    fault: fn(Kept) -> Fault,
    onwards: bool,
    /// Whether the last look sees who is online: if not, everyone must be put back.
    is_seen: bool,
    off: usize,
    said: &'static str,
    further: &'static [&'static str],
}

fn rows() -> [Row; 6] {
    fn then(act: impl Fn() + Send + Sync + 'static) -> Fault {
        Fault::Meanwhile(Arc::new(act))
    }
    let killed: fn(Kept) -> Fault = |redis| then(move || redis.lock().unwrap().kill());
    [
        Row {
            name: "is killed",
            command: "SREM",
            nth: 0,
            fault: killed,
            onwards: false,
            is_seen: false,
            off: 60,
            said: "perhaps 60 more; last look: ",
            further: &[],
        },
        Row {
            name: "is killed",
            command: "SADD",
            nth: CHECKS,
            fault: killed,
            onwards: false,
            is_seen: true,
            off: 6,
            said: "the connection broke",
            further: &["--format=json"],
        },
        Row {
            name: "hangs",
            command: "SADD",
            nth: CHECKS + 3,
            fault: |redis| then(move || redis.lock().unwrap().pause()),
            onwards: false,
            is_seen: false,
            off: 60,
            said: "no answer within 1s; 0 of 60 removed users are back",
            further: &[],
        },
        Row {
            name: "runs out of memory",
            command: "SREM",
            nth: 0,
            fault: |redis| {
                then(move || {
                    let redis = redis.lock().unwrap();
                    redis.command(&["CONFIG", "SET", "maxmemory", "1kb"]);
                })
            },
            onwards: false,
            is_seen: false,
            off: 60,
            said: "out of memory (maxmemory), so nothing can be added; 0 of 60 removed users are back",
            further: &["--format=json"],
        },
        Row {
            name: "runs out of memory and closes all connections",
            command: "SADD",
            nth: CHECKS + 3,
            fault: |redis| {
                then(move || {
                    let redis = redis.lock().unwrap();
                    redis.command(&["CONFIG", "SET", "maxmemory", "1kb"]);
                    redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
                })
            },
            onwards: false,
            is_seen: false,
            off: 60,
            said: "perhaps off the board, if Redis lost what it confirmed: ",
            further: &[],
        },
        Row {
            name: "loads",
            command: "SADD",
            nth: CHECKS,
            fault: |_| Fault::Says(b"-LOADING Redis is loading\r\n".to_vec()),
            onwards: true,
            is_seen: true,
            off: 6,
            said: "it is still loading its data",
            further: &[],
        },
    ]
}

#[test]
fn redis_stays_away() {
    thread::scope(|threads| {
        for row in rows() {
            threads.spawn(|| stays_away(row));
        }
        threads.spawn(signalled);
        threads.spawn(signalled_while_it_hangs);
    });
}

fn stays_away(row: Row) {
    let redis = restart::stoppable();
    sixty::fill(&redis.lock().unwrap());
    let rule = Rule {
        command: row.command,
        times: row.nth..row.nth + 1,
        onwards: row.onwards,
        fault: (row.fault)(redis.clone()),
    };
    let proxy = RedisProxy::new(&redis.lock().unwrap(), vec![rule]);
    let (last, online) = match row.is_seen {
        true => (Reply::Whole(last_dump()), zoes()),
        false => (cut_off(), everyone()),
    };
    let (kamailio, begun) = (sixty::kamailio(last), Instant::now());
    let (url, at) = (kamailio.url(), proxy.url());
    let run = kamonline(&[&all_args(&url, &at)[..], row.further].concat());
    let what = format!("Redis {} at {} {}", row.name, row.command, row.nth);
    ends_in_time(&what, begun);
    let run = run.expect(1);
    says(
        &run,
        &what,
        &[row.said, "off the board", "  hint: ", ADD_MISSING],
    );
    // Dead or alive: it says what is on the board.
    let mut redis = redis.lock().unwrap();
    redis.restart();
    so_many_are_off(&run, &redis, &online, row.off, &what);
}

/// Nor do signals, or a report whose error names some of them only, keep anybody's name back.
fn signalled() {
    let (redis, begun) = (Redis::start(), Instant::now());
    let gone = Rule {
        command: "SADD",
        times: CHECKS..CHECKS + 1,
        onwards: true,
        fault: Fault::Before(End::Close),
    };
    let run = signals::at_command(&redis, ("SREM", 0), ["INT", "INT"], vec![gone]);
    ends_in_time("signals", begun);
    let run = run.expect(1);
    let said = ["stopped by SIGINT", "and 40 more, whom the report names"];
    says(&run, "signals", &said);
    so_many_are_off(&run, &redis, &everyone(), 60, "signals");
}

/// A removal is waited for no longer than whoever stops this process waits, whatever --timeout says.
fn signalled_while_it_hangs() {
    let (redis, begun) = (Redis::start(), Instant::now());
    let signals = ["TERM", "TERM"];
    let run =
        signals::while_redis_hangs(&redis, ("SREM", 0), Fault::Before, signals, "--timeout=4m");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    let said = [
        "no answer within 30s",
        "stopped by SIGTERM",
        "is run late: ",
    ];
    let run = run.expect(1);
    says(&run, "hangs at SREM", &said);
    so_many_are_off(&run, &redis, &everyone(), 60, "hangs at SREM");
}

#[track_caller]
fn ends_in_time(row: &str, begun: Instant) {
    let took = begun.elapsed();
    assert!(
        (PATIENCE..PATIENCE + REST).contains(&took),
        "{row}: {took:?}"
    );
}

#[track_caller]
fn so_many_are_off(run: &Run, redis: &Redis, online: &[String], count: usize, row: &str) {
    assert_eq!(off(run).len(), count, "{row}: {}", run.stdout);
    nobody_online_is_lost(run, redis, online, row);
}
