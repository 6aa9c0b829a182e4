//! A password that kamonline was given is nowhere in what it prints, whatever goes wrong.

use crate::lab::{
    Fault, HttpStub, Redis, RedisOptions, RedisProxy, Reply, Rule, Run, capture, kamonline,
    kamonline_env,
};

/// What no output may hold: the password as it is, and as a URL spells it.
const SECRETS: [&str; 3] = ["s3cret", "s3c/ret", "s3c%2Fret"];

fn discreet(run: Run) -> Run {
    for secret in SECRETS {
        let shown = run.stdout.contains(secret) || run.stderr.contains(secret);
        assert!(!shown, "{secret} in\n{}{}", run.stdout, run.stderr);
    }
    run
}

/// With the report in both formats, which must show the rest of the URLs.
fn fails(args: &[&str], shown: &str) {
    for format in ["--format=text", "--format=json"] {
        let all = [args, &[format, "--timeout=1s", "--retries=0"]].concat();
        let run = discreet(kamonline(&all).expect(1));
        assert!(run.stderr.contains(shown), "{shown}: {}", run.stderr);
    }
}

#[test]
fn no_error_and_no_report_shows_a_password() {
    let kamailio = HttpStub::serve(vec![Reply::Whole(capture("5.6.3/three.brief"))]);
    let kamailio = format!("--kamailio={}", kamailio.url());
    let redis = Redis::with(RedisOptions {
        password: Some("other".into()),
        ..RedisOptions::default()
    });
    let port = redis.port();
    let socket = redis.socket();
    let socket = socket.display();
    for (redis, shown) in [
        ("redis://:s3cret@127.0.0.1:1/2", "redis://127.0.0.1:1/2"),
        ("redis://me:s3c%2Fret@127.0.0.1:1", "redis://127.0.0.1:1"),
        (
            "unix:///nowhere.sock?user=me&pass=s3cret",
            "unix:///nowhere.sock",
        ),
        (
            &format!("redis://:s3c%2Fret@127.0.0.1:{port}"),
            "does not accept",
        ),
        (
            &format!("rediss://me:s3cret@127.0.0.1:{port}"),
            "no answer within 1s",
        ),
        (&format!("unix://{socket}?pass=s3cret"), "does not accept"),
    ] {
        let redis = format!("--redis={redis}");
        fails(&[&kamailio, &redis], shown);
        for topology in ["--redis-cluster", "--redis-sentinel=mymaster"] {
            let all = [&kamailio, &redis, topology, "--timeout=1s", "--retries=0"];
            assert_ne!(discreet(kamonline(&all)).code, 0);
        }
    }

    let forbidding = HttpStub::serve(vec![Reply::Whole(HttpStub::answer("401 Unauthorized", ""))]);
    let forbidding = forbidding.url().replace("://", "://me:s3cret@");
    let open = Redis::start();
    let redis = format!("--redis={}", open.url());
    for (kamailio, shown) in [
        (
            "http://me:s3cret@127.0.0.1:1/rpc",
            "http://127.0.0.1:1/rpc: ",
        ),
        (
            "https://me:s3c%2Fret@127.0.0.1:1/rpc",
            "https://127.0.0.1:1/rpc: ",
        ),
        (&forbidding, "it answered 401"),
    ] {
        fails(&[&format!("--kamailio={kamailio}"), &redis], shown);
    }
}

#[test]
fn a_password_that_redis_repeats_is_not_shown() {
    let kamailio = HttpStub::serve(vec![Reply::Whole(capture("5.6.3/three.brief"))]);
    let redis = Redis::with(RedisOptions {
        password: Some("s3c/ret".into()),
        ..RedisOptions::default()
    });
    redis.add("ONLINE:abc.voip.ca", "ghost");
    for (command, error) in [
        ("SCAN", "ERR no s3c/ret"),
        ("SMEMBERS", "NOPERM no permissions for s3c/ret"),
        ("SMEMBERS", "ERR s3c/rets3c/ret"),
    ] {
        let says = Fault::Says(format!("-{error}\r\n").into());
        let proxy = RedisProxy::new(&redis, vec![Rule::always(command, says)]);
        let url = proxy.url().replace("://", "://:s3c%2Fret@");
        let servers = ["--kamailio", &kamailio.url(), "--redis", &url];
        let run = discreet(kamonline(&servers).expect(1));
        let shown = error.replace("s3c/ret", "(password)");
        assert!(run.stderr.contains(&shown), "{}", run.stderr);
        discreet(kamonline(&[&servers[..], &["-n", "-v"]].concat()));
    }
}

#[test]
fn a_password_in_the_wrong_place_is_not_repeated() {
    for args in [
        &["redis://:s3cret@127.0.0.1"][..],
        &["--dry-run", "http://me:s3c/ret@127.0.0.1/rpc"],
        &["--reddis=redis://:s3cret@127.0.0.1"],
        &["--timeout=redis://:s3cret@127.0.0.1"],
        &["--retries=redis://:s3cret@127.0.0.1"],
        &["--rpc=redis://:s3cret@127.0.0.1"],
        &["--quiet=redis://:s3cret@127.0.0.1"],
        &["--max-removal=redis://:s3cret@127.0.0.1"],
        &["--redis=http://:s3cret@127.0.0.1"],
        &["--redis=redis://:s3c/ret@127.0.0.1"],
        &["--redis=redis://me:12/s3cret@127.0.0.1"],
        &["--redis=redis://me:12?s3cret@127.0.0.1"],
        &["--redis=redis://:s3cret#@127.0.0.1"],
        &["--redis=redis://:s3cret@bücher.example"],
        &["--redis-password-file='s3cret'"],
        &["--redis=redis://:s3cret@127.0.0.1/x"],
        &["--redis=rediss://:s3cret@127.0.0.1#insecure"],
        &["--redis-password-file=s3cret"],
        &["--kamailio=redis://me:s3cret@127.0.0.1/rpc"],
        &["--kamailio=http://me:s3c/ret@127.0.0.1/rpc"],
        &["--kamailio=http://me:12/s3cret@127.0.0.1/rpc"],
        &["--kamailio=http://:s3cret@127.0.0.1/rpc"],
        &["--kamailio=http://me:s3cret@127.0.0.1/rpc?x"],
        &["--kamailio-password-file=s3cret"],
    ] {
        let run = discreet(kamonline(args)).expect(2);
        assert_ne!(run.stderr, "", "{args:?}");
    }
}

/// What the URL's parser says of these leads astray: an invalid port, or a host that does not exist.
#[test]
fn a_url_whose_password_or_host_is_written_wrongly_tells_how_to_write_it() {
    for password in ["s3c/ret", "s3cret#", "s3c?ret", "12/s3cret"] {
        for (option, url) in [
            ("--redis", format!("redis://:{password}@127.0.0.1:6379/0")),
            ("--redis", format!("rediss://me:{password}@[::1]")),
            ("--kamailio", format!("http://me:{password}@127.0.0.1/rpc")),
        ] {
            let run = discreet(kamonline(&[&format!("{option}={url}")]).expect(2));
            for part in [
                "must be written %2F %3F %23 %40",
                &format!("{option}-password-file"),
            ] {
                assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
            }
        }
    }
    for option in [
        "--redis=redis://me:s3cret@bücher.example/0",
        "--kamailio=https://bücher.example/rpc",
    ] {
        let run = discreet(kamonline(&[option]).expect(2));
        assert!(
            run.stderr.contains("xn--bcher-kva.example"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn the_help_does_not_show_what_the_environment_holds() {
    let environment = [
        ("KAMONLINE_REDIS", "redis://:s3cret@127.0.0.1"),
        ("KAMONLINE_KAMAILIO", "http://me:s3cret@127.0.0.1/rpc"),
        ("KAMONLINE_REDIS_PASSWORD_FILE", "/etc/s3cret"),
    ];
    for option in ["--help", "-h", "--version"] {
        discreet(kamonline_env(&[option], &environment)).expect(0);
    }
    discreet(kamonline_env(&["--no-such-option"], &environment)).expect(2);
}
