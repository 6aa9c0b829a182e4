//! The main job: the board says what Kamailio knows.

use serde_json::json;

use crate::lab::{Kamailio, KamailioOptions, Lab, Proxy, Redis, kamonline};
use crate::output::json::assert_is_report;

#[test]
fn a_user_whose_cable_was_pulled_is_removed() {
    let lab = Lab::start();
    for user in ["100", "101", "102"] {
        lab.register(&format!("{user}@abc.voip.ca"));
    }
    lab.pull_the_cable("101@abc.voip.ca");
    assert_eq!(
        lab.redis.members("ONLINE:abc.voip.ca"),
        ["100", "101", "102"]
    );

    let dry = lab.run(&["--dry-run"]).expect(0);
    assert_eq!(
        dry.stdout,
        "abc.voip.ca: 2 users online, 3 members in ONLINE:abc.voip.ca\n  - 101\n\
         dry run, nothing was changed: 1 stale user to remove, 0 missing users to add; 2 users online in 1 domain\n"
    );
    assert_eq!(
        lab.redis.members("ONLINE:abc.voip.ca"),
        ["100", "101", "102"]
    );

    let run = lab.run(&[]).expect(0);
    assert_eq!(
        run.stdout,
        "abc.voip.ca: 2 users online, 3 members in ONLINE:abc.voip.ca\n  - 101\n\
         removed 1 stale user; 2 users online in 1 domain\n"
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "102"]);
    assert_eq!(
        lab.run(&[]).expect(0).stdout,
        "in sync: 2 users online in 1 domain\n"
    );
    assert_eq!(lab.run(&["--quiet"]).expect(0).stdout, "");
}

#[test]
fn a_missing_user_is_told_and_added_only_when_asked() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.register("Bob@NEW.voip.ca");
    lab.redis.command(&["FLUSHALL"]);

    let run = lab.run(&[]).expect(0);
    assert!(
        run.stdout
            .contains("new.voip.ca: 1 user online, 0 members in ONLINE:new.voip.ca\n  + bob\n"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout
            .contains("2 missing users not added (--add-missing does)"),
        "{}",
        run.stdout
    );
    assert_eq!(lab.redis.keys(), [""; 0]);
    assert_eq!(lab.run(&["--dry-run", "--exit-code"]).code, 4);

    let run = lab.run(&["--add-missing"]).expect(0);
    assert!(
        run.stdout
            .ends_with("\nadded 2 missing users; 2 users online in 2 domains\n"),
        "{}",
        run.stdout
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100"]);
    assert_eq!(lab.redis.members("ONLINE:new.voip.ca"), ["bob"]);
    assert_eq!(lab.run(&["--dry-run", "--exit-code"]).code, 0);
}

#[test]
fn the_drift_of_the_naive_fragment_is_repaired() {
    let lab = Lab::with(KamailioOptions {
        naive: true,
        ..KamailioOptions::default()
    });
    let phone = lab.kamailio.phone();
    phone.register("twice@abc.voip.ca");
    phone.named("second").register("twice@abc.voip.ca");
    phone.named("second").unregister("twice@abc.voip.ca");
    phone
        .with_expires_in_contact()
        .register("modern@abc.voip.ca");
    phone.register("dead@abc.voip.ca");
    lab.pull_the_cable("dead@abc.voip.ca");
    phone.register("Alive@ABC.voip.ca");
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["dead"]);
    assert_eq!(lab.redis.members("ONLINE:ABC.voip.ca"), ["Alive"]);

    lab.run(&["--add-missing", "--settle=0s"]).expect(0);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["modern", "twice"]);
    assert_eq!(lab.redis.members("ONLINE:ABC.voip.ca"), ["Alive"]);
    lab.run(&["--dry-run", "--exit-code"]).expect(0);
}

#[test]
fn keys_that_differ_in_case_are_one_domain_and_each_user_is_removed_from_their_own() {
    let lab = Lab::start();
    lab.redis.add_many("ONLINE:ABC.voip.ca", ["100", "dead"]);
    lab.redis.add_many("ONLINE:abc.voip.ca", ["101", "gone"]);
    for user in ["100", "101", "new"] {
        lab.kamailio.register(&format!("{user}@abc.voip.ca"));
    }
    lab.redis
        .command(&["SREM", "ONLINE:abc.voip.ca", "100", "new"]);
    let args = ["--add-missing", "--settle=0s"];
    let json = lab.run(&[&args[..], &["--dry-run", "--format=json"]].concat());
    let report = json.expect(0).json();
    assert_is_report(&report);
    assert_eq!(
        report["domains"],
        json!([{
            "domain": "abc.voip.ca", "key": "ONLINE:abc.voip.ca", "online": 3, "members": 4,
            "keys": [
                {"key": "ONLINE:ABC.voip.ca", "members": 2, "stale": ["dead"]},
                {"key": "ONLINE:abc.voip.ca", "members": 2, "stale": ["gone"]},
            ],
            "stale": ["dead", "gone"], "missing": ["new"], "returned": [], "restored": [],
            "rolled_back": [], "off": [], "other_forms": [], "bytes": [],
        }])
    );
    let run = lab.run(&args).expect(0);
    assert_eq!(
        run.stdout,
        "abc.voip.ca: 3 users online, 4 members in ONLINE:ABC.voip.ca and ONLINE:abc.voip.ca\n  \
         - dead in ONLINE:ABC.voip.ca\n  - gone in ONLINE:abc.voip.ca\n  \
         + new in ONLINE:abc.voip.ca\n\
         removed 2 stale users, added 1 missing user; 3 users online in 1 domain\n"
    );
    assert_eq!(lab.redis.members("ONLINE:ABC.voip.ca"), ["100"]);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["101", "new"]);
}

#[test]
fn two_tables_count_together_or_one_by_name() {
    let lab = Lab::with(KamailioOptions {
        second_table: true,
        ..KamailioOptions::default()
    });
    lab.register("100@abc.voip.ca");
    lab.kamailio
        .register_in_table("location2", "200@abc.voip.ca");
    lab.redis.add("ONLINE:abc.voip.ca", "200");
    lab.run(&["--dry-run", "--exit-code"]).expect(0);
    let wrong = lab.run(&["--table=locations"]).expect(1);
    assert!(
        wrong
            .stderr
            .contains("no usrloc table named locations; its tables: location, location2"),
        "{}",
        wrong.stderr
    );
    lab.run(&["--table=location", "--settle=0s"]).expect(0);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100"]);
}

#[test]
fn a_prefix_is_no_pattern() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.redis.add_many("on*[l]ine:abc.voip.ca", ["100", "dead"]);
    lab.redis.add("onXline:abc.voip.ca", "dead");
    lab.run(&["--prefix=on*[l]ine:", "--settle=0s"]).expect(0);
    assert_eq!(lab.redis.members("on*[l]ine:abc.voip.ca"), ["100"]);
    assert_eq!(lab.redis.members("onXline:abc.voip.ca"), ["dead"]);
}

/// What a run in sync costs, of `users` in each of 100 domains: dumps, SCANs and SMEMBERS commands.
fn cost(users: usize) -> (usize, u64, u64) {
    let (kamailio, redis) = (
        Kamailio::start(&KamailioOptions::default(), None),
        Redis::start(),
    );
    for domain in 0..100 {
        let users = (0..users).map(|user| user.to_string());
        redis.add_many(&format!("ONLINE:d{domain}.voip.ca"), users.clone());
        kamailio.register_many(users.map(|user| format!("{user}@d{domain}.voip.ca")));
    }
    let proxy = Proxy::new(&kamailio);
    redis.reset_stats();
    let run = kamonline(&["--kamailio", &proxy.url(), "--redis", &redis.url()]).expect(0);
    assert_eq!(
        run.stdout,
        format!("in sync: {} users online in 100 domains\n", users * 100)
    );
    assert_eq!(redis.calls("keys") + redis.calls("sscan"), 0);
    (
        proxy.looks().len(),
        redis.calls("scan"),
        redis.calls("smembers"),
    )
}

#[test]
fn more_users_cost_no_more_round_trips() {
    assert_eq!(cost(1), (1, 1, 100));
    assert_eq!(cost(100), (1, 1, 100));
}

#[test]
fn colour_marks_what_the_signs_say() {
    let lab = Lab::start();
    lab.redis.add("ONLINE:abc.voip.ca", "dead");
    lab.register("100@abc.voip.ca");
    let run = lab.run(&["--dry-run", "--color=always"]).expect(0);
    assert!(
        run.stdout.contains("\x1b[31m  - dead\x1b[0m\n"),
        "{:?}",
        run.stdout
    );
    assert!(!lab.run(&["--dry-run"]).expect(0).stdout.contains('\x1b'));
}

#[test]
fn a_domain_shows_at_most_twenty_users_unless_verbose() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.redis.add_many(
        "ONLINE:abc.voip.ca",
        (200..230).map(|user| user.to_string()),
    );
    let args = ["--dry-run", "--max-removal=100%"];
    let short = lab.run(&args).expect(0).stdout;
    assert_eq!(short.matches("\n  - ").count(), 20, "{short}");
    assert!(short.contains("and 10 more (-v shows all)"), "{short}");
    let all = lab.run(&[&args[..], &["-v"]].concat()).expect(0).stdout;
    assert_eq!(all.matches("\n  - ").count(), 30, "{all}");
}

#[test]
fn wrong_usage_asks_no_server() {
    for (args, what) in [
        (&["--max-removal=half"][..], "--max-removal half"),
        (&["--domain=("], "--domain: "),
        (&["--timeout=0s"], "--timeout"),
        (&["--timeout=soon"], "--timeout"),
        (&["--kamailio=ftp://127.0.0.1/rpc"], "http:// or https://"),
        (&["--redis=http://127.0.0.1"], "redis://"),
        (
            &["--redis=redis://a", "--redis=redis://b"],
            "--redis-cluster",
        ),
        (&["--exit-code"], "--dry-run"),
        (&["--no-such-option"], "--no-such-option"),
    ] {
        let run = kamonline(args).expect(2);
        assert!(run.stderr.contains(what), "{args:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}
