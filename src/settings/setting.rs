//! What one option is set to, wherever that stands.

use std::ffi::{OsStr, OsString};

use clap::Arg;
use regex::Regex;

use super::option::{is_flag, is_list, long, variable};
use super::spelling::{check_pattern, check_spelling, is_invisible};
use crate::failure::Failure;

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

    /// A list is split at every comma; the last one may stand at the end. A regular expression takes `\x2c` for a comma, but
    /// not in `{1\x2c3}`.
    pub fn from_variable(option: &'a Arg, place: Place, value: OsString) -> Result<Self, Failure> {
        let variable = place.of(&variable(option));
        check_spelling(option, &variable, &value)?;
        if !is_list(option) || value.is_empty() {
            return Self::checked(option, place, vec![value]);
        }
        let text = value
            .to_str()
            .ok_or_else(|| Failure::usage(format!("{variable} is not valid UTF-8")))?;
        let whole = |part: &str| with_comma_in_repetitions(part).into();
        let mut parts: Vec<OsString> = text.split(',').map(whole).collect();
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
            check_pattern(option, &name, value)?;
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

/// `{1,3}` of `{1\x2c3}`
fn with_comma_in_repetitions(text: &str) -> String {
    let repetition = Regex::new(r"\{(\d+)\\x2c(\d*)\}").expect("it is a regular expression");
    repetition.replace_all(text, "{$1,$2}").into_owned()
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
