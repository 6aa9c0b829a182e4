//! /etc/kamonline.env, in an /etc of its own: by hand as by cron and systemd, and under the lines of older versions.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::lab::{Lab, Run, kamonline_for_everybody, temp_dir};

/// An account that may read no file of mode 600.
const AS_NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups";

/// Runs a shell's command where /etc/kamonline.env is this text with this mode, and nowhere else. `$kamonline` is the program.
fn with_file_of_the_machine(text: &str, mode: u32, command: &str) -> Run {
    let (dir, _) = kamonline_for_everybody();
    let file = dir.path().join("kamonline.env");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    // Another /etc, for the file need not be there on this machine. The mounts are this process's own.
    let script = "cp -a /etc \"$0/etc\" && cp -p \"$0/kamonline.env\" \"$0/etc/\" && mount --bind \"$0/etc\" /etc && exec sh -c \"$1\"";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script])
        .arg(dir.path())
        .arg(command)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    output.into()
}

#[test]
#[ignore = "needs root: tests/admin"]
fn by_hand_and_by_cron_the_file_of_the_machine_is_read_and_who_may_not_is_told() {
    let lab = Lab::drifted();
    let text = lab.settings_file("");
    let by_hand = with_file_of_the_machine(&text, 0o600, "kamonline --dry-run").expect(0);
    assert!(by_hand.stdout.contains("  - 101"), "{}", by_hand.stdout);

    let run = with_file_of_the_machine(&text, 0o600, &format!("{AS_NOBODY} kamonline --dry-run"))
        .expect(2);
    for part in [
        "/etc/kamonline.env: Permission denied",
        "hint: run it as root, sudo kamonline",
        "chgrp kamonline /etc/kamonline.env && chmod 640 /etc/kamonline.env",
    ] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
    // A crontab that obeys would drop all of the file.
    assert!(!run.stderr.contains("none"), "{}", run.stderr);
    let run = with_file_of_the_machine("KAMONLINE_REDIS=$x", 0o600, "kamonline").expect(2);
    assert!(
        run.stderr
            .starts_with("kamonline: error: /etc/kamonline.env, line 1: "),
        "{}",
        run.stderr
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);
}

/// An account that may read the file, and one to which systemd hands it.
#[test]
#[ignore = "needs root: tests/admin"]
fn the_cron_line_and_the_unit_put_a_board_right() {
    let line_of = |text: &str, begins: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(begins));
        lines.next().unwrap().to_owned()
    };
    let cron = include_str!("../../../crontab.example");
    let cron = line_of(cron, "*/10 * * * * kamonline ");
    let unit = include_str!("../../../contrib/systemd/kamonline.service");
    let unit = format!(
        "exec {AS_NOBODY} {} </etc/kamonline.env",
        line_of(unit, "ExecStart=")
    );
    for line in [&cron, &unit] {
        let lab = Lab::drifted();
        let text = lab.settings_file("KAMONLINE_EXCLUDE_USER='$x.*'\n");
        let run = with_file_of_the_machine(&text, 0o600, line).expect(0);
        assert_eq!(run.stderr, "", "{line}");
        assert_eq!(
            lab.redis.members("ONLINE:abc.voip.ca"),
            ["100", "102"],
            "{line}"
        );
        let wrong = with_file_of_the_machine("KAMONLINE_REDIS=$x", 0o600, line).expect(2);
        assert!(
            wrong
                .stderr
                .contains(", line 1: KAMONLINE_REDIS: sh would expand"),
            "{}",
            wrong.stderr
        );
    }
}

/// As they stand in crontab.example, README.md and the units of older versions.
#[test]
#[ignore = "needs root: tests/admin"]
fn the_lines_of_older_versions_go_on_working() {
    let cron = [
        "set -a; . /etc/kamonline.env; flock -n /etc/kamonline.env kamonline --quiet --add-missing",
        "set -ae; . /etc/kamonline.env; flock -n /etc/kamonline.env kamonline --quiet --add-missing",
    ];
    let unit = &format!(
        "exec {AS_NOBODY} /bin/sh -aec 'flock -n 0 || exit 75; eval \"$(cat)\"; \
         exec kamonline --quiet --add-missing' </etc/kamonline.env"
    );
    let first_unit =
        &format!("set -a; . /etc/kamonline.env; exec {AS_NOBODY} kamonline --quiet --add-missing");
    for line in [cron[0], cron[1], unit, first_unit] {
        // Only sh makes sense of this one.
        let lab = Lab::drifted();
        let text = lab.settings_file("COMMENT=\"$(id -un)\"; export COMMENT\n");
        let run = with_file_of_the_machine(&text, 0o600, line).expect(0);
        assert_eq!(run.stderr, "", "{line}");
        assert_eq!(
            lab.redis.members("ONLINE:abc.voip.ca"),
            ["100", "102"],
            "{line}"
        );
    }
    // Without a server in it, an account that may not open it reads what it has on standard input. A variable alone does not
    // stand for the file.
    let text = "KAMONLINE_CHECKED_KEY='ONLINE:x'\n";
    let alone = format!("KAMONLINE_RETRIES=1 {AS_NOBODY} kamonline --dry-run");
    for (line, told) in [
        (unit, "--checked-key ONLINE:x"),
        (&alone, "/etc/kamonline.env: Permission denied"),
    ] {
        let run = with_file_of_the_machine(text, 0o600, line).expect(2);
        assert!(run.stderr.contains(told), "{line}: {}", run.stderr);
    }
}

#[test]
#[ignore = "needs root: tests/admin"]
fn a_look_on_a_terminal_writes_no_metrics() {
    let lab = Lab::drifted();
    let text = lab.settings_file("");
    let dir = temp_dir();
    let metrics = dir.path().join("kamonline.prom");
    let text = format!("{text}KAMONLINE_METRICS_FILE='{}'\n", metrics.display());
    let run = |command: &str| with_file_of_the_machine(&text, 0o600, command).expect(0);
    run("script -qec 'kamonline --dry-run' /dev/null");
    assert!(!metrics.exists());
    run("kamonline --dry-run");
    assert!(metrics.exists());
    fs::remove_file(&metrics).unwrap();
    run("script -qec 'kamonline' /dev/null");
    assert!(metrics.exists());
}
