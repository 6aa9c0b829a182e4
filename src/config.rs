//! The command line, checked, and made into finished parts.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::aor::UserCase;
use crate::cli::{Cli, ColorArg, FormatArg, RpcArg};
use crate::failure::Failure;
use crate::guard::{EmptyDump, Guard, MaxRemoval};
use crate::kamailio::{Patience, Registrar, Rpc};
use crate::report::{Color, Detail, Format, Style};
use crate::roll_call::Rules;
use crate::scope::Scope;
use crate::shown::without_secrets;
use crate::store::{Access, Servers, Topology};

/// All that a run needs to know.
pub struct Config {
    /// Who is asked who is registered.
    pub registrars: Vec<Registrar>,
    /// Where the sets are.
    pub redis: Servers,
    /// How the two are matched.
    pub rules: Rules,
    /// When a plan is refused.
    pub guard: Guard,
    /// Whether the plan is carried out.
    pub mode: Mode,
    /// What is done about users who are in no set.
    pub missing: MissingUsers,
    /// How long after the last removal the registrars are asked again.
    pub settle: Duration,
    /// Where the run's metrics go.
    pub metrics_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Apply,
    DryRun {
        /// Whether a discrepancy shows in the exit code.
        exit_code: bool,
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingUsers {
    Leave,
    Add,
}

impl Config {
    pub fn resolve(cli: Cli) -> Result<Self, Failure> {
        if cli.timeout.is_zero() {
            return Err(Failure::usage("--timeout must be longer than 0"));
        }
        if cli.kamailio.is_empty() || cli.redis.is_empty() {
            return Err(Failure::usage("--kamailio and --redis need a URL"));
        }
        let patience = Patience {
            timeout: cli.timeout,
            retries: cli.retries,
        };
        let rpc = match cli.rpc {
            RpcArg::XhttpRpc => Rpc::XhttpRpc,
            RpcArg::JsonRpc => Rpc::JsonRpc,
        };
        let password = password(
            "--kamailio-password-file",
            cli.kamailio_password_file.as_deref(),
        )?;
        let registrar = |url: &String| {
            Registrar::new(
                url,
                password.as_deref(),
                cli.kamailio_ca.as_deref(),
                rpc,
                patience,
            )
        };
        Ok(Self {
            registrars: cli
                .kamailio
                .iter()
                .map(registrar)
                .collect::<Result<_, _>>()?,
            redis: Servers::new(
                &cli.redis,
                match cli.redis_sentinel {
                    Some(master) => Topology::Sentinel(master),
                    None if cli.redis_cluster => Topology::Cluster,
                    None => Topology::One,
                },
                self::password("--redis-password-file", cli.redis_password_file.as_deref())?
                    .as_deref(),
                cli.redis_ca.as_deref(),
                patience,
            )?,
            rules: Rules {
                user_case: if cli.case_sensitive {
                    UserCase::Counts
                } else {
                    UserCase::Ignored
                },
                prefix: cli.prefix.into_bytes(),
                scope: Scope::new(&cli.domain, &cli.exclude_domain)?,
                default_domain: cli
                    .default_domain
                    .map(|domain| domain.to_ascii_lowercase().into_bytes()),
                tables: cli.table,
            },
            guard: Guard {
                max_removal: max_removal(&cli.max_removal)?,
                empty: if cli.allow_empty {
                    EmptyDump::Allowed
                } else {
                    EmptyDump::Refused
                },
                min_uptime: cli.min_uptime,
            },
            mode: if cli.dry_run {
                Mode::DryRun {
                    exit_code: cli.exit_code,
                }
            } else {
                Mode::Apply
            },
            missing: if cli.add_missing {
                MissingUsers::Add
            } else {
                MissingUsers::Leave
            },
            settle: cli.settle,
            metrics_file: cli.metrics_file.map(metrics_file).transpose()?,
        })
    }
}

impl Style {
    pub fn resolve(cli: &Cli) -> Self {
        Self {
            format: match cli.format {
                FormatArg::Text => Format::Text,
                FormatArg::Json => Format::Json,
            },
            detail: match (cli.quiet, cli.verbose) {
                (true, _) => Detail::OnlyNews,
                (_, true) => Detail::All,
                _ => Detail::Short,
            },
            color: match cli.color {
                ColorArg::Auto => Color::Auto,
                ColorArg::Always => Color::Always,
                ColorArg::Never => Color::Never,
            },
        }
    }
}

fn max_removal(text: &str) -> Result<MaxRemoval, Failure> {
    let parsed = match text.strip_suffix('%') {
        Some(percent) => percent
            .parse()
            .ok()
            .filter(|percent| *percent <= 100)
            .map(MaxRemoval::Percent),
        None => text.parse().ok().map(MaxRemoval::Count),
    };
    parsed.ok_or_else(|| {
        Failure::usage(format!(
            "--max-removal {}: neither a count (500) nor a share of 0% to 100%",
            without_secrets(text)
        ))
    })
}

/// node_exporter reads no other: metrics that nobody reads would raise no alarm.
fn metrics_file(file: PathBuf) -> Result<PathBuf, Failure> {
    match file.extension() {
        Some(end) if end == "prom" => Ok(file),
        _ => Err(Failure::usage(format!(
            "--metrics-file {}: the name does not end with .prom",
            file.display()
        ))
        .hint("it takes a file in the directory of node_exporter's --collector.textfile.directory, which reads *.prom")),
    }
}

/// The first line of a file, which is all of a password file that counts.
fn password(option: &str, file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let unusable =
        |why: &dyn std::fmt::Display| Failure::usage(format!("{option} {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| match error.kind() {
        // Its name is not told: it may be the password itself.
        ErrorKind::NotFound => Failure::usage(format!("{option}: no such file"))
            .hint("it takes the name of a file whose first line is the password"),
        _ => unusable(&error),
    })?;
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() {
        Err(unusable(&"its first line is empty"))
    } else {
        Ok(Some(first.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_count_or_a_share() {
        assert_eq!(max_removal("0").unwrap(), MaxRemoval::Count(0));
        assert_eq!(max_removal("100%").unwrap(), MaxRemoval::Percent(100));
        for wrong in ["", "%", "-1", "101%", "5.5%", "50 %", "many"] {
            assert!(max_removal(wrong).is_err(), "{wrong}");
        }
    }
}
