//! What is written about kamonline is true, and short.

use std::fs;

use kamonline::run::Notice;
use kamonline::settings::{Cli, SettingsError};

use crate::lab::kamonline;
use crate::readme::{readme, readme_blocks};
use crate::{files_below, root};

/// What an administrator has to read, and what a table's cell may hold.
const LINES: usize = 250;
const CELL: usize = 120;

#[test]
fn readme_is_short() {
    let readme = readme();
    assert!(readme.lines().count() <= LINES);
    let rows = readme.lines().filter(|line| line.starts_with('|'));
    for cell in rows.flat_map(|row| row.split('|')) {
        assert!(cell.trim().chars().count() <= CELL, "{cell}");
    }
}

#[test]
fn the_man_page_names_every_kind_of_notice() {
    let man = fs::read_to_string(root().join("man/kamonline.1")).unwrap();
    for kind in Notice::KINDS {
        assert!(man.contains(kind), "{kind}");
    }
}

#[test]
fn the_help_fits_its_lines() {
    let help = kamonline(&["-h"]).expect(0).stdout;
    let (options, after) = help.split_once("\nEvery option").unwrap();
    for line in options.lines() {
        let whole = !line.starts_with("       ") || line.contains(" --");
        assert!(whole, "more than one line for an option: {line}");
    }
    assert!(
        after.lines().all(|line| line.chars().count() <= 80),
        "{after}"
    );
}

#[test]
fn the_version_stands_in_one_place() {
    let version = env!("CARGO_PKG_VERSION");
    let mut files = files_below("src", "rs");
    files.extend(files_below("man", ""));
    files.extend(files_below("completions", ""));
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains(version),
            "{} names {version}",
            file.display()
        );
    }
    let readme = readme();
    for after in readme.split("kamonline ").skip(1) {
        let word = after
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .next()
            .unwrap();
        let shown = word.trim_end_matches('.');
        let is_version = shown.split('.').count() == 3;
        assert!(
            !is_version || shown == version,
            "README.md shows kamonline {shown}, this is {version}"
        );
    }
}

/// Every command of the documentation is one that kamonline accepts.
#[test]
fn the_examples_parse() {
    let mut commands = Vec::new();
    for language in ["sh", "console"] {
        for block in readme_blocks(language) {
            commands.extend(block.replace("\\\n", " ").lines().filter_map(command));
        }
    }
    let help = kamonline(&["-h"]).stdout;
    commands.extend(
        help.split("Examples:")
            .nth(1)
            .unwrap()
            .lines()
            .filter_map(command),
    );
    for file in ["crontab.example", "kamailio.cfg.example", "man/kamonline.1"] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let text = text.replace("\\e", "\\").replace("\\-", "-");
        commands.extend(text.lines().filter_map(command));
    }
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        // As with a domain: ${domain:+...}
        let command = command.replace("${domain:+", "").replace('}', "");
        match Cli::read(words(&command).into_iter().map(Into::into), []) {
            Err(SettingsError::Clap(error)) if error.use_stderr() => panic!("{command}\n{error}"),
            Err(SettingsError::Failure(failure)) => panic!("{command}\n{failure}"),
            _ => {}
        }
    }
}

/// The kamonline command in a line, if it has one: after a prompt, a path, other commands or the settings of cron.
fn command(line: &str) -> Option<String> {
    let from = |at: usize| &line[at..];
    let begins = |at: &usize| {
        let before = line[..*at].chars().next_back();
        let free = before.is_none_or(|c| matches!(c, ' ' | '`' | '/' | '\''));
        let option = from(*at)["kamonline ".len()..].trim_start();
        let is_option = option
            .trim_start_matches('-')
            .starts_with(char::is_alphabetic);
        free && (option.starts_with('|') || option.starts_with('-') && is_option)
    };
    let at = line
        .match_indices("kamonline ")
        .map(|(at, _)| at)
        .find(begins)?;
    // In prose it ends with its quotation; in a help it is followed by words behind a gap.
    let command = from(at).split(['`', '|', '>', '#', ';']).next().unwrap();
    let command = command.split("   ").next().unwrap().trim_end_matches(" 2");
    Some(command.trim_end_matches([')', '.', ',', ' ']).to_owned())
}

/// As a shell splits them.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in command.replace("$domain", "voip.ca").chars() {
        match letter {
            '\'' | '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
