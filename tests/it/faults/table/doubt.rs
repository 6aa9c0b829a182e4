//! A source in doubt: two looks that do not agree.

use std::sync::{Arc, Mutex};
use std::thread;

use super::sixty::{self, DOMAINS, all_args, dump, everyone, removed};
use super::{UNCHANGED, nobody_online_is_lost, says, side_by_side};
use crate::lab::{Fault, HttpStub, Redis, RedisProxy, Reply, Rule, Run, kamonline};

const ROLLED_BACK: &str = "everyone who was removed is back: 60 users";
/// How often a look asks for the uptime.
const QUESTIONS: usize = 6;

/// A look: its dump, the answers to its questions for the uptime, and what is said when a look that is sound came before it.
type Look = (&'static str, Vec<u8>, Vec<Reply>, &'static str);

fn up_since(day: u32) -> Reply {
    Reply::Whole(HttpStub::up_since(
        &format!("Wed Nov {day} 08:17:15 2026"),
        "86400",
    ))
}

fn same() -> Vec<Reply> {
    vec![up_since(25); QUESTIONS]
}

/// So many phones of a seventh domain.
fn others(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|user| format!("other{user}@other.voip.ca"))
}

fn sound() -> Vec<u8> {
    dump(others(11))
}

fn looks() -> Vec<Look> {
    let one_other = [
        vec![up_since(25); 3],
        vec![up_since(26)],
        vec![up_since(25); 2],
    ]
    .concat();
    let eleven = everyone().into_iter().take(11).enumerate();
    // As many phones leave: the registrar does not grow.
    let flood = eleven.map(|(user, name)| format!("{name}@d{}.voip.ca", user / 10));
    vec![
        (
            "was restarted",
            sound(),
            vec![up_since(26); QUESTIONS],
            "was restarted, or another machine answers there: up since ",
        ),
        (
            "is two",
            sound(),
            one_other,
            "several registrars answer at http://",
        ),
        (
            "is loading",
            dump(others(100)),
            same(),
            "is still filling: 18 AoRs before, 107 now",
        ),
        (
            "is empty",
            HttpStub::dump(&[]),
            same(),
            "reports nobody any more: 18 AoRs before",
        ),
        (
            "is flooded",
            dump(flood),
            same(),
            "11 of 60 stale members are registered again",
        ),
    ]
}

/// A run whose look after `before` sound ones is this one.
fn run((_, page, uptimes, _): &Look, before: usize, redis: &Redis) -> Run {
    sixty::fill(redis);
    let dumps = [vec![sound(); before], vec![page.clone()]].concat();
    let dumps = dumps.into_iter().map(Reply::Whole).collect();
    let uptimes = [vec![same(); before].concat(), uptimes.clone()].concat();
    let kamailio = HttpStub::with_uptimes(dumps, uptimes);
    sixty::run(&kamailio, &redis.url())
}

#[test]
fn several_registrars_at_the_first_look_remove_nobody() {
    let (redis, rows) = (Redis::start(), looks());
    let refused = run(&rows[1], 0, &redis).expect(3);
    says(
        &refused,
        "",
        &[rows[1].3, UNCHANGED, "  hint: name each registrar"],
    );
    assert_eq!((removed(&redis, ""), redis.calls("srem")), (0, 0));
}

#[test]
fn a_second_look_in_doubt_removes_nobody() {
    side_by_side(looks(), |look, redis| {
        let refused = run(&look, 1, redis).expect(3);
        says(
            &refused,
            look.0,
            &["second look: ", look.3, UNCHANGED, "hint: let the next run"],
        );
        assert_eq!(removed(redis, look.0), 0, "{}", look.0);
        assert_eq!(redis.calls("srem"), 0, "{}", look.0);
    });
}

#[test]
fn a_last_look_in_doubt_puts_everyone_back() {
    side_by_side(looks(), |look, redis| {
        let failed = run(&look, 2, redis).expect(1);
        says(
            &failed,
            look.0,
            &["last look: ", look.3, ROLLED_BACK, "hint: let the next run"],
        );
        assert_eq!(removed(redis, look.0), 0, "{}", look.0);
        assert_eq!(redis.calls("srem"), DOMAINS as u64, "{}", look.0);
        nobody_online_is_lost(&failed, redis, &everyone(), look.0);
    });
}

/// Two replicas, the second of which goes: when this comes to Redis, or else after the first look.
fn replicas(goes_at: Option<&'static str>, redis: &Redis) -> Run {
    sixty::fill(redis);
    let [one, two] = [(); 2].map(|()| HttpStub::serve(vec![Reply::Close(sound())]));
    let (url, other) = (one.url(), two.url());
    let two = Arc::new(Mutex::new(Some(two)));
    let (goes, asked) = (two.clone(), two);
    let rules = goes_at.map(|command| Rule {
        command,
        times: 0..1,
        onwards: false,
        fault: Fault::Meanwhile(Arc::new(move || drop(goes.lock().unwrap().take()))),
    });
    let proxy = RedisProxy::new(redis, rules.into_iter().collect());
    thread::scope(|threads| {
        if goes_at.is_none() {
            threads.spawn(|| {
                let mut two = asked.lock().unwrap();
                two.as_ref().unwrap().until_looked_at();
                two.take();
            });
        }
        let further = ["--kamailio", &other, "--replicated", "--settle=1s"];
        kamonline(&[&all_args(&url, &proxy.url())[..], &further].concat())
    })
}

#[test]
fn a_replica_that_refuses_connections_at_a_later_look_is_in_doubt() {
    let redis = Redis::start();
    let refuses = "answered before, and refuses connections now";
    let refused = replicas(None, &redis).expect(3);
    says(&refused, "", &["second look: ", refuses, UNCHANGED]);
    assert_eq!((removed(&redis, ""), redis.calls("srem")), (0, 0));
    let failed = replicas(Some("SREM"), &redis).expect(1);
    says(&failed, "", &["last look: ", refuses, ROLLED_BACK]);
    assert_eq!(removed(&redis, ""), 0);
}
