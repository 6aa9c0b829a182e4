//! All that a run needs to know, checked.

use std::path::PathBuf;
use std::time::Duration;

use super::guard::Guard;
use crate::kamailio::Registrar;
use crate::matching::Rules;
use crate::store::{Access, Servers};

/// All that a run needs to know.
pub struct Config {
    /// Who is asked who is registered.
    pub registrars: Vec<Registrar>,
    /// Whether each of them knows the users of all (`--replicated`).
    pub replicated: bool,
    /// Where the sets are.
    pub redis: Servers,
    /// How the two are matched.
    pub rules: Rules,
    /// When a plan is refused.
    pub guard: Guard,
    /// Whether the plan is carried out.
    pub mode: Mode,
    /// What is done about members who are not registered.
    pub stale: StaleUsers,
    /// What is done about users who are in no set.
    pub missing: MissingUsers,
    /// The wait before the second look, and before the last one.
    pub settle: Duration,
    /// The key in Redis that tells when a run last left the sets right.
    pub checked_key: Option<String>,
    /// Where the run's metrics go.
    pub metrics_file: Option<PathBuf>,
    /// Of the settings themselves.
    pub warnings: Vec<String>,
}

impl Config {
    /// The one whose answers name this URL.
    pub fn registrar(&self, url: &str) -> Option<&Registrar> {
        let mut registrars = self.registrars.iter();
        registrars.find(|registrar| registrar.url() == url)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Apply,
    DryRun {
        /// Whether a discrepancy shows in the exit code.
        exit_code: bool,
        /// Whether it tells what it found at each server (`--verbose`).
        facts: bool,
    },
}

impl Mode {
    /// What the run does with the sets.
    pub fn access(self) -> Access {
        match self {
            Self::Apply => Access::Change,
            Self::DryRun { .. } => Access::Look,
        }
    }

    /// Whether the servers are asked what only the report tells.
    pub fn tells_facts(self) -> bool {
        matches!(self, Self::DryRun { facts: true, .. })
    }
}

/// `--keep-stale`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleUsers {
    Remove,
    Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingUsers {
    Leave,
    Add,
    /// Nobody knows into which set they belong (`--ignore-domain`), whether or not `--add-missing` asks to add them.
    OfUnknownSets {
        add_missing: bool,
    },
}
