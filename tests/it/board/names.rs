//! Names that a phone chose to do harm: they are shown, and do nothing.

use super::{Board, KEY, checked_ago};
use crate::lab::{Browser, Redis, until};

/// What is in Redis, and what the page shows.
const HOSTILE: [(&[u8], &str); 19] = [
    (
        b"<script>window.hit=1</script>",
        "<script>window.hit=1</script>",
    ),
    (
        b"<img src=//127.0.0.1:1/x onerror=window.hit=1>",
        "<img src=//127.0.0.1:1/x onerror=window.hit=1>",
    ),
    (
        b"\"><svg onload=window.hit=1>",
        "\"><svg onload=window.hit=1>",
    ),
    (
        b"' onfocus='window.hit=1' autofocus='",
        "' onfocus='window.hit=1' autofocus='",
    ),
    (
        b"</script><script>window.hit=1//",
        "</script><script>window.hit=1//",
    ),
    (b"javascript:window.hit=1", "javascript:window.hit=1"),
    (b"&lt;b&gt;", "&lt;b&gt;"),
    (b"__proto__", "__proto__"),
    (b"\xff", r"\xff"),
    (b"a\xff\xfe\xc3\xbcb", r"a\xff\xfe\xc3\xbcb"),
    (r"\xff".as_bytes(), r"\x5cxff"),
    (
        "\u{202e}000\u{202c}".as_bytes(),
        r"\xe2\x80\xae000\xe2\x80\xac",
    ),
    (b"\x1b[31mred\x01\x7f\t", r"\x1b[31mred\x01\x7f\x09"),
    (b" lead and  tail ", r"\x20lead and  tail\x20"),
    (
        "zero\u{200b}width\u{a0}".as_bytes(),
        r"zero\xe2\x80\x8bwidth\xc2\xa0",
    ),
    (
        "\u{5d0}\u{5d1}\u{5d2} M\u{fc}ller".as_bytes(),
        "\u{5d0}\u{5d1}\u{5d2} M\u{fc}ller",
    ),
    (b"%3Cscript%3E", "%3Cscript%3E"),
    // Nobody sees that it is not 100.
    (
        "10\u{17b4}0\u{180b}\u{180f}\u{e0100}".as_bytes(),
        r"10\xe1\x9e\xb40\xe1\xa0\x8b\xe1\xa0\x8f\xf3\xa0\x84\x80",
    ),
    (
        "A\u{2026}A (65536 bytes, CRC a09b0680)".as_bytes(),
        r"A\xe2\x80\xa6A (65536 bytes, CRC a09b0680)",
    ),
];

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn a_hostile_name_is_shown_and_does_nothing() {
    let redis = Redis::start();
    redis.command(&["SET", KEY, &checked_ago(0)]);
    let mut users: Vec<_> = HOSTILE
        .iter()
        .map(|(_, shown)| (*shown).to_owned())
        .collect();
    redis.add_many("ONLINE:abc.voip.ca", HOSTILE.map(|(name, _)| name));
    // Two that differ only in what is left out, and one that is empty.
    let mut long = [b'A'; 65_536];
    redis.add("ONLINE:abc.voip.ca", long);
    long[32_768] = b'B';
    redis.add("ONLINE:abc.voip.ca", long);
    let (first, last) = ("A".repeat(50), "A".repeat(10));
    users.extend(
        ["a09b0680", "d3b748f4"].map(|sum| format!("{first}…{last} (65536 bytes, CRC {sum})")),
    );
    redis.add("ONLINE:abc.voip.ca", "");
    users.push(String::new());
    users.sort();
    // Whoever may register in any domain chooses its name, too.
    for (name, _) in HOSTILE {
        let key = [b"ONLINE:", name].concat();
        let mut connection = ::redis::Client::open(redis.url())
            .unwrap()
            .get_connection()
            .unwrap();
        ::redis::cmd("SADD")
            .arg(key)
            .arg("777")
            .exec(&mut connection)
            .unwrap();
    }
    let board = Board::start(&redis.url());
    let browser = Browser::start();
    let nothing_happened = || {
        assert_eq!(browser.value("window.hit"), serde_json::Value::Null);
        assert_eq!(browser.value("document.scripts.length"), 1);
        assert_eq!(browser.console(), [""; 0]);
        for url in browser.requested() {
            assert!(
                ["data:", "chrome:", &board.url]
                    .iter()
                    .any(|known| url.starts_with(known)),
                "{url}"
            );
        }
    };

    browser.open(&board.url);
    until("the domains are shown", || {
        browser.texts("li").len() == HOSTILE.len() + 1
    });
    let mut domains = browser.texts("li a");
    domains.sort();
    let mut names: Vec<_> = HOSTILE
        .iter()
        .map(|(_, shown)| *shown)
        .chain(["abc.voip.ca"])
        .collect();
    names.sort_unstable();
    assert_eq!(domains, names);
    nothing_happened();

    // Each leads to its own users, byte for byte.
    let links = browser
        .value("[...document.querySelectorAll('li a')].map(link => [link.href, link.textContent])");
    let links: Vec<(String, String)> = serde_json::from_value(links).unwrap();
    for (link, name) in links.iter().filter(|(_, name)| name != "abc.voip.ca") {
        browser.open(link);
        until(name, || browser.texts("li") == ["777"]);
        assert_eq!(browser.text("h1"), *name);
    }
    nothing_happened();

    browser.open(&board.domain("abc.voip.ca"));
    until("the users are shown", || {
        browser.texts("li").len() == users.len()
    });
    let mut shown = browser.texts("li");
    shown.sort();
    assert_eq!(shown, users);
    let wide = browser.value("document.documentElement.scrollWidth > innerWidth");
    assert_eq!(wide, false, "it has to be scrolled sideways");
    nothing_happened();
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn long_names_need_no_more_memory_than_a_page_has() {
    let redis = Redis::start();
    // 180 MB.
    let names = (0..3_000).map(|number| format!("{number:060000}"));
    redis.add_many("ONLINE:abc.voip.ca", names);
    let board = Board::start(&redis.url());
    let browser = Browser::start();
    browser.open(&board.domain("abc.voip.ca"));
    until("all are shown", || browser.texts("li").len() == 3_000);
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn no_other_page_may_run_frame_or_feed_it() {
    let redis = Redis::start();
    let board = Board::start(&redis.url());
    let browser = Browser::start();
    browser.open(&board.url);
    let policy = "(() => { const request = new XMLHttpRequest(); request.open('GET', '?', false); request.send(); \
                  return request.getResponseHeader('Content-Security-Policy'); })()";
    let policy = browser.value(policy).as_str().unwrap().to_owned();
    for rule in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "connect-src 'self'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    // What a name would do, if anything let it in.
    let script = "(() => { const script = document.createElement('script'); script.append(new Text('window.hit = 1')); \
                  document.head.append(script) })()";
    for (attempt, refusal) in [
        (script, "TrustedScript"),
        ("document.body.setAttribute('onclick', '')", "TrustedScript"),
        (
            "void(new Image().src = 'http://127.0.0.1:1/')",
            "Content Security Policy",
        ),
        (
            "void(fetch('http://127.0.0.1:1/').catch(() => {}))",
            "Content Security Policy",
        ),
    ] {
        let attempt =
            format!("(() => {{ try {{ {attempt} }} catch (error) {{ console.error(error) }} }})()");
        browser.value(&attempt);
        until(refusal, || {
            browser.console().iter().any(|line| line.contains(refusal))
        });
    }
    assert_eq!(browser.value("window.hit"), serde_json::Value::Null);
}
