//! Every fault at every step of a run: the exit code, what is said, the hint, and what Redis holds afterwards.
//! Who is online is on the board in the end, or the report names them as off it.

mod away;
mod batches;
mod doubt;
mod jsonrpc;
mod kamailio;
mod redis;
mod restart;
mod signals;
mod sixty;
mod write;

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use crate::lab::{HttpStub, Redis, Reply, Run};
pub use crate::run::scripted::{AFTER, BEFORE, KEY, first_dump, later_dump, redis, reset};

/// A second is enough for any of these replies, on a busy machine too.
const OPTIONS: [&str; 5] = [
    "--add-missing",
    "--settle=0s",
    "--min-uptime=2m",
    "--timeout=1s",
    "--retries=1",
];
const UNCHANGED: &str = "nothing was changed";
const ROLLED_BACK: &str = "everyone who was removed is back: 2 users";
const ADD_MISSING: &str = "run kamonline --add-missing";
const BYTE: Duration = Duration::from_millis(50);
/// How many rows run at a time.
const TOGETHER: usize = 3;

/// Kamailio, where `zoe` has registered again at the second look.
pub fn kamailio() -> HttpStub {
    HttpStub::serve([first_dump(), later_dump()].map(Reply::Whole).into())
}

pub fn args<'a>(kamailio: &'a str, redis: &'a str) -> Vec<&'a str> {
    [&["--kamailio", kamailio, "--redis", redis], &OPTIONS[..]].concat()
}

/// Checks rows, some at a time, each with a Redis that nobody else uses.
pub fn side_by_side<Row: Send>(
    rows: impl IntoIterator<Item = Row>,
    check: impl Fn(Row, &Redis) + Sync,
) {
    let rows: Vec<_> = rows.into_iter().collect();
    let rows = Mutex::new(rows.into_iter());
    thread::scope(|threads| {
        for _ in 0..TOGETHER {
            threads.spawn(|| {
                let redis = Redis::start();
                loop {
                    let row = rows.lock().unwrap().next();
                    let Some(row) = row else { return };
                    check(row, &redis);
                }
            });
        }
    });
}

/// The rule that holds for every row: each of those who are `online` is on the board, or the report names them as off it,
/// and then the run has failed.
#[track_caller]
fn nobody_online_is_lost(run: &Run, redis: &Redis, online: &[impl AsRef<str>], row: &str) {
    let on = on_the_board(redis);
    let off = off(run);
    for user in online.iter().map(AsRef::as_ref) {
        let is = |name: &String| name == user;
        assert!(
            on.iter().any(is) || off.iter().any(is),
            "{row}: {user} is lost\n{}{}",
            run.stdout,
            run.stderr
        );
    }
    assert!(off.is_empty() || run.code == 1, "{row}: exit {}", run.code);
}

fn on_the_board(redis: &Redis) -> Vec<String> {
    let keys = redis.keys();
    keys.iter().flat_map(|key| redis.members(key)).collect()
}

/// Who may be off the board and should not be, as the report names them.
fn off(run: &Run) -> Vec<String> {
    if run.stdout.starts_with('{') {
        let report = run.json();
        let domains = report["domains"].as_array().unwrap();
        let names = domains
            .iter()
            .flat_map(|domain| domain["off"].as_array().unwrap());
        return names.map(|name| name.as_str().unwrap().into()).collect();
    }
    let name = |line: &str| {
        let line = line.strip_prefix("  ! ")?;
        assert!(line.contains("off the board"), "{line}");
        Some(line.rsplit_once(" (")?.0.to_owned())
    };
    run.stdout.lines().filter_map(name).collect()
}

#[track_caller]
fn says(run: &Run, row: &str, parts: &[&str]) {
    for part in parts {
        assert!(
            run.stderr.contains(part),
            "{row}: no {part:?} in\n{}",
            run.stderr
        );
    }
}
