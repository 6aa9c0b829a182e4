//! `--exclude-user`: trunks, probes and members of other applications are neither removed, added nor counted.

use crate::lab::{Lab, Redis, kamonline_env};

/// Of abc.voip.ca, 100 is registered and in the set; trunk-1 is in Redis only, trunk-2 in Kamailio only.
fn lab() -> Lab {
    let lab = Lab::start();
    for user in ["100", "trunk-2"] {
        lab.register(&format!("{user}@abc.voip.ca"));
    }
    lab.redis
        .command(&["SREM", "ONLINE:abc.voip.ca", "trunk-2"]);
    lab.redis.add("ONLINE:abc.voip.ca", "trunk-1");
    lab
}

#[test]
fn who_is_excluded_is_neither_removed_nor_added_nor_counted() {
    let lab = lab();
    // Another application's, and a trunk in a domain of its own.
    lab.redis
        .add_many("ONLINE:abc.voip.ca", ["{room}:7", "TRUNK%2d3", "dead"]);
    lab.register("trunk-9@trunks.voip.ca");
    lab.redis.command(&["DEL", "ONLINE:trunks.voip.ca"]);
    let before = lab.redis.members("ONLINE:abc.voip.ca");
    let args = [
        "--exclude-user=trunk-.*",
        "--exclude-user=[{]room[}]:.*",
        "--add-missing",
        "--settle=0s",
    ];
    let run = lab.run(&args).expect(0);
    assert_eq!(
        run.stdout,
        "abc.voip.ca: 1 user online, 2 members in ONLINE:abc.voip.ca\n  - dead\n\
         removed 1 stale user; 1 user online in 1 domain\n"
    );
    let mut after = before;
    after.retain(|member| member != "dead");
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), after);
    assert_eq!(lab.redis.keys(), ["ONLINE:abc.voip.ca"]);
    let again = lab.run(&[&args[..], &["--format=json", "-v"]].concat());
    let report = again.expect(0).json();
    assert_eq!(report["outcome"], "in_sync");
    assert_eq!(report["totals"]["members"], 1);
    assert_eq!(report["totals"]["online"], 1);
    assert_eq!(report["domains"][0]["members"], 1);
}

#[test]
fn the_share_of_max_removal_is_one_of_those_who_count() {
    let lab = lab();
    lab.redis
        .add_many("ONLINE:abc.voip.ca", (0..11).map(|n| format!("dead{n}")));
    let trunks = (0..100).map(|n| format!("trunk-{n}"));
    lab.redis.add_many("ONLINE:abc.voip.ca", trunks);
    let args = ["--dry-run", "--exclude-user=trunk-.*"];
    let refused = lab.run(&args).expect(3);
    let said = "11 of 12 members would be removed";
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
}

#[test]
fn a_large_set_is_read_in_parts_and_thinned_without_them() {
    let lab = lab();
    let trunks = (0..20_000).map(|n| format!("trunk-{n}"));
    lab.redis.add_many("ONLINE:abc.voip.ca", trunks);
    lab.redis.add("ONLINE:abc.voip.ca", "dead");
    lab.run(&["--exclude-user=trunk-.*", "--settle=0s"])
        .expect(0);
    assert!(lab.redis.calls("sscan") > 0);
    let left = lab.redis.members("ONLINE:abc.voip.ca");
    assert_eq!(left.len(), 20_001, "100 and the trunks");
}

#[test]
fn a_pattern_is_whole_and_heeds_case_only_with_case_sensitive() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    let members = ["Trunk", "trunk", "trunk-1"];
    lab.redis.add_many("ONLINE:abc.voip.ca", members);
    let stale = |further: &[&str]| {
        let args = ["--dry-run", "--format=json", "--exclude-user=trunk"];
        let report = lab.run(&[&args[..], further].concat()).expect(0).json();
        report["domains"][0]["stale"].clone()
    };
    assert_eq!(stale(&[]), serde_json::json!(["trunk-1"]));
    let case_sensitive = stale(&["--case-sensitive"]);
    assert_eq!(case_sensitive, serde_json::json!(["Trunk", "trunk-1"]));
}

#[test]
fn nobody_is_removed_who_is_registered_whatever_a_pattern_says_of_case() {
    let lab = Lab::start();
    lab.register("alice@abc.voip.ca");
    lab.redis.command(&["DEL", "ONLINE:abc.voip.ca"]);
    lab.redis
        .add_many("ONLINE:abc.voip.ca", ["Alice", "%41lice"]);
    for pattern in ["--exclude-user=(?-i)alice", "--exclude-user=(?-i)Alice"] {
        let run = lab.run(&[pattern, "--settle=0s"]).expect(0);
        assert!(!run.stdout.contains("  - "), "{}", run.stdout);
    }
}

#[test]
fn half_a_pattern_from_the_environment_tells_how_to_write_a_comma() {
    let redis = Redis::start();
    for (pattern, said) in [
        ("x(a,b)", "KAMONLINE_EXCLUDE_USER is split at every comma"),
        ("[", "--exclude-user: "),
    ] {
        let pair = [
            ("KAMONLINE_EXCLUDE_USER", pattern),
            ("KAMONLINE_REDIS", &redis.url()),
        ];
        let run = kamonline_env(&[], &pair).expect(2);
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
}
