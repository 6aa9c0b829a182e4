//! Redis goes wrong while it is read, before the first removal, and when the missing are added.

use super::{
    AFTER, BEFORE, BYTE, KEY, UNCHANGED, args, kamailio, nobody_online_is_lost, redis, reset, says,
};
use crate::lab::{End, Fault, RedisProxy, Rule, kamonline};

/// How Redis goes wrong; whether it has run the command by then; whether kamonline tries again; what it says, and the hint.
pub type RedisRow = (&'static str, Fault, bool, bool, &'static str, &'static str);

pub fn redis_rows() -> Vec<RedisRow> {
    let error = |line: &'static str, said, hint| {
        let answer = format!("-{line}\r\n").into_bytes();
        (line, Fault::Says(answer), false, false, said, hint)
    };
    let (broke, its_log) = (
        "the connection broke",
        "see in its log why it closed the connection",
    );
    let (late, ping) = ("no answer within 1s", "redis-cli ping");
    let (foreign, address) = FOREIGN;
    vec![
        (
            "closes",
            Fault::Before(End::Close),
            false,
            true,
            broke,
            its_log,
        ),
        (
            "resets",
            Fault::Before(End::Reset),
            false,
            true,
            broke,
            its_log,
        ),
        (
            "closes in its reply",
            Fault::After(End::Close),
            true,
            true,
            broke,
            its_log,
        ),
        (
            "resets in its reply",
            Fault::After(End::Reset),
            true,
            true,
            broke,
            its_log,
        ),
        ("hangs", Fault::Before(End::Hang), false, false, late, ping),
        (
            "hangs in its reply",
            Fault::After(End::Hang),
            true,
            false,
            late,
            ping,
        ),
        ("drips", Fault::Drips(BYTE * 8), true, false, late, ping),
        (
            "talks rubbish",
            Fault::Says(b"\0\xff\r\n\r\n".to_vec()),
            false,
            false,
            foreign,
            address,
        ),
        (
            "says OK",
            Fault::Says(b"+OK\r\n".to_vec()),
            false,
            false,
            "its reply is not a valid number",
            "nothing in between changes its replies",
        ),
        (
            "talks HTTP",
            Fault::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            false,
            false,
            foreign,
            address,
        ),
        error(
            "OOM command not allowed",
            "out of memory",
            "raise maxmemory",
        ),
        error(
            "READONLY You can't write",
            "it is a replica",
            "--redis-sentinel",
        ),
        error("LOADING Redis is loading", "still loading", "try again"),
        error(
            "NOAUTH Authentication required.",
            "wants a password",
            "--redis-password-file",
        ),
        error("NOPERM no permissions", "NOPERM", "+sscan +srem +sadd"),
        error(
            "MISCONF Redis is configured to save",
            "MISCONF",
            "cannot save to disk",
        ),
        error(
            "CLUSTERDOWN Hash slot not served",
            "the cluster is down",
            "redis-cli --cluster check",
        ),
        error(
            "MOVED 1 127.0.0.1:1",
            "node of a Redis Cluster",
            "--redis-cluster",
        ),
    ]
}

const FOREIGN: (&str, &str) = ("does not speak the protocol of Redis", "rediss://");

/// In answer to HELLO these say nothing of the server: kamonline asks in another way.
const IGNORED: [&str; 6] = [
    "OOM command not allowed",
    "READONLY You can't write",
    "NOPERM no permissions",
    "MISCONF Redis is configured to save",
    "CLUSTERDOWN Hash slot not served",
    "MOVED 1 127.0.0.1:1",
];

/// One step: its command and which of them; what is said when it fails; what Redis holds then, if it did not run the
/// command, and if it did. Each is run with every fault: once, as often as kamonline tries, and for good from there on.
fn redis_step(command: &'static str, first: usize, said: &str, unrun: &[&str], run: &[&str]) {
    let redis = redis();
    for (name, fault, has_run, retried, why, hint) in redis_rows() {
        for (times, onwards) in [(1, false), (2, false), (1, true)] {
            // What is not tried again needs no second time.
            if times > 1 && !retried {
                continue;
            }
            let row =
                format!("Redis {name} at {command} {first}, {times} times, onwards: {onwards}");
            reset(&redis);
            let kamailio = kamailio();
            let times = first..first + times;
            let fault = fault.clone();
            let rule = Rule {
                command,
                times: times.clone(),
                onwards,
                fault,
            };
            let mut rules = vec![rule];
            if command == "SSCAN" {
                // Only a large set is read so. Once it is read, SCARD says how large it is.
                rules.push(Rule {
                    command: "SCARD",
                    times: 0..times.len() + 1,
                    onwards: false,
                    fault: Fault::Says(b":1000000\r\n".to_vec()),
                });
            }
            let proxy = RedisProxy::new(&redis, rules);
            let ended = kamonline(&args(&kamailio.url(), &proxy.url()));
            nobody_online_is_lost(&ended, &redis, &["100", "zoe"], &row);
            let members = redis.members(KEY);
            let asked_anew = command == "HELLO" && (retried || IGNORED.contains(&name));
            if !onwards && (asked_anew || retried && times.len() == 1) {
                assert_eq!(
                    (ended.code, &members[..]),
                    (0, &AFTER.map(String::from)[..]),
                    "{row}: {}",
                    ended.stderr
                );
                continue;
            }
            // In answer to SCARD it tells a node of a cluster.
            let (why, hint) = match name {
                "CLUSTERDOWN Hash slot not served" if asked_anew => {
                    ("node of a Redis Cluster", "--redis-cluster")
                }
                "says OK" if !["SCARD", "SADD"].contains(&command) => FOREIGN,
                _ => (why, hint),
            };
            assert_eq!(ended.code, 1, "{row}: {}", ended.stderr);
            says(&ended, &row, &[why, said]);
            says(&ended, &row, &["  hint: ", hint]);
            if !onwards {
                assert_eq!(members, if has_run { run } else { unrun }, "{row}");
            }
        }
    }
}

#[test]
fn redis_fails_when_it_is_connected_to() {
    redis_step("HELLO", 0, UNCHANGED, &BEFORE, &BEFORE);
}

#[test]
fn redis_fails_when_its_keys_are_read() {
    redis_step("SCAN", 0, UNCHANGED, &BEFORE, &BEFORE);
}

#[test]
fn redis_fails_when_the_sizes_of_its_sets_are_read() {
    redis_step("SCARD", 0, UNCHANGED, &BEFORE, &BEFORE);
}

#[test]
fn redis_fails_when_its_sets_are_read() {
    redis_step("SMEMBERS", 0, UNCHANGED, &BEFORE, &BEFORE);
}

#[test]
fn redis_fails_when_a_large_set_is_read() {
    redis_step("SSCAN", 0, UNCHANGED, &BEFORE, &BEFORE);
}

#[test]
fn redis_fails_when_it_must_show_that_it_adds() {
    redis_step("SADD", 0, UNCHANGED, &BEFORE, &BEFORE);
}

#[test]
fn redis_fails_when_the_missing_are_added() {
    redis_step("SADD", 1, "0 of 1 were added", &["100", "zoe"], &AFTER);
}

#[test]
fn a_key_that_is_no_set_any_more_is_left_alone() {
    let redis = redis();
    for (command, members) in [
        ("SMEMBERS", &["100", "gone", "new", "zoe"]),
        ("SREM", &["100", "gone", "new", "zoe"]),
    ] {
        reset(&redis);
        let fault = Fault::Says(b"-WRONGTYPE Operation against a key\r\n".to_vec());
        let rule = Rule {
            command,
            times: 0..1,
            onwards: false,
            fault,
        };
        let (kamailio, proxy) = (kamailio(), RedisProxy::new(&redis, vec![rule]));
        let run = kamonline(&args(&kamailio.url(), &proxy.url())).expect(0);
        says(&run, command, &["warning: ONLINE:abc.voip.ca is no set"]);
        assert_eq!(redis.members(KEY), members, "{command}");
    }
}
