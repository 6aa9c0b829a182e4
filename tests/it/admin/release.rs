//! A binary of contrib/release, run where tests/release has put it: in other Debians, and under qemu.

use std::process::Command;

use crate::lab::{Lab, Run};

/// What runs it: `chroot /tmp/debian-11 kamonline`.
fn released(lab: &Lab, args: &[&str]) -> Run {
    let kamonline = std::env::var("RELEASED").expect("tests/release sets RELEASED");
    let mut words = kamonline.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(["--min-uptime", "0s"]);
    command.args(["--kamailio", &lab.kamailio.rpc_url()]);
    command.args(["--redis", &lab.redis.url()]);
    command.args(args).output().unwrap().into()
}

#[test]
#[ignore = "needs a binary of contrib/release: tests/release"]
fn it_looks_and_removes() {
    let lab = Lab::drifted();
    let board = || lab.redis.members("ONLINE:abc.voip.ca");
    let look = released(&lab, &["--dry-run"]).expect(0).stdout;
    assert!(look.contains("1 stale user to remove"), "{look}");
    assert_eq!(board(), ["100", "101"]);
    released(&lab, &[]).expect(0);
    assert_eq!(board(), ["100"]);
}
