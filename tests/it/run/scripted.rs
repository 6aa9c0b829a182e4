//! A run against a scripted Kamailio, and a Redis that stops answering at a chosen command.

use std::process::{Command, Stdio};

use crate::lab::{End, Fault, HttpStub, Redis, RedisProxy, Reply, Rule, kamonline_command, until};

pub const KEY: &str = "ONLINE:abc.voip.ca";
/// `gone` is stale. `zoe` is too when Kamailio is asked first, and has registered again when it is asked later. No sentence
/// holds that name.
pub const BEFORE: [&str; 3] = ["100", "gone", "zoe"];
pub const REMOVED: [&str; 1] = ["100"];
pub const RESTORED: [&str; 2] = ["100", "zoe"];
pub const AFTER: [&str; 3] = ["100", "new", "zoe"];

/// What a run sends to Redis after the second look: which SADD of them all.
pub const CHECK: usize = 0;
pub const RESTORE: usize = 1;
pub const ADDITION: usize = 2;

pub fn redis() -> Redis {
    let redis = Redis::start();
    reset(&redis);
    redis
}

pub fn reset(redis: &Redis) {
    redis.command(&["FLUSHALL"]);
    redis.add_many(KEY, BEFORE);
}

pub fn first_dump() -> Vec<u8> {
    HttpStub::dump(&["100@abc.voip.ca", "new@abc.voip.ca"])
}

/// `zoe` has registered again.
pub fn later_dump() -> Vec<u8> {
    HttpStub::dump(&["100@abc.voip.ca", "new@abc.voip.ca", "zoe@abc.voip.ca"])
}

pub fn dump() -> Reply {
    Reply::Whole(first_dump())
}

pub fn last_dump() -> Reply {
    Reply::Whole(later_dump())
}

/// Kamailio with its three answers, whole.
pub fn kamailio() -> HttpStub {
    HttpStub::serve(vec![dump(), dump(), last_dump()])
}

/// Kamailio that says nothing when it is asked for the n-th dump (from 1).
pub fn silent_at(n: usize) -> HttpStub {
    let mut replies = vec![dump(); n - 1];
    replies.push(Reply::Hang(vec![]));
    HttpStub::serve(replies)
}

pub fn until_asked(kamailio: &HttpStub, n: usize) {
    until("Kamailio is asked", || kamailio.looks().len() == n);
}

/// With more time for each reply than it takes to stop it.
pub fn args<'a>(kamailio: &'a str, redis: &'a str) -> Vec<&'a str> {
    let servers = ["--kamailio", kamailio, "--redis", redis];
    let options = ["--add-missing", "--settle=0s", "--timeout=60s"];
    [&servers[..], &options].concat()
}

pub fn command(kamailio: &HttpStub, redis: &str, further: &[&str]) -> Command {
    let url = kamailio.url();
    let mut command = kamonline_command(&[&args(&url, redis), further].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A Redis at whose n-th command of this name (from 0) this happens.
pub fn at(redis: &Redis, command: &'static str, nth: usize, fault: Fault) -> RedisProxy {
    redis.reset_stats();
    let rule = Rule {
        command,
        times: nth..nth + 1,
        onwards: false,
        fault,
    };
    RedisProxy::new(redis, vec![rule])
}

/// A Redis that hangs there, before or after it has run the command.
pub fn hanging(redis: &Redis, command: &'static str, nth: usize, has_run: bool) -> RedisProxy {
    let fault = match has_run {
        true => Fault::After(End::Hang),
        false => Fault::Before(End::Hang),
    };
    at(redis, command, nth, fault)
}

/// Until Redis hangs there, or has run the command, if it does.
pub fn until_it_hangs(redis: &Redis, proxy: &RedisProxy, command: &str, nth: usize, has_run: bool) {
    until(command, || proxy.seen(command) > nth);
    until(command, || !has_run || redis.calls(command) > nth as u64);
}
