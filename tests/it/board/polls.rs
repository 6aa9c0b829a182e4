//! When the page asks: again after whatever answered, and not too soon.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use super::Board;
use crate::lab::{Browser, Fault, Listener, Redis, RedisProxy, Rule, read_message, swallow, until};

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn what_answers_in_its_place_does_not_end_it() {
    let redis = Redis::start();
    redis.add_many("ONLINE:abc.voip.ca", ["100", "101"]);
    let board = Board::start(&redis.url());
    let page = board.url.replace("http://", "").replace('/', "");
    let foreign = Arc::new(Mutex::new(Vec::new()));
    let answers = foreign.clone();
    // A proxy whose login has run out, say.
    let proxy = Listener::serve(move |mut client| {
        let Some(request) = read_message(&mut client) else {
            return;
        };
        swallow(&mut client);
        let asks_for_json = String::from_utf8_lossy(&request).contains("&json ");
        let mut answers = answers.lock().unwrap();
        let body: Option<&str> = asks_for_json.then(|| answers.pop()).flatten();
        let mut reply = Vec::new();
        if let Some(body) = body {
            let head = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json";
            reply.extend(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).bytes());
        } else {
            let mut server = TcpStream::connect(&page).unwrap();
            server.write_all(&request).unwrap();
            server.read_to_end(&mut reply).unwrap();
        }
        let _ = client.write_all(&reply);
    });
    let browser = Browser::start();
    browser.open(&format!("http://{}/?domain=abc.voip.ca", proxy.address));
    until("both are shown", || browser.texts("li") == ["100", "101"]);
    foreign.lock().unwrap().extend([
        r#"{"error":{"code":502}}"#,
        r#"{"message":"Unauthorized"}"#,
        r#""unauthorized""#,
        "null",
    ]);
    until("it is said", || {
        browser.text("[role=alert]").contains("does not answer")
    });
    until("all have come", || foreign.lock().unwrap().is_empty());
    assert!(browser.text("[role=alert]").contains("does not answer"));
    redis.command(&["SREM", "ONLINE:abc.voip.ca", "100"]);
    until("it is read again", || browser.texts("li") == ["101"]);
    assert!(!browser.text("[role=alert]").contains("does not answer"));
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn a_tab_that_was_frozen_while_it_asked_soon_asks_again() {
    let redis = Redis::start();
    redis.add("ONLINE:abc.voip.ca", "100");
    let board = Board::start(&redis.url());
    let browser = Browser::start();
    browser.open(&board.domain("abc.voip.ca"));
    until("the user is shown", || browser.texts("li") == ["100"]);
    // An answer takes minutes now.
    browser.value("void(performance.now = () => 100_000 * Date.now())");
    redis.add("ONLINE:abc.voip.ca", "101");
    until("it has asked", || browser.texts("li") == ["100", "101"]);
    redis.add("ONLINE:abc.voip.ca", "102");
    sleep(Duration::from_secs(20));
    assert_eq!(browser.texts("li"), ["100", "101"], "it spares Redis");
    until("it asks again", || browser.texts("li").len() == 3);
}

#[test]
#[ignore = "needs Chromium and PHP: tests/board"]
fn a_redis_that_is_slow_is_left_alone_for_a_while() {
    let redis = Redis::start();
    redis.add("ONLINE:abc.voip.ca", "100");
    // SCAN walks past all of them, a thousand at a time.
    let others = "for n = 1, 100000 do redis.call('SET', n, '') end";
    redis.command(&["EVAL", others, "0"]);
    let slowly = Fault::Meanwhile(Arc::new(|| sleep(Duration::from_millis(250))));
    let proxy = RedisProxy::new(&redis, vec![Rule::always("SCAN", slowly)]);
    let board = Board::start(&proxy.url());
    let browser = Browser::start();
    browser.open(&board.url);
    until("it is said", || {
        browser.text("[role=alert]").contains("more than 15 s")
    });
    let asked = proxy.seen("SCAN");
    sleep(Duration::from_secs(20));
    assert_eq!(proxy.seen("SCAN"), asked);
    until("it is asked again", || proxy.seen("SCAN") > asked);
}
