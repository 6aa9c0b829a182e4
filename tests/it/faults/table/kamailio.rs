//! Kamailio goes wrong.

use std::sync::{Arc, Mutex};

use super::{
    AFTER, BEFORE, BEFORE_AND_ADDED, BYTE, KEY, ROLLED_BACK, UNCHANGED, args, first_dump, redis,
    reset, says, second_dump,
};
use crate::lab::{Fault, HttpStub, RedisProxy, Reply, Rule, capture, kamonline};

/// How Kamailio goes wrong; how often it is asked; what is said, and the hint.
type KamailioRow = (String, Reply, usize, &'static str, &'static str);

fn kamailio_rows(page: Vec<u8>) -> Vec<KamailioRow> {
    let half = page[..page.len() - 60].to_vec();
    let (late, memory) = ("no whole answer within 1s", "-M 64");
    let (cut, queue) = ("the dump was cut off", "tcp_conn_wq_max=134217728");
    let (silent, module) = ("closed the connection without an answer", "xhttp_rpc");
    let answer = |status, body: &str| Reply::Whole(HttpStub::answer(status, body));
    let nginx = |status: &str| {
        let head = format!("HTTP/1.1 {status}\r\nServer: nginx\r\nContent-Length: 5\r\n\r\nhello");
        Reply::Whole(head.into_bytes())
    };
    let wrong = String::from_utf8_lossy(&page).replace("Records: ", "Records: 1");
    let wrong = &wrong[wrong.find("<td>").unwrap()..];
    let mut rows: Vec<KamailioRow> = vec![
        ("hangs".into(), Reply::Hang(vec![]), 1, late, memory),
        (
            "hangs half way".into(),
            Reply::Hang(half.clone()),
            1,
            late,
            memory,
        ),
        (
            "drips".into(),
            Reply::Drip(page, BYTE),
            1,
            late,
            "--timeout",
        ),
        ("closes".into(), Reply::Close(vec![]), 2, silent, module),
        ("resets".into(), Reply::Reset(vec![]), 2, silent, module),
        (
            "closes half way".into(),
            Reply::Close(half.clone()),
            2,
            cut,
            queue,
        ),
        ("resets half way".into(), Reply::Reset(half), 2, cut, queue),
        (
            "talks rubbish".into(),
            Reply::Close(b"\0\xff\xfe rubbish\r\n\r\n".to_vec()),
            1,
            "does not speak HTTP",
            "https://",
        ),
        (
            "talks SSH".into(),
            Reply::Close(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
            1,
            "does not speak HTTP",
            "check the address",
        ),
        (
            "sends rubbish".into(),
            answer("200 OK", "\0\u{ff}"),
            1,
            "it answered 200",
            "root of xhttp_rpc",
        ),
        (
            "sends nothing".into(),
            answer("200 OK", ""),
            1,
            "it answered 200",
            memory,
        ),
        (
            "miscounts".into(),
            answer("200 OK", wrong),
            1,
            "AoRs, but",
            "check that nothing between kamonline and Kamailio changes its pages",
        ),
        (
            "is nginx".into(),
            nginx("200 OK"),
            1,
            "it answered 200",
            "it calls itself nginx",
        ),
        (
            "is a broken proxy".into(),
            nginx("502 Bad Gateway"),
            1,
            "it answered 502",
            "it calls itself nginx",
        ),
        (
            "is not there".into(),
            nginx("404 Not Found"),
            1,
            "it answered 404",
            "root of xhttp_rpc",
        ),
        (
            "wants a password".into(),
            nginx("401 Unauthorized"),
            1,
            "it answered 401",
            "--kamailio-password-file",
        ),
        (
            "forbids it".into(),
            nginx("403 Forbidden"),
            1,
            "it answered 403",
            "allow the address of this host",
        ),
    ];
    let mut captured = |name: &str, said, hint| {
        let reply = Reply::Whole(capture(&format!("5.6.3/{name}")));
        rows.push((format!("answers {name}"), reply, 1, said, hint));
    };
    captured(
        "overflow.500-Internal-error-creating-aor-struct",
        "500 (Internal error creating aor",
        "old releases lock up",
    );
    captured(
        "overflow.500-Internal-error-adding-stats",
        "500 (Internal error adding stats",
        memory,
    );
    captured(
        "overflow.500-Internal-error-creating-stats-struct",
        "500 (Internal error",
        memory,
    );
    captured(
        "overflow.500-Internal-Server-Error",
        "it answered 500",
        memory,
    );
    captured("badurl", "500 (Bad URL)", "root of xhttp_rpc");
    captured(
        "noarg",
        "it answered 200",
        "let a proxy in between keep ?arg=brief",
    );
    captured("root", "it answered 200", "root of xhttp_rpc");
    captured("badmethod.json", "500 (Method Not Found", "usrloc");
    captured("three.full", "it answered 500", "");
    rows
}

#[test]
fn kamailio_fails_when_it_is_asked_first() {
    let redis = redis();
    for (name, fault, asked, said, hint) in kamailio_rows(first_dump()) {
        let row = format!("Kamailio {name}");
        let stub = HttpStub::serve(vec![fault.clone()]);
        let run = kamonline(&args(&stub.url(), &redis.url())).expect(1);
        says(&run, &row, &[said, UNCHANGED, "  hint: ", hint]);
        assert_eq!(stub.requests().len(), asked, "{row}");
        assert_eq!(redis.members(KEY), BEFORE, "{row}");
    }
    for (name, fault, asked, ..) in kamailio_rows(first_dump()) {
        if asked > 1 {
            reset(&redis);
            let replies = [
                fault,
                Reply::Whole(first_dump()),
                Reply::Whole(second_dump()),
            ];
            let stub = HttpStub::serve(replies.into());
            kamonline(&args(&stub.url(), &redis.url())).expect(0);
            assert_eq!(redis.members(KEY), AFTER, "Kamailio {name} once");
        }
    }
}

#[test]
fn kamailio_fails_at_the_second_look() {
    let redis = redis();
    for (name, fault, asked, said, hint) in kamailio_rows(second_dump()) {
        let row = format!("Kamailio {name} at the second look");
        reset(&redis);
        let stub = HttpStub::serve(vec![Reply::Whole(first_dump()), fault.clone()]);
        let run = kamonline(&args(&stub.url(), &redis.url())).expect(1);
        says(
            &run,
            &row,
            &["second look: ", said, ROLLED_BACK, "  hint: ", hint],
        );
        assert_eq!(stub.requests().len(), 1 + asked, "{row}");
        assert_eq!(redis.members(KEY), BEFORE_AND_ADDED, "{row}");
        if asked > 1 {
            reset(&redis);
            let replies = [
                Reply::Whole(first_dump()),
                fault,
                Reply::Whole(second_dump()),
            ];
            let stub = HttpStub::serve(replies.into());
            kamonline(&args(&stub.url(), &redis.url())).expect(0);
            assert_eq!(redis.members(KEY), AFTER, "{row}, once");
        }
    }
}

#[test]
fn kamailio_is_gone_at_the_second_look() {
    let redis = redis();
    let stub = Arc::new(Mutex::new(Some(HttpStub::serve(vec![Reply::Close(
        first_dump(),
    )]))));
    let url = stub.lock().unwrap().as_ref().unwrap().url();
    let fault = Fault::Meanwhile(Arc::new(move || drop(stub.lock().unwrap().take())));
    let rule = Rule {
        command: "SREM",
        times: 0..1,
        onwards: false,
        fault,
    };
    let proxy = RedisProxy::new(&redis, vec![rule]);
    let run = kamonline(&args(&url, &proxy.url())).expect(1);
    says(
        &run,
        "",
        &[
            "second look: ",
            "cannot connect (Connection refused)",
            ROLLED_BACK,
        ],
    );
    assert_eq!(redis.members(KEY), BEFORE_AND_ADDED);
}

#[test]
fn kamailio_fails_when_it_is_asked_for_its_uptime() {
    let redis = redis();
    let up = || Reply::Whole(HttpStub::up_for("86400"));
    let restarted = HttpStub::up_since("Thu Nov 26 08:17:15 2026", "86400");
    let forbidden = HttpStub::answer("403 Forbidden", "no");
    let half = up_half();
    let rows = [
        ("hangs", Reply::Hang(vec![]), "no whole answer within 1s"),
        ("forbids it", Reply::Whole(forbidden), "it answered 403"),
        ("closes", Reply::Close(vec![]), "closed the connection"),
        ("is cut off", Reply::Close(half), "its answer was cut off"),
        ("was restarted", Reply::Whole(restarted), "was restarted"),
    ];
    for (name, fault, said) in rows {
        for second in [false, true] {
            if !second && name == "was restarted" {
                continue;
            }
            let row = format!("Kamailio {name} at its uptime, at the second look: {second}");
            reset(&redis);
            let dumps = [first_dump(), second_dump()].map(Reply::Whole);
            let uptimes = match second {
                true => vec![up(), fault.clone()],
                false => vec![fault.clone()],
            };
            let stub = HttpStub::with_uptimes(dumps.into(), uptimes);
            let run = kamonline(&args(&stub.url(), &redis.url())).expect(1);
            let (kept, members): (_, &[&str]) = match second {
                true => (ROLLED_BACK, &BEFORE_AND_ADDED),
                false => (UNCHANGED, &BEFORE),
            };
            says(&run, &row, &[said, kept, "  hint: "]);
            assert_eq!(redis.members(KEY), members, "{row}");
        }
    }
}

fn up_half() -> Vec<u8> {
    let whole = HttpStub::up_for("86400");
    whole[..whole.len() - 20].to_vec()
}
