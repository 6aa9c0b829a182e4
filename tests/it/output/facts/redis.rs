//! Sites that are wrong at Redis: Kamailio is told all the same.

use super::{KEY, board, registrar, says};
use crate::lab::{Redis, RedisCluster, RedisOptions, Sentinels};

/// As README and the hint give it.
const SMALLEST_RULE: &str = "~ONLINE:* +scan +scard +smembers +sscan +srem +sadd";

const OF_KAMAILIO: [&str; 4] = [
    "  Server: kamailio (",
    "  up since: ",
    "  at this address: one registrar answers",
    "  AoRs: 2 (tables: 2 in location)",
];

#[test]
fn wrong_settings_and_what_the_sets_hold() {
    let kamailio = registrar();
    let redis = board(RedisOptions::default());
    let url = redis.url();
    let third_database = url.replace("/0", "/3");
    let (set, reset) = (["SET", "ONLINE:count", "1"], ["DEL", "ONLINE:count"]);
    let full = ["CONFIG", "SET", "maxmemory", "1"];
    let unbounded = ["CONFIG", "SET", "maxmemory", "0"];
    // Of the two nobody knows 999.
    let sip = ["SADD", KEY, "sip:200@abc.voip.ca", "sip:999"];
    let no_sip = ["SREM", KEY, "sip:200@abc.voip.ca", "sip:999"];
    let nothing = &["PING"][..];
    for (url, args, before, after, lines) in [
        (
            &url,
            &["--prefix=PRESENCE:"][..],
            nothing,
            nothing,
            &[
                "  database: 0 (keys: 1 in db0)",
                "  sets: 0 under PRESENCE:, in scope",
                "  members: 0",
                "  SADD: cannot be told (there is no member to try it with)",
                "  SREM: cannot be told (there is no member to try it with)",
            ][..],
        ),
        (
            &third_database,
            &[],
            nothing,
            nothing,
            &[
                "  database: 3 (keys: 1 in db0)",
                "  sets: 0 under ONLINE:, in scope",
            ],
        ),
        (
            &url,
            &[],
            &set,
            &reset,
            &["  sets: 1 under ", "  keys of another type: 1"],
        ),
        (
            &url,
            &[],
            &sip,
            &no_sip,
            &[
                "  members: 3",
                "  members left alone as another form of a registered user: 1",
            ],
        ),
        (
            &url,
            &[],
            &full,
            &unbounded,
            &["  SADD: refused (OOM ", "  SREM: allowed"],
        ),
    ] {
        redis.command(before);
        says(
            &kamailio.rpc_url(),
            url,
            args,
            0,
            &[lines, &OF_KAMAILIO].concat(),
        );
        redis.command(after);
    }
}

#[test]
fn another_server_than_the_one_that_is_meant() {
    let kamailio = registrar();
    let redis = board(RedisOptions::default());
    let replica = Redis::with(RedisOptions {
        replica_of: Some(redis.port()),
        extra: vec!["repl-diskless-sync-delay 0".into()],
        ..RedisOptions::default()
    });
    redis.wait_replicated();
    let lines = ["  SADD: refused (READONLY ", "  SREM: refused (READONLY "];
    let lines = [&lines[..], &OF_KAMAILIO].concat();
    let run = says(&kamailio.rpc_url(), &replica.url(), &[], 0, &lines);
    let role = |role| format!(", standalone, {role} (127.0.0.1:{})", replica.port());
    let is_told = ["slave", "replica"].map(|name| run.stdout.contains(&role(name)));
    assert!(is_told.contains(&true), "{}", run.stdout);

    let node = Redis::with(RedisOptions {
        extra: vec!["cluster-enabled yes".into()],
        ..RedisOptions::default()
    });
    redis.pause();
    for (url, said) in [
        ("redis://127.0.0.1:1", "cannot connect (Connection refused)"),
        (&redis.url(), "no answer within 1s"),
        (
            &node.url(),
            "it is a node of a Redis Cluster, and holds a part of the sets only",
        ),
    ] {
        let title = format!("Redis at {url}: {said}");
        let lines = [&[&*title][..], &OF_KAMAILIO].concat();
        says(&kamailio.rpc_url(), url, &[], 1, &lines);
    }
    redis.resume();
}

#[test]
fn what_a_redis_user_may_not() {
    let kamailio = registrar();
    let redis = board(RedisOptions {
        password: Some("s3cret".into()),
        acl: vec!["user on >s3cret2".into()],
        ..RedisOptions::default()
    });
    let shown = format!("redis://127.0.0.1:{}", redis.port());
    let smallest = [
        "  server: redis ",
        "  user: user, by the login (ACL WHOAMI: NOPERM ",
        "  database: 0 (INFO: NOPERM ",
        "  sets: 1 under ONLINE:, in scope",
        "  members: 1",
        "  members left alone as another form of a registered user: 0",
        "  SADD: allowed",
        "  SREM: allowed",
    ];
    let no_scan = [
        "  server: redis ",
        "  sets: they cannot be read (NOPERM ",
        "  SADD: cannot be told (the sets cannot be read)",
        "  SREM: cannot be told (the sets cannot be read)",
    ];
    let no_srem = ["  SADD: allowed", "  SREM: refused (NOPERM "];
    let no_sadd = ["  SADD: refused (NOPERM ", "  SREM: allowed"];
    let every = ["  user: user", "  database: 0 (keys: 1 in db0)"];
    let wrong = format!("Redis at {shown}: it does not accept the user or the password");
    let wanting = format!("Redis at {shown}: it wants a password");
    let login = "user:s3cret2@";
    for (login, taken, rule, code, lines) in [
        (login, "", SMALLEST_RULE, 0, &smallest[..]),
        (login, "+srem", SMALLEST_RULE, 0, &no_srem),
        (login, "+sadd", SMALLEST_RULE, 0, &no_sadd),
        (login, "+scan", SMALLEST_RULE, 1, &no_scan),
        (login, "", "~* +@all", 0, &every),
        ("user:s3cret3@", "", SMALLEST_RULE, 1, &[&wrong]),
        ("", "", SMALLEST_RULE, 1, &[&wanting]),
    ] {
        let rule = rule.split(' ').filter(|part| *part != taken);
        let user = ["ACL", "SETUSER", "user", "reset", "on", ">s3cret2"];
        redis.command(&user.into_iter().chain(rule).collect::<Vec<_>>());
        let url = shown.replace("://", &format!("://{login}"));
        let lines = [lines, &OF_KAMAILIO].concat();
        let run = says(&kamailio.rpc_url(), &url, &[], code, &lines);
        assert!(code == 1 || run.stderr.is_empty(), "{}", run.stderr);
        let all = run.stdout + &run.stderr;
        assert!(!all.contains("s3cret"), "{all}");
    }
}

#[test]
fn a_cluster_and_a_master_that_sentinels_name() {
    let kamailio = registrar();
    let cluster = RedisCluster::start();
    for domain in ["abc", "b", "c", "d", "e"] {
        cluster.add(&format!("ONLINE:{domain}.voip.ca"), "100");
    }
    let written = ["  SADD: allowed", "  SREM: allowed"];
    let lines = [
        "the Redis Cluster of redis://127.0.0.1:",
        "  sets: 5 under ONLINE:, in scope",
    ];
    let lines = [&lines[..], &written, &OF_KAMAILIO].concat();
    let url = &cluster.urls()[0];
    let run = says(&kamailio.rpc_url(), url, &["--redis-cluster"], 0, &lines);
    let masters = run.stdout.matches(", cluster, master (127.0.0.1:");
    assert_eq!(masters.count(), 3, "{}", run.stdout);

    let group = Sentinels::start();
    let master = group.master();
    master.add(KEY, "100");
    let lines = ["the sentinels at redis://127.0.0.1:", "  members: 1"];
    let lines = [&lines[..], &written, &OF_KAMAILIO].concat();
    let args = ["--redis-sentinel=mymaster"];
    let run = says(&kamailio.rpc_url(), &group.urls()[0], &args, 0, &lines);
    let server = format!(", standalone, master (127.0.0.1:{})\n", master.port());
    assert!(run.stdout.contains(&server), "{}", run.stdout);
}
