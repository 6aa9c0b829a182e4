//! The settings file: when it is read, what it may say, and what is told of it.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use clap::CommandFactory;
use kamonline::failure::Exit;
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
        let settings = read(file, &[arg], &[]).unwrap();
        assert_eq!(prefix(&settings), "ONLINE:");
        let option = arg.split('=').next().unwrap();
        let told = format!("kamonline.env counts, as {option} names a server; give --settings ");
        let [warning] = &settings.warnings[..] else {
            panic!("{:?}", settings.warnings);
        };
        assert!(warning.contains(&told), "{warning}");
        let none = read(file, &[arg, "--settings=none"], &[]).unwrap();
        assert_eq!(none.warnings, [""; 0]);
    }
    for name in ["KAMONLINE_KAMAILIO", "KAMONLINE_REDIS"] {
        let settings = read(file, &[], &[(name, "x")]).unwrap();
        assert_eq!(prefix(&settings), "ONLINE:");
        let told = format!("kamonline.env counts, as {name} names a server; give --settings ");
        let [warning] = &settings.warnings[..] else {
            panic!("{:?}", settings.warnings);
        };
        assert!(warning.contains(&told), "{warning}");
        // As the cron lines of older versions hand it over, and one that only sh reads.
        let all = [(name, "x"), ("KAMONLINE_PREFIX", "file:")];
        for file in [file, "TZ='UTC'\nKAMONLINE_PREFIX=\"$(id -un)\"\n"] {
            assert_eq!(read(file, &[], &all).unwrap().warnings, [""; 0]);
        }
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
fn one_that_is_to_be_read_and_cannot_be_is_wrong_usage() {
    let dir = temp_dir();
    let dangling = dir.path().join("kamonline.env");
    symlink("/nowhere/kamonline.env", &dangling).unwrap();
    let read = |file: &Path, environment: &[(&str, &str)]| {
        let pair = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
        let environment = environment.iter().map(pair);
        let read = settings::read(&Cli::command(), vec!["kamonline".into()], environment, file);
        match read {
            Err(SettingsError::Failure(failure)) => {
                assert_eq!(failure.exit, Exit::Usage);
                Err(failure.to_string())
            }
            other => Ok(other.is_ok()),
        }
    };
    for (file, why) in [
        (&*dangling, "No such file"),
        (dir.path(), "that is no regular file"),
        (Path::new("/etc/passwd/kamonline.env"), "Not a directory"),
    ] {
        for environment in [&[][..], &[("KAMONLINE_MIN_UPTIME", "0s")]] {
            let told = read(file, environment).unwrap_err();
            let begins = format!("{}: {why}", file.display());
            assert!(told.starts_with(&begins), "{told}");
        }
        let named = read(file, &[("KAMONLINE_REDIS", "redis://127.0.0.1")]);
        assert_eq!(named, Ok(true));
    }
}

#[test]
fn the_command_line_wins_a_conflict_and_the_last_line_counts() {
    let file =
        "\u{feff}KAMONLINE_QUIET=1\nKAMONLINE_PREFIX='a:'\nexport KAMONLINE_PREFIX=c: # it\n";
    let settings = read(file, &["--verbose"], &[]).unwrap();
    assert!(!settings.matches.get_flag("quiet") && settings.matches.get_flag("verbose"));
    assert_eq!(prefix(&settings), "c:");
}

/// The first would protect nobody any more.
#[test]
fn a_list_that_two_lines_set_is_wrong_usage_unless_they_agree() {
    let twice = |second: &str| {
        let lines =
            format!("KAMONLINE_EXCLUDE_USER='trunk-.*'\nKAMONLINE_EXCLUDE_USER='{second}'\n");
        read(&lines, &[], &[])
    };
    let wrong = twice("probe").err().unwrap();
    let said = "line 2: KAMONLINE_EXCLUDE_USER: an earlier line sets it, too";
    assert!(wrong.contains(said), "{wrong}");
    twice("trunk-.*").unwrap();
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
            "KAMONLINE_DRYRUN is no setting of kamonline\nremove it, or rename it if KAMONLINE_DRY_RUN is",
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
        (
            "KAMONLINE_EXCLUDE_USER='trunk-.* # the trunks'",
            "KAMONLINE_EXCLUDE_USER holds a blank and then a #",
        ),
        (
            "KAMONLINE_EXCLUDE_USER=[\"777\"]",
            "KAMONLINE_EXCLUDE_USER is a list as YAML",
        ),
        (
            "KAMONLINE_EXCLUDE_USER=['777']",
            "KAMONLINE_EXCLUDE_USER is a list as YAML",
        ),
        (
            "KAMONLINE_EXCLUDE_USER=trunk-\\d+",
            "KAMONLINE_EXCLUDE_USER: sh would drop a backslash in it\nwrite NAME='value', with single quotes",
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

#[test]
fn a_file_that_is_named_or_comes_on_standard_input_puts_a_board_right() {
    let lab = Lab::drifted();
    let text = lab.settings_file("TZ='UTC'\nKAMONLINE_ADD_MISSING=1\n");
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
            "KAMONLINE_KAMAILIO='http://h/rpc; http://i/rpc'".to_owned(),
            "KAMONLINE_KAMAILIO: --kamailio: several URLs in one value?",
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
