//! How the outcome of a run is told: as text, as JSON, and as metrics.

mod facts;
mod json;
mod metrics;
mod style;
mod text;

use std::io::{self, Write};
use std::path::Path;

use crate::run::Outcome;
pub use style::{Color, Detail, Format, Style};

/// Writes the metrics of a run. When they cannot be written, a run that went well has failed.
pub fn keep_metrics(outcome: &mut Outcome, file: &Path) {
    let Err(trouble) = metrics::write(outcome, file) else {
        return;
    };
    match outcome.failure {
        Some(_) => outcome.warnings.push(trouble.to_string()),
        None => outcome.failure = Some(trouble.and("the run itself is done")),
    }
}

/// Writes the report; `terminal` tells whether `out` is one.
pub fn write(
    outcome: &Outcome,
    style: Style,
    terminal: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let color = style.color.is_on(terminal);
    match style.format {
        Format::Json => json::write(outcome, style.detail, out),
        Format::Text => text::write(outcome, style.detail, color, terminal, out),
    }?;
    out.flush()
}
