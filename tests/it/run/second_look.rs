//! The second look: a user who registers while they are being removed is on the board when the run ends.

use std::sync::{Arc, Mutex};

use crate::lab::{
    HttpStub, Kamailio, KamailioOptions, Lab, Proxy, Redis, RedisOptions, Run, kamonline, until,
};

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
fn a_second_dump_that_fails_puts_everyone_back() {
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
                .contains("everyone who was removed is back: 32 users"),
            "{}",
            run.stderr
        );
        let summary = "failed: removed 32 stale users, put back 32;";
        assert!(run.stdout.contains(summary), "{}", run.stdout);
        assert_eq!(redis.members("ONLINE:abc.voip.ca").len(), 33);
    }
}

/// The run failed, says why, and everyone whom it removed is back.
fn rolled_back(run: Run, redis: &Redis, removed: usize, why: &str) {
    let run = run.expect(1);
    let back = format!("everyone who was removed is back: {removed} users");
    for part in ["second look: ", why, &back, "let the next run try again"] {
        assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
    }
    assert_eq!(redis.members("ONLINE:abc.voip.ca").len(), 1 + removed);
}

#[test]
fn a_flood_of_those_who_were_removed_is_not_believed() {
    let (kamailio, redis) = deaf();
    let users = (200..218).map(|user| user.to_string());
    redis.add_many("ONLINE:abc.voip.ca", users);
    let phone = kamailio.phone();
    // As many leave: the registrar does not grow.
    (300..311).for_each(|user| phone.register(&format!("{user}@xyz.voip.ca")));
    let proxy = Proxy::before(&kamailio, 2, move || {
        (300..311).for_each(|user| phone.unregister(&format!("{user}@xyz.voip.ca")));
        (200..211).for_each(|user| phone.register(&format!("{user}@abc.voip.ca")));
    });
    let run = run(&proxy, &redis, &["--max-removal=100%"]);
    let why = "11 of the 20 who were removed are registered again";
    rolled_back(run, &redis, 20, why);
}

#[test]
fn a_registrar_that_is_still_filling_is_not_believed() {
    let (kamailio, redis) = deaf();
    let phone = kamailio.phone();
    let proxy = Proxy::before(&kamailio, 2, move || {
        (200..211).for_each(|user| phone.register(&format!("{user}@abc.voip.ca")));
    });
    let run = run(&proxy, &redis, &[]);
    rolled_back(run, &redis, 2, "is still filling: 1 AoR at first, 12 now");
}

#[test]
fn a_registrar_that_was_restarted_between_the_looks_is_not_believed() {
    for comes_back in [false, true] {
        let (kamailio, redis) = deaf();
        let (url, phone) = (kamailio.rpc_url(), kamailio.phone());
        until("it is up for a second", || {
            let args = ["--min-uptime=1s", "--dry-run", "--redis", &redis.url()];
            kamonline(&[&args[..], &["--kamailio", &url]].concat()).code == 0
        });
        let kamailio = Arc::new(Mutex::new(kamailio));
        let restarted = kamailio.clone();
        let proxy = Proxy::before(&kamailio.lock().unwrap(), 2, move || {
            restarted.lock().unwrap().restart();
            if comes_back {
                phone.register("100@abc.voip.ca");
            }
        });
        let why = match comes_back {
            true => "was restarted, or another machine answers there: up since ",
            false => "Kamailio reports nobody any more",
        };
        rolled_back(run(&proxy, &redis, &["--min-uptime=1s"]), &redis, 2, why);
    }
}

#[test]
fn who_cannot_be_put_back_is_named() {
    let (kamailio, redis) = deaf();
    let (client, phone) = (redis.client(), kamailio.phone());
    let proxy = Proxy::before(&kamailio, 2, move || {
        phone.register("101@abc.voip.ca");
        client.command(&["DEL", "ONLINE:abc.voip.ca"]);
        client.command(&["SET", "ONLINE:abc.voip.ca", "no set"]);
    });
    let report = run(&proxy, &redis, &["--format=json"]).expect(1).json();
    let message = report["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("not put back: 101 in ONLINE:abc.voip.ca"),
        "{message}"
    );
    assert_eq!(report["totals"]["restored"], 0);
}

#[test]
fn nobody_is_removed_who_could_not_be_put_back() {
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    kamailio.register("100@abc.voip.ca");
    let redis = Redis::with(RedisOptions {
        acl: vec!["user on >secret ~ONLINE:* +scan +scard +smembers +sscan +srem".into()],
        ..RedisOptions::default()
    });
    redis.add_many("ONLINE:abc.voip.ca", ["100", "101"]);
    let kamailio = Proxy::new(&kamailio);
    let fails = |url: &str, why: &str, hint: &str| {
        let all = ["--kamailio", &kamailio.url(), "--redis", url, "--settle=0s"];
        let run = kamonline(&all).expect(1);
        for part in [why, "nothing was changed", hint] {
            assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
        }
        assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);
    };
    let user = format!("redis://user:secret@127.0.0.1:{}", redis.port());
    fails(&user, "the ACL forbids it", "+srem +sadd");
    redis.command(&["CONFIG", "SET", "maxmemory", "1kb"]);
    fails(&redis.url(), "out of memory (maxmemory)", "raise maxmemory");
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
