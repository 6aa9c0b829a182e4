//! What a run found and did, and how it went.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::answer::Answer;
use super::config::{Config, MissingUsers, Mode, StaleUsers};
use super::facts::Facts;
use super::notice::Notice;
use crate::failure::{Exit, Failure};
use crate::matching::{Entry, MemberId, OtherForm, Plan, Reading};
use crate::text::{Escaped, first_lines};

/// A member who may be off the board and should not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Off {
    pub member: MemberId,
    pub why: WhyOff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyOff {
    /// They were removed, and are not back.
    NotBack,
    /// Redis confirmed that they are back, and may have lost it.
    PerhapsLost,
    /// Redis did not answer a try to remove them, which may be run late.
    PerhapsLate,
    /// The same, and they were not registered at the last look: they are off if they register before it is run.
    OnceRegistered,
}

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
    /// What each server told, in a dry run with `--verbose`.
    pub facts: Option<Facts>,
    /// None when the run did not come so far.
    pub plan: Option<Arc<Plan>>,
    /// Whether the run began to write: before that nothing is changed.
    pub began_writing: bool,
    /// Stale members who were registered when Kamailio was asked again, and so never removed. Of the plan's sets, ascending.
    pub returned: Vec<MemberId>,
    /// Members whose removal Redis confirmed.
    pub removed: Vec<MemberId>,
    pub added: usize,
    /// Members who were removed and are registered: put back. As `returned`.
    pub restored: Vec<MemberId>,
    /// Members who were removed, and put back since the last look did not confirm their removal. As `returned`.
    pub rolled_back: Vec<MemberId>,
    /// Who may be off the board and should not be, ascending.
    pub off: Vec<Off>,
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
            registrars: config.registrars.iter().map(Answer::none_of).collect(),
            redis: config.redis.shown().into(),
            facts: None,
            plan: None,
            began_writing: false,
            returned: Vec::new(),
            removed: Vec::new(),
            added: 0,
            restored: Vec::new(),
            rolled_back: Vec::new(),
            off: Vec::new(),
            notices: Vec::new(),
            warnings: config.warnings.clone(),
            failure: None,
        }
    }

    /// By what was done, not by what was asked for.
    pub fn verdict(&self) -> Verdict {
        let plan = match (&self.failure, &self.plan) {
            (Some(failure), _) if failure.exit == Exit::Refused => return Verdict::Refused,
            (Some(_), _) | (None, None) => return Verdict::Failed,
            (None, Some(plan)) => plan,
        };
        let stale = plan.totals.stale - self.returned.len() - self.removed.len();
        let missing = plan.totals.missing - self.added;
        if stale + plan.totals.other_forms + missing > 0 {
            Verdict::Discrepancies
        } else if self.removed.is_empty() && self.added == 0 {
            Verdict::InSync
        } else {
            Verdict::Changed
        }
    }

    /// The plan of a run after which the sets are right.
    pub fn left_right(&self) -> Option<Arc<Plan>> {
        let is_right = matches!(self.verdict(), Verdict::InSync | Verdict::Changed);
        let nobody_off = self.off.is_empty();
        self.plan
            .clone()
            .filter(|_| is_right && nobody_off && !self.dry_run)
    }

    /// Whatever ended the run, it has failed when somebody may be off the board.
    pub fn exit(&self, mode: Mode) -> Exit {
        match (&self.failure, mode) {
            _ if !self.off.is_empty() => Exit::Failed,
            (Some(failure), _) => failure.exit,
            (
                None,
                Mode::DryRun {
                    exit_code: true, ..
                },
            ) if self.verdict() == Verdict::Discrepancies => Exit::Discrepancies,
            _ => Exit::Done,
        }
    }

    pub fn warn_of_other_forms(&mut self, plan: &Plan) {
        let warning = |other: &OtherForm| {
            let why = match other.reading {
                Reading::Longer => "let kamailio.cfg write the user alone",
                Reading::Shorter => "leave out --default-domain, if these AoRs hold their domain",
                Reading::Port => "let kamailio.cfg write the domain without its port",
                Reading::Case => {
                    "leave out --case-sensitive, unless registrar has case_sensitive 1"
                }
                Reading::Alias => {
                    "if its domain has two names (an alias, realm_prefix of registrar), let \
                     kamailio.cfg write the set of this AoR's domain; if it was renamed, and nobody \
                     registers under the old name, DEL this key"
                }
                Reading::OtherDomain => {
                    "let kamailio.cfg write it into the set of its own domain, and SREM it from \
                     this one; or give --ignore-domain, if usrloc has use_domain 0"
                }
                Reading::NoDomain => {
                    "nobody can tell whose it is, as this AoR holds no domain (of a tel: URI?)"
                }
            };
            let added = match (self.missing_users, other.reading) {
                (MissingUsers::OfUnknownSets { .. }, _)
                | (_, Reading::NoDomain | Reading::OtherDomain | Reading::Alias) => "",
                (MissingUsers::Leave | MissingUsers::Add, _) => {
                    ", and --add-missing adds the right form"
                }
            };
            format!(
                "{} in {} was left alone: {} is registered, and this may be another form of it; \
                 {why}{added}",
                Escaped(plan.sets.member(other.member)),
                Escaped(plan.sets.key_name(other.member)),
                Escaped(&other.aor)
            )
        };
        let others = plan.entries.iter().flat_map(|entry| &entry.other_forms);
        self.warnings.extend(first_lines(others.map(warning)));
    }

    /// The members of an entry who were removed and put back.
    pub fn restored_of<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = MemberId> + 'a {
        among(&self.restored, entry)
    }

    pub fn returned_of<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = MemberId> + 'a {
        among(&self.returned, entry)
    }

    pub fn off_of<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = Off> + 'a {
        entry.stale.iter().filter_map(|member| {
            let at = self.off.binary_search_by_key(member, |off| off.member);
            Some(self.off[at.ok()?])
        })
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
        let mut sets = Sets::new(config.rules.user_case);
        let key = sets.add_key(b"ONLINE:abc".to_vec(), b"abc").unwrap();
        let member = sets.add_member(key, b"100").unwrap();
        let nobody = Matches::nobody(&sets);
        let mut plan = Plan::new(&config.rules, sets, nobody);
        (plan.totals.stale, plan.totals.missing) = (stale, missing);
        let applies = config.mode == Mode::Apply;
        let removes = applies && config.stale == StaleUsers::Remove;
        let adds = applies && config.missing == MissingUsers::Add;
        let outcome = Outcome {
            plan: Some(Arc::new(plan)),
            removed: vec![member; if removes { stale } else { 0 }],
            added: if adds { missing } else { 0 },
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
