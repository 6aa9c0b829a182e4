//! The page's way to Redis: TLS, a user who may only read, a Redis that goes and comes back.

use super::{Board, KEY, checked_ago};
use crate::lab::{Browser, Redis, RedisOptions, until};

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn a_user_who_may_only_read_is_enough_over_tls() {
    let redis = Redis::with(RedisOptions {
        tls: true,
        acl: vec![format!(
            "reader on >p@ss%word ~ONLINE:* ~{KEY} +get +scan +scard +sscan"
        )],
        ..RedisOptions::default()
    });
    redis.add("ONLINE:abc.voip.ca", "100");
    redis.command(&["SET", KEY, &checked_ago(0)]);
    let (port, ca) = (redis.port(), redis.ca_file());
    let ca = format!("KAMONLINE_REDIS_CA={}", ca.display());
    let key = format!("KAMONLINE_CHECKED_KEY={KEY}");
    let browser = Browser::start();
    let board = Board::with(&[
        format!("KAMONLINE_REDIS=rediss://reader:p%40ss%25word@127.0.0.1:{port}/0"),
        ca.clone(),
        key,
    ]);
    browser.open(&board.url);
    until("the domain is shown", || {
        browser.texts("li") == ["abc.voip.ca1"]
    });
    browser.click("li a");
    until("the user is shown", || browser.texts("li") == ["100"]);
    assert_eq!(browser.text("#checked"), "checked 0 min ago");

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
    until("it is read again", || {
        browser.text("[role=alert]").is_empty()
    });

    drop(board);
    until("no server of the page", || {
        browser.text("[role=alert]").contains("web server")
    });
}
