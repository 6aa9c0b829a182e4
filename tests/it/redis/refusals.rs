//! What a Redis refuses of a part: its socket, one key, what is to be added.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::lab::{
    Kamailio, KamailioOptions, Lab, Redis, RedisOptions, Run, kamonline, kamonline_for_everybody,
};

#[test]
fn a_unix_socket_that_is_not_for_everybody_is_told_as_such() {
    let lab = Lab::drifted();
    let (kamailio, redis) = (&lab.kamailio, &lab.redis);
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
    let (_dir, program) = kamonline_for_everybody();
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
fn redis_is_out_of_memory_for_the_missing() {
    let redis = Redis::with(RedisOptions {
        maxmemory: Some("1kb".into()),
        ..RedisOptions::default()
    });
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    kamailio.register("100@abc.voip.ca");
    let servers = ["--kamailio", &kamailio.rpc_url(), "--redis", &redis.url()];
    let run = kamonline(&[&servers[..], &["--add-missing"]].concat()).expect(1);
    assert!(run.stderr.contains("out of memory"), "{}", run.stderr);
    assert!(run.stderr.contains("0 of 1 were added"), "{}", run.stderr);
    assert!(run.stderr.contains("raise maxmemory"), "{}", run.stderr);
}

#[test]
fn a_key_of_another_type_is_named_and_the_rest_goes_on() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.redis.add("ONLINE:abc.voip.ca", "dead");
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
