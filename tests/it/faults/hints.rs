//! What goes wrong on sites with real servers, and the hint that helps.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::lab::{
    End, Fault, Kamailio, KamailioOptions, Lab, Redis, RedisOptions, RedisProxy, Rule, Run,
    TcpStub, free_port, kamonline, until,
};

/// Exit 1, with these words; nothing was changed.
fn fails(kamailio: &str, redis: &str, args: &[&str], words: &[&str]) {
    let servers = ["--kamailio", kamailio, "--redis", redis, "--retries=0"];
    let run = kamonline(&[&servers, args].concat()).expect(1);
    for word in [words, &["nothing was changed", "  hint: "]].concat() {
        assert!(run.stderr.contains(word), "no {word:?} in {}", run.stderr);
    }
}

/// 100 is registered and in the set, and so is somebody who is gone, in a Redis with these lines in its redis.conf.
fn site(extra: &[&str]) -> (Kamailio, Redis) {
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    kamailio.register("100@abc.voip.ca");
    let redis = Redis::with(RedisOptions {
        extra: extra.iter().map(ToString::to_string).collect(),
        ..RedisOptions::default()
    });
    redis.add_many("ONLINE:abc.voip.ca", ["100", "gone"]);
    (kamailio, redis)
}

#[test]
fn a_redis_that_wants_more_replicas() {
    let (kamailio, redis) = site(&[]);
    redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let words = ["too few replicas", "min-replicas-to-write"];
    fails(&kamailio.rpc_url(), &redis.url(), &[], &words);
}

#[test]
fn a_redis_that_is_busy_with_a_script() {
    let (kamailio, redis) = site(&["lua-time-limit 50"]);
    let client = redis.client();
    let script = thread::spawn(move || client.try_command(&["EVAL", "while true do end", "0"]));
    until("it is busy", || redis.try_command(&["PING"]).is_err());
    let words = ["a script keeps it busy", "SCRIPT KILL"];
    fails(&kamailio.rpc_url(), &redis.url(), &[], &words);
    redis.command(&["SCRIPT", "KILL"]);
    assert!(script.join().unwrap().is_err());
}

#[test]
fn a_redis_whose_commands_are_renamed() {
    for command in ["SCAN", "SMEMBERS", "SADD"] {
        let (kamailio, redis) = site(&[]);
        let other = Redis::with(RedisOptions {
            extra: vec![
                format!("rename-command {command} \"\""),
                "replica-read-only no".into(),
            ],
            replica_of: Some(redis.port()),
            ..RedisOptions::default()
        });
        other.command(&["REPLICAOF", "NO", "ONE"]);
        let words = ["it refuses ", command, "rename-command"];
        fails(&kamailio.rpc_url(), &other.url(), &[], &words);
    }
}

/// A proxy finds its server by the key, which SCAN has not.
#[test]
fn a_proxy_that_does_not_know_scan() {
    let (kamailio, redis) = site(&[]);
    let says = |words: &str| Fault::Says(format!("-{words}\r\n").into());
    const ALL: [&str; 3] = ["HELLO", "INFO", "SCAN"];
    let refused = "it refuses SCAN (";
    let unknown = says("ERR unknown command 'SCAN', with args beginning with: 0 MATCH");
    let of_two_servers = b"*4\r\n$1\r\n0\r\n*0\r\n$1\r\n0\r\n*0\r\n";
    let itself = "give --redis the Redis itself";
    for (commands, fault, said, hint) in [
        // What Envoy says, and what it said before.
        (&ALL[..], unknown, refused, itself),
        (&ALL, says("unsupported command 'SCAN'"), refused, itself),
        (&ALL, says("ERR SCAN is not supported"), refused, itself),
        // What twemproxy does.
        (
            &ALL,
            Fault::Before(End::Close),
            "the connection broke",
            itself,
        ),
        // The replies of two servers, which Envoy puts together.
        (
            &["SCAN"],
            Fault::Says(of_two_servers.into()),
            "does not speak the protocol of Redis",
            "that no proxy is in between",
        ),
    ] {
        let rule = |command: &&'static str| Rule {
            command,
            times: 0..usize::MAX,
            onwards: false,
            fault: fault.clone(),
        };
        let proxy = RedisProxy::new(&redis, commands.iter().map(rule).collect());
        let words = [said, "proxy", hint];
        fails(&kamailio.rpc_url(), &proxy.url(), &[], &words);
    }
}

#[test]
fn a_name_that_does_not_resolve() {
    let lab = Lab::drifted();
    let words = ["its name does not resolve", "getent hosts NAME"];
    let nowhere = "redis://no.such.name.invalid:6379";
    fails(&lab.kamailio.rpc_url(), nowhere, &[], &words);
    let nowhere = "http://no.such.name.invalid:5060/rpc";
    fails(nowhere, &lab.redis.url(), &[], &words);
}

#[test]
fn a_cluster_that_announces_an_address_that_nobody_reaches() {
    let hanging = TcpStub::hangs_after(b"");
    for (port, said, args) in [
        (hanging.port(), "no answer within 1s", &["--timeout=1s"][..]),
        (free_port(), "cannot connect", &[]),
    ] {
        let redis = Redis::with(RedisOptions {
            extra: vec![
                "cluster-enabled yes".into(),
                format!("cluster-announce-port {port}"),
            ],
            ..RedisOptions::default()
        });
        redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        let words = [said, "cluster-announce-ip"];
        let args = [args, &["--redis-cluster"]].concat();
        fails("http://127.0.0.1:1/rpc", &redis.url(), &args, &words);
    }
}

#[test]
fn a_sentinel_that_tells_an_address_that_nobody_reaches() {
    let hanging = TcpStub::hangs_after(b"");
    let ask = "*2\r\n$9\r\n127.0.0.1\r\n$";
    for (port, said, args) in [
        (hanging.port(), "no answer within 1s", &["--timeout=1s"][..]),
        (free_port(), "cannot connect", &[]),
    ] {
        let port = port.to_string();
        let answer = format!("{ask}{}\r\n{port}\r\n", port.len());
        let sentinel = TcpStub::hangs_after(answer.as_bytes());
        let words = [
            said,
            "which the sentinels call master of mymaster",
            "sentinel monitor",
        ];
        let args = [args, &["--redis-sentinel=mymaster"]].concat();
        fails(
            "http://127.0.0.1:1/rpc",
            &sentinel.redis_url(),
            &args,
            &words,
        );
    }
}

#[test]
fn a_kamailio_without_shared_memory() {
    let kamailio = Kamailio::start(
        &KamailioOptions {
            shared_memory_mb: 6,
            ..KamailioOptions::default()
        },
        None,
    );
    let redis = Redis::start();
    redis.add("ONLINE:abc.voip.ca", "gone");
    let mut users = 0..50_000;
    let full = |user: u32| {
        let user = user.to_string();
        kamailio.register_raw(user.as_bytes(), "abc.voip.ca") != 200
    };
    assert!(users.any(full), "6 MB hold some 5,000 users");
    let words = [
        "closed the connection without an answer",
        "shared memory (-m",
        "shm pool",
    ];
    fails(&kamailio.rpc_url(), &redis.url(), &[], &words);
    assert!(kamailio.log().contains("shm pool"));
}

#[test]
fn a_unix_socket_that_is_not_for_everybody_is_told_as_such() {
    let (kamailio, redis) = site(&[]);
    let (kamailio, socket) = (kamailio.rpc_url(), redis.socket());
    let url = format!("unix://{}", socket.display());
    let args = ["--kamailio", &kamailio, "--redis", &url];
    let directory = socket.parent().unwrap();
    let allow =
        |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for (of_directory, of_socket) in [(0o600, 0o700), (0o711, 0o000)] {
        allow(&socket, of_socket);
        allow(directory, of_directory);
        let run = kamonline_of_nobody(&args);
        allow(directory, 0o700);
        let run = run.expect(1);
        for part in [
            "cannot connect (Permission denied",
            "nothing was changed",
            "the group of the socket (unixsocketperm in redis.conf)",
        ] {
            let modes = format!("{of_directory:o} {of_socket:o}");
            assert!(run.stderr.contains(part), "{modes}: {}", run.stderr);
        }
    }
}

/// As a user whom permissions bind, which they do not root.
fn kamonline_of_nobody(args: &[&str]) -> Run {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return kamonline(args);
    }
    // They can read no other copy of the program.
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("kamonline");
    // By another process: a file that this one has open for writing cannot be run, and a fork of another test keeps it open.
    let copied = Command::new("cp")
        .args([env!("CARGO_BIN_EXE_kamonline").as_ref(), program.as_path()])
        .status();
    assert!(copied.unwrap().success());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(program).args(args);
    command
        .env("KAMONLINE_MIN_UPTIME", "0s")
        .output()
        .unwrap()
        .into()
}

#[test]
fn a_connect_that_nobody_answers_is_told_as_one() {
    let (kamailio, redis) = site(&[]);
    let silent = Redis::with(RedisOptions {
        extra: vec!["tcp-backlog 1".into()],
        ..RedisOptions::default()
    });
    silent.pause();
    // The kernel drops what comes when the queue is full, as a firewall does.
    let address = SocketAddr::from(([127, 0, 0, 1], silent.port()));
    let wait = Duration::from_millis(300);
    let queue: Vec<_> = (0..10)
        .map_while(|_| TcpStream::connect_timeout(&address, wait).ok())
        .collect();
    assert!(queue.len() < 10, "the queue is full");
    let args = ["--timeout=1s"];
    let words = ["cannot connect (no answer within 900ms)", "a firewall"];
    fails(
        &format!("http://{address}/rpc"),
        &redis.url(),
        &args,
        &words,
    );
    let words = ["no answer within 1s", "behind a firewall"];
    fails(&kamailio.rpc_url(), &silent.url(), &args, &words);
}
