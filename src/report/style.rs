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

/// `--color`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}
