//! JSON-RPC, for who has no xhttp_rpc: the same users, the same proof, the same hints.

use crate::lab::{
    HttpStub, Kamailio, KamailioOptions, Lab, Proxy, Redis, Reply, Run, capture, kamonline,
};
use serde_json::{Value, json};

fn lab() -> Lab {
    Lab::with(KamailioOptions {
        jsonrpc: true,
        second_table: true,
        ..KamailioOptions::default()
    })
}

fn run_at(url: &str, redis: &Redis, args: &[&str]) -> Run {
    let redis = redis.url();
    let all = ["--rpc=jsonrpc", "--kamailio", url, "--redis", &redis];
    kamonline(&[&all, args].concat())
}

fn run(kamailio: &Kamailio, redis: &Redis, args: &[&str]) -> Run {
    run_at(&kamailio.jsonrpc_url(), redis, args)
}

/// One user in the set, whom no registrar and no capture has.
fn ghost() -> Redis {
    let redis = Redis::start();
    redis.add("ONLINE:abc.voip.ca", "ghost");
    redis
}

/// Served by a stub, to a dry run that shows every user.
fn stub_run(reply: Vec<u8>, redis: &Redis, args: &[&str]) -> Run {
    let stub = HttpStub::serve(vec![Reply::Whole(reply)]);
    let run = run_at(&stub.url(), redis, args);
    assert_eq!(stub.looks().len(), 1, "asked once");
    run
}

#[test]
fn it_says_the_same_as_xhttp_rpc() {
    let lab = lab();
    let nobody = run(&lab.kamailio, &lab.redis, &["--format=json"]).expect(0);
    assert_eq!(nobody.json()["registrars"][0]["aors"], 0);

    lab.register("100@abc.voip.ca");
    lab.kamailio
        .register_in_table("location2", "200@xyz.voip.ca");
    let nasty: [&[u8]; 8] = [
        b"ctl\x01\x0b\x7fx",
        b"raw\xffutf8",
        b"q%22uo'te%5C",
        b"a%20b",
        b"x%40y",
        b"%3C%2Fpre%3E",
        "ünï".as_bytes(),
        b"%7B%22AoR%22%3A",
    ];
    for user in nasty {
        assert_eq!(lab.kamailio.register_raw(user, "abc.voip.ca"), 200);
    }
    lab.redis.command(&["DEL", "ONLINE:abc.voip.ca"]);
    lab.redis.add("ONLINE:abc.voip.ca", "ghost");

    for (args, missing) in [(&[][..], 10), (&["--table=location2"], 1)] {
        let args = [&["-nv", "--format=json", "--allow-empty"], args].concat();
        let (html, json) = (lab.run(&args), run(&lab.kamailio, &lab.redis, &args));
        let (html, json) = (html.expect(0).json(), json.expect(0).json());
        assert_eq!(json["totals"]["missing"], missing);
        for part in ["domains", "totals"] {
            assert_eq!(json[part], html[part]);
        }
        assert_eq!(
            json["registrars"][0]["server"],
            html["registrars"][0]["server"]
        );
    }

    let args = ["--add-missing", "--allow-empty", "--settle=0s"];
    run(&lab.kamailio, &lab.redis, &args).expect(0);
    let members = lab.redis.members_raw("ONLINE:abc.voip.ca");
    for user in [
        b"raw\xffutf8".as_slice(),
        b"ctl\x01\x0b\x7fx",
        b"q\"uo'te\\",
    ] {
        assert!(members.contains(&user.to_vec()), "{members:?}");
    }
    assert!(!members.contains(&b"ghost".to_vec()));
    lab.run(&["-n", "--exit-code"]).expect(0);
}

#[test]
fn what_real_releases_answered_is_read() {
    let redis = ghost();
    let args = ["-nv", "--format=json", "--allow-empty"];
    let users = |reply: Vec<u8>, rpc: &[&str]| {
        let report = stub_run(reply, &redis, &[&args, rpc].concat())
            .expect(0)
            .json();
        (
            report["domains"].clone(),
            report["registrars"][0]["aors"].clone(),
        )
    };
    for release in ["5.4.9", "5.6.3"] {
        for state in ["empty", "three", "two-tables", "nasty", "forge"] {
            let json = users(capture(&format!("{release}/{state}.brief.json")), &[]);
            let html = HttpStub::serve(vec![Reply::Whole(capture(&format!(
                "{release}/{state}.brief"
            )))]);
            let all = ["--kamailio", &html.url(), "--redis", &redis.url()];
            let html = kamonline(&[&all[..], &args].concat()).expect(0).json();
            assert_eq!(json.0, html["domains"], "{release}/{state}");
            assert_eq!(json.1, html["registrars"][0]["aors"], "{release}/{state}");
        }
        let bare = capture(&format!("{release}/nodomain.brief.json"));
        assert_eq!(users(bare, &["--default-domain=d.ca"]).1, 3);
    }
}

#[test]
fn what_cannot_be_believed_is_refused_with_the_hint_that_helps() {
    let redis = ghost();
    let old = "use --rpc xhttp_rpc with this Kamailio";
    let empty = HttpStub::page("");
    let error = HttpStub::page(r#"{"jsonrpc":"2.0","error":{"code":500,"message":"no"},"id":1}"#);
    let half = "{\"jsonrpc\":\"2.0\",\"result\":{\"Domains\":[{\"Domain\":{\"Domain\":\"location\",\
                \"Size\":1,\"AoRs\":[{\"AoR\":\"100@abc.voip.ca\"}],\"Stats\":{\"Records\":2}}}]},\"id\":1}";
    let cases = [
        (capture("4.4.7/three.brief.json"), old),
        (capture("4.4.7/empty.brief.json"), old),
        (capture("4.4.7/nasty.brief.json"), old),
        (capture("5.0.8/three.brief.json"), old),
        (capture("5.0.8/two-tables.brief.json"), old),
        (
            capture("5.6.3/badmethod.json"),
            "load the module usrloc in kamailio.cfg",
        ),
        (
            capture("5.4.9/badmethod.json"),
            "load the module usrloc in kamailio.cfg",
        ),
        (capture("5.6.3/nodomain.brief.json"), "--default-domain"),
        (capture("5.6.3/three.brief"), "jsonrpc_dispatch()"),
        (
            empty,
            "more private memory (-M 64): it could not print the dump",
        ),
        (
            error,
            "check that nothing between kamonline and Kamailio changes its pages",
        ),
        (HttpStub::page(half), "holds 2 AoRs, but 1 came"),
        (HttpStub::page("[]"), "jsonrpc_dispatch()"),
        (HttpStub::page("{]"), "is not the JSON that Kamailio prints"),
        (HttpStub::page("{}"), "holds no usrloc table"),
    ];
    for (number, (reply, hint)) in cases.into_iter().enumerate() {
        let run = stub_run(reply, &redis, &["--format=json"]).expect(1);
        assert!(run.stderr.contains(hint), "case {number}: {}", run.stderr);
        assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
        assert_eq!(run.json()["outcome"], "failed");
    }
    assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["ghost"]);
}

#[test]
fn an_answer_cut_short_changes_nothing() {
    let redis = ghost();
    let whole = capture("5.6.3/three.brief.json");
    let head = whole
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let body = &whole[head..];
    for length in [1, body.len() / 3, body.len() / 2, body.len() - 1] {
        // Cut on the way, which Content-Length tells, and by Kamailio itself, which only the JSON tells.
        let on_the_way = Reply::Close(whole[..head + length].to_vec());
        let at_source = Reply::Whole(HttpStub::page(&body[..length]));
        for reply in [on_the_way, at_source] {
            let stub = HttpStub::serve(vec![reply]);
            let run = run_at(&stub.url(), &redis, &["--retries=1"]).expect(1);
            assert!(run.stderr.contains("cut off"), "{length}: {}", run.stderr);
            assert!(run.stderr.contains("tcp_conn_wq_max"), "{}", run.stderr);
            assert_eq!(stub.looks().len(), 2, "a broken connection is tried again");
        }
    }
    assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["ghost"]);
}

#[test]
fn the_wrong_address_is_named() {
    let lab = lab();
    lab.redis.add("ONLINE:abc.voip.ca", "ghost");
    let kamailio = &lab.kamailio;
    for url in [kamailio.rpc_url(), kamailio.jsonrpc_url() + "/nowhere"] {
        let run = run_at(&url, &lab.redis, &[]).expect(1);
        assert!(run.stderr.contains("jsonrpc_dispatch()"), "{}", run.stderr);
    }
    let refused = run(kamailio, &lab.redis, &[]).expect(3);
    assert!(
        refused.stderr.contains("--allow-empty"),
        "{}",
        refused.stderr
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["ghost"]);
}

#[test]
fn it_looks_again_before_and_after_a_removal() {
    let lab = lab();
    lab.register("100@abc.voip.ca");
    lab.redis.add("ONLINE:abc.voip.ca", "ghost");
    let phone = lab.kamailio.phone();
    let proxy = Proxy::before(&lab.kamailio, 3, move || {
        phone.register("ghost@abc.voip.ca")
    });
    let run = run_at(&proxy.jsonrpc_url(), &lab.redis, &["--format=json"]).expect(0);
    let report: Value = run.json();
    assert_eq!(report["domains"][0]["restored"], json!(["ghost"]));
    let request = String::from_utf8_lossy(&proxy.looks()[0]).into_owned();
    assert!(request.starts_with("POST /jsonrpc "), "{request}");
}
