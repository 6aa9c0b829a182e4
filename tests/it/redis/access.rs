//! What guards the way to Redis: ACL, passwords, databases, unix sockets.

use crate::lab::{
    Kamailio, KamailioOptions, Proxy, Redis, RedisClient, RedisOptions, Run, kamonline,
};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// As the README and the hint give it.
const SMALLEST_RULE: &str = "~ONLINE:* +scan +scard +smembers +sscan +srem +sadd";

/// 100 is registered and missing in the set, which holds a ghost. 200 of another domain is registered and in its set.
struct Site {
    kamailio: Kamailio,
    redis: Redis,
}

impl Site {
    fn with(redis: RedisOptions) -> Self {
        let kamailio = Kamailio::start(&KamailioOptions::default(), None);
        kamailio.register("100@abc.voip.ca");
        kamailio.register("200@xyz.voip.ca");
        let redis = Redis::with(redis);
        redis.add("ONLINE:abc.voip.ca", "ghost");
        redis.add("ONLINE:xyz.voip.ca", "200");
        Site { kamailio, redis }
    }

    /// A Redis whose `user` has this rule, and the password `secret`.
    fn with_rule(rule: &str) -> Self {
        Site::with(RedisOptions {
            acl: vec![format!("user on >secret {rule}")],
            ..RedisOptions::default()
        })
    }

    fn set_rule(&self, rule: &str) {
        let words = ["ACL", "SETUSER", "user", "reset", "on", ">secret"];
        let words = words.into_iter().chain(rule.split_whitespace());
        self.redis.command(&words.collect::<Vec<_>>());
    }

    fn url(&self, login: &str) -> String {
        format!("redis://{login}127.0.0.1:{}", self.redis.port())
    }

    fn run(&self, redis: &str, args: &[&str]) -> Run {
        let kamailio = self.kamailio.rpc_url();
        let all = ["--kamailio", &kamailio, "--redis", redis, "--settle=0s"];
        kamonline(&[&all, args].concat())
    }

    /// Exit 1, with these words in the error and these in its hint; the set is as it was.
    fn fails(&self, redis: &str, args: &[&str], error: &str, hint: &str) -> String {
        let stderr = self.run(redis, args).expect(1).stderr;
        let (first, rest) = stderr.split_once("\n  hint: ").expect(&stderr);
        assert!(first.contains(error), "{stderr}");
        assert!(rest.contains(hint), "{stderr}");
        assert_eq!(self.board(), ["ghost"], "{stderr}");
        stderr
    }

    fn board(&self) -> Vec<String> {
        self.redis.members("ONLINE:abc.voip.ca")
    }
}

fn password_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, text).unwrap();
    (dir, file)
}

#[test]
fn the_documented_rule_suffices_and_every_part_of_it_is_needed() {
    let site = Site::with_rule(SMALLEST_RULE);
    let url = site.url("user:secret@");
    let args = ["--add-missing", "--max-removal=100%"];
    // Too large for SMEMBERS.
    let ghosts = (0..20_001).map(|number| number.to_string());
    site.redis.add_many("ONLINE:large.ca", ghosts);
    for part in SMALLEST_RULE.split(' ') {
        site.set_rule(&SMALLEST_RULE.replace(part, ""));
        let run = site.run(&url, &args).expect(1);
        assert!(run.stderr.contains("the ACL forbids it"), "{}", run.stderr);
        let hint = SMALLEST_RULE.replace("ONLINE:*", "ONLINE:* (the --prefix)");
        assert!(run.stderr.contains(&hint), "{}", run.stderr);
        site.redis.add("ONLINE:abc.voip.ca", "ghost");
    }
    site.set_rule(SMALLEST_RULE);
    site.run(&url, &args).expect(0);
    assert_eq!(site.board(), ["100"]);
}

#[test]
fn without_srem_nothing_is_removed_and_the_rule_is_told() {
    let site = Site::with_rule("~ONLINE:* +scan +scard +smembers +sscan +sadd");
    let url = site.url("user:secret@");
    site.fails(&url, &[], "0 of 1 were removed", "+srem");
    let dry = site.run(&url, &["--dry-run"]).expect(0);
    assert!(dry.stdout.contains("  - ghost\n"), "reading is allowed");
    site.set_rule("~OTHER:* +scan +scard +smembers +sscan +srem +sadd");
    site.fails(&url, &[], "the ACL forbids it", "~ONLINE:*");
    site.set_rule(SMALLEST_RULE);
    let database = format!("{url}/1");
    site.fails(&database, &[], "the ACL forbids it", "+select");
}

#[test]
fn a_redis_without_a_password_says_so() {
    let site = Site::with(RedisOptions::default());
    site.fails(
        &site.url(":x@"),
        &["--dry-run"],
        "it has no password",
        "take the password out",
    );
}

#[test]
fn a_password_can_come_from_a_file_or_the_url() {
    let site = Site::with(RedisOptions {
        password: Some("p%a/s:s@".into()),
        acl: vec![format!("user on >secret {SMALLEST_RULE}")],
        ..RedisOptions::default()
    });
    let (_dir, file) = password_file("p%a/s:s@\nthe second line does not count\n");
    let (_dir, wrong) = password_file("no\n");
    let (_dir, users) = password_file("secret");
    let option = |file: &PathBuf| format!("--redis-password-file={}", file.display());
    let dry = "--dry-run";

    let no = "does not accept the user or the password";
    site.fails(
        &site.url(""),
        &[dry],
        "it wants a password",
        "--redis-password-file",
    );
    site.fails(&site.url(":no@"), &[dry], no, "--redis-password-file");
    site.fails(&site.url("user:no@"), &[dry], no, "ACL LIST");
    site.fails(&site.url("nobody:secret@"), &[dry], no, "ACL LIST");
    site.fails(&site.url(""), &[dry, &option(&wrong)], no, "ACL LIST");
    let first_database = site.url("") + "/1";
    site.fails(
        &first_database,
        &[dry],
        "it wants a password",
        "--redis-password-file",
    );

    for (login, args) in [
        ("", vec![option(&file)]),
        (":wrong@", vec![option(&file)]),
        ("user@", vec![option(&users)]),
        (":p%25a%2Fs%3As%40@", vec![]),
        ("user:secret@", vec![]),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).chain([dry]).collect();
        let run = site.run(&site.url(login), &args).expect(0);
        assert!(
            run.stdout.contains("  - ghost\n"),
            "{login}: {}",
            run.stdout
        );
    }

    let run = site.run(&site.url("user@"), &[]).expect(2);
    assert!(
        run.stderr.contains("there is no password for them"),
        "{}",
        run.stderr
    );
    // A password in the place of its file's name is not printed.
    let run = site
        .run(&site.url(""), &["--redis-password-file=s3cret"])
        .expect(2);
    assert!(run.stderr.contains("no such file"), "{}", run.stderr);
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    let (_dir, empty) = password_file("\nsecret");
    let run = site.run(&site.url(""), &[&option(&empty)]).expect(2);
    assert!(
        run.stderr.contains("its first line is empty"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_unix_socket_and_a_database_can_be_named() {
    let site = Site::with(RedisOptions {
        password: Some("secret".into()),
        ..RedisOptions::default()
    });
    let socket = site.redis.socket();
    let socket = socket.display();
    let run = site.run(&format!("unix://{socket}?pass=secret"), &["--format=json"]);
    let report = run.expect(0).json();
    assert_eq!(report["redis"]["url"], format!("unix://{socket}"));
    assert_eq!(site.board(), [""; 0]);

    site.redis.add("ONLINE:abc.voip.ca", "ghost");
    let third = format!("unix://{socket}?db=3&pass=secret");
    let client = RedisClient { url: third.clone() };
    for url in [
        site.url(":secret@") + "/3",
        third.replace("unix", "redis+unix"),
    ] {
        client.add("ONLINE:abc.voip.ca", "other ghost");
        client.add("ONLINE:xyz.voip.ca", "200");
        site.run(&url, &["--add-missing"]).expect(0);
        assert_eq!(client.members("ONLINE:abc.voip.ca"), ["100"]);
        client.command(&["FLUSHDB"]);
    }
    assert_eq!(site.board(), ["ghost"], "database 0 is another");

    let no_such = site.url(":secret@") + "/99";
    site.fails(
        &no_such,
        &[],
        "it has no such database",
        "databases in redis.conf",
    );
    site.fails(
        "unix:///nowhere.sock",
        &[],
        "cannot connect",
        "unixsocket in redis.conf",
    );
    let none = format!("unix://{socket}");
    site.fails(&none, &[], "it wants a password", "--redis-password-file");
}

#[test]
fn a_connection_that_breaks_is_opened_again() {
    let site = Site::with(RedisOptions::default());
    let (url, client) = (site.redis.url(), site.redis.client());
    let proxy = Proxy::before(&site.kamailio, 1, move || {
        client.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    });
    let run = |kamailio: &Proxy, args: &[&str]| {
        let kamailio = kamailio.url();
        let all = ["--kamailio", &kamailio, "--redis", &url, "--settle=0s"];
        kamonline(&[&all, args].concat())
    };
    run(&proxy, &[]).expect(0);
    assert_eq!(site.board(), [""; 0]);

    site.redis.add("ONLINE:abc.voip.ca", "ghost");
    let client = site.redis.client();
    let proxy = Proxy::before(&site.kamailio, 1, move || {
        client.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    });
    let failed = run(&proxy, &["--retries=0"]).expect(1);
    assert!(
        failed.stderr.contains("the connection broke"),
        "{}",
        failed.stderr
    );
    assert!(
        failed
            .stderr
            .contains("see in its log why it closed the connection"),
        "{}",
        failed.stderr
    );

    // It was told to go, and came back, as with a restart by systemd.
    let redis = Arc::new(Mutex::new(site.redis));
    let (restarted, client) = (redis.clone(), redis.lock().unwrap().client());
    let proxy = Proxy::before(&site.kamailio, 1, move || {
        restarted.lock().unwrap().restart();
        client.add("ONLINE:abc.voip.ca", "ghost");
    });
    run(&proxy, &["--add-missing"]).expect(0);
    let board = redis.lock().unwrap().members("ONLINE:abc.voip.ca");
    assert_eq!(board, ["100"]);
}

#[test]
fn a_password_file_is_read_as_editors_write_it() {
    let site = Site::with(RedisOptions {
        password: Some("secret".into()),
        ..RedisOptions::default()
    });
    let run = |text: &str, mode: u32| {
        let (_dir, file) = password_file(text);
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&file, permissions).unwrap();
        site.run(
            &site.url(""),
            &["-n", &format!("--redis-password-file={}", file.display())],
        )
    };
    for text in [
        "secret",
        "secret\n",
        "secret\r\n",
        "secret\rmore",
        "\u{feff}secret\r\n",
    ] {
        let run = run(text, 0o600).expect(0);
        assert_eq!(run.stderr, "", "{text:?}");
    }
    let readable = run("secret", 0o644).expect(0);
    assert!(
        readable
            .stderr
            .contains("everybody on this machine can read it"),
        "{}",
        readable.stderr
    );
    for (text, doubted) in [("secret \n", true), ("secret\t", true), ("Secret", false)] {
        let refused = run(text, 0o600).expect(1);
        let doubt = refused
            .stderr
            .contains("the password as given ends with a space");
        assert_eq!(doubt, doubted, "{text:?}: {}", refused.stderr);
        assert!(!refused.stderr.contains("ecret"), "{}", refused.stderr);
    }
}

#[test]
fn what_a_url_says_and_nobody_obeys_is_wrong_usage() {
    let site = Site::with(RedisOptions::default());
    let tcp = site.url("");
    let socket = format!("unix://{}", site.redis.socket().display());
    for (url, hint) in [
        (format!("{tcp}?db=3"), "redis://HOST:PORT/3"),
        (format!("{tcp}/0?db=3"), "redis://HOST:PORT/3"),
        (format!("{tcp}?timeout=5"), "write it as redis://"),
        (format!("{tcp}?protocol=3"), "write it as redis://"),
        (format!("{tcp}#3"), "write it as redis://"),
        (format!("{socket}?database=3"), "db, user and pass"),
        (format!("{socket}?db=3&db=4"), "db, user and pass"),
        (format!("{socket}?pass=se&cret=1"), "%26"),
        (format!("{socket}#3"), "write it as redis://"),
    ] {
        let run = site.run(&url, &["-n"]).expect(2);
        assert!(run.stderr.contains(hint), "{url}: {}", run.stderr);
        assert!(!run.stderr.contains("cret"), "{}", run.stderr);
    }
    for url in [
        tcp.clone(),
        format!("{tcp}/"),
        tcp.replace("redis", "valkey"),
        socket.replace("unix", "valkey+unix"),
    ] {
        site.run(&url, &["-n"]).expect(0);
    }
    for (option, tls) in [("--redis-ca", "rediss://"), ("--kamailio-ca", "https://")] {
        let run = site
            .run(&tcp, &["-n", &format!("{option}=Cargo.toml")])
            .expect(2);
        let words = format!("hint: use {tls} for TLS");
        assert!(run.stderr.contains(&words), "{}", run.stderr);
    }
    // valkeys:// is with TLS.
    let run = site.run(&tcp.replace("redis", "valkeys"), &["-n", "--timeout=1s"]);
    assert!(run.expect(1).stderr.contains("TLS"));
}
