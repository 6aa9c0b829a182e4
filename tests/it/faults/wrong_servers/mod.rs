//! One wrong server, one hint: the run ends with exit 1, says what is wrong and what helps, and changes nothing.

mod kamailio;
mod masters;
mod redis;

use std::any::Any;
use std::ops::Range;
use std::time::Instant;

use super::table::side_by_side;
use crate::lab::{RedisProxy, kamonline};

/// Where a run finds its servers, of which one is wrong.
struct Site {
    kamailio: String,
    redis: String,
    args: Vec<String>,
    /// How often this command must come to Redis: kamonline gives up of its own accord.
    asked: Option<(RedisProxy, &'static str, usize)>,
    /// The seconds that it may take.
    takes: Range<u64>,
    /// The servers, until the run is over.
    _kept: Box<dyn Any + Send>,
}

impl Site {
    fn new(kamailio: impl Into<String>, redis: impl Into<String>, kept: impl Any + Send) -> Self {
        Self {
            kamailio: kamailio.into(),
            redis: redis.into(),
            args: Vec::new(),
            asked: None,
            takes: 0..600,
            _kept: Box::new(kept),
        }
    }

    fn with(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(ToString::to_string));
        self
    }
}

/// How it comes about, what the error says, and what the hint says.
type Row = (fn() -> Site, &'static str, &'static str);

const KAMAILIO: [Row; 14] = [
    (
        kamailio::down,
        "cannot connect (Connection refused",
        "check that Kamailio runs",
    ),
    (
        kamailio::hanging,
        "no answer within 300ms, and none to core.uptime either",
        "run kamcmd core.uptime on its host",
    ),
    (
        kamailio::behind_a_firewall,
        "cannot connect (no answer within 900ms)",
        "a firewall",
    ),
    (
        kamailio::without_an_address,
        "its name does not resolve",
        "getent hosts NAME",
    ),
    (
        kamailio::without_room_for_the_dump,
        "it answered 500",
        "xhttp_rpc_buf_size",
    ),
    (
        kamailio::without_shared_memory,
        "it closed the connection without an answer",
        "(-m; its log says \"shm pool\")",
    ),
    (
        kamailio::forbidding_this_host,
        "it answered 403",
        "allow the address of this host",
    ),
    (
        || kamailio::at("/rpc/ul"),
        "500 (Bad URL)",
        "root of xhttp_rpc",
    ),
    (
        || kamailio::at("/other"),
        "it answered 404",
        "root of xhttp_rpc",
    ),
    (
        || kamailio::that_moved("301 Moved Permanently"),
        "it answered 301",
        NO_REDIRECTS,
    ),
    (
        || kamailio::that_moved("302 Found"),
        "it answered 302",
        NO_REDIRECTS,
    ),
    (
        || kamailio::that_moved("303 See Other"),
        "it answered 303",
        NO_REDIRECTS,
    ),
    (
        || kamailio::that_moved("307 Temporary Redirect"),
        "it answered 307",
        NO_REDIRECTS,
    ),
    (
        || kamailio::that_moved("308 Permanent Redirect"),
        "it answered 308",
        NO_REDIRECTS,
    ),
];

const REDIS: [Row; 16] = [
    (redis::down, "cannot connect", "check that Redis runs"),
    (
        redis::dead_before_the_removal,
        "cannot connect",
        "check that Redis runs",
    ),
    (
        redis::hanging,
        "no answer within 300ms",
        "try redis-cli ping",
    ),
    (
        redis::behind_a_firewall,
        "no answer within 1s",
        "behind a firewall",
    ),
    (
        redis::without_an_address,
        "its name does not resolve",
        "getent hosts NAME",
    ),
    (
        redis::short_of_replicas,
        "too few replicas",
        "min-replicas-to-write",
    ),
    (redis::busy, "a script keeps it busy", "SCRIPT KILL"),
    (
        || redis::that_renames("SCAN"),
        "it refuses SCAN (",
        "rename-command",
    ),
    (
        || redis::that_renames("SMEMBERS"),
        "it refuses a command that is needed",
        "rename-command",
    ),
    (
        || redis::that_renames("SADD"),
        "it refuses a command that is needed",
        "rename-command",
    ),
    // What Envoy says, and what it said before.
    (
        || redis::behind_a_proxy("-ERR unknown command 'SCAN', with args beginning with: 0"),
        "it refuses SCAN (",
        ITSELF,
    ),
    (
        || redis::behind_a_proxy("-unsupported command 'SCAN'"),
        "it refuses SCAN (",
        ITSELF,
    ),
    (
        || redis::behind_a_proxy("-ERR SCAN is not supported"),
        "it refuses SCAN (",
        ITSELF,
    ),
    // What twemproxy does.
    (
        redis::behind_a_proxy_that_closes,
        "the connection broke",
        ITSELF,
    ),
    (
        redis::behind_a_proxy_for_two,
        "does not speak the protocol of Redis",
        "that no proxy is in between",
    ),
    (
        redis::slow_as_a_whole,
        "its sets were not read within 6s",
        "may take 20 times as long",
    ),
];

const MASTERS: [Row; 16] = [
    (
        masters::announced_and_hanging,
        "no answer within 1s",
        "cluster-announce-ip",
    ),
    (
        masters::announced_and_down,
        "cannot connect",
        "cluster-announce-ip",
    ),
    (
        masters::named_and_hanging,
        "which the sentinels call master of mymaster: no answer within 1s",
        "sentinel monitor",
    ),
    (
        masters::named_and_down,
        "which the sentinels call master of mymaster: cannot connect",
        "sentinel monitor",
    ),
    (|| masters::named("", 6379, None), NO_ADDRESS, MASTERS_SHOWN),
    (
        || masters::named("127.0.0.1", 0, None),
        NO_ADDRESS,
        MASTERS_SHOWN,
    ),
    (
        || masters::flooding(masters::of_cluster),
        TOO_LARGE,
        IS_IT_REDIS,
    ),
    (
        || masters::flooding(masters::of_sentinel),
        TOO_LARGE,
        IS_IT_REDIS,
    ),
    (
        || masters::scanning_without_end(masters::of_cluster),
        "its SCAN does not end",
        IS_IT_REDIS,
    ),
    (
        || masters::scanning_without_end(masters::of_sentinel),
        "its SCAN does not end",
        IS_IT_REDIS,
    ),
    (
        || masters::with_too_many_keys(masters::of_cluster),
        TOO_MANY,
        IS_IT_REDIS,
    ),
    (
        || masters::with_too_many_keys(masters::of_sentinel),
        TOO_MANY,
        IS_IT_REDIS,
    ),
    (
        masters::whose_slot_moves_on,
        "a slot moves again and again",
        "redis-cli --cluster check HOST:PORT",
    ),
    (
        || masters::that_says_it_is("cluster"),
        "it is a node of a Redis Cluster",
        "--redis-cluster instead of --redis-sentinel",
    ),
    (
        || masters::that_says_it_is("sentinel"),
        "it is a sentinel",
        "sentinel monitor, in the configuration of the sentinels",
    ),
    (
        masters::hung_in_a_cluster,
        "no answer within 1s",
        "If it can, a node is overloaded or stopped",
    ),
];

const ITSELF: &str = "give --redis the Redis itself";
const NO_REDIRECTS: &str = "kamonline follows no redirects";
const NO_ADDRESS: &str = "they name no address of the master";
const MASTERS_SHOWN: &str = "SENTINEL MASTERS which ip and port it has there";
const TOO_LARGE: &str = "its reply is larger than any that kamonline asks for";
const TOO_MANY: &str = "more than a million keys under --prefix";
const IS_IT_REDIS: &str = "check that this is a Redis";

fn check((site, said, hint): Row) {
    let site = site();
    let servers = ["--kamailio", &site.kamailio, "--redis", &site.redis];
    let args = site.args.iter().map(String::as_str);
    let begun = Instant::now();
    let run = kamonline(&servers.into_iter().chain(args).collect::<Vec<_>>()).expect(1);
    let took = begun.elapsed();
    let (error, told) = run.stderr.split_once("\n  hint: ").expect(&run.stderr);
    for part in [said, "nothing was changed"] {
        assert!(error.contains(part), "no {part:?} in {}", run.stderr);
    }
    assert!(told.contains(hint), "no {hint:?} in {}", run.stderr);
    assert!(site.takes.contains(&took.as_secs()), "{said}: {took:?}");
    if let Some((redis, command, times)) = &site.asked {
        assert_eq!(redis.seen(command), *times, "{}", run.stderr);
    }
}

#[test]
fn a_wrong_kamailio_is_told_with_what_helps() {
    side_by_side(KAMAILIO, |row, _| check(row));
}

#[test]
fn a_wrong_redis_is_told_with_what_helps() {
    side_by_side(REDIS, |row, _| check(row));
}

#[test]
fn a_wrong_master_is_told_with_what_helps() {
    side_by_side(MASTERS, |row, _| check(row));
}
