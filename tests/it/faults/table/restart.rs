//! Redis goes, and comes back; or a removal comes to it late.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::sixty::{self, CHECKS, DOMAINS, cut_off, everyone, last_dump, removed, zoes};
use super::{
    ADD_MISSING, AFTER, KEY, args, first_dump, kamailio, later_dump, nobody_online_is_lost, off,
    on_the_board, redis, reset, says, side_by_side,
};
use crate::lab::{
    End, Fault, HttpStub, Redis, RedisOptions, RedisProxy, Reply, Rule, Run, kamonline, until,
};

const LATE: &str = "if a removal that Redis did not answer is run late: ";

fn rule(command: &'static str, nth: usize, fault: Fault) -> Rule {
    Rule {
        command,
        times: nth..nth + 1,
        onwards: false,
        fault,
    }
}

/// A Redis that a fault can stop, and that keeps what it has confirmed.
pub fn stoppable() -> Arc<Mutex<Redis>> {
    let extra = vec!["appendonly yes".into(), "appendfsync always".into()];
    Arc::new(Mutex::new(Redis::with(RedisOptions {
        extra,
        ..RedisOptions::default()
    })))
}

#[test]
fn a_removal_that_may_have_been_done_is_looked_at_again() {
    let redis = redis();
    let refused = b"-READONLY You can't write\r\n".to_vec();
    let rules = vec![
        rule("SREM", 0, Fault::After(End::Close)),
        rule("SREM", 1, Fault::Says(refused)),
    ];
    let looks = [first_dump(), first_dump(), later_dump()].map(Reply::Whole);
    let (kamailio, proxy) = (
        HttpStub::serve(looks.into()),
        RedisProxy::new(&redis, rules),
    );
    let run = kamonline(&args(&kamailio.url(), &proxy.url())).expect(1);
    let perhaps = "0 of 2 were removed, perhaps 2 more";
    says(&run, "", &["it is a replica", perhaps, LATE, ADD_MISSING]);
    assert_eq!(off(&run), ["gone", "zoe"]);
    assert_eq!(redis.members(KEY), ["100", "zoe"]);
}

/// Six of the sixty have returned. In which order the sets are read changes from run to run.
#[test]
fn who_returned_and_may_be_off_is_counted_once() {
    let redis = Redis::start();
    sixty::fill(&redis);
    let hangs = Rule::always("SREM", Fault::Before(End::Hang));
    let proxy = RedisProxy::new(&redis, vec![hangs]);
    let kamailio = sixty::kamailio(Reply::Whole(last_dump()));
    let (kamailio, url) = (kamailio.url(), proxy.url());
    let json = ["--timeout=1s", "--format=json"];
    let run = kamonline(&[&sixty::all_args(&kamailio, &url)[..], &json].concat()).expect(1);
    says(&run, "", &[LATE, "and 34 more, whom the report names"]);
    let report = run.json();
    assert_eq!(report["totals"]["off"], 60, "{report}");
    assert_eq!(report["totals"]["restored"], 6, "{report}");
    for zoe in zoes() {
        let named = format!("{zoe} in ");
        assert_eq!(run.stderr.matches(&named).count(), 1, "{}", run.stderr);
    }
}

#[test]
fn redis_is_restarted_in_the_middle() {
    for command in ["SCAN", "SMEMBERS", "SADD", "SREM"] {
        let redis = stoppable();
        reset(&redis.lock().unwrap());
        let restarted = redis.clone();
        let restart = move || restarted.lock().unwrap().restart();
        let rules = vec![rule(command, 0, Fault::Meanwhile(Arc::new(restart)))];
        let proxy = RedisProxy::new(&redis.lock().unwrap(), rules);
        let kamailio = kamailio();
        let run = kamonline(&args(&kamailio.url(), &proxy.url()));
        let members = redis.lock().unwrap().members(KEY);
        if command == "SREM" {
            // It may have been a proxy that went, and delivers the SREM later.
            let named = format!("off the board once they are, {LATE}gone in {KEY}\n");
            says(&run.expect(1), "", &[&named]);
            assert_eq!(members, ["100", "zoe"]);
        } else {
            run.expect(0);
            assert_eq!(members, AFTER, "restarted at {command}");
        }
    }
}

/// A run on a Redis that dies when the n-th command comes to it, and is back after two seconds.
fn comes_back(command: &'static str, nth: usize, last: Reply) -> (Run, Arc<Mutex<Redis>>) {
    let redis = stoppable();
    sixty::fill(&redis.lock().unwrap());
    let dead = redis.clone();
    let dies = move || {
        dead.lock().unwrap().kill();
        let dead = dead.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(2));
            dead.lock().unwrap().restart();
        });
    };
    let rules = vec![rule(command, nth, Fault::Meanwhile(Arc::new(dies)))];
    let proxy = RedisProxy::new(&redis.lock().unwrap(), rules);
    let run = sixty::run(&sixty::kamailio(last), &proxy.url());
    until("it is back", || redis.lock().unwrap().is_ready());
    (run, redis)
}

#[test]
fn redis_comes_back_after_two_seconds() {
    let last = || [(Reply::Whole(last_dump()), zoes()), (cut_off(), everyone())];
    let rows = last().into_iter().flat_map(|last| {
        [
            ("SREM", 0),
            ("SREM", 3),
            ("SADD", CHECKS),
            ("SADD", CHECKS + 3),
        ]
        .map(|command| (command, last.clone()))
    });
    side_by_side(rows, |((command, nth), (last, online)), _| {
        let row = format!(
            "Redis is gone for 2 s at {command} {nth}, {} online",
            online.len()
        );
        let (run, redis) = comes_back(command, nth, last);
        let redis = redis.lock().unwrap();
        nobody_online_is_lost(&run, &redis, &online, &row);
        let on = on_the_board(&redis);
        assert!(online.iter().all(|user| on.contains(user)), "{row}: {on:?}");
        let is_seen = online.len() == DOMAINS;
        match (command, is_seen) {
            ("SADD", true) => drop(run.expect(0)),
            ("SADD", false) => {
                let run = run.expect(1);
                says(&run, &row, &["everyone who was removed is back: 60 users"]);
                assert!(off(&run).is_empty(), "{row}");
            }
            // Nobody answered a part of the removal, and a proxy might deliver it yet.
            _ => {
                let said = ["of 60 were removed, perhaps ", LATE, ADD_MISSING];
                let run = run.expect(1);
                says(&run, &row, &said);
                assert!(
                    off(&run).len() >= online.len() - nth * online.len() / DOMAINS,
                    "{row}"
                );
            }
        }
    });
}

/// A proxy has taken a removal, does not answer it, and passes it on when the run is over.
#[test]
fn a_removal_that_a_proxy_delivers_last_is_told() {
    side_by_side([true, false], |hangs, redis| {
        sixty::fill(redis);
        let (end, ended) = channel();
        let ended = Mutex::new(ended);
        let late = Fault::Late(
            hangs,
            Arc::new(move || ended.lock().unwrap().recv().unwrap()),
        );
        let proxy = RedisProxy::new(redis, vec![rule("SREM", 0, late)]);
        let kamailio = sixty::kamailio(Reply::Whole(last_dump()));
        let run = sixty::run(&kamailio, &proxy.url());
        let before = redis.calls("srem");
        end.send(()).unwrap();
        until("it is removed", || redis.calls("srem") > before);
        let row = format!("a proxy that hangs: {hangs}");
        nobody_online_is_lost(&run, redis, &zoes(), &row);
        let on = on_the_board(redis);
        let lost = zoes().into_iter().filter(|zoe| !on.contains(zoe));
        assert_eq!(lost.count(), 1, "{row}");
        says(&run.expect(1), &row, &[LATE, ADD_MISSING]);
    });
}

/// Nobody has returned by the last look, and whoever registers after it may be taken off. A report in a file names them all.
#[test]
fn whose_removal_nobody_answered_is_named_returned_or_not() {
    const STALE: usize = 40;
    let redis = redis();
    redis.command(&["FLUSHALL"]);
    redis.add_many(KEY, (0..STALE).map(|user| format!("bea{user:02}")));
    redis.add(KEY, "100");
    let kamailio = HttpStub::serve(vec![Reply::Whole(HttpStub::dump(&["100@abc.voip.ca"]))]);
    let hangs = rule("SREM", 0, Fault::Before(End::Hang));
    let proxy = RedisProxy::new(&redis, vec![hangs]);
    let run = kamonline(&sixty::all_args(&kamailio.url(), &proxy.url())).expect(1);
    let said = ["perhaps 40 more", LATE, "redis-cli ping", ADD_MISSING];
    says(&run, "", &said);
    assert_eq!(off(&run).len(), STALE, "{}", run.stdout);
    let shown = run.stdout.lines().filter(|line| line.starts_with("  - "));
    assert_eq!(shown.count(), STALE, "{}", run.stdout);
}

/// A proxy that waited too long says so, and Redis has run the removal.
#[test]
fn a_removal_that_a_proxy_denies_is_taken_for_one() {
    let redis = Redis::start();
    sixty::fill(&redis);
    let denies = Fault::Denies(b"-ERR Connection timed out\r\n".to_vec());
    let proxy = RedisProxy::new(&redis, vec![rule("SREM", 0, denies)]);
    let kamailio = sixty::kamailio(Reply::Whole(last_dump()));
    let run = sixty::run(&kamailio, &proxy.url());
    nobody_online_is_lost(&run, &redis, &zoes(), "");
    let perhaps = "ERR Connection timed out; 50 of 60 were removed, perhaps 10 more";
    says(&run.expect(1), "", &[perhaps, LATE, ADD_MISSING]);
    assert_eq!(removed(&redis, ""), DOMAINS);
}

/// A removal lies in the socket of a Redis that does not answer; it wakes when users are put back already.
#[test]
fn a_removal_that_redis_runs_late_comes_before_the_put_back() {
    let redis = Arc::new(Redis::start());
    sixty::fill(&redis);
    let stopped = redis.clone();
    let stop = Fault::Meanwhile(Arc::new(move || stopped.pause()));
    let proxy = RedisProxy::new(&redis, vec![rule("SREM", 0, stop)]);
    let kamailio = sixty::kamailio(Reply::Whole(last_dump()));
    let run = thread::scope(|threads| {
        threads.spawn(|| {
            until("it is asked for the last look", || {
                kamailio.looks().len() == 3
            });
            thread::sleep(Duration::from_millis(2_500));
            redis.resume();
        });
        sixty::run(&kamailio, &proxy.url())
    });
    says(
        &run.expect(1),
        "",
        &["0 of 60 were removed, perhaps 60 more", LATE],
    );
    assert_eq!(redis.calls("srem"), 1);
    let on = on_the_board(&redis);
    assert!(zoes().iter().all(|zoe| on.contains(zoe)), "{on:?}");
}
