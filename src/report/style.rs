//! How a report looks.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub format: Format,
    pub detail: Detail,
    pub color: Color,
}

/// `--format`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// `--quiet` and `--verbose`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing when all is in sync, else as `Short`.
    OnlyNews,
    /// Domains with a discrepancy, some users of each.
    Short,
    /// Every domain, and every user of those with a discrepancy.
    All,
}

pub const RED: &str = "\x1b[31m";
pub const GREEN: &str = "\x1b[32m";
pub const BOLD: &str = "\x1b[1m";
pub const BOLD_RED: &str = "\x1b[1;31m";

/// `--color`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

impl Color {
    /// Whether what is printed to a terminal, or to something else, is coloured.
    pub fn is_on(self, terminal: bool) -> bool {
        match self {
            Color::Auto => {
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
            Color::Always => true,
            Color::Never => false,
        }
    }

    /// An error begins with it.
    pub fn error(self, terminal: bool) -> String {
        painted(self.is_on(terminal), BOLD_RED, "error")
    }
}

pub fn painted(color: bool, style: &str, text: &str) -> String {
    match color {
        true => format!("{style}{text}\x1b[0m"),
        false => text.into(),
    }
}
