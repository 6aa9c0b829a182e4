//! The command line, and nothing but the command line: what each option means is settled in `config`.

// The comments are what --help prints, and no Markdown.
#![allow(rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};

use super::environment::{self, SettingsError, Source};
use super::file::DEFAULT;
use crate::kamailio::Rpc;
use crate::report::{Color, Detail, Format, Style};
use crate::text::without_secrets;

/// Remove users from the Redis sets of who is online whom Kamailio no longer has registered
///
/// kamonline reads the sets ONLINE:<domain> from Redis, asks Kamailio who is registered, and asks again a moment later. It
/// removes the users who are gone by both answers, asks a last time, and puts back who has registered meanwhile. It adds
/// the users who are registered and in no set only with --add-missing. Unless every registrar's answer is proved whole,
/// it removes nobody.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// Print the man page, or the completions of a shell
    ///
    /// Nothing else is done. For bash: kamonline --generate bash > /usr/share/bash-completion/completions/kamonline
    #[arg(
        long,
        value_name = "man|bash|zsh|fish",
        value_enum,
        hide_possible_values = true,
        display_order = 1000
    )]
    pub generate: Option<Generate>,

    /// Settings file, or - for standard input, or none
    ///
    /// Lines KAMONLINE_REDIS='redis://127.0.0.1:6379/0', one for each option that is to be set. Without it kamonline reads
    /// /etc/kamonline.env, when that is there and neither the command line nor the environment names a server (--kamailio,
    /// --redis). The command line takes precedence over the environment, and the environment over the file.
    #[arg(long, value_name = "FILE|-|none", display_order = 1000)]
    pub settings: Option<PathBuf>,

    /// A registrar; repeatable
    ///
    /// A TCP port on which Kamailio listens, and the root of xhttp_rpc, or with --rpc jsonrpc the path at which kamailio.cfg
    /// calls jsonrpc_dispatch(). http:// or https://; http://USER@... for HTTP Basic. kamonline asks all registrars; a user is
    /// online when one of them has them.
    #[arg(help_heading = KAMAILIO, long, value_name = "URL", default_value = "http://127.0.0.1:5060/rpc")]
    pub kamailio: Vec<String>,

    /// The registrars replicate their users to each other
    ///
    /// For dmq_usrloc, where kamcmd dmq.list_nodes lists every registrar, on each: since 5.8, dmq counts registrars that share
    /// an IP address as one. A registrar that refuses connections counts as dead, and the others suffice; when one is younger than
    /// --min-uptime, an older one suffices. When a registrar does not answer for another reason, nobody is removed. A
    /// firewall between them must drop packets: if it rejects them, the registrar looks dead. It is not for a shared database:
    /// usrloc reads that only at its start (db_mode 1 and 2), or dumps nobody (db_mode 3).
    #[arg(help_heading = KAMAILIO, long)]
    pub replicated: bool,

    /// Module that answers in Kamailio
    ///
    /// xhttp_rpc is fast. jsonrpc is for a Kamailio without xhttp_rpc, 5.1 or newer: 100,000 users keep one of its workers
    /// busy for some 12 s, and from 5.8 on they need tcp_msg_read_timeout=120 in kamailio.cfg.
    #[arg(
        help_heading = KAMAILIO,
        long,
        value_name = "xhttp_rpc|jsonrpc",
        value_enum,
        hide_possible_values = true,
        default_value = "xhttp_rpc"
    )]
    pub rpc: Rpc,

    /// Count only this usrloc table; repeatable [default: all]
    ///
    /// The table of save("location") is "location".
    #[arg(help_heading = KAMAILIO, long, value_name = "NAME")]
    pub table: Vec<String>,

    /// Trust only the root certificates in this PEM file
    ///
    /// For https://. Without it, the system's certificates are trusted.
    #[arg(help_heading = KAMAILIO, long, value_name = "FILE")]
    pub kamailio_ca: Option<PathBuf>,

    /// Certificate to show to a Kamailio that demands one
    ///
    /// For https://. PEM, with the certificates between it and its root, if there are any. It needs --kamailio-key.
    #[arg(help_heading = KAMAILIO, long, value_name = "FILE")]
    pub kamailio_cert: Option<PathBuf>,

    /// Key of that certificate
    ///
    /// PEM, without a passphrase.
    #[arg(help_heading = KAMAILIO, long, value_name = "FILE")]
    pub kamailio_key: Option<PathBuf>,

    /// HTTP Basic password of the user in the URL
    ///
    /// The first line of the file. It takes precedence over a password in the URL. All registrars have the same.
    #[arg(help_heading = KAMAILIO, long, value_name = "FILE")]
    pub kamailio_password_file: Option<PathBuf>,

    /// Redis that holds the sets
    ///
    /// redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, unix:///PATH[?db=N&pass=PASSWORD]. Repeat it for
    /// nodes of a cluster or for sentinels: one that answers is enough.
    #[arg(help_heading = REDIS, long, value_name = "URL", default_value = "redis://127.0.0.1:6379/0")]
    pub redis: Vec<String>,

    /// The URLs (repeat --redis) are nodes of a Redis Cluster
    ///
    /// kamonline finds the other nodes through them.
    #[arg(help_heading = REDIS, long, conflicts_with = "redis_sentinel")]
    pub redis_cluster: bool,

    /// The URLs (repeat --redis) are sentinels of this master
    ///
    /// kamonline asks them for its address at each run.
    #[arg(help_heading = REDIS, long, value_name = "MASTER")]
    pub redis_sentinel: Option<String>,

    /// Trust only the root certificates in this PEM file
    ///
    /// For rediss://. Without it, the system's certificates are trusted.
    #[arg(help_heading = REDIS, long, value_name = "FILE")]
    pub redis_ca: Option<PathBuf>,

    /// Certificate to show to a Redis that demands one
    ///
    /// For rediss://, where Redis demands one unless its redis.conf has tls-auth-clients no. PEM, with the certificates
    /// between it and its root, if there are any. It needs --redis-key. Sentinels and all nodes are shown the same one.
    #[arg(help_heading = REDIS, long, value_name = "FILE")]
    pub redis_cert: Option<PathBuf>,

    /// Key of that certificate
    ///
    /// PEM, without a passphrase.
    #[arg(help_heading = REDIS, long, value_name = "FILE")]
    pub redis_key: Option<PathBuf>,

    /// Password for Redis, of the ACL user in the URL if there is one
    ///
    /// The first line of the file. It takes precedence over a password in the URL.
    #[arg(help_heading = REDIS, long, value_name = "FILE")]
    pub redis_password_file: Option<PathBuf>,

    /// What the keys of the sets begin with
    ///
    /// The rest of a key is the domain.
    #[arg(help_heading = REDIS, long, value_name = "PREFIX", default_value = "ONLINE:")]
    pub prefix: String,

    /// Key that tells readers of the sets when they were last right
    ///
    /// A run that ends in sync, or did all that was to be done, sets it to a JSON object: checked_at, checked_at_seconds, domains,
    /// online. Other runs leave it as it is; so does one that finds missing users without --add-missing. The Redis user needs
    /// +set and access to the key. A run with --domain or --exclude-domain vouches only for the domains that it looks
    /// at: give each such run a key of its own.
    #[arg(help_heading = REDIS, long, value_name = "KEY")]
    pub checked_key: Option<String>,

    /// Only domains whose name it matches; repeatable [default: all]
    ///
    /// The pattern matches the whole name, in any case. Sets of other domains are neither read nor changed.
    #[arg(help_heading = MATCHING, long, value_name = "REGEX")]
    pub domain: Vec<String>,

    /// Not the domains whose name it matches; repeatable
    ///
    /// The pattern matches the whole name, in any case. It takes precedence over --domain.
    #[arg(help_heading = MATCHING, long, value_name = "REGEX")]
    pub exclude_domain: Vec<String>,

    /// Leave alone the users whose name it matches; repeatable
    ///
    /// For trunks, probes, members of other applications: they are neither removed, nor added, nor counted. The pattern
    /// matches the whole name, as Redis or Kamailio holds it or %-unescaped, in any case unless --case-sensitive.
    #[arg(help_heading = MATCHING, long, value_name = "REGEX")]
    pub exclude_user: Vec<String>,

    /// Domain of every AoR, for registrars with use_domain 0
    ///
    /// usrloc's use_domain is 0 unless kamailio.cfg sets it: registrars then report users without their domain. For sites with
    /// one domain: only its set is read and changed.
    #[arg(help_heading = MATCHING, long, value_name = "DOMAIN")]
    pub default_domain: Option<String>,

    /// Match users in any set, for registrars with use_domain 0
    ///
    /// For sites whose sets are of several domains all the same. A member is online when any AoR has that user. An AoR with an @
    /// is that user in any set, and the user before its last @ in its own domain's set. kamonline reports who is registered and in
    /// no set, unless --domain or --exclude-domain leaves out sets that may hold them. It can add nobody: --add-missing does nothing
    /// then, and a notice says so.
    #[arg(help_heading = MATCHING, long, conflicts_with = "default_domain")]
    pub ignore_domain: bool,

    /// Tell users apart by case, as registrar's case_sensitive 1 does
    ///
    /// A domain's case never counts.
    #[arg(help_heading = MATCHING, long)]
    pub case_sensitive: bool,

    /// Show what would be done, and change no set
    ///
    /// The guard (--max-removal, --allow-empty, --min-uptime) refuses in a dry run too. A dry run looks once: a run may still
    /// refuse at its second look.
    #[arg(help_heading = RUN, short = 'n', long)]
    pub dry_run: bool,

    /// With --dry-run: exit with 4 when there is a discrepancy
    ///
    /// A discrepancy is a stale user or a missing one.
    #[arg(help_heading = RUN, long, requires = "dry_run")]
    pub exit_code: bool,

    /// Also add the users who are registered and in no set
    ///
    /// Without it, the report shows them.
    #[arg(help_heading = RUN, long)]
    pub add_missing: bool,

    /// With --add-missing: remove nobody, only report the stale
    ///
    /// For the first weeks. --max-removal, --min-uptime and the second look have nothing to do then; a run is still refused when
    /// Redis and Kamailio have nobody in common. Without --add-missing it goes with --dry-run only.
    #[arg(help_heading = RUN, long)]
    pub keep_stale: bool,

    /// Most removals: a count, or a share of members
    ///
    /// 500 is a count; 50% is a share of the members of all sets in scope. Under a share above 0%, up to 10 removals always pass.
    /// A run that would remove more is refused as a whole.
    #[arg(help_heading = RUN, long, value_name = "N|N%", default_value = "50%")]
    pub max_removal: String,

    /// Accept that Kamailio reports nobody in scope, or no member of any set
    ///
    /// Without it, both are refused while the sets have members: a Kamailio that was just restarted knows nobody yet; and Redis
    /// and Kamailio have nobody in common when --prefix or the registrar is wrong, or members are written in another form. So is
    /// --add-missing refused where all sets are of other domains than --default-domain, which may be misspelt.
    #[arg(help_heading = RUN, long)]
    pub allow_empty: bool,

    /// Remove nobody before each Kamailio has been up so long
    ///
    /// As 30s, 2m; a day at most. It must be longer than Kamailio takes to load its users: until then its dump lacks some of
    /// them. kamonline asks only when it would remove somebody. 0s believes any age from a second on, and a Kamailio that does
    /// not tell it.
    #[arg(help_heading = RUN, long, value_name = "DURATION", default_value = "2m", value_parser = humantime::parse_duration)]
    pub min_uptime: Duration,

    /// Wait between two looks at the registrars
    ///
    /// As 500ms, 1s, 1m; a day at most. Only a run that would remove somebody waits: before the second look, which must agree
    /// with the first, and after the removal, 200 ms at least, before the last look, which puts back who has registered
    /// meanwhile.
    #[arg(help_heading = RUN, long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    pub settle: Duration,

    /// Longest wait for a server
    ///
    /// For each HTTP exchange, Redis connect and Redis reply. As 500ms, 30s, 2m; more than 0, a day at most. An HTTP exchange
    /// must be over by then, however long its answer is. To read all sets may take 20 times as long. While users are removed
    /// or put back it is 30s at most.
    #[arg(help_heading = RUN, long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,

    /// Retries after a refused or broken connection
    ///
    /// After 200 ms, then twice as long each time, up to 2 s. kamonline never retries after an answer that refuses, nor after a
    /// time-out: either may mean that Kamailio is short of memory, and asking again would make it worse. A cluster, or
    /// sentinels, may put another master in the place of a dead one: unless N is 0, kamonline waits for that up to --timeout.
    #[arg(help_heading = RUN, long, value_name = "N", default_value_t = 2)]
    pub retries: u32,

    /// Form of the report on standard output
    ///
    /// json prints one object, also when the run fails. Standard error has the errors in words with either.
    #[arg(help_heading = REPORT, long, value_name = "text|json", value_enum, hide_possible_values = true, default_value = "text")]
    pub format: Format,

    /// Prometheus metrics, for node_exporter's textfile collector
    ///
    /// The name must end with .prom. kamonline writes the file whole at the end of each run, failed and dry ones too, and needs
    /// a writable directory, as a new file takes the old one's place.
    #[arg(help_heading = REPORT, long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,

    /// Say nothing when all is in sync
    ///
    /// Warnings and errors are always printed.
    #[arg(help_heading = REPORT, short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Show every domain, and every user of those with a discrepancy
    ///
    /// Without it: the domains with a discrepancy, and of each up to 20 stale and 20 missing users; on a terminal, up to 10
    /// domains and 40 users. A run whose output is no terminal names everyone whom it removed. JSON has them all.
    /// With --dry-run the text report begins with what kamonline found at each server, also when the other one fails: send
    /// that to those who help you. It holds no password.
    #[arg(help_heading = REPORT, short, long)]
    pub verbose: bool,

    /// When to use colour
    ///
    /// auto: on a terminal, unless the environment variable NO_COLOR is set.
    #[arg(help_heading = REPORT, long, value_name = "auto|always|never", value_enum, hide_possible_values = true, default_value = "auto")]
    pub color: Color,

    /// What the environment and the settings file set.
    #[arg(skip)]
    pub sources: Vec<Source>,

    /// About the settings file.
    #[arg(skip)]
    pub warnings: Vec<String>,
}

const KAMAILIO: &str = "Kamailio";
const REDIS: &str = "Redis";
const MATCHING: &str = "Which users";
const RUN: &str = "The run";
const REPORT: &str = "The report";

const AFTER_HELP: &str = "\
Every option but --help, --version and --generate can come from the environment,
as KAMONLINE_ and its name: KAMONLINE_MAX_REMOVAL=500; or from a settings file,
/etc/kamonline.env, in such lines. The command line takes precedence over both.
Flags are 1, true, yes, on or 0, false, no, off (--dry-run=false on the command
line). Lists are split at every comma.

Exit status: 0 in sync or done, 1 failed, 2 wrong usage, 3 refused by the guard
(--max-removal, --allow-empty, --min-uptime), 4 discrepancy (--dry-run
--exit-code), 128 + n stopped by signal n: nobody is off the board.

Examples:
  kamonline --dry-run                        show who would be removed
  kamonline --quiet --add-missing            put the sets right, for cron
  kamonline -n -v --domain '.*\\.voip\\.ca'    look at some domains, whole
  kamonline --kamailio http://10.0.0.1:5060/rpc --redis redis://10.0.0.2:6379/0";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Generate {
    Man,
    Bash,
    Zsh,
    Fish,
}

impl Generate {
    /// Made from the command line above by tests/it/admin/generate.rs, which holds them to it.
    pub fn text(self) -> &'static str {
        match self {
            Generate::Man => include_str!("../../man/kamonline.1"),
            Generate::Bash => include_str!("../../completions/kamonline.bash"),
            Generate::Zsh => include_str!("../../completions/_kamonline"),
            Generate::Fish => include_str!("../../completions/kamonline.fish"),
        }
    }
}

impl Cli {
    /// Reads the command line, the environment and the settings file.
    pub fn read(
        args: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let args = args.into_iter().collect();
        let read = environment::read(&Self::command(), args, environment, DEFAULT.as_ref());
        let settings = read.map_err(|error| match error {
            SettingsError::Clap(error) => SettingsError::Clap(discreet(error)),
            failure => failure,
        })?;
        Ok(Self {
            sources: settings.sources,
            warnings: settings.warnings,
            ..Self::from_arg_matches(&settings.matches)?
        })
    }

    pub fn style(&self) -> Style {
        Style {
            format: self.format,
            detail: match (self.quiet, self.verbose) {
                (true, _) => Detail::OnlyNews,
                (_, true) => Detail::All,
                _ => Detail::Short,
            },
            color: self.color,
        }
    }
}

/// An error quotes what it is about, and that may be a URL with a password in the wrong place.
fn discreet(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(quoted)) = error.get(kind) {
            let shown = ContextValue::String(without_secrets(quoted));
            error.insert(kind, shown);
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
