//! A board that shares nobody with Kamailio is a wrong setting, whatever the numbers: nothing is written.

use crate::lab::{Kamailio, KamailioOptions, Lab, Redis, Run, kamonline};

/// Refused, in a dry run too: the sets are as they were, and the message shows these two side by side.
fn refused(lab: &Lab, args: &[&str], member: &str, aor: &str) -> Run {
    let key = |key: &String| (key.clone(), lab.redis.members(key));
    let sets = || lab.redis.keys().iter().map(key).collect::<Vec<_>>();
    let before = sets();
    lab.run(&[args, &["--dry-run"]].concat()).expect(3);
    let run = lab.run(&[args, &["--add-missing"]].concat()).expect(3);
    for part in [
        "nobody in common",
        &format!("a member: {member} (in "),
        &format!("a registered AoR: {aor}; nothing was changed\n"),
        "--prefix may be wrong",
        ": --allow-empty",
    ] {
        assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
    }
    assert_eq!(sets(), before);
    run
}

/// 100 and 101 are registered; the board holds what a test puts there.
fn lab() -> Lab {
    let lab = Lab::start();
    for user in ["100", "101"] {
        lab.register(&format!("{user}@abc.voip.ca"));
    }
    lab.redis.command(&["FLUSHALL"]);
    lab
}

#[test]
fn members_in_another_form_are_refused() {
    for members in [
        ["100@abc.voip.ca", "101@abc.voip.ca"],
        ["sip:100", "sip:101"],
        ["auth-100", "auth-101"],
    ] {
        let lab = lab();
        lab.redis.add_many("ONLINE:abc.voip.ca", members);
        refused(&lab, &[], members[0], "100@abc.voip.ca");
    }
}

#[test]
fn keys_that_are_not_those_of_the_registrar_are_refused() {
    let lab = lab();
    lab.redis.add_many("ONLINE:{abc.voip.ca}", ["100", "101"]);
    refused(&lab, &[], "100", "100@abc.voip.ca");
    lab.redis.command(&["FLUSHALL"]);
    lab.redis.add_many("ONLINE:abc.voip.ca", ["100", "101"]);
    refused(&lab, &["--prefix=ONLINE"], "100", "100@abc.voip.ca");
    lab.redis.command(&["FLUSHALL"]);
    // Another site's registrar, or registrar's realm_prefix "sip.".
    lab.redis.add_many("ONLINE:sip.abc.voip.ca", ["100", "101"]);
    refused(&lab, &[], "100", "100@abc.voip.ca");
}

#[test]
fn many_members_need_both_flags() {
    let lab = lab();
    let members = (0..20).map(|user| format!("sip:{user}"));
    lab.redis.add_many("ONLINE:abc.voip.ca", members);
    let run = refused(&lab, &[], "sip:0", "100@abc.voip.ca");
    let flags = "--allow-empty --max-removal 20\n";
    assert!(run.stderr.ends_with(flags), "{}", run.stderr);
    lab.run(&["--allow-empty", "--max-removal=20", "--settle=0s"])
        .expect(0);
    assert_eq!(lab.redis.keys(), [""; 0]);
}

#[test]
fn a_dead_office_still_vanishes_from_the_board() {
    let lab = lab();
    lab.redis.add_many("ONLINE:abc.voip.ca", ["100", "101"]);
    lab.redis.add_many("ONLINE:dead.ca", ["1", "2"]);
    // In a run of its own it looks like the registrar of another site.
    let own = ["--domain=dead[.]ca", "--settle=0s"];
    lab.run(&own).expect(3);
    let run = lab.run(&[&own[..], &["--allow-empty"]].concat()).expect(0);
    assert!(run.stdout.contains("removed 2"), "{}", run.stdout);
    lab.redis.add_many("ONLINE:dead.ca", ["1", "2"]);
    lab.run(&["--settle=0s"]).expect(0);
    assert_eq!(lab.redis.keys(), ["ONLINE:abc.voip.ca"]);
}

#[test]
fn a_default_domain_for_a_registrar_that_has_domains_is_refused() {
    let with_domains = lab();
    let board = ["100", "101", "200", "gone"];
    with_domains.redis.add_many("ONLINE:abc.voip.ca", board);
    let fails = |run: Run| {
        let run = run.expect(1);
        for part in [
            "AoRs hold a domain, and none of them is a member",
            "nothing was changed",
            "leave out --default-domain",
        ] {
            assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
        }
        assert_eq!(with_domains.redis.members("ONLINE:abc.voip.ca"), board);
    };
    let defaulted = ["--default-domain=abc.voip.ca", "--allow-empty"];
    for dry_run in [&[][..], &["--dry-run"]] {
        fails(with_domains.run(&[&defaulted, dry_run].concat()));
    }
    // One registrar of each kind.
    let without = Kamailio::start(
        &KamailioOptions {
            use_domain: false,
            ..KamailioOptions::default()
        },
        None,
    );
    without.register("200@abc.voip.ca");
    let second = without.rpc_url();
    fails(with_domains.run(&[&defaulted[..], &["--kamailio", &second]].concat()));
}

#[test]
fn with_use_domain_0_a_user_may_look_like_an_address() {
    let redis = Redis::start();
    let kamailio = Kamailio::start(
        &KamailioOptions {
            use_domain: false,
            ..KamailioOptions::default()
        },
        None,
    );
    for user in ["alice%40example.com", "bob%40example.com", "100"] {
        kamailio.register(&format!("{user}@abc.voip.ca"));
    }
    let (url, at) = (kamailio.rpc_url(), redis.url());
    let run = |args: &[&str]| {
        let servers = ["--kamailio", &url, "--redis", &at, "--settle=0s"];
        kamonline(&[&servers, args].concat())
    };
    let ours = "ONLINE:abc.voip.ca";
    let one_domain = ["--default-domain=abc.voip.ca", "--add-missing"];
    for board in [&[][..], &["100", "gone"]] {
        redis.add_many(ours, board.iter().copied());
        let said = run(&one_domain).expect(1).stderr;
        let way_out = "SADD one who is registered to the set as it stands, or give --ignore-domain";
        assert!(said.contains(way_out), "{said}");
        assert_eq!(redis.members(ours), board);
    }
    run(&["--ignore-domain"]).expect(0);
    assert_eq!(redis.members(ours), ["100"]);
    redis.add_many(ours, ["alice@example.com", "gone"]);
    redis.add("ONLINE:example.com", "bob");
    run(&one_domain).expect(0);
    let all = ["100", "alice@example.com", "bob@example.com"];
    assert_eq!(redis.members(ours), all);
}
