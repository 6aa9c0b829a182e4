//! Every fault at every step of a run: the exit code, what is said, the hint, and what Redis holds afterwards.
//! Who is online is never missing in the end, unless the error or the report before it names them.

mod jsonrpc;
mod kamailio;
mod redis;
mod restart;

use std::time::Duration;

use crate::lab::{HttpStub, Redis, Reply, Run};

pub const KEY: &str = "ONLINE:abc.voip.ca";
/// `gone` is stale. `back` is too when Kamailio is asked first, and has registered again when it is asked next.
pub const BEFORE: [&str; 3] = ["100", "back", "gone"];
pub const AFTER: [&str; 3] = ["100", "back", "new"];
/// A second is enough for any of these replies, on a busy machine too.
const OPTIONS: [&str; 5] = [
    "--add-missing",
    "--settle=0s",
    "--min-uptime=2m",
    "--timeout=1s",
    "--retries=1",
];
const UNCHANGED: &str = "nothing was changed";
/// What a run that cannot confirm its removals leaves, and says.
pub const BEFORE_AND_ADDED: [&str; 4] = ["100", "back", "gone", "new"];
pub const ROLLED_BACK: &str =
    "everyone who was removed is back: 2 users; everyone who was added stays: 1 user";
const BYTE: Duration = Duration::from_millis(50);

pub fn redis() -> Redis {
    let redis = Redis::start();
    reset(&redis);
    redis
}

fn reset(redis: &Redis) {
    redis.command(&["FLUSHALL"]);
    redis.add_many(KEY, BEFORE);
}

pub fn first_dump() -> Vec<u8> {
    HttpStub::dump(&["100@abc.voip.ca", "new@abc.voip.ca"])
}

pub fn second_dump() -> Vec<u8> {
    HttpStub::dump(&["100@abc.voip.ca", "new@abc.voip.ca", "back@abc.voip.ca"])
}

/// Kamailio with its two answers, whole.
pub fn kamailio() -> HttpStub {
    HttpStub::serve([first_dump(), second_dump()].map(Reply::Whole).into())
}

pub fn args<'a>(kamailio: &'a str, redis: &'a str) -> Vec<&'a str> {
    [&["--kamailio", kamailio, "--redis", redis], &OPTIONS[..]].concat()
}

/// The rule that holds for every row.
#[track_caller]
fn nobody_online_is_lost(run: &Run, redis: &Redis, row: &str) {
    let (members, told) = (redis.members(KEY), format!("{}{}", run.stdout, run.stderr));
    assert!(members.contains(&"100".into()), "{row}: {members:?}");
    assert!(
        members.contains(&"back".into()) || told.contains("back"),
        "{row}: {told}"
    );
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
