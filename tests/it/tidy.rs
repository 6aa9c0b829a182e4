//! What is written about kamonline is true: README.md, the help and the code say the same.

use std::fs;
use std::path::{Path, PathBuf};

use kamonline::cli::Cli;
use kamonline::environment::Unread;

use crate::lab::kamonline;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// What stands in README.md between this heading and the next one of its kind.
pub fn section(heading: &str) -> String {
    let readme = readme();
    let (_, rest) = readme
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("README.md has no heading `## {heading}`"));
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The fenced blocks of a language, of README.md as a whole.
pub fn readme_blocks(language: &str) -> Vec<String> {
    blocks(&readme(), language)
}

fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("```") {
            continue;
        }
        let body: String = lines
            .by_ref()
            .take_while(|line| !line.starts_with("```"))
            .flat_map(|line| [line, "\n"])
            .collect();
        if line == fence {
            found.push(body);
        }
    }
    found
}

#[test]
fn the_options_of_readme_are_those_of_the_help() {
    let help = kamonline(&["-h"]).expect(0).stdout;
    assert!(
        blocks(&section("Options"), "").first() == Some(&help),
        "README.md, the first block below `## Options`, must be what kamonline -h prints:\n{help}"
    );
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
        match Cli::read(words(&command).into_iter().map(Into::into), []) {
            Err(Unread::Clap(error)) if error.use_stderr() => panic!("{command}\n{error}"),
            Err(Unread::Failure(failure)) => panic!("{command}\n{failure}"),
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
    for letter in command.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

pub fn files_below(dir: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(dir)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(
                path.strip_prefix(root()).unwrap().to_str().unwrap(),
                extension,
            ));
        } else if extension.is_empty() || path.extension().is_some_and(|end| end == extension) {
            found.push(path);
        }
    }
    found
}
