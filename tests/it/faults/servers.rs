//! A server that is down, hangs, lies or dies: the right exit code and hint, nothing lost, in time.

use std::time::{Duration, Instant};

use crate::lab::{
    HttpStub, KamailioOptions, Lab, Proxy, Redis, RedisOptions, Reply, Run, capture, kamonline,
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

#[test]
fn kamailio_is_down() {
    let mut lab = lab();
    lab.kamailio.kill();
    fails(
        lab.run(&[]),
        "cannot connect (Connection refused",
        "check that Kamailio runs",
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "dead"]);
}

#[test]
fn kamailio_hangs() {
    let lab = lab();
    lab.kamailio.pause();
    let run = lab.run(&["--timeout=300ms"]);
    assert!(
        !run.stderr.contains("the dump may not fit"),
        "{}",
        run.stderr
    );
    fails(
        run,
        "no answer within 300ms, and none to core.uptime either",
        "run kamcmd core.uptime on its host",
    );
    lab.kamailio.resume();
    lab.run(&[]).expect(0);
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
fn a_redirect_is_not_followed() {
    let elsewhere = HttpStub::serve(vec![Reply::Whole(capture("5.6.3/empty.brief"))]);
    let head = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    let redis = Redis::start();
    redis.add("ONLINE:abc.voip.ca", "dead");
    let stub = HttpStub::serve(vec![Reply::Whole(head.into_bytes())]);
    fails(
        run(&stub.url(), &redis.url(), &[]),
        "it answered 302",
        "kamonline follows no redirects",
    );
    assert_eq!(elsewhere.looks().len(), 0);
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
        "allow the address of this host",
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
    fails(lab.run(&[]), "cannot connect", "check that Redis runs");
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
    assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
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
    // 100 of other.voip.ca was refused.
    assert!(
        run.stdout.contains("\nremoved 1 stale user; "),
        "{}",
        run.stdout
    );
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
