//! The way to Kamailio: HTTP Basic, and no way round by a cache or a proxy.

use crate::lab::{HttpStub, KamailioOptions, RedisOptions, Reply, kamonline_env};
use crate::redis::tls::{Site, option};

#[test]
fn http_basic_needs_the_right_user_and_password() {
    let basic = KamailioOptions {
        basic_auth: Some(("me".into(), "s3cret".into())),
        ..KamailioOptions::default()
    };
    let site = Site::with(basic, RedisOptions::default());
    let (url, bare, redis) = (
        site.kamailio.rpc_url(),
        site.kamailio.bare_rpc_url(),
        site.redis.url(),
    );
    let redis = redis.as_str();
    let login = |login: &str| bare.replace("://", &format!("://{login}@"));
    let dir = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let file = dir.path().join(text.len().to_string());
        std::fs::write(&file, text).unwrap();
        option("--kamailio-password-file", &file)
    };

    let refused = "it answered 401";
    for url in [bare.clone(), login("me")] {
        site.fails((&url, redis), &[], refused, "--kamailio-password-file");
    }
    let wrong = "the user or the password is wrong";
    for url in [login("me:wrong"), login("you:s3cret")] {
        site.fails((&url, redis), &[], refused, wrong);
    }
    for (text, hint) in [("wrong\n", wrong), ("s3cret \n", "given ends with a space")] {
        site.fails((&url, redis), &[&file(text)], refused, hint);
    }
    let run = site.run(&bare, redis, &[&file("s3cret\n")]).expect(2);
    assert!(
        run.stderr.contains("a password needs a user"),
        "{}",
        run.stderr
    );

    for (url, args) in [
        (url, vec![]),
        (login("me:%733cret"), vec![]),
        (login("me:wrong"), vec![file("s3cret\n")]),
        (login("me"), vec![file("s3cret")]),
    ] {
        let args: Vec<&str> = args
            .iter()
            .map(String::as_str)
            .chain(["-n", "--format=json"])
            .collect();
        let report = site.run(&url, redis, &args).expect(0);
        assert!(!report.stdout.contains("3cret"), "{}", report.stdout);
        assert_eq!(report.json()["registrars"][0]["url"], bare);
    }
}

#[test]
fn what_a_cache_kept_is_not_believed() {
    let site = Site::with(KamailioOptions::default(), RedisOptions::default());
    let redis = site.redis.url();
    let dump = |age: &str| {
        let body = "<td>200: OK</td><pre>Domains: <br/></pre>";
        let cached = HttpStub::answer(&format!("200 OK\r\nAge: {age}"), body);
        let stub = HttpStub::serve(vec![Reply::Whole(cached)]);
        let error = match age {
            "7" => "a cache answered, with what was true 7 s ago",
            _ => "the dump was cut off",
        };
        let hint = match age {
            "7" => "let nothing between kamonline and Kamailio cache this path",
            _ => "tcp_conn_wq_max",
        };
        site.fails((&stub.url(), &redis), &["--retries=0"], error, hint);
        let request = stub.looks().remove(0);
        String::from_utf8(request).unwrap().to_lowercase()
    };
    for age in ["7", "0", "soon"] {
        assert!(dump(age).contains("\r\ncache-control: no-cache\r\n"));
    }
}

#[test]
fn a_proxy_from_the_environment_is_not_used() {
    let site = Site::with(KamailioOptions::default(), RedisOptions::default());
    let proxy = HttpStub::serve(vec![Reply::Whole(HttpStub::page("from the proxy"))]);
    let url = proxy.url();
    let names = [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ];
    let environment = names.map(|name| (name, url.as_str()));
    let (kamailio, redis) = (site.kamailio.rpc_url(), site.redis.url());
    kamonline_env(&["--kamailio", &kamailio, "--redis", &redis], &environment).expect(0);
    assert_eq!(site.board(), ["100"]);
    assert_eq!(proxy.looks().len(), 0);
}

#[test]
fn a_kamailio_without_tcp_accept_no_cl_answers() {
    let strict = KamailioOptions {
        defines: vec!["LAB_DEMANDS_CONTENT_LENGTH".into()],
        ..KamailioOptions::default()
    };
    let site = Site::with(strict, RedisOptions::default());
    let (kamailio, redis) = (site.kamailio.rpc_url(), site.redis.url());
    site.run(&kamailio, &redis, &[]).expect(0);
    assert_eq!(site.board(), ["100"]);
}
