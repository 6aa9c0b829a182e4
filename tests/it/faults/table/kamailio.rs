//! Kamailio goes wrong.

use std::sync::{Arc, Mutex};
use std::thread;

use super::{
    AFTER, BEFORE, BYTE, KEY, ROLLED_BACK, UNCHANGED, args, first_dump, later_dump,
    nobody_online_is_lost, redis, reset, says, side_by_side,
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

/// The dumps of the looks before this one.
const LOOKS: [(&str, usize); 3] = [("", 0), ("second look: ", 1), ("last look: ", 2)];

#[test]
fn kamailio_fails_when_it_is_asked_first() {
    kamailio_fails_at(LOOKS[0], UNCHANGED);
}

#[test]
fn kamailio_fails_at_the_second_look() {
    kamailio_fails_at(LOOKS[1], UNCHANGED);
}

#[test]
fn kamailio_fails_at_the_last_look() {
    kamailio_fails_at(LOOKS[2], ROLLED_BACK);
}

/// With every fault, as often as kamonline tries; and once, where it tries again.
fn kamailio_fails_at((look, before): (&str, usize), kept: &str) {
    side_by_side(kamailio_rows(later_dump()), |row, redis| {
        let (name, fault, asked, said, hint) = row;
        let row = format!("{look}Kamailio {name}");
        let run = |replies: &[Reply]| {
            reset(redis);
            let looks = vec![Reply::Whole(first_dump()); before];
            let stub = HttpStub::serve([&looks, replies].concat());
            let run = kamonline(&args(&stub.url(), &redis.url()));
            (run, stub.looks().len())
        };
        let (failed, requests) = run(std::slice::from_ref(&fault));
        let failed = failed.expect(1);
        says(&failed, &row, &[look, said, kept, "  hint: ", hint]);
        assert_eq!(requests, before + asked, "{row}");
        assert_eq!(redis.members(KEY), BEFORE, "{row}");
        nobody_online_is_lost(&failed, redis, &BEFORE, &row);
        if asked > 1 {
            let (mended, _) = run(&[fault, Reply::Whole(later_dump())]);
            mended.expect(0);
            assert_eq!(redis.members(KEY), AFTER, "{row}, once");
        }
    });
}

#[test]
fn kamailio_is_gone_at_the_second_look() {
    let redis = redis();
    let stub = HttpStub::serve(vec![Reply::Close(first_dump())]);
    let url = stub.url();
    let run = thread::scope(|threads| {
        threads.spawn(|| {
            stub.until_looked_at();
            drop(stub);
        });
        kamonline(&[&args(&url, &redis.url())[..], &["--settle=1s"]].concat())
    });
    let refused = "second look: Kamailio at ";
    let said = [refused, "cannot connect (Connection refused)", UNCHANGED];
    says(&run.expect(1), "", &said);
    assert_eq!(redis.members(KEY), BEFORE);
    assert_eq!(redis.calls("srem"), 0);
}

#[test]
fn kamailio_is_gone_at_the_last_look() {
    let redis = redis();
    let stub = HttpStub::serve(vec![Reply::Close(first_dump())]);
    let url = stub.url();
    let stub = Mutex::new(Some(stub));
    let fault = Fault::Meanwhile(Arc::new(move || drop(stub.lock().unwrap().take())));
    let rule = Rule {
        command: "SREM",
        times: 0..1,
        onwards: false,
        fault,
    };
    let proxy = RedisProxy::new(&redis, vec![rule]);
    let run = kamonline(&args(&url, &proxy.url())).expect(1);
    let refused = "last look: Kamailio at ";
    let said = [refused, "cannot connect (Connection refused)", ROLLED_BACK];
    says(&run, "", &said);
    assert_eq!(redis.members(KEY), BEFORE);
}

/// At the first, a middle and the last of the six questions of each look.
#[test]
fn kamailio_fails_when_it_is_asked_for_its_uptime() {
    let up = Reply::Whole(HttpStub::up_for("86400"));
    let forbidden = HttpStub::answer("403 Forbidden", "no");
    let whole = HttpStub::up_for("86400");
    let half = whole[..whole.len() - 20].to_vec();
    let faults = [
        ("hangs", Reply::Hang(vec![]), "no whole answer within 1s"),
        ("forbids it", Reply::Whole(forbidden), "it answered 403"),
        ("closes", Reply::Close(vec![]), "closed the connection"),
        ("is cut off", Reply::Close(half), "its answer was cut off"),
    ];
    let rows = faults.into_iter().flat_map(|fault| {
        LOOKS.map(|look| [0, 3, 5].map(|question| (fault.clone(), look, question)))
    });
    side_by_side(rows.flatten(), |row, redis| {
        let ((name, fault, said), (look, before), question) = row;
        let row = format!("{look}Kamailio {name} at question {question} for its uptime");
        reset(redis);
        let dumps = vec![Reply::Whole(first_dump())];
        let uptimes = [vec![up.clone(); 6 * before + question], vec![fault]].concat();
        let stub = HttpStub::with_uptimes(dumps, uptimes);
        let run = kamonline(&args(&stub.url(), &redis.url())).expect(1);
        let kept = if before == 2 { ROLLED_BACK } else { UNCHANGED };
        says(&run, &row, &[look, said, kept, "  hint: "]);
        assert_eq!(redis.members(KEY), BEFORE, "{row}");
        nobody_online_is_lost(&run, redis, &BEFORE, &row);
    });
}
