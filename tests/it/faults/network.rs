//! Nobody but Kamailio and Redis hears of a run.

use std::process::{Command, Stdio};

use crate::lab::{Lab, program, temp_dir};

#[test]
fn nothing_but_the_two_servers_is_contacted() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.redis.add("ONLINE:abc.voip.ca", "gone");
    let (dir, kamailio, redis) = (temp_dir(), lab.kamailio.rpc_url(), lab.redis.url());
    let calls = dir.path().join("calls");
    let mut strace = Command::new(program("strace", "strace"));
    strace
        .args(["-f", "-qq", "-e", "trace=network", "-o"])
        .arg(&calls);
    strace.arg(env!("CARGO_BIN_EXE_kamonline"));
    strace.args(["--kamailio", &kamailio, "--redis", &redis]);
    strace.args(["--settle=0s", "--min-uptime=0s"]);
    let status = strace.env_clear().stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100"]);

    let calls = std::fs::read_to_string(&calls).unwrap();
    let servers = [lab.kamailio.address().port(), lab.redis.port()].map(|port| {
        format!("{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr(\"127.0.0.1\")}}")
    });
    let calls_to = |call: &&str| {
        call.contains("sa_family=")
            && ["connect(", "sendto(", "bind("]
                .iter()
                .any(|name| call.contains(name))
    };
    let addresses: Vec<_> = calls.lines().filter(calls_to).collect();
    assert!(addresses.len() >= 2, "{calls}");
    for call in addresses {
        assert!(servers.iter().any(|server| call.contains(server)), "{call}");
    }
    // A name would be asked for over UDP, and nobody waits to be called.
    assert!(
        !calls.contains("SOCK_DGRAM") && !calls.contains("listen("),
        "{calls}"
    );
}
