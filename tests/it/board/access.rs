//! The page's way to Redis: TLS, a user who may only read, a Redis that goes and comes back.

use std::thread::sleep;
use std::time::Duration;

use super::{Board, KEY, checked_ago};
use crate::lab::{Browser, Redis, RedisOptions, kamonline_env, until};

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn a_user_who_may_only_read_is_enough_over_tls() {
    let redis = Redis::with(RedisOptions {
        tls: true,
        acl: vec![format!(
            "reader on >p@ss%word ~ONLINE:* ~{KEY} +get +scan +scard +sscan"
        )],
        extra: vec!["bind 127.0.0.1 ::1".into()],
        ..RedisOptions::default()
    });
    redis.add("ONLINE:abc.voip.ca", "100");
    redis.command(&["SET", KEY, &checked_ago(0)]);
    let (port, ca) = (redis.port(), redis.ca_file());
    let ca = format!("KAMONLINE_REDIS_CA={}", ca.display());
    let key = format!("KAMONLINE_CHECKED_KEY={KEY}");
    let browser = Browser::start();
    for host in ["[::1]", "127.0.0.1"] {
        let url = format!("KAMONLINE_REDIS=rediss://reader:p%40ss%25word@{host}:{port}/0");
        let board = Board::with(&[url, ca.clone(), key.clone()]);
        browser.open(&board.url);
        until("the domain is shown", || {
            browser.texts("li") == ["abc.voip.ca1"]
        });
        browser.click("li a");
        until("the user is shown", || browser.texts("li") == ["100"]);
        assert_eq!(browser.text("#checked"), "checked 0 min ago");
    }

    // What is wrong is said, and nothing is shown that was not read.
    let untrusted = "KAMONLINE_REDIS_CA=/etc/ssl/certs/ca-certificates.crt".to_owned();
    for (login, setting, words) in [("reader:wrong@", &ca, "WRONGPASS"), ("", &untrusted, "")] {
        let url = format!("KAMONLINE_REDIS=rediss://{login}127.0.0.1:{port}");
        let board = Board::with(&[url, setting.clone()]);
        browser.open(&board.url);
        until("the failure is said", || {
            let failure = browser.text("[role=alert]");
            failure.starts_with("Cannot read Redis: ") && failure.contains(words)
        });
        assert_eq!(browser.texts("li"), [""; 0]);
        assert!(!browser.text("body").contains("wrong@"));
    }
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn what_kamonline_refuses_is_no_other_database_or_user_here() {
    let redis = Redis::start();
    let port = redis.port();
    redis.add("ONLINE:wrong.voip.ca", "1");
    let browser = Browser::start();
    let says = |name: &str, value: &str, words: &str| {
        let mut settings = vec![format!("{name}={value}")];
        if name != "KAMONLINE_REDIS" {
            settings.push(format!("KAMONLINE_REDIS={}", redis.url()));
        }
        let board = Board::with(&settings);
        browser.open(&board.url);
        until(value, || browser.text("[role=alert]").contains(words));
        assert_eq!(browser.texts("li"), [""; 0], "{value}");
    };
    let server = format!("127.0.0.1:{port}");
    for (name, value) in [
        ("KAMONLINE_REDIS", format!("redis://{server}/three")),
        ("KAMONLINE_REDIS", format!("redis://{server}/0?db=3")),
        ("KAMONLINE_REDIS", format!("redis://{server}/#3")),
        ("KAMONLINE_REDIS", format!("redis://reader@{server}")),
        ("KAMONLINE_REDIS", format!("redis://reader:@{server}")),
        ("KAMONLINE_REDIS", format!("redis:{port}")),
        ("KAMONLINE_REDIS", "redis:///3".to_owned()),
        ("KAMONLINE_REDIS", format!("http://{server}")),
        ("KAMONLINE_REDIS", String::new()),
        ("KAMONLINE_PREFIX", String::new()),
    ] {
        let args = ["--kamailio=http://127.0.0.1:1", "--dry-run"];
        kamonline_env(&args, &[("KAMONLINE_REDIS", &redis.url()), (name, &value)]).expect(2);
        says(name, &value, name);
    }
    let url = format!("redis://{server}/99");
    says("KAMONLINE_REDIS", &url, "DB index is out of range");

    // Redis has no empty user, and phpredis would send one.
    redis.command(&["CONFIG", "SET", "requirepass", "p@ss:word"]);
    let url = format!("REDIS://:p@ss:word@{server}/0");
    let board = Board::with(&[format!("KAMONLINE_REDIS={url}")]);
    browser.open(&board.url);
    until("it is read", || browser.texts("li") == ["wrong.voip.ca1"]);
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn what_a_user_may_not_do_is_said_and_no_board_is_shown_empty() {
    for missing in ["scan", "scard", "sscan", "get"] {
        let redis = Redis::with(RedisOptions {
            acl: vec![format!("reader on >secret ~* +@read -{missing}")],
            ..RedisOptions::default()
        });
        redis.add("ONLINE:abc.voip.ca", "100");
        let board = Board::start(&format!("redis://reader:secret@127.0.0.1:{}", redis.port()));
        let browser = Browser::start();
        browser.open(&board.domain("abc.voip.ca"));
        if missing == "scan" {
            browser.open(&board.url);
        }
        until(missing, || browser.text("[role=alert]").contains("NOPERM"));
        assert_eq!(browser.text("b"), "…");
    }
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn a_redis_that_goes_is_said_and_one_that_comes_back_is_read() {
    let mut redis = Redis::start();
    redis.add_many("ONLINE:abc.voip.ca", ["100", "101"]);
    let board = Board::start(&redis.url());
    let browser = Browser::start();
    browser.open(&board.domain("abc.voip.ca"));
    until("both are shown", || browser.texts("li") == ["100", "101"]);

    redis.kill();
    until("it is said", || {
        browser
            .text("[role=alert]")
            .starts_with("Cannot read Redis")
    });
    assert_eq!(browser.texts("li"), ["100", "101"], "what was known last");
    assert!(
        browser
            .text("[role=alert]")
            .contains("What is shown was read on ")
    );
    assert_eq!(browser.text("#checked"), "", "nobody has asked since");
    redis.restart();
    redis.command(&["SET", KEY, &checked_ago(0)]);
    redis.add("ONLINE:abc.voip.ca", "102");
    until("it is read again", || {
        browser.texts("li") == ["102"] && browser.text("[role=alert]").is_empty()
    });

    redis.pause();
    until("one that hangs is said", || {
        browser.text("[role=alert]").contains("Redis")
    });
    redis.resume();
    // It takes its time before it asks a Redis that was slow.
    sleep(Duration::from_secs(15));
    assert_ne!(browser.text("[role=alert]"), "");
    until("it is read again", || {
        browser.text("[role=alert]").is_empty()
    });

    drop(board);
    until("no server of the page", || {
        browser.text("[role=alert]").contains("web server")
    });
}
