//! Every option can come from the environment, for cron, systemd and containers, and none of them can bite.

use std::ffi::OsString;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, CommandFactory};
use kamonline::settings::{self, Cli, SettingsError, variable};

use crate::lab::kamonline_env;

/// All that there are, but the one that is no setting, and the one that names the file of settings: settings_file.rs.
fn options() -> Vec<Arg> {
    let command = Cli::command();
    let options = command
        .get_arguments()
        .filter(|option| !["generate", "settings"].contains(&option.get_id().as_str()));
    options.cloned().collect()
}

fn is_flag(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::SetTrue)
}

fn is_list(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Append)
}

fn long(option: &Arg) -> String {
    format!("--{}", option.get_long().unwrap())
}

fn read(args: &[&str], environment: &[(&str, &str)]) -> Result<ArgMatches, String> {
    let args = ["kamonline"].iter().chain(args).map(Into::into).collect();
    let pair = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
    let none = Path::new("/nowhere");
    let read = settings::read(&Cli::command(), args, environment.iter().map(pair), none);
    read.map(|settings| settings.matches)
        .map_err(|unread| match unread {
            SettingsError::Clap(error) => error.to_string(),
            SettingsError::Failure(failure) => {
                failure.to_string() + "\n" + &failure.hint.unwrap_or_default()
            }
        })
}

/// What a value must look like to be one.
fn value_of(option: &Arg) -> &'static str {
    match option.get_id().as_str() {
        "rpc" => "jsonrpc",
        "format" => "json",
        "color" => "never",
        "retries" => "7",
        "settle" | "timeout" | "min_uptime" => "7s",
        _ => "some-value",
    }
}

#[test]
fn every_option_has_its_variable() {
    assert!(options().len() >= 33, "{}", options().len());
    for option in options() {
        let (name, id) = (variable(&option), option.get_id().as_str());
        match is_flag(&option) {
            true => {
                // What it needs, where it needs one.
                let needed = ("KAMONLINE_DRY_RUN", "1");
                for (word, on) in [
                    ("1", true),
                    ("true", true),
                    ("YES", true),
                    ("on", true),
                    ("0", false),
                    ("False", false),
                    ("no", false),
                    ("off", false),
                ] {
                    let mut environment = vec![(name.as_str(), word)];
                    environment.extend((id == "exit_code").then_some(needed));
                    let matches = read(&[], &environment).unwrap();
                    assert_eq!(matches.get_flag(id), on, "{name}={word}");
                }
                let wrong = read(&[], &[(&name, "maybe")]).unwrap_err();
                assert!(
                    wrong.contains(&name) && wrong.contains("(1, true, yes, on)"),
                    "{wrong}"
                );
            }
            false => {
                let value = value_of(&option);
                let matches = read(&[], &[(&name, value)]).unwrap();
                let raw: Vec<_> = matches.get_raw(id).unwrap().collect();
                assert_eq!(raw, [value], "{name}");
            }
        }
    }
}

#[test]
fn no_option_may_be_set_and_empty() {
    for option in options() {
        let (name, long) = (variable(&option), long(&option));
        let wrong = read(&[], &[(&name, "")]).unwrap_err();
        assert_eq!(
            wrong,
            format!("{name} is empty\ngive it a value, or remove it")
        );
        let wrong = read(&[&format!("{long}=")], &[]).unwrap_err();
        assert_eq!(
            wrong,
            format!("{long} is empty\ngive it a value, or remove it")
        );
    }
}

#[test]
fn the_command_line_goes_before_the_environment_and_its_last_word_counts() {
    let command = Cli::command();
    for option in options() {
        let (name, long, id) = (variable(&option), long(&option), option.get_id().as_str());
        if is_flag(&option) {
            let off = format!("{long}=false");
            for (words, variable, on) in [
                (&[long.as_str()][..], "0", true),
                (&[&off], "1", false),
                (&[&long, &off], "0", false),
                (&[&off, &long], "0", true),
            ] {
                let mut words = words.to_vec();
                words.extend((id == "exit_code").then_some("--dry-run"));
                let matches = read(&words, &[(&name, variable)]).unwrap();
                assert_eq!(matches.get_flag(id), on, "{words:?} {name}={variable}");
            }
        } else {
            let value = value_of(&option);
            let args = [format!("{long}=other"), format!("{long}={value}")];
            let matches = read(&args.each_ref().map(String::as_str), &[(&name, "third")]).unwrap();
            let raw: Vec<_> = matches.get_raw(id).unwrap().collect();
            let all: &[&str] = if is_list(&option) {
                &["other", value]
            } else {
                &[value]
            };
            assert_eq!(raw, all, "{long}");
        }
        for other in command.get_arg_conflicts_with(
            command
                .get_arguments()
                .find(|arg| arg.get_id() == id)
                .unwrap(),
        ) {
            let value = |option: &Arg| if is_flag(option) { "1" } else { "x" };
            let pair = [(&*name, value(&option)), (&variable(other), value(other))];
            assert!(
                read(&[], &pair)
                    .unwrap_err()
                    .contains("cannot be used with")
            );
            for (given, beaten) in [(&option, other), (other, &option)] {
                let word = match is_flag(given) {
                    true => self::long(given),
                    false => format!("{}=x", self::long(given)),
                };
                let matches = read(&[&word], &[(&variable(beaten), value(beaten))]).unwrap();
                let is_set = matches.value_source(beaten.get_id().as_str());
                assert_ne!(is_set, Some(clap::parser::ValueSource::CommandLine));
            }
        }
    }
}

#[test]
fn a_misspelt_variable_is_wrong_usage_and_one_of_others_is_passed_over() {
    for option in options() {
        let name = variable(&option);
        for misspelt in [format!("{name}S"), format!("{name}_X"), name.to_lowercase()] {
            let wrong = read(&[], &[(&misspelt, "1")]).unwrap_err();
            let told = format!(
                "{misspelt} is no setting of kamonline\nremove it, or rename it if {name} is what you mean"
            );
            assert!(wrong.starts_with(&told), "{wrong}");
        }
    }
    for (misspelt, right) in [
        ("KAMONLINE_DRYRUN", "KAMONLINE_DRY_RUN"),
        ("KAMONLINE_DOMAINS", "KAMONLINE_DOMAIN"),
        ("KAMONLINE_REDIS_URL", "KAMONLINE_REDIS"),
        ("KAMONLINE_REDIS_PORT", "KAMONLINE_REDIS"),
        ("Kamonline_Max_Removal", "KAMONLINE_MAX_REMOVAL"),
        ("KAMONLINE_DEFAULT", "KAMONLINE_DEFAULT_DOMAIN"),
        ("KAMONLINE_METRICS", "KAMONLINE_METRICS_FILE"),
        ("KAMONLINE_RDIS", "KAMONLINE_REDIS"),
        ("KAMONLINE_EXLUDE_USER", "KAMONLINE_EXCLUDE_USER"),
        ("KAMONLINE_SKIP_USER", "KAMONLINE_EXCLUDE_USER"),
        (
            "KAMONLINE_REDIS_PASSWORD_FIL",
            "KAMONLINE_REDIS_PASSWORD_FILE",
        ),
        ("KAMONLINE_REDIS_SENT", "KAMONLINE_REDIS_SENTINEL"),
        ("KAMONLINE_RETRY", "KAMONLINE_RETRIES"),
        ("KAMONLINE_TABEL", "KAMONLINE_TABLE"),
        (
            "KAMONLINE_EXCLUDE",
            "KAMONLINE_EXCLUDE_DOMAIN or KAMONLINE_EXCLUDE_USER",
        ),
    ] {
        let wrong = read(&[], &[(misspelt, "6379")]).unwrap_err();
        assert!(
            wrong.contains(&format!("\nremove it, or rename it if {right} ")),
            "{wrong}"
        );
    }
    for harmless in [
        "SCHEDULE",
        "RELEASE",
        "ENABLED",
        "ENABLE",
        "SITE",
        "STATUS",
        "STAGE",
        "ARCH",
        "LABELS",
        "REPLICAS",
        "PORT",
        "SERVER",
        "FORCE",
        "PROMETHEUS",
        "INTERVAL",
        "LOG",
    ] {
        let name = format!("KAMONLINE_{harmless}");
        read(&[], &[(&name, "1")]).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
    for (program, is_ours) in [
        ("KAMOLINE_", true),
        ("KAMONLIN_", true),
        ("KANONLINE_", true),
        ("KAMNOLINE_", true),
        ("KAMONLINNE_", true),
        ("Kamonlne_", true),
        ("AMONLINE_", true),
        ("KAMONLINE", true),
        ("KAMONLINE-", true),
        ("KAMONLINE.", true),
        ("KAMAILIO_", false),
        ("KAMCTL_", false),
        ("KAMON_", false),
        ("ONLINE_", false),
        ("", false),
        ("MY_KAMOLINE_", false),
    ] {
        for option in options() {
            let variable = variable(&option);
            let name = variable.replace("KAMONLINE_", program);
            let told = read(&[], &[(&name, "1")]).err();
            let right = format!("remove it, or rename it if {variable} is what you mean");
            let is_refused = told.is_some_and(|told| told.ends_with(&right));
            assert_eq!(is_refused, is_ours, "{name}");
        }
    }
    for server in ["REDIS", "KAMAILIO"] {
        for word in ["PASSWORD", "PASS"] {
            let name = format!("KAMONLINE_{server}_{word}");
            let file = format!("KAMONLINE_{server}_PASSWORD_FILE");
            let wrong = read(&[], &[(&name, "s3cret")]).unwrap_err();
            let hint = format!("name that file in {file}, and remove {name}");
            assert!(wrong.contains(&hint) && !wrong.contains("s3c"), "{wrong}");
        }
    }
    for (name, value) in [
        ("KAMONLINE_OPTS", "-n"),
        ("KAMONLINE_VERSION", "0.2.0"),
        ("KAMONLINE_GENERATE", "man"),
        ("KAMONLINE_HELP", "1"),
        ("KAMONLINE_IMAGE", ""),
        ("KAMONLINE_SERVICE_HOST", "10.0.0.1"),
        ("KAMONLINE_SERVICE_PORT", "80"),
        ("KAMONLINE_SERVICE_PORT_HTTP", "80"),
        ("KAMONLINE_PORT", "tcp://10.0.0.1:80"),
        ("KAMONLINE_REDIS_SERVICE_HOST", "10.0.0.1"),
        ("KAMONLINE_REDIS_SERVICE_PORT", "6379"),
        ("KAMONLINE_REDIS_PORT", "tcp://10.0.0.1:6379"),
        ("KAMONLINE_REDIS_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
        ("KAMONLINE_REDIS_PORT_6379_TCP_ADDR", "10.0.0.1"),
        ("KAMONLINE_REDIS_PORT_6379_TCP_PROTO", "tcp"),
        ("KAMONLINER_DRYRUN", "1"),
    ] {
        read(&[], &[(name, value)]).unwrap_or_else(|wrong| panic!("{name}={value}: {wrong}"));
    }
    // Who asks for help or a man page gets it, whatever the environment holds.
    for words in [["--help"], ["--version"], ["--generate=man"]] {
        kamonline_env(
            &words,
            &[("KAMONLINE_DRYRUN", "1"), ("KAMONLINE_PREFIX", "")],
        )
        .expect(0);
    }
}

#[test]
fn a_name_with_a_character_that_nobody_sees_is_misspelt() {
    for option in options() {
        let name = variable(&option);
        for unseen in ['\u{feff}', '\u{a0}', '\u{200b}', '\u{ad}', '\r'] {
            let shown = unseen.escape_debug();
            for (misspelt, shown) in [
                (format!("{unseen}{name}"), format!("{shown}{name}")),
                (format!("{name}{unseen}"), format!("{name}{shown}")),
            ] {
                let wrong = read(&[], &[(&misspelt, "1")]).unwrap_err();
                let told = format!(
                    "{shown} is no setting of kamonline\nremove it, or rename it if {name} is what you mean"
                );
                assert_eq!(wrong, told);
            }
        }
    }
}

#[test]
fn a_pattern_is_not_written_as_elsewhere() {
    for option in options() {
        let (name, long) = (variable(&option), long(&option));
        if !["--domain", "--exclude-domain", "--exclude-user"].contains(&&*long) {
            continue;
        }
        for (value, told) in [
            ("trunk-.* 777", "has a blank in a pattern"),
            ("trunk-.*\u{a0}777", "has a blank in a pattern"),
            ("- trunk-.*", "has a blank in a pattern"),
            ("probe, trunk-.* // x", "has a blank in a pattern"),
            ("777;trunk-.*", "has a ; in a pattern"),
            ("777；trunk-.*", "has a ； in a pattern"),
            ("777，trunk-.*", "has a ， in a pattern"),
            ("probe,777、trunk-.*", "has a 、 in a pattern"),
            ("/trunk-.*/", "has a slash at either end of a pattern"),
            (
                "probe,/trunk-.*/i",
                "has a slash at either end of a pattern",
            ),
        ] {
            let wrong = read(&[], &[(&name, value)]).unwrap_err();
            assert!(wrong.starts_with(&format!("{name} {told}\n")), "{wrong}");
        }
        for (value, meant) in [
            ("a b", "A blank that is meant is \\x20"),
            ("a;b", "A ; that is meant is \\x3b"),
            ("a；b", "A ； that is meant is \\uff1b"),
            ("a，b", "A ， that is meant is \\uff0c"),
            ("a、b", "A 、 that is meant is \\u3001"),
        ] {
            let wrong = read(&[&long, value], &[]).unwrap_err();
            let hint = format!("on the command line, repeat {long}. {meant}");
            assert!(
                wrong.starts_with(&long) && wrong.ends_with(&hint),
                "{wrong}"
            );
            let (_, escaped) = meant.rsplit_once(' ').unwrap();
            let pattern = regex::Regex::new(&format!("^a{escaped}b$")).unwrap();
            assert!(pattern.is_match(value), "{value}");
        }
        for right in [
            "a\\x20b",
            "a/b",
            "/a",
            "a/i",
            "100\\x3bisub=1",
            "a:b",
            "a|b",
        ] {
            read(&[&format!("{long}={right}")], &[(&name, right)]).unwrap();
        }
    }
}

#[test]
fn a_list_is_split_at_every_comma() {
    for option in options().iter().filter(|option| is_list(option)) {
        let (name, id) = (variable(option), option.get_id().as_str());
        for (value, parts) in [
            ("a, b", &["a", "b"][..]),
            ("a,b,", &["a", "b"]),
            (" a", &["a"]),
        ] {
            let matches = read(&[], &[(&name, value)]).unwrap();
            let raw: Vec<_> = matches.get_raw(id).unwrap().collect();
            assert_eq!(raw, parts, "{name}={value}");
        }
        for value in ["a,,b", ",a", ",", " , ", " "] {
            let wrong = read(&[], &[(&name, value)]).unwrap_err();
            assert!(
                wrong.contains(&format!("{name} has an empty element")),
                "{wrong}"
            );
        }
    }
    for (name, value, comma) in [
        ("KAMONLINE_DOMAIN", "ab{1,2}c", "as \\x2c"),
        ("KAMONLINE_EXCLUDE_DOMAIN", "x(a,b)", "as \\x2c"),
        ("KAMONLINE_REDIS", "redis://:pa,ss@127.0.0.1:1", "as %2C"),
        (
            "KAMONLINE_KAMAILIO",
            "http://me:pa,ss@127.0.0.1:1/rpc",
            "as %2C",
        ),
    ] {
        let run = kamonline_env(&[], &[(name, value)]).expect(2);
        for part in [&format!("{name} is split at every comma"), comma] {
            assert!(run.stderr.contains(part), "no {part} in {}", run.stderr);
        }
        assert!(!run.stderr.contains("ss@"), "{}", run.stderr);
    }
    let run = kamonline_env(
        &["-n"],
        &[
            ("KAMONLINE_EXCLUDE_USER", "\\d{1\\x2c3},x{2\\x2c}"),
            ("KAMONLINE_DOMAIN", "a\\x2cb"),
            ("KAMONLINE_REDIS", "redis://:pa%2Css@127.0.0.1:1"),
        ],
    );
    assert!(run.expect(1).stderr.contains("cannot connect"));
}

/// As Docker, Kubernetes, Ansible and editors of Windows hand values over.
#[test]
fn a_value_that_another_program_spoilt_is_wrong_usage_and_blanks_round_an_element_are_not() {
    for option in options() {
        let (name, long, id) = (variable(&option), long(&option), option.get_id().as_str());
        let value = value_of(&option);
        let refused = |value: &str, why: &str| {
            let said = |at: &str| format!("{at} {why}\n");
            let wrong = read(&[], &[(&name, value)]).unwrap_err();
            assert!(wrong.starts_with(&said(&name)), "{value:?}: {wrong}");
            let wrong = read(&[&format!("{long}={value}")], &[]).unwrap_err();
            assert!(wrong.starts_with(&said(&long)), "{value:?}: {wrong}");
            assert!(!wrong.contains(value), "{value:?}: {wrong}");
        };
        for quoted in [
            format!("'{value}'"),
            format!("\"{value}\" "),
            format!("`{value}`"),
            format!("“{value}”"),
            format!("‘{value}’"),
            format!("«{value}»"),
        ] {
            refused(&quoted, "is in quotes");
        }
        for quoted in [
            format!("'{value}"),
            format!("{value}\""),
            format!("“{value}"),
        ] {
            refused(&quoted, "has a quote at one end");
        }
        for comment in [
            format!("{value} # the trunks"),
            format!("{value}\u{a0}#"),
            "# the trunks".into(),
        ] {
            refused(&comment, "holds a blank and then a #");
        }
        for name in [
            "$TRUNKS",
            "${TRUNKS_1}",
            "$(TRUNKS)",
            "{{ prefix }}",
            "${{ x }}",
            "redis://${HOST:-h}/0",
            "a-$(TRUNKS)-b",
        ] {
            refused(name, "holds the name of a variable, which nobody replaced");
        }
        if is_list(&option) {
            for list in [
                "[777]",
                "[probe trunk.*]",
                "[7[0-9]+, 888]",
                "[[:digit:]]",
                " [] ",
            ] {
                refused(list, "is a list as YAML or Ansible writes it");
            }
        }
        for list in [
            "['777']",
            "[\"777\", \"888\"]",
            " [ 'a' ] ",
            "[u'777', u'8']",
        ] {
            refused(list, "is a list as YAML or Ansible writes it");
        }
        refused(
            &format!("{value}\u{1}x"),
            "holds a character that nobody sees",
        );
        for seen_by_nobody in ["a\u{200b}b", "\u{feff}a", "a\u{202e}b", "a\u{ad}b"] {
            refused(seen_by_nobody, "holds a character that nobody sees");
        }
        for nothing in ["null", "None", " undefined", "<no value>"] {
            let why = format!(
                "is {}, as programs write it when there is no value",
                nothing.trim()
            );
            let wrong = read(&[], &[(&name, nothing)]).unwrap_err();
            assert!(wrong.starts_with(&format!("{name} {why}\n")), "{wrong}");
        }
        refused("a\nb", "holds a character that nobody sees");
        for blanks in [
            format!(" {value}"),
            format!("{value}\r"),
            format!("\t{value} "),
        ] {
            if !is_list(&option) {
                refused(&blanks, "begins or ends with a blank");
                continue;
            }
            let word = format!("{long}={blanks}");
            for matches in [read(&[], &[(&name, &blanks)]), read(&[&word], &[])] {
                let matches = matches.unwrap();
                let raw: Vec<_> = matches.get_raw(id).unwrap().collect();
                assert_eq!(raw, [value], "{blanks:?}");
            }
        }
        if is_list(&option) {
            for elements in ["a,'b'", "\"a\",b", "'a','b'", "a, 'b' ,"] {
                let wrong = read(&[], &[(&name, elements)]).unwrap_err();
                assert!(wrong.contains("leave them out"), "{elements}: {wrong}");
            }
        }
    }
    for right in [
        "o'brien",
        "a'|\"b",
        "trunk$",
        "$a|b",
        "$(a|b)",
        "#31#.*",
        "a#b",
        "(?:[0-9])",
        "[0-9][0-9]",
        "[ab]c",
        "\\x27a\\x27",
    ] {
        read(&[], &[("KAMONLINE_EXCLUDE_USER", right)]).unwrap();
    }
}
