//! What answers is what the options say, also where the newest way to ask is missing or forbidden.

use crate::lab::{
    End, Fault, HttpStub, Redis, RedisCluster, RedisOptions, RedisProxy, Reply, Rule, Run,
    Sentinels, kamonline,
};

const KEY: &str = "ONLINE:abc.voip.ca";
const NO_HELLO: &str = "rename-command HELLO \"\"";
const SMALLEST_RULE: &str = "~ONLINE:* +scan +scard +smembers +sscan +srem +sadd";

/// A ghost is in the set.
fn redis(options: RedisOptions) -> Redis {
    let redis = Redis::with(options);
    redis.add_many(KEY, ["100", "ghost"]);
    redis
}

fn with_lines(lines: &[&str]) -> RedisOptions {
    RedisOptions {
        extra: lines.iter().map(|line| line.to_string()).collect(),
        ..RedisOptions::default()
    }
}

/// On a registrar where 100 is registered.
fn run(url: &str, args: &[&str]) -> Run {
    let kamailio = HttpStub::serve(vec![Reply::Whole(HttpStub::dump(&["100@abc.voip.ca"]))]);
    let kamailio = kamailio.url();
    let all = ["--kamailio", &kamailio, "--redis", url, "--settle=0s"];
    kamonline(&[&all, args].concat())
}

/// The ghost is removed, and nothing is said about it.
fn works(url: &str, redis: &Redis, row: &str) {
    redis.add(KEY, "ghost");
    assert_eq!(run(url, &[]).expect(0).stderr, "", "{row}");
    assert_eq!(redis.members(KEY), ["100"], "{row}");
}

#[track_caller]
fn is_refused(url: &str, said: &str, hint: &str) {
    for args in [&[][..], &["--dry-run"]] {
        let stderr = run(url, args).expect(1).stderr;
        let (error, rest) = stderr.split_once("\n  hint: ").expect(&stderr);
        assert!(error.contains(said), "{stderr}");
        assert!(error.contains("nothing was changed"), "{stderr}");
        assert!(rest.contains(hint), "{stderr}");
    }
}

/// As a server says it that has the command renamed.
fn unknown(command: &'static str) -> Rule {
    let answer = format!("-ERR unknown command '{command}', with args beginning with: \r\n");
    Rule::always(command, Fault::Says(answer.into()))
}

fn port(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn one_question_is_enough_for_a_server_that_knows_hello() {
    let redis = redis(RedisOptions::default());
    let proxy = RedisProxy::new(&redis, vec![]);
    works(&proxy.url(), &redis, "");
    let seen = ["HELLO", "INFO", "PING", "SCARD"].map(|command| proxy.seen(command));
    assert_eq!(seen, [1, 0, 0, 1]);
}

#[test]
fn a_server_that_does_not_know_or_refuses_the_questions_works() {
    let renamed = redis(with_lines(&[NO_HELLO]));
    works(&renamed.url(), &renamed, "renamed");

    let redis = redis(RedisOptions::default());
    let refuses =
        |command| Rule::always(command, Fault::Says(b"-NOPERM no permissions\r\n".to_vec()));
    let closes = |command| Rule::always(command, Fault::Before(End::Close));
    let is = |role: &str| {
        let fields = ["mode", "standalone", "role", role];
        let text = fields.map(|field| format!("${}\r\n{field}\r\n", field.len()));
        Rule::always(
            "HELLO",
            Fault::Says(format!("*4\r\n{}", text.concat()).into()),
        )
    };
    for (row, rules) in [
        (
            "neither HELLO nor INFO",
            vec![unknown("HELLO"), unknown("INFO")],
        ),
        (
            "refuses HELLO and INFO",
            vec![refuses("HELLO"), refuses("INFO")],
        ),
        ("closes on HELLO", vec![closes("HELLO")]),
        (
            "closes on HELLO and INFO",
            vec![closes("HELLO"), closes("INFO")],
        ),
        (
            "refuses HELLO, closes on INFO",
            vec![unknown("HELLO"), closes("INFO")],
        ),
        ("KeyDB", vec![is("active-replica")]),
        ("a role that nobody knows", vec![is("other")]),
    ] {
        let proxy = RedisProxy::new(&redis, rules);
        works(&proxy.url(), &redis, row);
        let url = proxy.url().replace("redis://", "redis://:wrong@");
        let stderr = run(&url, &[]).expect(1).stderr;
        assert!(stderr.contains("it has no password"), "{row}: {stderr}");
    }
    let mut six = is("master");
    six.times = 1..2;
    let mut wants_version = unknown("HELLO");
    wants_version.times = 0..1;
    let proxy = RedisProxy::new(&redis, vec![wants_version, six]);
    works(&proxy.url(), &redis, "Redis 6.0");
    assert_eq!((proxy.seen("HELLO"), proxy.seen("INFO")), (2, 0));
}

#[test]
fn an_acl_that_forbids_info_is_no_harm() {
    for lines in [&[][..], &[NO_HELLO]] {
        let redis = redis(RedisOptions {
            acl: vec![format!("user on >secret {SMALLEST_RULE}")],
            ..with_lines(lines)
        });
        let url = format!("redis://user:secret@127.0.0.1:{}", redis.port());
        works(&url, &redis, &format!("{lines:?}"));
    }
}

#[test]
fn a_node_of_a_cluster_is_told_without_hello() {
    let (said, hint) = (
        "it is a node of a Redis Cluster, and holds a part of the sets only",
        "add --redis-cluster",
    );
    let alone = Redis::with(with_lines(&["cluster-enabled yes", NO_HELLO]));
    is_refused(&alone.url(), said, hint);
    // It serves no slot.
    let mute = RedisProxy::new(&alone, vec![unknown("INFO")]);
    is_refused(&mute.url(), said, hint);

    let cluster = RedisCluster::start();
    for i in cluster.masters() {
        let rules = vec![unknown("HELLO"), unknown("INFO")];
        let node = RedisProxy::new(cluster.node(i), rules);
        is_refused(&node.url(), said, hint);
        let closes = Rule::always("HELLO", Fault::Before(End::Close));
        let node = RedisProxy::new(cluster.node(i), vec![closes, unknown("INFO")]);
        is_refused(&node.url(), said, hint);
    }
}

#[test]
fn a_sentinel_is_told_without_hello() {
    let sentinels = Sentinels::start();
    let port = port(&sentinels.urls()[0]);
    let (said, hint) = (
        "it is a sentinel, and holds no sets",
        "add --redis-sentinel",
    );
    is_refused(&sentinels.urls()[0], said, hint);
    let without_hello = RedisProxy::to_port(port, vec![unknown("HELLO")]);
    is_refused(&without_hello.url(), said, hint);
    let mute = RedisProxy::to_port(port, vec![unknown("HELLO"), unknown("INFO")]);
    let hint = "add --redis-sentinel MASTER if it is a sentinel";
    is_refused(&mute.url(), "it does not know SCARD", hint);
}

#[test]
fn a_server_that_is_full_is_told_however_it_is_reached() {
    let redis = redis(RedisOptions {
        password: Some("secret".into()),
        ..RedisOptions::default()
    });
    let (url, socket) = (redis.url(), format!("unix://{}", redis.socket().display()));
    let client = redis::Client::open(format!("{socket}?pass=secret")).unwrap();
    let mut stays = client.get_connection().unwrap();
    let mut maxclients = |number: u16| {
        let mut command = redis::cmd("CONFIG");
        let command = command.arg("SET").arg("maxclients").arg(number);
        command.exec(&mut stays).unwrap();
    };
    maxclients(1);
    let bare = url.replace(":secret@", "");
    for url in [
        &bare,
        &bare.replace("/0", "/1"),
        &url,
        &url.replace("/0", "/1"),
        &socket,
        &format!("{socket}?pass=secret&db=1"),
    ] {
        let said = "it has as many clients as it may have (maxclients)";
        is_refused(url, said, "raise maxclients in redis.conf");
    }
    maxclients(100);
    works(&url, &redis, "there is room again");
}

#[test]
fn what_a_server_says_to_hello_is_told_when_it_is_for_every_command() {
    let redis = redis(RedisOptions::default());
    for (answer, said) in [
        ("ERR max number of clients reached", "maxclients"),
        (
            "ERR max number of clients + cluster connections reached",
            "maxclients",
        ),
        ("NOAUTH Authentication required.", "it wants a password"),
        (
            "WRONGPASS invalid username-password pair",
            "does not accept",
        ),
        ("LOADING Redis is loading", "still loading"),
        (
            "DENIED Redis is running in protected mode",
            "protected mode",
        ),
    ] {
        let fault = Fault::Says(format!("-{answer}\r\n").into());
        let proxy = RedisProxy::new(&redis, vec![Rule::always("HELLO", fault.clone())]);
        let stderr = run(&proxy.url(), &[]).expect(1).stderr;
        assert!(stderr.contains(said), "{answer}: {stderr}");
        assert_eq!(proxy.seen("INFO"), 0, "{answer}");
        let rules = vec![unknown("HELLO"), Rule::always("INFO", fault)];
        let proxy = RedisProxy::new(&redis, rules);
        let stderr = run(&proxy.url(), &[]).expect(1).stderr;
        assert!(stderr.contains(said), "{answer}: {stderr}");
    }
    for command in ["HELLO", "INFO"] {
        let mut rules = vec![Rule::always(command, Fault::Before(End::Hang))];
        if command == "INFO" {
            rules.push(unknown("HELLO"));
        }
        let proxy = RedisProxy::new(&redis, rules);
        let stderr = run(&proxy.url(), &["--timeout=1s"]).expect(1).stderr;
        assert!(stderr.contains("no answer within 1s"), "{stderr}");
    }
    assert_eq!(redis.members(KEY), ["100", "ghost"]);
}
