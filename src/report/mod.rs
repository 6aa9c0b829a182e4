//! How the outcome of a run is told: as text, as JSON, and as metrics.

mod json;
mod metrics;
mod text;

use std::io::{self, Write};
use std::path::Path;

use crate::failure::Failure;
use crate::outcome::Outcome;

/// Writes the metrics of a run. When they cannot be written, a run that went well has failed.
pub fn keep_metrics(outcome: &mut Outcome, file: &Path) {
    let Err(trouble) = metrics::write(outcome, file) else {
        return;
    };
    if outcome.failure.is_some() {
        outcome.warnings.push(trouble.message);
    } else {
        outcome.failure = Some(Failure {
            message: format!("the run is done, but {}", trouble.message),
            ..trouble
        });
    }
}

/// How the report looks.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub format: Format,
    pub detail: Detail,
    pub color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing when all is in sync, else as `Short`.
    OnlyNews,
    /// Domains with a discrepancy, some users of each.
    Short,
    /// Every domain, and every user of those with a discrepancy.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

/// Writes the report; `terminal` tells whether `out` is one.
pub fn write(
    outcome: &Outcome,
    style: Style,
    terminal: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let color = match style.color {
        Color::Auto => {
            terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
        Color::Always => true,
        Color::Never => false,
    };
    match style.format {
        Format::Json => json::write(outcome, style.detail, out),
        Format::Text => text::write(outcome, style.detail, color, out),
    }?;
    out.flush()
}
