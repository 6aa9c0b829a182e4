//! The page: it shows what the sets hold, and soon what they hold now; and it says when nobody vouches for them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Board, KEY, checked_ago};
use crate::lab::{Browser, Lab, Redis, until};

/// The page asks every 5 s; and the machine may be busy.
const TWO_POLLS: Duration = Duration::from_secs(12);

/// `KAMONLINE_GENERATE=1` writes the pictures of README.md anew.
fn picture(browser: &Browser, name: &str) {
    if std::env::var_os("KAMONLINE_GENERATE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("contrib/board")
            .join(name);
        let mut decoder = Command::new("base64")
            .arg("--decode")
            .stdin(Stdio::piped())
            .stdout(fs::File::create(path).unwrap())
            .spawn()
            .unwrap();
        let mut input = decoder.stdin.take().unwrap();
        input.write_all(browser.picture().as_bytes()).unwrap();
        drop(input);
        assert!(decoder.wait().unwrap().success());
    }
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn who_is_gone_leaves_the_page_and_the_others_are_not_touched() {
    let lab = Lab::start();
    for user in ["100", "101", "102"] {
        lab.register(&format!("{user}@abc.voip.ca"));
    }
    let board = Board::start(&lab.redis.url());
    lab.redis.command(&["SET", KEY, &checked_ago(7200)]);
    let browser = Browser::start();
    browser.screen(550, 320, "light");
    browser.open(&board.domain("abc.voip.ca"));
    until("the page shows what Redis has", || {
        browser.texts("li") == ["100", "101", "102"]
    });
    assert_eq!(browser.text("#checked"), "checked 2 hours ago");
    picture(&browser, "before.png");

    browser.value("window.hundred = document.querySelector('li')");
    lab.pull_the_cable("101@abc.voip.ca");
    lab.run(&["--settle=0s", "--checked-key", KEY]).expect(0);
    let begun = Instant::now();
    until("101 is gone", || browser.texts("li") == ["100", "102"]);
    assert!(begun.elapsed() < TWO_POLLS);
    assert_eq!(browser.text("b"), "2");
    assert_eq!(browser.text("#checked"), "checked 0 min ago");
    assert_eq!(browser.value("document.title"), "2 online · abc.voip.ca");
    let untouched = "window.hundred === document.querySelector('li')";
    assert_eq!(browser.value(untouched), true, "a reload");
    picture(&browser, "after.png");

    // The fragment of kamailio.cfg fills the sets, and tells of who leaves.
    lab.register("9@abc.voip.ca");
    lab.unregister("102@abc.voip.ca");
    let begun = Instant::now();
    until("who comes and goes is shown", || {
        browser.texts("li") == ["9", "100"]
    });
    assert!(begun.elapsed() < TWO_POLLS);
    assert_eq!(
        browser.value(untouched.replace("'li'", "'li + li'").as_str()),
        true
    );
    assert_eq!(browser.console(), [""; 0]);
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn the_domains_lead_to_their_users_by_mouse_and_by_keyboard() {
    let redis = Redis::start();
    redis.add_many("ONLINE:abc.voip.ca", ["100", "101"]);
    redis.add("ONLINE:xyz.voip.ca", "200");
    redis.add("ONLINES:other.voip.ca", "1");
    redis.command(&["SET", "ONLINE:no.set", "1"]);
    let board = Board::start(&redis.url());
    let browser = Browser::start();
    browser.open(&board.url);
    until("both domains are shown", || {
        browser.texts("li") == ["abc.voip.ca2", "xyz.voip.ca1"]
    });
    assert_eq!(browser.text("search p"), "3 online");
    // Domains come and go as users do.
    redis.add("ONLINE:def.voip.ca", "1");
    redis.command(&["SREM", "ONLINE:xyz.voip.ca", "200"]);
    until("one has come, one has gone", || {
        browser.texts("li") == ["abc.voip.ca2", "def.voip.ca1"]
    });

    browser.click("li:nth-child(2) a");
    until("the users of def.voip.ca", || browser.texts("li") == ["1"]);
    assert_eq!(browser.text("h1"), "def.voip.ca");
    browser.click("nav a");
    until("back", || browser.texts("li").len() == 2);
    // Tab to the search, what to search for, Tab to what is found, Enter.
    browser.keys("\u{e004}ABC\u{e004}\u{e007}");
    until("the users of abc.voip.ca", || {
        browser.texts("li") == ["100", "101"]
    });

    redis.command(&["SET", "ONLINE:abc.voip.ca", "no set"]);
    until("it is said", || {
        browser.text("[role=alert]").contains("WRONGTYPE")
    });
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn a_search_shows_whose_name_holds_the_words() {
    let redis = Redis::start();
    let users = (0..10_000).map(|number| number.to_string());
    redis.add_many("ONLINE:large.voip.ca", users);
    // More than the page has room for.
    let more = (0..25_000).map(|number| number.to_string());
    redis.add_many("ONLINE:larger.voip.ca", more);
    let board = Board::start(&redis.url());
    let browser = Browser::start();
    browser.open(&board.domain("large.voip.ca"));
    until("10,000 are shown", || browser.texts("li").len() == 10_000);
    browser.click("input");
    browser.keys("999");
    let found: Vec<_> = (0..10_000)
        .map(|number| number.to_string())
        .filter(|number| number.contains("999"))
        .collect();
    assert_eq!(browser.texts("li"), found);
    assert_eq!(browser.text("output"), "19 found");

    browser.open(&board.domain("larger.voip.ca"));
    until("some 20,000 are shown", || {
        (20_000..22_000).contains(&browser.texts("li").len())
    });
    assert_eq!(browser.text("search p"), "25,000 online");
    assert!(browser.text("[role=alert]").contains("Too many to show"));
    let just_all = (0..20_000).map(|number| number.to_string());
    redis.add_many("ONLINE:full.voip.ca", just_all);
    browser.open(&board.domain("full.voip.ca"));
    until("all are shown", || browser.texts("li").len() == 20_000);
    assert!(!browser.text("[role=alert]").contains("Too many to show"));
    assert_eq!(redis.calls("keys") + redis.calls("smembers"), 0);
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn a_board_that_nobody_vouches_for_says_so() {
    let redis = Redis::start();
    redis.add("ONLINE:abc.voip.ca", "100");
    let board = Board::start(&redis.url());
    let browser = Browser::start();
    browser.open(&board.url);
    let warns = || {
        browser
            .text("[role=alert]")
            .starts_with("kamonline has not checked")
    };
    for (value, words) in [
        (None, "never checked"),
        (Some(checked_ago(1700)), "checked 28 min ago"),
        (Some(checked_ago(1900)), "checked 31 min ago"),
        (Some(checked_ago(90)), "checked 1 min ago"),
        (Some("<script>".into()), "never checked"),
        (
            Some(r#"{"checked_at_seconds":"soon"}"#.into()),
            "never checked",
        ),
        (Some(checked_ago(-300)), "checked in the future"),
        (Some(checked_ago(i64::MAX)), "never checked"),
        (Some(checked_ago(7 * 86_400)), "checked 168 hours ago"),
    ] {
        match &value {
            Some(value) => redis.command(&["SET", KEY, value]),
            None => redis.command(&["DEL", KEY]),
        };
        until(words, || browser.text("#checked") == words);
        let is_fresh = ["28 min", "1 min"]
            .iter()
            .any(|time| words.contains(&format!(" {time} ")));
        let is_future = words.contains("future");
        assert_eq!(warns(), !is_fresh && !is_future, "{words}");
        let clocks = "The clocks of kamonline's machine and of this one differ.";
        assert_eq!(browser.text("[role=alert]") == clocks, is_future, "{words}");
    }

    let unset = Board::with(&[format!("KAMONLINE_REDIS={}", redis.url())]);
    browser.open(&unset.url);
    until("the setting is named", || {
        browser.text("#checked").contains("KAMONLINE_CHECKED_KEY")
    });
    assert!(!warns());
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn the_bar_is_over_the_list_and_hides_no_focus() {
    let redis = Redis::start();
    for number in 0..100 {
        redis.add(&format!("ONLINE:{number}.voip.ca"), "1");
    }
    let board = Board::start(&redis.url());
    let browser = Browser::start();
    browser.screen(360, 640, "dark");
    browser.open(&board.url);
    until("all are shown", || browser.texts("li").len() == 100);
    browser.value("window.link = document.querySelectorAll('li a')[40]");
    browser.value("window.above = element => element.getBoundingClientRect().top");
    // The link comes to lie where the bar's input is.
    browser.value("window.input = document.querySelector('input')");
    until("it lies there", || {
        browser.value("scrollTo(0, scrollY + above(link) - above(input))");
        browser.value("Math.abs(above(link) - above(input)) < 1") == true
    });
    let there = "document.elementFromPoint(input.offsetLeft + 20, above(input) + 20) === input";
    assert_eq!(browser.value(there), true, "a link takes its clicks");

    browser.value("link.focus({focusVisible: true})");
    let is_free = "above(link) >= document.querySelector('search').getBoundingClientRect().bottom";
    assert_eq!(browser.value(is_free), true);
    // Its card clips what lies outside.
    let ring = "(style => parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth))(getComputedStyle(link))";
    assert!(browser.value(ring).as_f64().unwrap() <= 0.0);
}
