//! `--checked-key`: who reads the sets learns when a run last left them right, and from no other run.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use crate::lab::{
    Kamailio, KamailioOptions, Lab, Redis, RedisCluster, RedisOptions, Run, kamonline,
    kamonline_env,
};

const KEY: &str = "kamonline:checked";

fn run(lab: &Lab, args: &[&str]) -> Run {
    lab.run(&[&["--settle=0s", "--checked-key", KEY], args].concat())
}

/// What the key holds; it is gone afterwards.
fn taken(redis: &Redis) -> Option<Value> {
    let text: Option<String> = redis.ask(&["GETDEL", KEY]);
    text.map(|text| serde_json::from_str(&text).unwrap())
}

#[test]
fn a_run_that_leaves_the_sets_right_says_when_and_how_many() {
    let lab = Lab::drifted();
    lab.register("200@xyz.voip.ca");
    lab.redis.add("ONLINE:gone.voip.ca", "1");
    let now = || UNIX_EPOCH.elapsed().unwrap().as_secs();
    let before = now();
    run(&lab, &["--add-missing"]).expect(0);
    let checked = taken(&lab.redis).unwrap();
    let seconds = checked["checked_at_seconds"].as_u64().unwrap();
    assert!((before..=now()).contains(&seconds), "{checked}");
    let at = humantime::parse_rfc3339(checked["checked_at"].as_str().unwrap()).unwrap();
    assert_eq!(at.duration_since(UNIX_EPOCH).unwrap().as_secs(), seconds);
    let names: Vec<_> = checked.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["checked_at", "checked_at_seconds", "domains", "online"]
    );
    assert_eq!(
        [&checked["domains"], &checked["online"]],
        [&json!(2), &json!(3)]
    );
    assert_eq!(
        lab.redis.keys(),
        ["ONLINE:abc.voip.ca", "ONLINE:xyz.voip.ca"]
    );

    run(&lab, &[]).expect(0);
    assert!(taken(&lab.redis).is_some(), "in sync");
    lab.redis.command(&["FLUSHALL"]);
    for aor in ["100@abc.voip.ca", "102@abc.voip.ca", "200@xyz.voip.ca"] {
        lab.unregister(aor);
    }
    run(&lab, &[]).expect(0);
    let empty = taken(&lab.redis).unwrap();
    assert_eq!(
        [&empty["domains"], &empty["online"]],
        [&json!(0), &json!(0)]
    );
}

#[test]
fn every_other_run_leaves_it_as_it_is() {
    let mut lab = Lab::drifted();
    let expect = |lab: &Lab, args: &[&str], code| {
        run(lab, args).expect(code);
        assert_eq!(taken(&lab.redis), None, "{args:?}");
    };
    expect(&lab, &["--dry-run"], 0);
    expect(&lab, &["--keep-stale", "--add-missing"], 0);
    expect(&lab, &["--add-missing", "--max-removal=0"], 3);
    lab.redis.command(&["SREM", "ONLINE:abc.voip.ca", "102"]);
    // 101 goes, and 102 is registered and stays off.
    expect(&lab, &[], 0);
    lab.run(&["--add-missing"]).expect(0);
    expect(&lab, &["--dry-run"], 0);
    lab.kamailio.kill();
    expect(&lab, &[], 1);
}

#[test]
fn one_that_redis_does_not_take_is_a_warning() {
    // The user of README.md, and what it says that the key needs.
    let rule = "kamonline on >secret ~ONLINE:* +scan +scard +smembers +sscan +srem +sadd";
    let redis = Redis::with(RedisOptions {
        acl: vec![rule.into()],
        ..RedisOptions::default()
    });
    let kamailio = Kamailio::start(&KamailioOptions::default(), Some(&redis));
    kamailio.register("100@abc.voip.ca");
    let url = format!("redis://kamonline:secret@127.0.0.1:{}", redis.port());
    let run = || {
        redis.add("ONLINE:abc.voip.ca", "101");
        let servers = ["--kamailio", &kamailio.rpc_url(), "--redis", &url];
        let run = kamonline(&[&servers[..], &["--settle=0s", "--checked-key", KEY]].concat());
        assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["100"]);
        let run = run.expect(0);
        assert!(
            run.stdout.contains("removed 1 stale user"),
            "{}",
            run.stdout
        );
        run.stderr
    };
    let stderr = run();
    for words in [
        "warning: --checked-key kamonline:checked was not",
        "'set'",
        "+set ~kamonline:checked",
    ] {
        assert!(stderr.contains(words), "{stderr}");
    }
    assert_eq!(taken(&redis), None);

    redis.command(&["ACL", "SETUSER", "kamonline", "+set", &format!("~{KEY}")]);
    assert_eq!(run(), "");
    assert!(taken(&redis).is_some());
}

#[test]
fn a_cluster_has_it_where_the_key_belongs() {
    let cluster = RedisCluster::start();
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    kamailio.register("100@abc.voip.ca");
    let mut args = vec!["--redis-cluster", "--add-missing", "--kamailio"];
    let (rpc, urls) = (kamailio.rpc_url(), cluster.urls());
    args.push(&rpc);
    args.extend(urls.iter().flat_map(|url| ["--redis", url]));
    // Their slots lie on all three masters.
    for key in ["kamonline:checked", "checked", "a", "b", "c"] {
        kamonline(&[&args[..], &["--checked-key", key]].concat()).expect(0);
        let masters = cluster.masters().into_iter();
        let value = masters.filter_map(|node| cluster.node(node).try_command(&["GET", key]).ok());
        let [value] = <[_; 1]>::try_from(value.collect::<Vec<_>>()).unwrap();
        let text: String = ::redis::from_redis_value(value).unwrap();
        assert!(text.contains(r#""online":1"#), "{text}");
    }
}

#[test]
fn a_key_that_would_be_a_domain_is_wrong_usage() {
    for args in [
        &["--checked-key", "ONLINE:checked"][..],
        &["--checked-key", "x", "--prefix", ""],
        &["--checked-key", "ONLINE:"],
        &["--checked-key", ""],
    ] {
        kamonline(args).expect(2);
    }
    kamonline_env(&[], &[("KAMONLINE_CHECKED_KEY", "ONLINE:checked")]).expect(2);
}
