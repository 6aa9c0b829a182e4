//! A server that is down, hangs, lies or dies: the right exit code and hint, nothing lost, in time.

use std::time::{Duration, Instant};

use crate::lab::{
    HttpStub, KamailioOptions, Lab, Proxy, Redis, RedisOptions, Reply, Run, TcpStub, capture,
    kamonline,
};

/// Redis holds one user more than Kamailio knows.
fn lab() -> Lab {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.redis.add("ONLINE:abc.voip.ca", "dead");
    lab
}

fn run(kamailio: &str, redis: &str, args: &[&str]) -> Run {
    let started = Instant::now();
    let run = kamonline(
        &[
            &["--kamailio", kamailio, "--redis", redis, "--timeout=2s"][..],
            args,
        ]
        .concat(),
    );
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "bounded by --timeout"
    );
    run
}

#[track_caller]
fn fails(run: Run, what: &str, hint: &str) {
    let run = run.expect(1);
    assert!(run.stderr.contains(what), "{}", run.stderr);
    assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
    let told = run.stderr.split_once("  hint: ").expect("a hint").1;
    assert!(told.contains(hint), "{}", run.stderr);
}

/// What kamonline says of a Kamailio that answers so, and how often it asked.
#[track_caller]
fn kamailio_answers(reply: Reply, asked: usize, what: &str, hint: &str) {
    let redis = Redis::start();
    redis.add("ONLINE:abc.voip.ca", "dead");
    let stub = HttpStub::serve(vec![reply]);
    fails(run(&stub.url(), &redis.url(), &[]), what, hint);
    assert_eq!(stub.requests().len(), asked);
    assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["dead"]);
}

#[test]
fn kamailio_is_down() {
    let mut lab = lab();
    lab.kamailio.kill();
    fails(
        lab.run(&[]),
        "cannot connect (Connection refused",
        "is Kamailio running",
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "dead"]);
}

#[test]
fn kamailio_hangs() {
    let lab = lab();
    lab.kamailio.pause();
    fails(
        lab.run(&["--timeout=300ms"]),
        "no whole answer within 300ms",
        "-M 64",
    );
    lab.kamailio.resume();
    lab.run(&[]).expect(0);
}

#[test]
fn after_silence_kamailio_is_not_asked_again() {
    let page = capture("5.6.3/three.brief");
    kamailio_answers(
        Reply::Hang(vec![]),
        1,
        "no whole answer within 2s",
        "it was not asked again",
    );
    kamailio_answers(
        Reply::Hang(page[..2000].to_vec()),
        1,
        "no whole answer within 2s",
        "-M 64",
    );
    let drip = Reply::Drip(page, Duration::from_millis(100));
    kamailio_answers(drip, 1, "no whole answer within 2s", "--timeout");
}

#[test]
fn after_an_http_500_kamailio_is_not_asked_again() {
    let reply = capture("5.6.3/overflow.500-Internal-error-creating-aor-struct");
    kamailio_answers(
        Reply::Whole(reply),
        1,
        "500 (Internal error creating aor struct)",
        "old releases lock up",
    );
}

#[test]
fn a_dump_larger_than_the_buffer() {
    let lab = Lab::with(KamailioOptions {
        buf_size: Some(3000),
        ..KamailioOptions::default()
    });
    lab.kamailio
        .register_many((0..200).map(|user| format!("{user}@abc.voip.ca")));
    fails(lab.run(&[]), "it answered 500", "xhttp_rpc_buf_size");
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca").len(), 200);
}

#[test]
fn a_broken_connection_is_tried_again() {
    let page = capture("5.6.3/three.brief");
    let half = page[..page.len() - 600].to_vec();
    let cut = "tcp_conn_wq_max=134217728";
    kamailio_answers(Reply::Close(half.clone()), 3, "the dump was cut off", cut);
    kamailio_answers(Reply::Reset(half.clone()), 3, "the dump was cut off", cut);
    kamailio_answers(
        Reply::Close(vec![]),
        3,
        "closed the connection without an answer",
        "xhttp_rpc",
    );
    kamailio_answers(
        Reply::Reset(vec![]),
        3,
        "closed the connection without an answer",
        "xhttp_rpc",
    );

    let redis = Redis::start();
    redis.add("ONLINE:abc.voip.ca", "100");
    let stub = HttpStub::serve(vec![Reply::Close(half), Reply::Whole(page)]);
    run(&stub.url(), &redis.url(), &[]).expect(0);
    assert_eq!(stub.requests().len(), 2);
}

#[test]
fn what_answers_is_not_kamailio() {
    let nginx = |status: &str, body: &str| {
        let head = format!(
            "HTTP/1.1 {status}\r\nServer: nginx\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Reply::Whole((head + body).into_bytes())
    };
    kamailio_answers(
        nginx("200 OK", "<h1>Welcome to nginx!</h1>"),
        1,
        "it answered 200",
        "it calls itself nginx",
    );
    kamailio_answers(
        nginx("404 Not Found", ""),
        1,
        "it answered 404",
        "root of xhttp_rpc",
    );
    kamailio_answers(
        nginx("401 Unauthorized", ""),
        1,
        "it answered 401",
        "--kamailio-password-file",
    );
    kamailio_answers(
        nginx("502 Bad Gateway", ""),
        1,
        "it answered 502",
        "it calls itself nginx",
    );
    let ssh = Reply::Close(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec());
    kamailio_answers(ssh, 1, "does not speak HTTP", "is the address right?");
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = HttpStub::serve(vec![Reply::Whole(capture("5.6.3/empty.brief"))]);
    let head = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    kamailio_answers(
        Reply::Whole(head.into_bytes()),
        1,
        "it answered 302",
        "redirects are not followed",
    );
    assert_eq!(elsewhere.requests().len(), 0);
}

#[test]
fn an_address_that_kamailio_cfg_does_not_allow() {
    let defines = vec!["ONLINE_ALLOWED=\"^192[.]0[.]2[.]1$\"".into()];
    let lab = Lab::with(KamailioOptions {
        defines,
        ..KamailioOptions::default()
    });
    fails(
        lab.run(&[]),
        "it answered 403",
        "does not allow this address",
    );
}

#[test]
fn a_wrong_root() {
    let lab = lab();
    let (root, redis) = (lab.kamailio.rpc_url(), lab.redis.url());
    fails(
        run(&format!("{root}/ul"), &redis, &[]),
        "500 (Bad URL)",
        "root of xhttp_rpc",
    );
    fails(
        run(&root.replace("/rpc", "/other"), &redis, &[]),
        "it answered 404",
        "root of xhttp_rpc",
    );
}

#[test]
fn redis_is_down() {
    let mut lab = lab();
    lab.redis.kill();
    fails(lab.run(&[]), "cannot connect", "is Redis running");
}

#[test]
fn redis_hangs() {
    let lab = lab();
    lab.redis.pause();
    fails(
        lab.run(&["--timeout=300ms"]),
        "no answer within 300ms",
        "redis-cli ping",
    );
    lab.redis.resume();
    lab.run(&[]).expect(0);
}

#[test]
fn what_answers_is_not_redis() {
    let lab = lab();
    for hello in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\0\0\0",
    ] {
        let stub = TcpStub::closes_after(hello.as_bytes());
        fails(
            run(&lab.kamailio.rpc_url(), &stub.redis_url(), &[]),
            "does not speak the protocol of Redis",
            "rediss://",
        );
    }
    let silent = TcpStub::hangs_after(b"");
    fails(
        run(&lab.kamailio.rpc_url(), &silent.redis_url(), &[]),
        "no answer within 2s",
        "redis-cli ping",
    );
}

#[test]
fn redis_is_still_loading() {
    let lab = lab();
    let stub = TcpStub::hangs_after(b"-LOADING Redis is loading the dataset in memory\r\n");
    fails(
        run(&lab.kamailio.rpc_url(), &stub.redis_url(), &[]),
        "still loading",
        "try again",
    );
}

#[test]
fn redis_is_out_of_memory_for_the_missing() {
    let redis = Redis::with(RedisOptions {
        maxmemory: Some("1kb".into()),
        ..RedisOptions::default()
    });
    let kamailio = crate::lab::Kamailio::start(&KamailioOptions::default(), None);
    kamailio.register("100@abc.voip.ca");
    let run = run(&kamailio.rpc_url(), &redis.url(), &["--add-missing"]).expect(1);
    assert!(run.stderr.contains("out of memory"), "{}", run.stderr);
    assert!(run.stderr.contains("0 of 1 were added"), "{}", run.stderr);
    assert!(run.stderr.contains("raise maxmemory"), "{}", run.stderr);
}

#[test]
fn redis_dies_between_the_reading_and_the_removal() {
    let lab = lab();
    let client = lab.redis.client();
    let proxy = Proxy::before(&lab.kamailio, 1, move || {
        let _ = client.try_command(&["SHUTDOWN", "NOSAVE"]);
    });
    let run = run(&proxy.url(), &lab.redis.url(), &[]).expect(1);
    assert!(run.stderr.contains("cannot connect"), "{}", run.stderr);
    assert!(run.stderr.contains("0 of 1 were removed"), "{}", run.stderr);
}

#[test]
fn a_key_of_another_type_is_named_and_the_rest_goes_on() {
    let lab = lab();
    lab.redis.command(&["SET", "ONLINE:count", "1"]);
    lab.register("100@other.voip.ca");
    lab.redis.command(&["DEL", "ONLINE:other.voip.ca"]);
    lab.redis
        .command(&["SET", "ONLINE:other.voip.ca", "no set"]);
    let run = lab.run(&["--add-missing"]).expect(0);
    for key in ["ONLINE:count", "ONLINE:other.voip.ca"] {
        assert!(
            run.stderr.contains(&format!("warning: {key} is no set")),
            "{}",
            run.stderr
        );
    }
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100"]);
    let quiet = lab
        .run(&["--quiet", "--exclude-domain=count|other[.]voip[.]ca"])
        .expect(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}
