//! The command line, and nothing but the command line: what each option means is settled in `config`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueEnum};

/// Make the Redis sets of who is online say what Kamailio knows
///
/// Reads the sets ONLINE:<domain> from Redis, asks Kamailio who is registered, and removes the users who are gone.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// Root of xhttp_rpc, or JSON-RPC endpoint, of a registrar; repeat for several
    #[arg(help_heading = KAMAILIO, long, value_name = "URL", env = "KAMONLINE_KAMAILIO", hide_env = true, default_value = "http://127.0.0.1:5060/rpc")]
    pub kamailio: Vec<String>,

    /// How to ask
    #[arg(help_heading = KAMAILIO, long, value_enum, env = "KAMONLINE_RPC", hide_env = true, default_value = "xhttp_rpc")]
    pub rpc: RpcArg,

    /// Only this usrloc table counts; repeat for several [default: every table]
    #[arg(help_heading = KAMAILIO, long, value_name = "NAME", env = "KAMONLINE_TABLE", hide_env = true)]
    pub table: Vec<String>,

    /// Trust only the root certificates in this PEM file, for https
    #[arg(help_heading = KAMAILIO, long, value_name = "FILE", env = "KAMONLINE_KAMAILIO_CA", hide_env = true)]
    pub kamailio_ca: Option<PathBuf>,

    /// HTTP Basic password, for the user in the URL
    #[arg(help_heading = KAMAILIO, long, value_name = "FILE", env = "KAMONLINE_KAMAILIO_PASSWORD_FILE", hide_env = true)]
    pub kamailio_password_file: Option<PathBuf>,

    /// redis://, rediss:// or unix://; repeat for the nodes of a cluster, or sentinels
    #[arg(help_heading = REDIS, long, value_name = "URL", env = "KAMONLINE_REDIS", hide_env = true, default_value = "redis://127.0.0.1:6379/0")]
    pub redis: Vec<String>,

    /// The URLs are nodes of a Redis Cluster
    #[arg(help_heading = REDIS, long, conflicts_with = "redis_sentinel")]
    pub redis_cluster: bool,

    /// The URLs are sentinels, which know the master by this name
    #[arg(help_heading = REDIS, long, value_name = "MASTER", env = "KAMONLINE_REDIS_SENTINEL", hide_env = true)]
    pub redis_sentinel: Option<String>,

    /// Trust only the root certificates in this PEM file, for rediss
    #[arg(help_heading = REDIS, long, value_name = "FILE", env = "KAMONLINE_REDIS_CA", hide_env = true)]
    pub redis_ca: Option<PathBuf>,

    /// Password, for the ACL user in the URL if there is one
    #[arg(help_heading = REDIS, long, value_name = "FILE", env = "KAMONLINE_REDIS_PASSWORD_FILE", hide_env = true)]
    pub redis_password_file: Option<PathBuf>,

    /// What the keys of the sets begin with
    #[arg(help_heading = REDIS, long, value_name = "PREFIX", env = "KAMONLINE_PREFIX", hide_env = true, default_value = "ONLINE:")]
    pub prefix: String,

    /// Only domains that this matches as a whole; repeat for several [default: every domain]
    #[arg(help_heading = MATCHING, long, value_name = "REGEX", env = "KAMONLINE_DOMAIN", hide_env = true)]
    pub domain: Vec<String>,

    /// No domain that this matches as a whole; repeat for several
    #[arg(help_heading = MATCHING, long, value_name = "REGEX", env = "KAMONLINE_EXCLUDE_DOMAIN", hide_env = true)]
    pub exclude_domain: Vec<String>,

    /// Domain of every AoR, for registrars with use_domain 0
    #[arg(help_heading = MATCHING, long, value_name = "DOMAIN", env = "KAMONLINE_DEFAULT_DOMAIN", hide_env = true)]
    pub default_domain: Option<String>,

    /// Tell users apart by case, as a registrar with case_sensitive 1 does
    #[arg(help_heading = MATCHING, long)]
    pub case_sensitive: bool,

    /// Show what would be done, write nothing
    #[arg(help_heading = RUN, short = 'n', long)]
    pub dry_run: bool,

    /// With --dry-run: exit with 4 when there is a discrepancy
    #[arg(help_heading = RUN, long, requires = "dry_run")]
    pub exit_code: bool,

    /// Also add the users who are registered and in no set
    #[arg(help_heading = RUN, long)]
    pub add_missing: bool,

    /// Refuse to remove more: a count, or a share of all members (up to 10 always pass a share)
    #[arg(help_heading = RUN, long, value_name = "N|N%", env = "KAMONLINE_MAX_REMOVAL", hide_env = true, default_value = "50%")]
    pub max_removal: String,

    /// Accept that Kamailio reports nobody at all
    #[arg(help_heading = RUN, long)]
    pub allow_empty: bool,

    /// How long to wait before the second look at who was removed
    #[arg(help_heading = RUN, long, value_name = "DURATION", env = "KAMONLINE_SETTLE", hide_env = true, default_value = "1s", value_parser = humantime::parse_duration)]
    pub settle: Duration,

    /// For the whole of each HTTP exchange, and for each Redis connect and reply
    #[arg(help_heading = RUN, long, value_name = "DURATION", env = "KAMONLINE_TIMEOUT", hide_env = true, default_value = "30s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,

    /// How often to try again after a refused or broken connection
    #[arg(help_heading = RUN, long, value_name = "N", env = "KAMONLINE_RETRIES", hide_env = true, default_value_t = 2)]
    pub retries: u32,

    /// The report on standard output
    #[arg(help_heading = REPORT, long, value_enum, env = "KAMONLINE_FORMAT", hide_env = true, default_value = "text")]
    pub format: FormatArg,

    /// Say nothing when all is in sync
    #[arg(help_heading = REPORT, short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Show every domain, and every user of those with a discrepancy
    #[arg(help_heading = REPORT, short, long, action = ArgAction::SetTrue)]
    pub verbose: bool,

    /// When to use colour; NO_COLOR is heeded
    #[arg(help_heading = REPORT, long, value_name = "WHEN", value_enum, env = "KAMONLINE_COLOR", hide_env = true, default_value = "auto")]
    pub color: ColorArg,
}

const KAMAILIO: &str = "Kamailio";
const REDIS: &str = "Redis";
const MATCHING: &str = "Which users";
const RUN: &str = "The run";
const REPORT: &str = "The report";

const AFTER_HELP: &str = "\
Every option that takes a value can come from the environment, as KAMONLINE_ and its name: KAMONLINE_REDIS,
KAMONLINE_MAX_REMOVAL. Lists are split at commas there.

Exit status: 0 in sync or done, 1 failed, 2 wrong usage, 3 refused (--max-removal, --allow-empty),
4 discrepancy (--dry-run --exit-code).

Examples:
  kamonline --dry-run                 see who would be removed
  kamonline --quiet --add-missing     put the sets right, for cron
  kamonline -n --domain '.*\\.voip\\.ca' --format json";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RpcArg {
    #[value(name = "xhttp_rpc")]
    XhttpRpc,
    #[value(name = "jsonrpc")]
    JsonRpc,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FormatArg {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ColorArg {
    Auto,
    Always,
    Never,
}

impl Cli {
    /// Reads the command line and the environment.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(args)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        // Only in the environment: on the command line a comma may be part of a regex.
        let lists = [
            ("kamailio", &mut cli.kamailio),
            ("table", &mut cli.table),
            ("redis", &mut cli.redis),
            ("domain", &mut cli.domain),
            ("exclude_domain", &mut cli.exclude_domain),
        ];
        for (name, list) in lists {
            if matches.value_source(name) == Some(ValueSource::EnvVariable) {
                *list = list
                    .iter()
                    .flat_map(|value| value.split(','))
                    .map(str::trim)
                    .filter(|value| !value.is_empty())
                    .map(str::to_owned)
                    .collect();
            }
        }
        Ok(cli)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
