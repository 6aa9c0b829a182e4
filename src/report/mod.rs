//! What a run found and did, and how it is told: as text, as JSON, and as metrics.

mod json;
mod metrics;
mod text;

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::config::{Config, MissingUsers, Mode};
use crate::failure::{Exit, Failure};
use crate::names::Name;
use crate::plan::{Entry, Plan};

/// A run, as far as it came.
pub struct Outcome {
    pub started_at: SystemTime,
    pub duration: Duration,
    pub dry_run: bool,
    pub missing_users: MissingUsers,
    pub registrars: Vec<Answer>,
    pub redis: String,
    /// None when the run did not come so far.
    pub plan: Option<Plan>,
    pub removed: usize,
    pub added: usize,
    /// Members who were removed and put back, of the plan's sets, ascending.
    pub restored: Vec<Name>,
    pub warnings: Vec<String>,
    pub failure: Option<Failure>,
}

/// What a registrar answered the first time it was asked.
pub struct Answer {
    pub url: String,
    pub server: Option<String>,
    pub aors: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    InSync,
    Changed,
    /// A dry run found some, or a run left missing users alone.
    Discrepancies,
    Refused,
    Failed,
}

impl Verdict {
    const ALL: [Verdict; 5] = [
        Verdict::InSync,
        Verdict::Changed,
        Verdict::Discrepancies,
        Verdict::Refused,
        Verdict::Failed,
    ];

    /// As JSON and the metrics call it.
    fn name(self) -> &'static str {
        match self {
            Verdict::InSync => "in_sync",
            Verdict::Changed => "changed",
            Verdict::Discrepancies => "discrepancies",
            Verdict::Refused => "refused",
            Verdict::Failed => "failed",
        }
    }
}

impl Outcome {
    /// A run that has not done anything yet.
    pub fn begin(config: &Config) -> Self {
        let unasked = |registrar: &crate::kamailio::Registrar| Answer {
            url: registrar.url().into(),
            server: None,
            aors: None,
        };
        Self {
            started_at: SystemTime::now(),
            duration: Duration::ZERO,
            dry_run: matches!(config.mode, Mode::DryRun { .. }),
            missing_users: config.missing,
            registrars: config.registrars.iter().map(unasked).collect(),
            redis: config.redis.shown().into(),
            plan: None,
            removed: 0,
            added: 0,
            restored: Vec::new(),
            warnings: Vec::new(),
            failure: None,
        }
    }

    pub fn verdict(&self) -> Verdict {
        match (&self.failure, &self.plan) {
            (Some(failure), _) if failure.exit == Exit::Refused => Verdict::Refused,
            (Some(_), _) | (None, None) => Verdict::Failed,
            (None, Some(plan)) => {
                let (stale, missing) = (plan.totals.stale > 0, plan.totals.missing > 0);
                let left = self.dry_run || missing && self.missing_users == MissingUsers::Leave;
                match (stale || missing, left) {
                    (false, _) => Verdict::InSync,
                    (true, true) => Verdict::Discrepancies,
                    (true, false) => Verdict::Changed,
                }
            }
        }
    }

    /// Writes the metrics of the run. When they cannot be written, a run that went well has failed.
    pub fn keep_metrics(&mut self, file: &Path) {
        let Err(trouble) = metrics::write(self, file) else {
            return;
        };
        if self.failure.is_some() {
            self.warnings.push(trouble.message);
        } else {
            self.failure = Some(Failure {
                message: format!("the run is done, but {}", trouble.message),
                ..trouble
            });
        }
    }

    /// The members of an entry who were removed and put back.
    fn restored_of<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = Name> + 'a {
        entry
            .stale
            .iter()
            .copied()
            .filter(|member| self.restored.binary_search(member).is_ok())
    }

    pub fn exit(&self, mode: Mode) -> Exit {
        match (&self.failure, mode) {
            (Some(failure), _) => failure.exit,
            (None, Mode::DryRun { exit_code: true })
                if self.verdict() == Verdict::Discrepancies =>
            {
                Exit::Discrepancies
            }
            _ => Exit::Done,
        }
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
