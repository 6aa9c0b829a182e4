//! What one option is set to, wherever that stands, and what no value may be.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction};

use crate::failure::Failure;

pub const PREFIX: &str = "KAMONLINE_";
/// It asks for a text, and is no setting.
const NO_SETTING: &str = "generate";

/// What an option is set to, and where.
pub struct Setting<'a> {
    pub option: &'a Arg,
    pub place: Place,
    pub values: Vec<OsString>,
}

#[derive(PartialEq, Eq)]
pub enum Place {
    CommandLine,
    Environment,
    /// A line of the settings file, as it is told.
    File(String),
}

impl Place {
    /// The variable, as an error names it.
    pub fn of(&self, variable: &str) -> String {
        match self {
            Place::File(line) => format!("{line}: {variable}"),
            _ => variable.to_owned(),
        }
    }
}

impl<'a> Setting<'a> {
    /// Only the last value of a flag or of a single-valued option counts.
    pub fn from_command_line(option: &'a Arg, mut values: Vec<OsString>) -> Result<Self, Failure> {
        if !is_list(option) {
            values.drain(..values.len().saturating_sub(1));
        }
        Self::checked(option, Place::CommandLine, values)
    }

    /// A list is split at every comma; the last one may stand at the end.
    pub fn from_variable(option: &'a Arg, place: Place, value: OsString) -> Result<Self, Failure> {
        let variable = place.of(&variable(option));
        check_spelling(option, &variable, &value)?;
        if !is_list(option) || value.is_empty() {
            return Self::checked(option, place, vec![value]);
        }
        let text = value
            .to_str()
            .ok_or_else(|| Failure::usage(format!("{variable} is not valid UTF-8")))?;
        let mut parts: Vec<_> = text.split(',').map(OsString::from).collect();
        let is_blank = |part: &OsString| trimmed(part).is_empty();
        parts.pop_if(|last| is_blank(last) && text.contains(','));
        if parts.is_empty() || parts.iter().any(is_blank) {
            return Err(Failure::usage(format!("{variable} has an empty element"))
                .hint("remove a comma: the list is split at each"));
        }
        Self::checked(option, place, parts)
    }

    /// Blanks round an element of a list are nobody's; elsewhere they are a slip that would count.
    fn checked(option: &'a Arg, place: Place, mut values: Vec<OsString>) -> Result<Self, Failure> {
        if is_list(option) {
            values.iter_mut().for_each(|value| *value = trimmed(value));
        }
        let setting = Self {
            option,
            place,
            values,
        };
        let name = setting.name();
        for value in &setting.values {
            if value.is_empty() {
                return Err(Failure::usage(format!("{name} is empty"))
                    .hint("give it a value, or remove it"));
            }
            check_spelling(option, &name, value)?;
            if trimmed(value) != *value {
                return Err(
                    Failure::usage(format!("{name} begins or ends with a blank"))
                        .hint("remove it; a carriage return comes from an editor of Windows"),
                );
            }
            if value.to_string_lossy().contains(is_invisible) {
                return Err(
                    Failure::usage(format!("{name} holds a character that nobody sees")).hint(
                        "type the value anew; in a pattern, write a line feed as \\n, a tab as \\t",
                    ),
                );
            }
            if is_flag(option) && truth(value).is_none() {
                return Err(Failure::usage(format!(
                    "{name} is neither on (1, true, yes, on) nor off (0, false, no, off)"
                )));
            }
        }
        Ok(setting)
    }

    /// As an error names it.
    pub fn name(&self) -> String {
        match &self.place {
            Place::CommandLine => format!("--{}", long(self.option)),
            place => place.of(&variable(self.option)),
        }
    }

    /// A flag that is off is as good as one that is not set.
    pub fn is_on(&self) -> bool {
        !is_flag(self.option) || self.values.iter().any(|value| truth(value) == Some(true))
    }

    /// As on a command line.
    pub fn words(&self) -> Vec<OsString> {
        let name = OsString::from(format!("--{}", long(self.option)));
        match (is_flag(self.option), self.is_on()) {
            (true, true) => vec![name],
            (true, false) => vec![],
            (false, _) => {
                let word = |value: &OsString| [&name, OsStr::new("="), value].into_iter().collect();
                self.values.iter().map(word).collect()
            }
        }
    }
}

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
fn check_spelling(option: &Arg, name: &str, value: &OsStr) -> Result<(), Failure> {
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
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn trimmed(value: &OsStr) -> OsString {
    let trim = |text: &str| text.trim().into();
    value.to_str().map_or_else(|| value.to_owned(), trim)
}

fn truth(value: &OsStr) -> Option<bool> {
    match value.to_str()?.to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

pub fn is_setting(option: &Arg) -> bool {
    long(option) != NO_SETTING
}

pub fn is_flag(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::SetTrue)
}

pub fn is_list(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Append)
}

pub fn long(option: &Arg) -> &str {
    option.get_long().expect("every option has a long name")
}

/// `KAMONLINE_MAX_REMOVAL`
pub fn variable(option: &Arg) -> String {
    format!("{PREFIX}{}", long(option).to_uppercase().replace('-', "_"))
}
