//! A package, installed on a machine with systemd: tests/deb and tests/rpm boot it, install the package, and run these
//! one after the other.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::lab::{Lab, Run, until};

const SERVICE: &str = "kamonline.service";
const TIMER: &str = "kamonline.timer";
const METRICS: &str = "/var/lib/prometheus/node-exporter";

/// Runs a shell's command on the machine, whose first process has this id here.
fn machine(command: &str) -> Run {
    machine_with(command, "")
}

fn machine_with(command: &str, input: &str) -> Run {
    let pid = std::env::var("MACHINE").expect("tests/deb and tests/rpm set MACHINE");
    let mut child = Command::new("nsenter")
        .args(["--target", &pid, "--all", "--wd", "--"])
        .args(["sh", "-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

/// A lab whose board is wrong, and settings for it that only root can read.
fn drifted(settings: &str) -> Lab {
    let lab = Lab::drifted();
    let (kamailio, redis) = (lab.kamailio.rpc_url(), lab.redis.url());
    let text = format!(
        "KAMONLINE_KAMAILIO='{kamailio}'\nKAMONLINE_REDIS='{redis}'\nKAMONLINE_MIN_UPTIME='0s'\n{settings}"
    );
    let install = "install -m 600 /dev/stdin /etc/kamonline.env";
    machine_with(install, &text).expect(0);
    lab
}

impl Lab {
    fn board(&self) -> Vec<String> {
        self.redis.members("ONLINE:abc.voip.ca")
    }
}

/// The account of crontab.example, which can read the settings and write metrics, for as long as this lives.
struct Account;

impl Account {
    fn new() -> Self {
        let crontab = include_str!("../../../crontab.example");
        let useradd = crontab
            .lines()
            .find(|line| line.contains("useradd"))
            .unwrap();
        machine(useradd.trim_start_matches(['#', ' '])).expect(0);
        machine("chgrp kamonline /etc/kamonline.env && chmod 640 /etc/kamonline.env").expect(0);
        let metrics = format!("install -d -g kamonline -m 775 {METRICS}");
        machine(&metrics).expect(0);
        Account
    }

    /// What cron runs for it: the last field of the line in crontab.example.
    fn cron(&self) -> Run {
        let crontab = include_str!("../../../crontab.example");
        let begins = "*/10 * * * * kamonline ";
        let line = crontab.lines().find_map(|line| line.strip_prefix(begins));
        machine(&format!(
            "runuser -u kamonline -- sh -c '{}'",
            line.unwrap()
        ))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        machine("userdel kamonline; rm -rf /var/lib/prometheus");
    }
}

#[test]
#[ignore = "needs a machine with the package: tests/deb, tests/rpm"]
fn the_service_puts_a_set_right_without_any_account() {
    let lab = drifted("KAMONLINE_SETTLE='0s'\n");
    machine(&format!("systemctl start {SERVICE}")).expect(0);
    assert_eq!(lab.board(), ["100", "102"]);
}

#[test]
#[ignore = "needs a machine with the package: tests/deb, tests/rpm"]
fn the_timer_starts_it() {
    let lab = drifted("KAMONLINE_SETTLE='0s'\n");
    let hurry = "[Timer]\nOnCalendar=*:*:*\nAccuracySec=100ms\nRandomizedDelaySec=0\n";
    let dir = format!("/run/systemd/system/{TIMER}.d");
    let install = format!(
        "mkdir -p {dir} && cat >{dir}/hurry.conf && systemctl daemon-reload && systemctl start {TIMER}"
    );
    machine_with(&install, hurry).expect(0);
    until("the timer starts a run", || lab.board() == ["100", "102"]);
    machine(&format!(
        "systemctl stop {TIMER} {SERVICE}; rm -r {dir}; systemctl daemon-reload"
    ))
    .expect(0);
}

#[test]
#[ignore = "needs a machine with the package: tests/deb, tests/rpm"]
fn timer_cron_and_hand_do_not_overlap() {
    let metrics = format!("{METRICS}/kamonline.prom");
    let lab = drifted(&format!(
        "KAMONLINE_SETTLE='5s'\nKAMONLINE_METRICS_FILE='{metrics}'\n"
    ));
    let account = Account::new();

    // Somebody runs it by hand: neither the service nor cron starts another, and no metrics tell of a run.
    let by_hand = "setsid flock /etc/kamonline.env sh -c 'touch /run/locked; sleep 60' >/dev/null 2>&1 & \
                   echo $!; until test -e /run/locked; do sleep 0.1; done; rm /run/locked";
    let holder = machine(by_hand).expect(0).stdout;
    machine(&format!("systemctl start {SERVICE}")).expect(0);
    assert_eq!(account.cron().code, 1);
    assert_eq!(lab.board(), ["100", "101"]);
    machine(&format!("test -e {metrics}")).expect(1);
    let journal = machine(&format!(
        "journalctl --sync; journalctl -u {SERVICE} -o cat"
    ))
    .stdout;
    assert!(journal.contains("another run is going on"), "{journal}");
    machine(&format!("kill -- -{}", holder.trim())).expect(0);

    // The service waits for its second look: cron starts no other.
    machine(&format!("systemctl start --no-block {SERVICE}")).expect(0);
    until("101 is removed", || !lab.board().contains(&"101".into()));
    lab.redis.add("ONLINE:abc.voip.ca", "103");
    assert_eq!(account.cron().code, 1);
    assert!(lab.board().contains(&"103".into()), "{:?}", lab.board());
    until("its run ends", || {
        machine(&format!("test -s {metrics}")).code == 0
    });

    account.cron().expect(0);
    assert_eq!(lab.board(), ["100", "102"]);
}

#[test]
#[ignore = "needs a machine with the package: tests/deb, tests/rpm"]
fn what_an_upgrade_finds_goes_on() {
    let lab = drifted("KAMONLINE_SETTLE='5s'\n");
    machine(&format!("systemctl enable --now {TIMER}")).expect(0);
    machine(&format!("systemctl start --no-block {SERVICE}")).expect(0);
    until("101 is removed", || !lab.board().contains(&"101".into()));
    let settings = machine("cat /etc/kamonline.env; stat -c %A%u%g /etc/kamonline.env").stdout;

    let upgrade = std::env::var("UPGRADE").expect("tests/deb and tests/rpm set UPGRADE");
    machine(&upgrade).expect(0);
    assert_eq!(
        machine(&format!("systemctl is-active {SERVICE}"))
            .stdout
            .trim(),
        "activating"
    );
    let timer = machine(&format!(
        "systemctl is-enabled {TIMER}; systemctl is-active {TIMER}; systemctl show -p NeedDaemonReload --value {TIMER}"
    ));
    assert_eq!(timer.stdout, "enabled\nactive\nno\n");
    let after = machine("cat /etc/kamonline.env; stat -c %A%u%g /etc/kamonline.env").stdout;
    assert_eq!(settings, after);
    until("the run ends", || lab.board() == ["100", "102"]);
}

/// What is copied from the examples is what the tests tried.
#[test]
#[ignore = "needs a machine with the package: tests/deb, tests/rpm"]
fn the_installed_examples_are_ours() {
    for name in [
        "crontab.example",
        "kamailio.cfg.example",
        "contrib/alerts.yml",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let file = path.file_name().unwrap().to_str().unwrap();
        let theirs = machine(&format!("cat /usr/share/doc/kamonline/examples/{file}"));
        assert!(theirs.stdout_raw == fs::read(&path).unwrap(), "{name}");
    }
}
