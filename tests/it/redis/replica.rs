//! A replica may be behind its master: no run believes it, and a dry run warns.

use crate::lab::{HttpStub, Redis, RedisOptions, Reply, Run, free_port, kamonline};

const KEY: &str = "ONLINE:abc.voip.ca";
const SAID: &str = "it is a replica, and may be behind its master";
const HINT: &str = "give --redis the master (redis-cli role names it)";

fn server(replica_of: Option<u16>, extra: &[&str]) -> Redis {
    let no_delay = "repl-diskless-sync-delay 0";
    Redis::with(RedisOptions {
        replica_of,
        extra: [no_delay]
            .iter()
            .chain(extra)
            .map(|line| line.to_string())
            .collect(),
        ..RedisOptions::default()
    })
}

/// A master that holds these, and a replica in sync with it.
fn pair(members: &[&str], extra: &[&str]) -> (Redis, Redis) {
    let master = server(None, &[]);
    master.add_many(KEY, members);
    let replica = server(Some(master.port()), extra);
    master.wait_replicated();
    (master, replica)
}

/// On a registrar where 100 is registered.
fn run(redis: &Redis, args: &[&str]) -> Run {
    let kamailio = HttpStub::serve(vec![Reply::Whole(HttpStub::dump(&["100@abc.voip.ca"]))]);
    let (kamailio, redis) = (kamailio.url(), redis.url());
    let all = ["--kamailio", &kamailio, "--redis", &redis, "--settle=0s"];
    kamonline(&[&all, args].concat())
}

/// A run is refused and leaves the replica as it is; a dry run warns once, and goes on.
fn is_not_believed(replica: &Redis) -> serde_json::Value {
    let before = replica.members(KEY);
    let stderr = run(replica, &["--add-missing"]).expect(1).stderr;
    let error = format!("{SAID}; nothing was changed\n  hint: {HINT}");
    assert!(stderr.contains(&error), "{stderr}");
    assert_eq!(replica.members(KEY), before);

    let dry = run(replica, &["--dry-run"]).expect(0);
    let warning = format!("warning: Redis at {}: {SAID}; {HINT}", replica.url());
    assert_eq!(dry.stderr.matches(&warning).count(), 1, "{}", dry.stderr);
    let report = run(replica, &["--dry-run", "--format=json"]).expect(0);
    let report = report.json();
    assert_eq!(report["warnings"].as_array().unwrap().len(), 1);
    report["totals"].clone()
}

#[test]
fn a_replica_in_sync_is_not_believed() {
    let (_master, replica) = pair(&["100", "ghost"], &[]);
    assert_eq!(is_not_believed(&replica)["stale"], 1);
}

#[test]
fn a_replica_is_not_believed_when_there_is_nothing_to_write() {
    let (_master, replica) = pair(&["100"], &[]);
    let totals = is_not_believed(&replica);
    assert_eq!(
        (&totals["stale"], &totals["missing"]),
        (&0.into(), &0.into())
    );
}

#[test]
fn a_replica_that_is_behind_is_not_believed() {
    let (master, replica) = pair(&["100"], &[]);
    replica.command(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    master.add(KEY, "ghost");
    assert_eq!(is_not_believed(&replica)["stale"], 0);
    run(&master, &[]).expect(0);
    assert_eq!(master.members(KEY), ["100"]);
}

#[test]
fn a_replica_that_never_saw_its_master_is_not_believed() {
    let replica = server(None, &[]);
    replica.command(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    assert_eq!(is_not_believed(&replica)["missing"], 1);

    // This one does not even show what it has.
    replica.command(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    for args in [&[][..], &["--dry-run"]] {
        let stderr = run(&replica, args).expect(1).stderr;
        assert!(stderr.contains(SAID), "{stderr}");
        assert!(stderr.contains("nothing was changed"), "{stderr}");
    }
}

#[test]
fn a_writable_replica_is_not_believed() {
    let (master, replica) = pair(&["100", "ghost"], &["replica-read-only no"]);
    assert_eq!(is_not_believed(&replica)["stale"], 1);
    assert_eq!(master.members(KEY), ["100", "ghost"]);
}

#[test]
fn a_replica_without_hello_is_not_believed() {
    let (_master, replica) = pair(&["100", "ghost"], &["rename-command HELLO \"\""]);
    assert_eq!(is_not_believed(&replica)["stale"], 1);
}

#[test]
fn a_replica_that_became_the_master_is_believed() {
    let (master, replica) = pair(&["100", "ghost"], &[]);
    drop(master);
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    let run = run(&replica, &[]).expect(0);
    assert_eq!(run.stderr, "");
    assert_eq!(replica.members(KEY), ["100"]);
}
