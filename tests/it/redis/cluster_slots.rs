//! Redis Cluster, guarded and in motion: ACL, slots on their way to another master, nodes that say nothing.

use super::cluster::{Site, key, run};
use crate::lab::{Fault, HttpStub, Proxy, Redis, RedisCluster, RedisOptions, RedisProxy, Reply};
use crate::lab::{Rule, Run, capture, kamonline};
use std::time::{Duration, Instant};

/// As the README and the hint give it.
const SMALLEST_RULE: &str =
    "~ONLINE:* +scan +scard +smembers +sscan +srem +sadd +cluster|slots +asking";

fn set_rule(cluster: &RedisCluster, rule: &str) {
    let words = ["ACL", "SETUSER", "user", "reset", "on", ">secret"];
    let words = words.into_iter().chain(rule.split_whitespace());
    cluster.on_every_node(&words.collect::<Vec<_>>());
}

#[test]
fn the_documented_rule_suffices_and_every_part_of_it_is_needed() {
    let site = Site::with(30);
    site.kamailio.register("100@new.ca");
    site.cluster().begin_to_move(&key(0));
    let login = |url: &String| url.replace("redis://", "redis://user:secret@");
    let urls: Vec<String> = site.urls.iter().map(login).collect();
    let kamailio = site.kamailio.rpc_url();
    let args = ["--add-missing", "--max-removal=100%"];
    // Too large for SMEMBERS.
    let ghosts = (0..20_001).map(|number| ("ONLINE:large.ca".into(), number.to_string()));
    site.cluster().add_all(ghosts);
    for part in SMALLEST_RULE.split(' ') {
        set_rule(&site.cluster(), &SMALLEST_RULE.replace(part, ""));
        let run = run(&kamailio, &urls, &args).expect(1);
        assert!(run.stderr.contains("the ACL forbids it"), "{}", run.stderr);
        let hint = SMALLEST_RULE.replace("ONLINE:*", "ONLINE:* (the --prefix)");
        assert!(run.stderr.contains(&hint), "{}", run.stderr);
        assert!(!run.stderr.contains("secret"), "{}", run.stderr);
    }
    site.cluster().add(&key(0), "ghost");
    set_rule(&site.cluster(), SMALLEST_RULE);
    run(&kamailio, &urls, &args).expect(0);
    assert_eq!(site.haunted(), 0);
    assert_eq!(site.cluster().members("ONLINE:new.ca"), ["100"]);
}

#[test]
fn slots_that_move_to_another_master_meanwhile_are_followed() {
    let site = Site::with(30);
    let cluster = site.cluster.clone();
    let proxy = Proxy::before(&site.kamailio, 1, move || {
        let cluster = cluster.lock().unwrap();
        cluster.move_slot(&key(0));
        cluster.move_slot(&key(1));
        cluster.begin_to_move(&key(2));
    });
    let report = run(&proxy.url(), &site.urls, &["--format=json"])
        .expect(0)
        .json();
    assert_eq!(report["totals"]["removed"], 30);
    assert_eq!(site.haunted(), 0);
}

#[test]
fn nodes_without_an_address_are_where_one_was_asked_and_without_a_name_are_an_error() {
    let site = Site::with(30);
    let announce = |what| {
        let set = ["CONFIG", "SET", "cluster-preferred-endpoint-type", what];
        site.cluster().on_every_node(&set);
    };
    site.cluster().begin_to_move(&key(0));
    announce("hostname");
    let run = site.run(&[]).expect(1);
    for part in [
        "a node shall announce its host name, and has none; nothing was changed",
        "cluster-announce-hostname NAME in redis.conf of every node",
    ] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
    announce("unknown-endpoint");
    site.run(&["--max-removal=100%"]).expect(0);
    announce("ip");
    assert_eq!(site.haunted(), 0);
}

#[test]
fn a_master_that_says_nothing_is_not_waited_for_forever() {
    let site = Site::with(3);
    let master = site.cluster().master_of(&key(0));
    site.cluster().pause_with_replica(master);
    let started = Instant::now();
    let run = site.run(&["--timeout=1s"]).expect(1);
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    assert!(run.stderr.contains("no answer within 1s"), "{}", run.stderr);
    assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
}

/// On a registrar that answers what a real one once did.
fn one(redis: &str, args: &[&str]) -> Run {
    let stub = HttpStub::serve(vec![Reply::Whole(capture("5.6.3/three.brief"))]);
    kamonline(&[&["--kamailio", &stub.url(), "--redis", redis], args].concat())
}

#[test]
fn a_server_that_is_not_what_the_options_say_is_named() {
    let node = Redis::with(RedisOptions {
        extra: vec!["cluster-enabled yes".into()],
        ..RedisOptions::default()
    });
    let server = Redis::start();
    server.add("ONLINE:abc.voip.ca", "ghost");
    let cluster = &["--redis-cluster", "--timeout=1s"][..];
    // As Valkey 9 says it.
    let says = Fault::Says(b"-ERR DB index is out of range\r\n".to_vec());
    let select = Rule::always("SELECT", says);
    let valkey = RedisProxy::new(&node, vec![select]);
    let of_valkey = valkey.url().replace("/0", "/1");
    for (url, args, hint) in [
        (node.url(), &[][..], "add --redis-cluster"),
        (
            node.url().replace("/0", "/1"),
            &[][..],
            "add --redis-cluster",
        ),
        (
            node.url().replace("/0", "/1"),
            cluster,
            "leave the database out of the URL",
        ),
        (of_valkey.clone(), &[][..], "add --redis-cluster"),
        (of_valkey, cluster, "leave the database out of the URL"),
        (server.url(), cluster, "leave out --redis-cluster"),
        (
            server.url(),
            &["--redis-cluster", "--redis=redis://127.0.0.1:1"],
            "leave out --redis-cluster",
        ),
        (node.url(), cluster, "16384 of 16384 slots have no master"),
        (
            "redis://127.0.0.1:1".into(),
            cluster,
            "check that one of these nodes runs",
        ),
    ] {
        let run = one(&url, args).expect(1);
        assert!(run.stderr.contains(hint), "{}", run.stderr);
        assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
    }
    assert_eq!(server.members("ONLINE:abc.voip.ca"), ["ghost"]);
    let run = one("unix:///run/redis.sock", cluster).expect(2);
    let why = "not over a unix socket";
    assert!(run.stderr.contains(why), "{}", run.stderr);
    let other = ["--redis-cluster", "--redis=redis://:secret@127.0.0.1:1"];
    let run = one("redis://127.0.0.1", &other).expect(2);
    assert!(
        run.stderr.contains("same scheme, user and password"),
        "{}",
        run.stderr
    );
    let run = one("redis://127.0.0.1", &other[1..]).expect(2);
    assert!(
        run.stderr
            .contains("add --redis-cluster or --redis-sentinel"),
        "{}",
        run.stderr
    );
}
