//! The settings file: by hand as by cron and systemd, and the lines of older versions beside it.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use kamonline::settings::{self, Cli, Settings, SettingsError};

use crate::lab::{Lab, Redis, Run, kamonline_command, kamonline_env, temp_dir};

/// What is set when this is the settings file of the machine.
fn read(text: &str, args: &[&str], environment: &[(&str, &str)]) -> Result<Settings, String> {
    let dir = temp_dir();
    let file = dir.path().join("kamonline.env");
    fs::write(&file, text).unwrap();
    let args = ["kamonline"].iter().chain(args).map(Into::into).collect();
    let pair = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
    let read = settings::read(&Cli::command(), args, environment.iter().map(pair), &file);
    read.map_err(|unread| match unread {
        SettingsError::Clap(error) => error.to_string(),
        SettingsError::Failure(failure) => {
            let place = format!("{}/", dir.path().display());
            failure.to_string().replace(&place, "") + "\n" + &failure.hint.unwrap_or_default()
        }
    })
}

fn prefix(settings: &Settings) -> String {
    settings
        .matches
        .get_one::<String>("prefix")
        .unwrap()
        .clone()
}

#[test]
fn it_is_read_unless_a_server_is_named() {
    let file = "KAMONLINE_PREFIX='file:'\n";
    let on_command_line = [
        "--kamailio=http://127.0.0.1:1/rpc",
        "--redis=redis://127.0.0.1:1",
    ];
    for arg in on_command_line {
        assert_eq!(prefix(&read(file, &[arg], &[]).unwrap()), "ONLINE:");
    }
    for name in ["KAMONLINE_KAMAILIO", "KAMONLINE_REDIS"] {
        let settings = read(file, &[], &[(name, "x")]).unwrap();
        assert_eq!(prefix(&settings), "ONLINE:");
    }
    for (args, environment, right) in [
        (&[][..], &[][..], "file:"),
        (&["--dry-run"], &[("KAMONLINE_RETRIES", "1")], "file:"),
        (&[], &[("KAMONLINE_PREFIX", "environment:")], "environment:"),
        (
            &["--prefix=line:"],
            &[("KAMONLINE_PREFIX", "environment:")],
            "line:",
        ),
        (&["--settings=none"], &[], "ONLINE:"),
        (&[], &[("KAMONLINE_SETTINGS", "none")], "ONLINE:"),
    ] {
        assert_eq!(prefix(&read(file, args, environment).unwrap()), right);
    }
    // Who asks for a text gets it, whatever stands there.
    read("no line", &["--generate=man"], &[]).unwrap();
    let absent = Path::new("/nowhere/kamonline.env");
    let none = std::iter::empty();
    assert!(settings::read(&Cli::command(), vec!["kamonline".into()], none, absent).is_ok());
}

#[test]
fn the_command_line_wins_a_conflict_and_the_last_line_counts() {
    let file = "KAMONLINE_QUIET=1\nKAMONLINE_DOMAIN='a,b'\nexport KAMONLINE_DOMAIN='c'\n";
    let settings = read(file, &["--verbose"], &[]).unwrap();
    assert!(!settings.matches.get_flag("quiet") && settings.matches.get_flag("verbose"));
    let domains: Vec<_> = settings
        .matches
        .get_many::<String>("domain")
        .unwrap()
        .collect();
    assert_eq!(domains, ["c"]);
}

#[test]
fn an_error_names_the_file_and_the_line() {
    for (line, told) in [
        (
            "KAMONLINE_PREFIX=",
            "KAMONLINE_PREFIX is empty\ngive it a value",
        ),
        (
            "KAMONLINE_DRY_RUN='maybe'",
            "KAMONLINE_DRY_RUN is neither on",
        ),
        ("KAMONLINE_DOMAIN=\"'a'\"", "KAMONLINE_DOMAIN is in quotes"),
        (
            "KAMONLINE_DRYRUN=1",
            "KAMONLINE_DRYRUN is no setting of kamonline\nrename it to KAMONLINE_DRY_RUN",
        ),
        (
            "KAMONLINE_REDIS_PASSWORD=s3cret",
            "KAMONLINE_REDIS_PASSWORD is no setting of kamonline",
        ),
        (
            "KAMONLINE_SETTINGS='/x'",
            "KAMONLINE_SETTINGS: a settings file names no other",
        ),
        (
            "KAMONLINE_EXCLUDE_USER=101 103",
            "KAMONLINE_EXCLUDE_USER: sh would run what follows",
        ),
        ("set -a", "it sets nothing\nwrite NAME='value'"),
    ] {
        let wrong = read(&format!("\n# x\n{line}\n"), &[], &[]).err().unwrap();
        let told = format!("kamonline.env, line 3: {told}");
        assert!(
            wrong.starts_with(&told) && !wrong.contains("s3c"),
            "{wrong}"
        );
    }
    let wrong = read("KAMONLINE_RETRIES='x'", &[], &[]).err().unwrap();
    assert!(
        wrong.contains("kamonline.env, line 1: KAMONLINE_RETRIES (--retries)"),
        "{wrong}"
    );
    let others = read("PATH='/bin'\nKAMONLINE_OPTS='-n'\n", &[], &[]).unwrap();
    let warnings = others.warnings.join("\n");
    for told in [
        "line 1: PATH is no setting",
        "line 2: KAMONLINE_OPTS is no setting",
    ] {
        assert!(warnings.contains(told), "{warnings}");
    }
}

/// A drifted board, and its settings file.
fn site(settings: &str) -> (Lab, String) {
    let lab = Lab::drifted();
    let (kamailio, redis) = (lab.kamailio.rpc_url(), lab.redis.url());
    let text = format!(
        "KAMONLINE_KAMAILIO='{kamailio}'\nKAMONLINE_REDIS='{redis}'\nKAMONLINE_SETTLE='0s'\nKAMONLINE_MIN_UPTIME='0s'\n{settings}"
    );
    (lab, text)
}

#[test]
fn a_file_that_is_named_or_comes_on_standard_input_puts_a_board_right() {
    let (lab, text) = site("TZ='UTC'\nKAMONLINE_ADD_MISSING=1\n");
    let dir = temp_dir();
    let file = dir.path().join("kamonline.env");
    fs::write(&file, &text).unwrap();
    let option = format!("--settings={}", file.display());
    let run = kamonline_env(&[&option, "--dry-run"], &[]).expect(0);
    let warning = format!(
        "warning: {}, line 5: TZ is no setting of kamonline",
        file.display()
    );
    assert!(run.stderr.contains(&warning), "{}", run.stderr);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);

    let mut child = kamonline_command(&["--settings", "-", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    Run::from(child.wait_with_output().unwrap()).expect(0);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "102"]);
}

#[test]
fn what_a_file_sets_wrongly_is_told_with_its_line_when_the_run_begins() {
    let redis = Redis::start().url();
    let dir = temp_dir();
    let file = dir.path().join("kamonline.env");
    let option = format!("--settings={}", file.display());
    for (line, told) in [
        (
            "KAMONLINE_REDIS='redis://h?db=3'".to_owned(),
            "KAMONLINE_REDIS: --redis: ",
        ),
        (
            "KAMONLINE_DEFAULT_DOMAIN='*'".to_owned(),
            "KAMONLINE_DEFAULT_DOMAIN: --default-domain *: ",
        ),
        (
            format!("KAMONLINE_REDIS='{redis}'\nKAMONLINE_DOMAIN='x{{1,2}}('"),
            "KAMONLINE_DOMAIN is split at every comma",
        ),
    ] {
        fs::write(&file, line).unwrap();
        let run = kamonline_env(&[&option], &[]).expect(2);
        let place = format!("kamonline: error: {}, line ", file.display());
        assert!(
            run.stderr.starts_with(&place) && run.stderr.contains(told),
            "{}",
            run.stderr
        );
    }
    for (named, why) in [
        ("/nowhere", "No such file"),
        ("/", "no regular file"),
        ("", "is empty"),
    ] {
        let run = kamonline_env(&["--settings", named], &[]).expect(2);
        assert!(
            run.stderr.contains("--settings") && run.stderr.contains(why),
            "{}",
            run.stderr
        );
    }
}

/// Runs a shell's command where /etc/kamonline.env is this text with this mode, and nowhere else. `$kamonline` is the program.
fn with_file_of_the_machine(text: &str, mode: u32, command: &str) -> Run {
    let dir = temp_dir();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let (program, file) = (
        dir.path().join("kamonline"),
        dir.path().join("kamonline.env"),
    );
    fs::copy(env!("CARGO_BIN_EXE_kamonline"), &program).unwrap();
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
fn by_hand_and_by_cron_the_file_of_the_machine_is_read_and_who_may_not_is_told() {
    let (lab, text) = site("");
    let as_nobody =
        |command: &str| format!("setpriv --reuid=65534 --regid=65534 --clear-groups {command}");
    let by_hand = with_file_of_the_machine(&text, 0o600, "kamonline --dry-run").expect(0);
    assert!(by_hand.stdout.contains("  - 101"), "{}", by_hand.stdout);

    let run = with_file_of_the_machine(&text, 0o600, &as_nobody("kamonline --dry-run")).expect(2);
    for part in [
        "/etc/kamonline.env: Permission denied",
        "hint: run it as root, sudo kamonline",
    ] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
    let run = with_file_of_the_machine("KAMONLINE_REDIS=$x", 0o600, "kamonline").expect(2);
    assert!(
        run.stderr
            .starts_with("kamonline: error: /etc/kamonline.env, line 1: "),
        "{}",
        run.stderr
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);
}

/// As they stand in crontab.example, README.md and the units of older versions.
#[test]
fn the_lines_of_older_versions_go_on_working() {
    let cron = [
        "set -a; . /etc/kamonline.env; flock -n /etc/kamonline.env kamonline --quiet --add-missing",
        "set -ae; . /etc/kamonline.env; flock -n /etc/kamonline.env kamonline --quiet --add-missing",
    ];
    let unit = "exec setpriv --reuid=65534 --regid=65534 --clear-groups /bin/sh -aec 'flock -n 0 || exit 75; \
                eval \"$(cat)\"; exec kamonline --quiet --add-missing' </etc/kamonline.env";
    let first_unit = "set -a; . /etc/kamonline.env; exec setpriv --reuid=65534 --regid=65534 --clear-groups \
                      kamonline --quiet --add-missing";
    for line in [cron[0], cron[1], unit, first_unit] {
        // Only sh makes sense of this one.
        let (lab, text) = site("COMMENT=\"$(id -un)\"; export COMMENT\n");
        let run = with_file_of_the_machine(&text, 0o600, line).expect(0);
        assert_eq!(run.stderr, "", "{line}");
        assert_eq!(
            lab.redis.members("ONLINE:abc.voip.ca"),
            ["100", "102"],
            "{line}"
        );
    }
    // Without a server in it, an account that may not read it goes by what it was handed.
    for line in [unit, first_unit] {
        let run =
            with_file_of_the_machine("KAMONLINE_CHECKED_KEY='ONLINE:x'\n", 0o600, line).expect(2);
        assert!(
            run.stderr.contains("--checked-key ONLINE:x"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn a_look_on_a_terminal_writes_no_metrics() {
    let (_lab, text) = site("");
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
