//! A board on which sixty users are stale, ten in each of six domains: a write is six commands, and more names than an error
//! lists.

use super::args;
use crate::lab::{HttpStub, Redis, Reply, Run, kamonline};

pub const DOMAINS: usize = 6;
/// How many SADDs show that everyone could be put back.
pub const CHECKS: usize = DOMAINS;

pub fn key(domain: usize) -> String {
    format!("ONLINE:d{domain}.voip.ca")
}

/// They are stale at the first two looks, and one of each domain has registered again at the last one. No sentence holds
/// their names.
pub fn zoes() -> Vec<String> {
    (0..DOMAINS).map(|domain| format!("zoe{domain}")).collect()
}

pub fn stale(domain: usize) -> Vec<String> {
    let gone = (1..10).map(|user| format!("bea{domain}{user}"));
    gone.chain([format!("zoe{domain}")]).collect()
}

pub fn everyone() -> Vec<String> {
    (0..DOMAINS).flat_map(stale).collect()
}

pub fn fill(redis: &Redis) {
    redis.command(&["FLUSHALL"]);
    for domain in 0..DOMAINS {
        redis.add_many(&key(domain), stale(domain));
        redis.add(&key(domain), format!("on{domain}"));
    }
    redis.reset_stats();
}

/// From how many sets the stale users were removed. Each holds all of its users, or who is online.
#[track_caller]
pub fn removed(redis: &Redis, row: &str) -> usize {
    let is_removed = |domain: &usize| {
        let mut members = redis.members(&key(*domain));
        members.retain(|member| member != "new");
        let online = [format!("on{domain}"), format!("zoe{domain}")];
        let mut all = [stale(*domain), vec![format!("on{domain}")]].concat();
        all.sort();
        assert!(members == online || members == all, "{row}: {members:?}");
        members == online
    };
    (0..DOMAINS).filter(is_removed).count()
}

/// The users who are online all the time, one missing user, and these.
pub fn dump(more: impl IntoIterator<Item = String>) -> Vec<u8> {
    let online = (0..DOMAINS).map(|domain| format!("on{domain}@d{domain}.voip.ca"));
    let aors: Vec<_> = online
        .chain(["new@d0.voip.ca".into()])
        .chain(more)
        .collect();
    HttpStub::dump(&aors.iter().map(String::as_str).collect::<Vec<_>>())
}

/// As of the last look.
pub fn last_dump() -> Vec<u8> {
    dump((0..DOMAINS).map(|domain| format!("zoe{domain}@d{domain}.voip.ca")))
}

pub fn cut_off() -> Reply {
    let page = last_dump();
    Reply::Close(page[..page.len() - 60].to_vec())
}

/// Kamailio, with this for the last look.
pub fn kamailio(last: Reply) -> HttpStub {
    let first = Reply::Whole(dump([]));
    HttpStub::serve(vec![first.clone(), first, last])
}

pub fn all_args<'a>(kamailio: &'a str, redis: &'a str) -> Vec<&'a str> {
    [&args(kamailio, redis)[..], &["--max-removal=100%"]].concat()
}

pub fn run(kamailio: &HttpStub, redis: &str) -> Run {
    kamonline(&all_args(&kamailio.url(), redis))
}
