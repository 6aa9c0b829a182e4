//! `--dry-run -v` says what each server is, whichever of them fails, and changes nothing: at a right site, and at wrong ones.

mod kamailio;
mod redis;

use std::sync::Arc;

use crate::lab::{
    Fault, Kamailio, KamailioOptions, Redis, RedisOptions, RedisProxy, Rule, Run, kamonline,
};

const KEY: &str = "ONLINE:abc.voip.ca";

/// Kamailio where 100 and 200 are registered.
fn registrar() -> Kamailio {
    let options = KamailioOptions {
        jsonrpc: true,
        ..KamailioOptions::default()
    };
    let kamailio = Kamailio::start(&options, None);
    kamailio.register("100@abc.voip.ca");
    kamailio.register("200@abc.voip.ca");
    kamailio
}

/// A Redis where 100 is on the board.
fn board(options: RedisOptions) -> Redis {
    let redis = Redis::with(options);
    redis.add(KEY, "100");
    redis
}

/// Ends with this exit code. Each of `lines` begins a line of the report, and both servers are told.
#[track_caller]
fn says(kamailio: &str, redis: &str, args: &[&str], code: i32, lines: &[&str]) -> Run {
    let servers = ["--kamailio", kamailio, "--redis", redis];
    let always = ["--dry-run", "-v", "--timeout=1s", "--retries=0"];
    let run = kamonline(&[&servers, &always[..], args].concat()).expect(code);
    let titles = ["kamonline ", "Kamailio at http://127.0.0.1:"];
    for begins in titles.iter().chain(lines) {
        let is_there = run.stdout.lines().any(|line| line.starts_with(begins));
        assert!(is_there, "no line {begins:?} in\n{}", run.stdout);
    }
    let titles = [
        "\nRedis at ",
        "\nthe Redis Cluster of ",
        "\nthe sentinels at ",
    ];
    assert!(titles.iter().any(|title| run.stdout.contains(title)));
    run
}

/// What Redis counts of changes.
fn changes(redis: &Redis) -> String {
    let info: String = redis.ask(&["INFO", "persistence"]);
    let count = info.lines().find(|line| line.starts_with("rdb_changes"));
    count.unwrap().into()
}

#[test]
fn a_right_site() {
    let (kamailio, redis) = (registrar(), board(RedisOptions::default()));
    let lines = [
        "  Server: kamailio (",
        "  up since: ",
        "  at this address: one registrar answers",
        "  AoRs: 2 (tables: 2 in location)",
        "  use_domain: 1 (AoRs with a domain: 2)",
        "  server: ",
        "  user: default",
        "  database: 0 (keys: 1 in db0)",
        "  sets: 1 under ONLINE:, in scope",
        "  members: 1",
        "  members left alone as another form of a registered user: 0",
        "  keys of another type: 0",
        "  writing tried in: 1 of 1 sets",
        "  SADD: allowed",
        "  SREM: allowed",
    ];
    let server = format!(", standalone, master (127.0.0.1:{})\n", redis.port());
    for (url, args) in [
        (kamailio.rpc_url(), &[][..]),
        (kamailio.jsonrpc_url(), &["--rpc=jsonrpc"]),
    ] {
        let before = changes(&redis);
        redis.reset_stats();
        let run = says(&url, &redis.url(), args, 0, &lines);
        let (facts, plan) = run.stdout.split_once("\n\n").unwrap();
        assert!(facts.contains(&server), "{facts}");
        assert!(
            !facts.contains("abc.voip.ca"),
            "no user, no domain: {facts}"
        );
        assert!(plan.starts_with("abc.voip.ca: 2 users online"), "{plan}");
        assert_eq!((run.stderr, changes(&redis)), (String::new(), before));
        assert_eq!((redis.calls("sadd"), redis.calls("srem")), (1, 1));
    }
}

#[test]
fn no_other_run_asks() {
    let (kamailio, redis) = (registrar(), board(RedisOptions::default()));
    redis.reset_stats();
    let servers = ["--kamailio", &kamailio.rpc_url(), "--redis", &redis.url()];
    for args in [
        &["--dry-run"][..],
        &["-v"],
        &["--dry-run", "-v", "--format=json"],
    ] {
        let run = kamonline(&[&servers, args].concat()).expect(0);
        assert!(!run.stdout.contains("SADD"), "{}", run.stdout);
    }
    for command in ["sadd", "srem", "acl|whoami"] {
        assert_eq!(redis.calls(command), 0, "{command}");
    }
}

/// The only way in which a dry run could change a set.
#[test]
fn a_member_who_leaves_as_sadd_is_tried_is_told() {
    let (kamailio, redis) = (registrar(), board(RedisOptions::default()));
    let client = redis.client();
    let leaves = move || drop(client.command(&["SREM", KEY, "100"]));
    let rule = Rule {
        command: "SADD",
        times: 0..1,
        onwards: false,
        fault: Fault::Meanwhile(Arc::new(leaves)),
    };
    let proxy = RedisProxy::new(&redis, vec![rule]);
    let run = says(
        &kamailio.rpc_url(),
        &proxy.url(),
        &[],
        0,
        &["  SADD: allowed"],
    );
    let told = format!("warning: 100 left {KEY} in the instant in which SADD was tried");
    assert!(run.stderr.contains(&told), "{}", run.stderr);
    assert_eq!(redis.members(KEY), ["100"]);
}
