//! The second look: whoever registers while he is being removed is on the board when the run ends.

use crate::lab::{HttpStub, Kamailio, KamailioOptions, Lab, Proxy, Redis, Run, kamonline};

/// Kamailio knows 100. Redis holds 100 and 101, and hears of no registration: only kamonline can put 101 back.
fn deaf() -> (Kamailio, Redis) {
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    let redis = Redis::start();
    kamailio.register("100@abc.voip.ca");
    redis.add_many("ONLINE:abc.voip.ca", ["100", "101", "102"]);
    (kamailio, redis)
}

fn run(proxy: &Proxy, redis: &Redis, args: &[&str]) -> Run {
    kamonline(
        &[
            &[
                "--kamailio",
                &proxy.url(),
                "--redis",
                &redis.url(),
                "--settle=0s",
            ][..],
            args,
        ]
        .concat(),
    )
}

#[test]
fn who_registers_between_the_removal_and_the_second_dump_is_back() {
    let (kamailio, redis) = deaf();
    let (phone, client) = (kamailio.phone(), redis.client());
    let proxy = Proxy::before(&kamailio, 2, move || {
        assert_eq!(
            client.members("ONLINE:abc.voip.ca"),
            ["100"],
            "the removal comes first"
        );
        phone.register("101@abc.voip.ca");
    });
    let report = run(&proxy, &redis, &["--format=json"]).expect(0).json();
    assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);
    assert_eq!(proxy.requests().len(), 2);
    assert_eq!(report["outcome"], "changed");
    assert_eq!(report["totals"]["removed"], 2);
    assert_eq!(report["totals"]["restored"], 1);
    assert_eq!(
        report["domains"][0]["stale"],
        serde_json::json!(["101", "102"])
    );
    assert_eq!(report["domains"][0]["restored"], serde_json::json!(["101"]));
}

#[test]
fn the_text_says_who_was_restored_in_his_own_spelling() {
    let (kamailio, redis) = deaf();
    redis.add("ONLINE:abc.voip.ca", "Bob%20B");
    let phone = kamailio.phone();
    let proxy = Proxy::before(&kamailio, 2, move || phone.register("bob%20b@abc.voip.ca"));
    let run = run(&proxy, &redis, &[]).expect(0);
    assert!(
        run.stdout.contains("  + Bob%20B (restored"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("removed 3 stale users, restored 1;"),
        "{}",
        run.stdout
    );
    assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["100", "Bob%20B"]);
}

#[test]
fn a_second_dump_that_fails_names_everyone_who_was_removed() {
    for broken in [
        HttpStub::answer("500 Internal Server Error", "Internal Server Error"),
        b"HTTP/1.1 200 OK\r\n".to_vec(),
    ] {
        let (kamailio, redis) = deaf();
        redis.add_many(
            "ONLINE:abc.voip.ca",
            (200..230).map(|user| user.to_string()),
        );
        let proxy = Proxy::new(&kamailio).replace(2, broken);
        let run = run(&proxy, &redis, &["--max-removal=100%", "--retries=0"]).expect(1);
        assert!(
            run.stderr.contains("second look: Kamailio at"),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr
                .contains("32 users removed, listed above, and not verified"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("--add-missing"), "{}", run.stderr);
        assert_eq!(run.stdout.matches("\n  - ").count(), 32, "{}", run.stdout);
        assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["100"]);
    }
}

#[test]
fn nothing_removed_needs_no_second_look() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.redis.command(&["DEL", "ONLINE:abc.voip.ca"]);
    let proxy = Proxy::new(&lab.kamailio);
    run(&proxy, &lab.redis, &["--add-missing"]).expect(0);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100"]);
    assert_eq!(proxy.requests().len(), 1);
}
