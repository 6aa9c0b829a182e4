//! The Debian package, installed: tests/deb builds it, installs it, runs this, and removes it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::lab::{Lab, Run};

#[test]
#[ignore = "needs the package installed: tests/deb"]
fn the_installed_program_puts_a_set_right() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.redis.add("ONLINE:abc.voip.ca", "101");
    let run: Run = Command::new("/usr/bin/kamonline")
        .args(["--settle=0s", "--min-uptime=0s"])
        .args(["--kamailio", &lab.kamailio.rpc_url()])
        .env_clear()
        .env("KAMONLINE_REDIS", lab.redis.url())
        .output()
        .unwrap()
        .into();
    assert!(run.expect(0).stdout.contains("removed 1 stale user"));
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100"]);
}

/// What is copied from the examples is what the tests tried.
#[test]
#[ignore = "needs the package installed: tests/deb"]
fn the_installed_examples_are_ours() {
    for name in ["crontab.example", "kamailio.cfg.example"] {
        let ours = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        let theirs = fs::read(format!("/usr/share/doc/kamonline/examples/{name}")).unwrap();
        assert!(ours == theirs, "{name}");
    }
}
