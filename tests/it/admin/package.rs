//! A package, installed on a machine with systemd: tests/deb and tests/rpm boot it, install the package, and run these
//! one after the other.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::lab::{Kamailio, KamailioOptions, Lab, Redis, RedisOptions, Run, until};
use crate::readme::readme_blocks;

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

/// What sh would expand.
const PASSWORD: &str = "se$cret";
const DOMAIN: &str = "KAMONLINE_DEFAULT_DOMAIN='voip.ca'";

/// The block of README.md that has these words.
fn readme_block(words: &str) -> String {
    let mut blocks = readme_blocks("sh").into_iter();
    let block = blocks.find(|block| block.contains(words));
    block.unwrap_or_else(|| panic!("README.md has no block with {words}"))
}

/// Types a block of README.md as an administrator who has sudo.
fn type_block(words: &str) -> Run {
    type_text(&readme_block(words))
}

/// tests/first-hour installs packages, too.
fn type_text(text: &str) -> Run {
    let admin = "cd /usr/share/doc/kamonline/examples && runuser -u admin -- sh -ec \"$(cat)\"";
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("sudo apt install"));
    machine_with(admin, &lines.collect::<Vec<_>>().join("\n")).expect(0)
}

/// README's block that makes the account and the settings, for this lab's servers, with further settings.
fn account_and_settings(lab: &Lab, settings: &str) -> String {
    let further = format!("\nKAMONLINE_MIN_UPTIME='0s'\n{settings}END\n");
    readme_block("useradd")
        .replace("127.0.0.1:5060", &lab.kamailio.address().to_string())
        .replace("127.0.0.1:6379", &format!("127.0.0.1:{}", lab.redis.port()))
        .replace("\nEND\n", &further)
}

/// A lab whose board is wrong, with README's Redis user; and README's settings for it, which only root can read.
fn drifted(settings: &str) -> Lab {
    let typed = readme_block("ACL SETUSER");
    let line = typed
        .lines()
        .find_map(|line| line.strip_prefix("redis-cli ACL SETUSER "));
    let acl = line.unwrap().replace(['"', '\''], "");
    let redis = Redis::with(RedisOptions {
        acl: vec![acl.replace("$password", PASSWORD)],
        ..RedisOptions::default()
    });
    let options = KamailioOptions {
        use_domain: false,
        ..KamailioOptions::default()
    };
    let kamailio = Kamailio::start(&options, Some(&redis));
    let lab = Lab { kamailio, redis };
    lab.register("100@voip.ca");
    lab.register("102@voip.ca");
    lab.redis.command(&["SREM", "ONLINE:voip.ca", "102"]);
    lab.redis.add("ONLINE:voip.ca", "101");

    let typed = account_and_settings(&lab, settings);
    let (_, text) = typed.split_once("<<END\n").unwrap();
    let text = text.strip_suffix("END\n").unwrap();
    let text = text
        .replace("$password", PASSWORD)
        .replace("${domain:+KAMONLINE_DEFAULT_DOMAIN='$domain'}", DOMAIN);
    machine_with("install -m 600 /dev/stdin /etc/kamonline.env", &text).expect(0);
    lab
}

impl Lab {
    fn board(&self) -> Vec<String> {
        self.redis.members("ONLINE:voip.ca")
    }
}

/// The account of README.md, which can read the settings and write metrics, for as long as this lives.
struct Account;

impl Account {
    fn new(lab: &Lab, settings: &str) -> Self {
        let set = format!("password='{PASSWORD}' domain=voip.ca\n");
        type_text(&(set + &account_and_settings(lab, settings)));
        // As prometheus-node-exporter has it.
        machine(&format!("install -d {METRICS}")).expect(0);
        type_block("node-exporter");
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
fn what_readme_types_works_as_it_stands() {
    machine(&format!("systemctl disable --now {TIMER}")).expect(0);
    let lab = drifted("");
    let account = Account::new(&lab, "KAMONLINE_SETTLE='0s'\n");
    let settings = machine("stat -c '%a %U %G' /etc/kamonline.env").stdout;
    assert_eq!(settings, "640 root kamonline\n");
    let written = format!("test -s {METRICS}/kamonline.prom && rm {METRICS}/kamonline.prom");

    let look = type_block("sudo kamonline --dry-run -v").stdout;
    assert!(look.contains("1 stale user to remove"), "{look}");
    machine(&written).expect(0);

    type_block("cron.d");
    let crontab = machine("cat /etc/cron.d/kamonline; rm /etc/cron.d/kamonline").stdout;
    assert_eq!(crontab, include_str!("../../../crontab.example"));
    account.cron().expect(0);
    assert_eq!(lab.board(), ["100", "102"]);
    machine(&written).expect(0);

    lab.redis.add("ONLINE:voip.ca", "104");
    until("the journal shows it", || {
        let journal = type_block("systemctl enable").stdout;
        journal.contains("  - 104")
    });
    assert_eq!(lab.board(), ["100", "102"]);
    machine(&written).expect(0);
    let timer = machine(&format!(
        "systemctl is-enabled {TIMER}; systemctl is-active {TIMER}"
    ));
    assert_eq!(timer.stdout, "enabled\nactive\n");
}

/// crontab.example stands alone, too.
#[test]
fn crontab_example_says_the_same_as_readme() {
    let crontab = include_str!("../../../crontab.example");
    let typed = readme_blocks("sh").concat();
    let commands = crontab
        .lines()
        .filter_map(|line| line.trim_start_matches(['#', ' ']).split("  ").next())
        .filter(|line| line.starts_with("useradd ") || line.starts_with("install "));
    assert_eq!(commands.clone().count(), 3);
    for command in commands {
        assert!(typed.contains(&format!("sudo {command}")), "{command}");
    }
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
    let lab = drifted("");
    let account = Account::new(&lab, "KAMONLINE_SETTLE='5s'\n");

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
    lab.redis.add("ONLINE:voip.ca", "103");
    assert_eq!(account.cron().code, 1);
    assert!(lab.board().contains(&"103".into()), "{:?}", lab.board());
    // Metrics are written before it lets go of the lock.
    let state = format!("systemctl is-active {SERVICE}");
    until("its run ends", || {
        machine(&state).stdout.trim() == "inactive"
    });
    machine(&format!("test -s {metrics}")).expect(0);

    account.cron().expect(0);
    assert_eq!(lab.board(), ["100", "102"]);
}

#[test]
#[ignore = "needs a machine with the package: tests/deb, tests/rpm"]
fn timer_cron_and_hand_read_the_same_settings() {
    let lab = drifted("export KAMONLINE_KEEP_STALE=1\n");
    machine(&format!("systemctl start {SERVICE}")).expect(0);
    assert_eq!(lab.board(), ["100", "101", "102"]);

    // For sh this sets one user, and runs a command: nothing runs without the setting.
    let lab = drifted("");
    let account = Account::new(&lab, "KAMONLINE_EXCLUDE_USER=101 103\n");
    machine(&format!("systemctl start {SERVICE}")).expect(1);
    let journal = machine(&format!(
        "journalctl --sync; journalctl -u {SERVICE} -o cat"
    ));
    let told = "KAMONLINE_EXCLUDE_USER: sh would run what follows the blank";
    assert!(journal.stdout.contains(told), "{}", journal.stdout);
    for run in [account.cron(), machine("kamonline --dry-run")] {
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains(told), "{}", run.stderr);
    }
    assert_eq!(lab.board(), ["100", "101"]);
}

/// In words, and not as a step of systemd's that failed.
#[test]
#[ignore = "needs a machine with the package: tests/deb, tests/rpm"]
fn without_the_settings_the_service_does_not_start() {
    machine("mv /etc/kamonline.env /run/kept 2>/dev/null; true");
    let run = machine(&format!("systemctl start {SERVICE}"));
    let state = machine(&format!("systemctl status {SERVICE}")).stdout;
    machine("mv /run/kept /etc/kamonline.env 2>/dev/null; true");
    assert_ne!(run.code, 0);
    assert!(
        state.contains("AssertPathExists=/etc/kamonline.env was not met"),
        "{state}"
    );
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
    let state = || machine(&format!("systemctl is-active {SERVICE}")).stdout;
    assert_eq!(state(), "activating\n");
    let timer = machine(&format!(
        "systemctl is-enabled {TIMER}; systemctl is-active {TIMER}; systemctl show -p NeedDaemonReload --value {TIMER}"
    ));
    assert_eq!(timer.stdout, "enabled\nactive\nno\n");
    let after = machine("cat /etc/kamonline.env; stat -c %A%u%g /etc/kamonline.env").stdout;
    assert_eq!(settings, after);
    until("the run ends", || state() != "activating\n");
    assert_eq!(lab.board(), ["100", "102"]);
}

/// What is copied from the examples is what the tests tried.
#[test]
#[ignore = "needs a machine with the package: tests/deb, tests/rpm"]
fn the_installed_examples_are_ours() {
    for name in [
        "crontab.example",
        "kamailio.cfg.example",
        "contrib/alerts.yml",
        "contrib/board/index.php",
        "contrib/board/README.md",
        "contrib/kemi.py",
        "contrib/one-domain.patch",
        "contrib/several-domains.patch",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let file = name.trim_start_matches("contrib/");
        let theirs = machine(&format!("cat /usr/share/doc/kamonline/examples/{file}"));
        assert!(theirs.stdout_raw == fs::read(&path).unwrap(), "{name}");
    }
}
