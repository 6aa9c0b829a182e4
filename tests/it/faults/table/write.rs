//! Redis goes wrong while sixty users are removed, or put back.

use super::redis::{RedisRow, redis_rows};
use super::sixty::{self, CHECKS, DOMAINS, cut_off, everyone, last_dump, removed, zoes};
use super::{ADD_MISSING, nobody_online_is_lost, off, says, side_by_side};
use crate::lab::{Fault, HttpStub, Redis, RedisProxy, Reply, Rule, Run};

/// A run in which the n-th of these commands goes wrong, and so many after it.
fn run(
    redis: &Redis,
    kamailio: &HttpStub,
    command: &'static str,
    first: usize,
    times: usize,
    fault: Fault,
) -> Run {
    sixty::fill(redis);
    let rule = Rule {
        command,
        times: first..first + times,
        onwards: false,
        fault,
    };
    let proxy = RedisProxy::new(redis, vec![rule]);
    sixty::run(kamailio, &proxy.url())
}

/// Each fault at the first command and at one in the middle; and so many times.
fn rows(times: usize) -> Vec<(RedisRow, usize, usize)> {
    let rows = redis_rows().into_iter().map(|fault| {
        [(0, 1), (3, 1), (3, times)].map(|(first, times)| (fault.clone(), first, times))
    });
    rows.flatten().collect()
}

#[test]
fn redis_fails_at_a_removal() {
    side_by_side(rows(2), |(fault, first, times), redis| {
        let (name, fault, has_run, retried, why, hint) = fault;
        // What is not tried again needs no second time.
        if times > 1 && !retried {
            return;
        }
        let row = format!("Redis {name} at SREM {first}, {times} times");
        let kamailio = sixty::kamailio(Reply::Whole(last_dump()));
        let (is_refused, goes_on) = match &fault {
            Fault::Says(said) => (said.starts_with(b"-"), true),
            _ => (false, false),
        };
        let run = run(redis, &kamailio, "SREM", first, times, fault);
        nobody_online_is_lost(&run, redis, &zoes(), &row);
        let removed = removed(redis, &row);
        let run = run.expect(1);
        if retried && times == 1 {
            // A proxy may deliver yet what the second try did once more.
            says(&run, &row, &["is run late: zoe", "  hint: ", ADD_MISSING]);
            assert!(off(&run).len() >= DOMAINS - first, "{row}: {}", run.stdout);
            assert_eq!(removed, DOMAINS, "{row}");
            return;
        }
        if is_refused {
            says(
                &run,
                &row,
                &[why, "50 of 60 were removed", "  hint: ", hint],
            );
            assert_eq!((removed, off(&run).len()), (DOMAINS - 1, 0), "{row}");
            return;
        }
        let late = "of 60 were removed, perhaps ";
        let named = "is run late: zoe";
        says(&run, &row, &[why, late, named, "  hint: ", ADD_MISSING]);
        // A reset takes the replies to earlier commands with it.
        assert!(off(&run).len() >= DOMAINS - first, "{row}: {}", run.stdout);
        if !goes_on {
            assert_eq!(removed, first + usize::from(has_run), "{row}");
        }
    });
}

#[test]
fn redis_fails_once_or_for_a_while_when_those_who_returned_are_put_back() {
    side_by_side(rows(4), |row, redis| {
        put_back(row, Reply::Whole(last_dump()), &zoes(), redis);
    });
}

#[test]
fn redis_fails_once_or_for_a_while_when_everyone_is_put_back() {
    side_by_side(rows(4), |row, redis| {
        put_back(row, cut_off(), &everyone(), redis);
    });
}

/// What Kamailio answers `last` decides who is `returned` to the board.
fn put_back(
    (fault, first, times): (RedisRow, usize, usize),
    last: Reply,
    returned: &[String],
    redis: &Redis,
) {
    let (name, fault, _, _, why, hint) = fault;
    let row = format!("Redis {name} at put-back {first}, {times} times");
    // What is refused for good is not tried again.
    let for_good = name.starts_with("NOAUTH") || name.starts_with("NOPERM");
    if for_good && times > 1 {
        return;
    }
    let kamailio = sixty::kamailio(last);
    let run = run(redis, &kamailio, "SADD", CHECKS + first, times, fault);
    nobody_online_is_lost(&run, redis, returned, &row);
    if for_good {
        let off = off(&run);
        assert_eq!(off.len(), returned.len() / DOMAINS, "{row}: {}", run.stdout);
        let run = run.expect(1);
        let still = "still off the board: ";
        says(&run, &row, &[why, still, "  hint: ", hint, ADD_MISSING]);
        for user in off {
            says(&run, &row, &[&format!("{user} in ONLINE:d")]);
        }
        return;
    }
    assert!(off(&run).is_empty(), "{row}: {}", run.stdout);
    let removed = removed(redis, &row);
    if returned.len() == DOMAINS {
        run.expect(0);
        assert_eq!(removed, DOMAINS, "{row}");
    } else {
        let cut = "the dump was cut off in the middle";
        let back = "everyone who was removed is back: 60 users";
        let said = [
            "last look: Kamailio at ",
            cut,
            back,
            "  hint: ",
            "tcp_conn_wq_max",
        ];
        says(&run.expect(1), &row, &said);
        assert_eq!(removed, 0, "{row}");
    }
}
