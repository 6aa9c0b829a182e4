//! What a run found and did, and how it went.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::answer::Answer;
use super::config::{Config, MissingUsers, Mode, StaleUsers};
use super::notice::Notice;
use crate::failure::{Exit, Failure};
use crate::matching::{Entry, MemberId, Plan};

/// A run, as far as it came.
pub struct Outcome {
    pub started_at: SystemTime,
    pub duration: Duration,
    pub dry_run: bool,
    pub stale_users: StaleUsers,
    pub missing_users: MissingUsers,
    /// What each answered the first time it was asked.
    pub registrars: Vec<Answer>,
    pub redis: String,
    /// None when the run did not come so far.
    pub plan: Option<Arc<Plan>>,
    pub removed: usize,
    pub added: usize,
    /// Members who were removed and are registered: put back. Of the plan's sets, ascending.
    pub restored: Vec<MemberId>,
    /// Members who were removed, and put back since the second look did not confirm their removal. As `restored`.
    pub rolled_back: Vec<MemberId>,
    /// Only the report shows it; a warning goes to standard error, too.
    pub notices: Vec<Notice>,
    pub warnings: Vec<String>,
    pub failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    InSync,
    Changed,
    /// A dry run found some, or a run left stale or missing users alone.
    Discrepancies,
    Refused,
    Failed,
}

impl Verdict {
    pub const ALL: [Verdict; 5] = [
        Verdict::InSync,
        Verdict::Changed,
        Verdict::Discrepancies,
        Verdict::Refused,
        Verdict::Failed,
    ];

    /// As JSON and the metrics call it.
    pub fn name(self) -> &'static str {
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
        Self {
            started_at: SystemTime::now(),
            duration: Duration::ZERO,
            dry_run: matches!(config.mode, Mode::DryRun { .. }),
            stale_users: config.stale,
            missing_users: config.missing,
            registrars: config.registrars.iter().map(Answer::of).collect(),
            redis: config.redis.shown().into(),
            plan: None,
            removed: 0,
            added: 0,
            restored: Vec::new(),
            rolled_back: Vec::new(),
            notices: Vec::new(),
            warnings: config.warnings.clone(),
            failure: None,
        }
    }

    pub fn verdict(&self) -> Verdict {
        match (&self.failure, &self.plan) {
            (Some(failure), _) if failure.exit == Exit::Refused => Verdict::Refused,
            (Some(_), _) | (None, None) => Verdict::Failed,
            (None, Some(plan)) => {
                let (stale, missing) = (plan.totals.stale > 0, plan.totals.missing > 0);
                let left = self.dry_run
                    || stale && self.stale_users == StaleUsers::Keep
                    || missing && self.missing_users == MissingUsers::Leave;
                match (stale || missing, left) {
                    (false, _) => Verdict::InSync,
                    (true, true) => Verdict::Discrepancies,
                    (true, false) => Verdict::Changed,
                }
            }
        }
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

    /// The members of an entry who were removed and put back.
    pub fn restored_of<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = MemberId> + 'a {
        among(&self.restored, entry)
    }

    pub fn rolled_back_of<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = MemberId> + 'a {
        among(&self.rolled_back, entry)
    }
}

fn among<'a>(members: &'a [MemberId], entry: &'a Entry) -> impl Iterator<Item = MemberId> + 'a {
    let stale = entry.stale.iter().copied();
    stale.filter(|member| members.binary_search(member).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{Matches, Sets};
    use crate::settings::Cli;

    fn config(options: &str) -> Config {
        let servers = "kamonline --kamailio=http://k/rpc --redis=redis://r";
        let args = servers.split(' ').chain(options.split_whitespace());
        Cli::read(args.map(Into::into), [])
            .ok()
            .unwrap()
            .config()
            .unwrap()
    }

    /// The verdict and the exit code of a run that found so many.
    fn end(options: &str, stale: usize, missing: usize) -> (&'static str, u8) {
        let config = config(options);
        let sets = Sets::new(config.rules.user_case);
        let nobody = Matches::nobody(&sets);
        let mut plan = Plan::new(&config.rules, sets, nobody);
        (plan.totals.stale, plan.totals.missing) = (stale, missing);
        let outcome = Outcome {
            plan: Some(Arc::new(plan)),
            ..Outcome::begin(&config)
        };
        (outcome.verdict().name(), outcome.exit(config.mode).code())
    }

    #[test]
    fn what_a_run_leaves_as_it_is_are_discrepancies_and_only_exit_code_tells_so() {
        let (in_sync, changed, left) = (("in_sync", 0), ("changed", 0), ("discrepancies", 0));
        let told = ("discrepancies", 4);
        for (options, stale, missing, both) in [
            ("", changed, left, left),
            ("--add-missing", changed, changed, changed),
            ("--add-missing --keep-stale", left, changed, left),
            ("--add-missing --dry-run", left, left, left),
            ("--add-missing --dry-run --exit-code", told, told, told),
        ] {
            let ends = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(s, m)| end(options, s, m));
            assert_eq!(ends, [in_sync, stale, missing, both], "{options}");
        }
    }

    #[test]
    fn a_failure_goes_before_all_else() {
        let end = |failure| {
            let config = config("--dry-run --exit-code");
            let outcome = Outcome {
                failure: Some(failure),
                ..Outcome::begin(&config)
            };
            (outcome.verdict().name(), outcome.exit(config.mode).code())
        };
        assert_eq!(end(Failure::new("")), ("failed", 1));
        assert_eq!(end(Failure::refused("")), ("refused", 3));
    }
}
