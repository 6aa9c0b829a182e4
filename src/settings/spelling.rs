//! What no value of an option may be: what nobody means, and another program made of it.

use std::ffi::OsStr;

use clap::Arg;

use super::option::{is_list, long};
use crate::failure::Failure;

/// Their values are regular expressions.
const PATTERNS: [&str; 3] = ["domain", "exclude-domain", "exclude-user"];

/// What parts a list elsewhere, and what it is written as in a pattern that means it.
const SEPARATORS: [(char, &str); 4] = [
    (';', "\\x3b"),
    ('；', "\\uff1b"),
    ('，', "\\uff0c"),
    ('、', "\\u3001"),
];

/// As YAML, JavaScript, Python and Go's templates (Helm) write that there is no value.
const NOTHING: [&str; 8] = [
    "null",
    "NULL",
    "~",
    "undefined",
    "None",
    "nil",
    "<nil>",
    "<no value>",
];

/// What other programs make of a value: it would be taken for what it is not, and a pattern would match nobody.
pub fn check_spelling(option: &Arg, name: &str, value: &OsStr) -> Result<(), Failure> {
    let text = value.to_string_lossy();
    if has_comment(&text) {
        return Err(
            Failure::usage(format!("{name} holds a blank and then a #")).hint(
                "remove the comment: only sh takes it off, outside quotes. In a pattern, write a \
                 blank and a # that are meant as \\x20#",
            ),
        );
    }
    let text = text.trim();
    if NOTHING.contains(&text) {
        return Err(Failure::usage(format!(
            "{name} is {text}, as programs write it when there is no value"
        ))
        .hint("give it a value, or remove it"));
    }
    let quoted = match is_quoted(text) {
        true => Some("is in quotes"),
        false if has_quote_at_an_end(text) => Some("has a quote at one end"),
        false => None,
    };
    if let Some(quoted) = quoted {
        return Err(Failure::usage(format!("{name} {quoted}")).hint(
            "leave them out: sh takes quotes off, Docker and Kubernetes keep them. In a \
             pattern, write a quote that is meant as \\x27 or \\x22",
        ));
    }
    if is_variable(text) || has_placeholder(text) {
        return Err(Failure::usage(format!(
            "{name} holds the name of a variable, which nobody replaced"
        ))
        .hint(
            "write its value: neither kamonline nor a file of Docker, systemd or cron knows it",
        ));
    }
    let inside = in_brackets(text);
    // Python 2 wrote u'777'.
    let is_of_quoted = |inside: &str| is_quoted(inside.trim().trim_start_matches('u'));
    if inside.is_some_and(|inside| is_list(option) || is_of_quoted(inside)) {
        return Err(
            Failure::usage(format!("{name} is a list as YAML or Ansible writes it")).hint(
                "write its elements without brackets and quotes: 777,888 in a variable; on the \
                 command line, repeat the option. A pattern that is one class writes (?:[0-9])",
            ),
        );
    }
    Ok(())
}

/// What nobody means: a list of another separator, or a pattern as another language writes it. It would match nobody.
pub fn check_pattern(option: &Arg, name: &str, value: &OsStr) -> Result<(), Failure> {
    if !PATTERNS.contains(&long(option)) {
        return Ok(());
    }
    let text = value.to_string_lossy();
    let separator = match text.contains(char::is_whitespace) {
        true => Some(("blank".to_owned(), "\\x20")),
        false => SEPARATORS
            .iter()
            .find(|(separator, _)| text.contains(*separator))
            .map(|(separator, escaped)| (separator.to_string(), *escaped)),
    };
    if let Some((separator, escaped)) = separator {
        return Err(Failure::usage(format!("{name} has a {separator} in a pattern")).hint(format!(
            "write a comma between patterns in the environment and the settings file; on the command line, repeat --{}. \
             A {separator} that is meant is {escaped}",
            long(option)
        )));
    }
    let inside = text
        .strip_prefix('/')
        .map(|rest| rest.trim_end_matches('i'));
    if inside.is_some_and(|inside| inside.ends_with('/')) {
        return Err(
            Failure::usage(format!("{name} has a slash at either end of a pattern"))
                .hint("leave both out, and an i behind them. A slash that is meant is \\x2f"),
        );
    }
    Ok(())
}

/// As `trunk-.* # the trunks`: a file of Docker and a crontab have no comment behind a value.
fn has_comment(text: &str) -> bool {
    let is_behind_a_blank = |(at, _)| text[..at].ends_with(char::is_whitespace);
    text.starts_with("# ") || text.match_indices('#').any(is_behind_a_blank)
}

const QUOTES: [(char, char); 6] = [
    ('\'', '\''),
    ('"', '"'),
    ('`', '`'),
    ('“', '”'),
    ('‘', '’'),
    ('«', '»'),
];

fn is_quoted(text: &str) -> bool {
    let mut quotes = QUOTES.iter();
    text.len() > 1 && quotes.any(|(from, to)| text.starts_with(*from) && text.ends_with(*to))
}

fn has_quote_at_an_end(text: &str) -> bool {
    QUOTES
        .iter()
        .any(|(from, to)| text.starts_with(*from) || text.ends_with(*to))
}

/// `$TRUNKS` or `${TRUNKS}`
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix('$').map(|name| {
        let inside = name
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'));
        inside.unwrap_or(name)
    });
    name.is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// `$(TRUNKS)` of Kubernetes, `${TRUNKS:-777}`, `{{ trunks }}` and `${{ trunks }}` of templates, wherever they stand.
fn has_placeholder(text: &str) -> bool {
    let between = |from: &str, to: &str| {
        let (_, rest) = text.split_once(from)?;
        rest.split_once(to).map(|(inside, _)| inside)
    };
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    between("$(", ")").is_some_and(is_name)
        || between("${", "}").is_some()
        || between("{{", "}}").is_some()
}

/// What a pair of brackets holds, when that is all there is: not `[0-9][0-9]`.
fn in_brackets(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    let mut open = 0;
    let is_closed_early = inside.chars().any(|c| {
        open += i32::from(c == '[') - i32::from(c == ']');
        open < 0
    });
    (!is_closed_early).then_some(inside)
}

/// Control characters, and what a text that was copied from a page or a chat may hold: soft hyphens, zero-width
/// characters, marks of direction, a byte order mark.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
