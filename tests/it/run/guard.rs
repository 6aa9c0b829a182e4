//! The guard: a plan that looks like a broken source is refused as a whole, and the refusal says the way out.

use crate::lab::{KamailioOptions, Lab, Run};

/// `users` are registered; `stale` more are in the set of abc.voip.ca.
fn lab(users: usize, stale: usize) -> Lab {
    let lab = Lab::start();
    for user in 0..users {
        lab.register(&format!("{}@abc.voip.ca", 100 + user));
    }
    let dead = (0..stale).map(|user| format!("dead{user}"));
    lab.redis.add_many("ONLINE:abc.voip.ca", dead);
    lab
}

/// Refused, in a dry run too; nothing was removed, and what was not removed is shown.
fn refused(lab: &Lab, args: &[&str], way_out: &str) {
    let before = lab.redis.members("ONLINE:abc.voip.ca");
    for dry_run in [&[][..], &["--dry-run"]] {
        let run = lab.run(&[args, dry_run].concat()).expect(3);
        assert!(run.stderr.contains(way_out), "{}", run.stderr);
        assert!(run.stdout.contains("  - dead0"), "{}", run.stdout);
        assert!(
            run.stdout.contains("refused, nothing was changed"),
            "{}",
            run.stdout
        );
        assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), before);
        let json = lab
            .run(&[args, dry_run, &["--format=json"]].concat())
            .expect(3)
            .json();
        assert_eq!(json["outcome"], "refused");
        assert!(
            json["error"]["hint"].as_str().unwrap().contains(way_out),
            "{json}"
        );
    }
}

fn let_through(lab: &Lab, args: &[&str]) -> Run {
    lab.run(&[args, &["--dry-run"]].concat()).expect(0);
    lab.run(&[args, &["--settle=0s"]].concat()).expect(0)
}

#[test]
fn an_empty_dump_is_no_reason_to_empty_the_board() {
    let lab = lab(0, 3);
    refused(&lab, &[], "nobody is online indeed: --allow-empty");
    let_through(&lab, &["--allow-empty"]);
    assert_eq!(lab.redis.keys(), [""; 0]);
}

/// Phones that have not registered since a restart are gone only when they do not come back.
#[test]
fn after_a_restart_no_flag_removes_those_who_have_not_registered_yet() {
    let lab = lab(0, 30);
    let young = ["--min-uptime=2m"];
    let says = |args: &[&str], reports: &str| {
        refused(
            &lab,
            args,
            "s and run kamonline again: its users may be back then",
        );
        let said = lab.run(args).expect(3).stderr;
        let (error, hint) = said.split_once("hint: wait 1").unwrap();
        assert!(error.contains("less than --min-uptime 2m"), "{said}");
        assert!(error.contains(reports) && !hint.contains("--"), "{said}");
    };
    let nobody = ", and reports nobody: it may not know all its users yet";
    says(&young, nobody);
    says(
        &["--min-uptime=2m", "--allow-empty", "--max-removal=30"],
        nobody,
    );
    lab.register("100@abc.voip.ca");
    let of_these = ", and reports nobody of these domains: it may";
    lab.redis.add("ONLINE:xyz.voip.ca", "dead0");
    let other = ["--min-uptime=2m", "--domain=xyz[.]voip[.]ca"];
    let said = lab.run(&other).expect(3).stderr;
    assert!(said.contains(of_these) && !said.contains(": --"), "{said}");
    // Most have not come back yet.
    says(&young, "less than --min-uptime 2m: it may not know");
}

#[test]
fn the_registrar_of_another_site_is_no_reason_to_empty_a_domain() {
    let lab = lab(3, 3);
    for user in 0..3 {
        lab.pull_the_cable(format!("{}@abc.voip.ca", 100 + user));
        lab.register(&format!("{user}@other.ca"));
    }
    let scope = ["--domain=abc[.]voip[.]ca"];
    refused(&lab, &scope, "whether this is the registrar of this site");
    refused(&lab, &scope, "--allow-empty");
    let said = lab.run(&scope).expect(3).stderr;
    let why = "Kamailio reports nobody of these domains, while Redis has 6 members";
    assert!(said.contains(why), "{said}");
    let_through(&lab, &["--domain=abc[.]voip[.]ca", "--allow-empty"]);
    assert_eq!(lab.redis.keys(), ["ONLINE:other.ca"]);
}

#[test]
fn an_empty_dump_with_many_members_names_both_flags() {
    let lab = lab(0, 20);
    refused(&lab, &[], "--allow-empty --max-removal 20");
    refused(&lab, &["--allow-empty"], "--max-removal 20");
    let_through(&lab, &["--allow-empty", "--max-removal", "20"]);
    assert_eq!(lab.redis.keys(), [""; 0]);
}

#[test]
fn a_registrar_that_keeps_nothing_in_memory_is_refused() {
    let lab = Lab::with(KamailioOptions {
        db_mode_3: true,
        ..KamailioOptions::default()
    });
    lab.redis.add("ONLINE:abc.voip.ca", "dead0");
    refused(&lab, &[], "db_mode 3");
}

#[test]
fn more_than_a_share_is_refused() {
    let lab = lab(10, 11);
    refused(&lab, &[], "If they are gone indeed: --max-removal 11");
    refused(&lab, &["--max-removal=52%"], "--max-removal 11");
    let_through(&lab, &["--max-removal=53%"]);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca").len(), 10);
}

#[test]
fn up_to_ten_removals_pass_under_any_share_above_0() {
    let lab = lab(1, 10);
    refused(&lab, &["--max-removal=0%"], "--max-removal 10");
    let_through(&lab, &["--max-removal=1%"]);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100"]);
}

#[test]
fn more_than_a_count_is_refused() {
    let lab = lab(10, 3);
    refused(&lab, &["--max-removal=2"], "--max-removal 3");
    let_through(&lab, &["--max-removal=3"]);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca").len(), 10);
}

#[test]
fn without_use_domain_nobody_can_tell_the_sets() {
    let options = KamailioOptions {
        use_domain: false,
        defines: vec!["ONLINE_DOMAIN=\"abc.voip.ca\"".into()],
        ..KamailioOptions::default()
    };
    let lab = Lab::with(options);
    lab.register("100@abc.voip.ca");
    lab.register("x%40y@abc.voip.ca");
    lab.register("102@abc.voip.ca");
    lab.redis.add("ONLINE:abc.voip.ca", "dead0");
    for dry_run in [&[][..], &["--dry-run"]] {
        let run = lab.run(dry_run).expect(1);
        assert!(run.stderr.contains("use_domain 0"), "{}", run.stderr);
        assert!(
            run.stderr.contains("--default-domain DOMAIN"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
    }
    let_through(&lab, &["--default-domain=ABC.voip.ca"]);
    assert_eq!(
        lab.redis.members("ONLINE:abc.voip.ca"),
        ["100", "102", "x@y"]
    );
}

#[test]
fn a_few_registrations_without_a_user_are_a_warning() {
    let lab = lab(2, 1);
    lab.register("abc.voip.ca");
    let run = let_through(&lab, &[]);
    assert!(
        run.stderr.contains("1 AoR without a user"),
        "{}",
        run.stderr
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);
}

#[test]
fn what_is_out_of_scope_is_neither_read_nor_written() {
    let lab = lab(1, 1);
    lab.redis.add("ONLINE:test.voip.ca", "dead0");
    lab.register("200@new.voip.ca");
    lab.redis.command(&["DEL", "ONLINE:new.voip.ca"]);
    lab.redis.reset_stats();
    let_through(
        &lab,
        &[
            "--domain=(?:abc|test)[.]voip[.]ca",
            "--exclude-domain=test.*",
            "--add-missing",
        ],
    );
    assert_eq!(lab.redis.calls("smembers"), 2, "once in each run");
    assert_eq!(
        lab.redis.keys(),
        ["ONLINE:abc.voip.ca", "ONLINE:test.voip.ca"]
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100"]);
    // Nobody of it is registered, whoever else is.
    let scope = ["--domain=test.*", "--max-removal=100%"];
    refused(&lab, &scope, "--allow-empty");
    let run = let_through(&lab, &[&scope[..], &["--allow-empty"]].concat());
    assert!(run.stdout.contains("- dead0"), "{}", run.stdout);
}
