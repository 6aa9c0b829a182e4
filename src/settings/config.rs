//! The command line, checked, and made into finished parts.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cli::Cli;
use super::environment::Source;
use crate::failure::Failure;
use crate::kamailio::Registrar;
use crate::matching::{AorDomain, ExcludedUsers, Rules, Scope, UserCase};
use crate::peer::tls;
use crate::peer::{Deadlines, Password};
use crate::report::Format;
use crate::run::{Config, EmptyDump, Guard, MaxRemoval, MissingUsers, Mode, StaleUsers};
use crate::store::{Servers, Topology};
use crate::text::{Escaped, without_secrets};

/// The longest duration that an option takes: the clock ends somewhere.
const A_DAY: Duration = Duration::from_secs(86_400);

impl Cli {
    /// What the options mean.
    pub fn config(mut self) -> Result<Config, Failure> {
        let sources = std::mem::take(&mut self.sources);
        self.checked()
            .map_err(|failure| naming_the_source(&sources, failure))
    }

    fn checked(self) -> Result<Config, Failure> {
        let cli = self;
        if cli.timeout.is_zero() {
            return Err(Failure::usage("--timeout must be longer than 0"));
        }
        let durations = [
            ("--min-uptime", cli.min_uptime),
            ("--settle", cli.settle),
            ("--timeout", cli.timeout),
        ];
        if let Some((option, _)) = durations.iter().find(|(_, time)| *time > A_DAY) {
            return Err(Failure::usage(format!(
                "{option} must not be longer than a day"
            )));
        }
        // With --ignore-domain nobody can be added: what the timer and cron start is a report then.
        if cli.keep_stale && !cli.add_missing && !cli.dry_run {
            return Err(Failure::usage(
                "--keep-stale is given, so nobody would be removed or added",
            )
            .hint(match cli.ignore_domain {
                true => {
                    "leave it out, or look with --dry-run: with --ignore-domain nobody can be added"
                }
                false => "add --add-missing, or look with --dry-run",
            }));
        }
        if cli.replicated && cli.kamailio.len() < 2 {
            return Err(
                Failure::usage("--replicated is given, and only one URL of --kamailio")
                    .hint("name each registrar: repeat --kamailio"),
            );
        }
        if let Some(key) = &cli.checked_key
            && key.starts_with(&cli.prefix)
        {
            return Err(Failure::usage(format!(
                "--checked-key {key}: it begins with --prefix, and would be taken for a domain"
            ))
            .hint("name another key: kamonline:checked"));
        }
        let deadlines = Deadlines {
            timeout: cli.timeout,
            retries: cli.retries,
        };
        let mut warnings = cli.warnings;
        let mut password = |option, file: Option<&Path>| {
            let Some(file) = file else { return Ok(None) };
            let Password { text, warning } = Password::read(option, file)?;
            warnings.extend(warning);
            Ok::<_, Failure>(Some(text))
        };
        let kamailio_password = password(
            "--kamailio-password-file",
            cli.kamailio_password_file.as_deref(),
        )?;
        let redis_password = password("--redis-password-file", cli.redis_password_file.as_deref())?;
        let mut tls = |options: tls::Options, urls: &[String], schemes: &[&str]| {
            let has_tls = |url: &String| {
                let url = url.to_ascii_lowercase();
                schemes.iter().any(|scheme| url.starts_with(scheme))
            };
            let (tls, warning) = options.read(schemes[0], urls.iter().any(has_tls))?;
            warnings.extend(warning);
            Ok::<_, Failure>(tls)
        };
        let kamailio_tls = tls(
            tls::Options {
                server: "kamailio",
                ca: cli.kamailio_ca.as_deref(),
                cert: cli.kamailio_cert.as_deref(),
                key: cli.kamailio_key.as_deref(),
            },
            &cli.kamailio,
            &["https://"],
        )?;
        let redis_tls = tls(
            tls::Options {
                server: "redis",
                ca: cli.redis_ca.as_deref(),
                cert: cli.redis_cert.as_deref(),
                key: cli.redis_key.as_deref(),
            },
            &cli.redis,
            &["rediss://", "valkeys://"],
        )?;
        let user_case = match cli.case_sensitive {
            true => UserCase::Counts,
            false => UserCase::Ignored,
        };
        let registrar = |url: &String| {
            Registrar::new(
                url,
                kamailio_password.as_deref(),
                &kamailio_tls,
                cli.rpc,
                deadlines,
            )
        };
        let scope = Scope::new(&cli.domain, &cli.exclude_domain)?;
        let default_domain = cli.default_domain.as_deref().map(domain).transpose()?;
        if let Some(domain) = &default_domain
            && !scope.contains(domain)
        {
            return Err(Failure::usage(format!(
                "--default-domain {}: --domain or --exclude-domain leaves it out",
                Escaped(domain)
            ))
            .hint(
                "leave out --domain and --exclude-domain: only the set of --default-domain is \
                 read and changed",
            ));
        }
        Ok(Config {
            registrars: cli
                .kamailio
                .iter()
                .map(registrar)
                .collect::<Result<_, _>>()?,
            replicated: cli.replicated,
            redis: Servers::new(
                &cli.redis,
                match cli.redis_sentinel {
                    Some(master) => Topology::Sentinel(master),
                    None if cli.redis_cluster => Topology::Cluster,
                    None => Topology::One,
                },
                redis_password.as_deref(),
                redis_tls,
                deadlines,
            )?,
            rules: Rules {
                user_case,
                prefix: cli.prefix.into_bytes(),
                scope,
                excluded: ExcludedUsers::new(&cli.exclude_user, user_case)?,
                aor_domain: match default_domain {
                    Some(default) => AorDomain::Default(default),
                    None if cli.ignore_domain => AorDomain::Ignored,
                    None => AorDomain::Own,
                },
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
                one_suffices: cli.replicated,
            },
            mode: if cli.dry_run {
                Mode::DryRun {
                    exit_code: cli.exit_code,
                    facts: cli.verbose && cli.format == Format::Text,
                }
            } else {
                Mode::Apply
            },
            stale: if cli.keep_stale {
                StaleUsers::Keep
            } else {
                StaleUsers::Remove
            },
            missing: if cli.ignore_domain {
                MissingUsers::OfUnknownSets {
                    add_missing: cli.add_missing,
                }
            } else if cli.add_missing {
                MissingUsers::Add
            } else {
                MissingUsers::Leave
            },
            settle: cli.settle,
            checked_key: cli.checked_key,
            metrics_file: cli.metrics_file.map(metrics_file).transpose()?,
            warnings,
        })
    }
}

/// A failure about an option begins with it: where a variable sets that option, the failure names the variable, too.
fn naming_the_source(sources: &[Source], failure: Failure) -> Failure {
    let message = failure.to_string();
    let option = message.split([' ', ':']).next().unwrap_or_default();
    let is_it = |source: &&Source| option.strip_prefix("--") == Some(&source.option);
    let Some(source) = sources.iter().find(is_it) else {
        return failure;
    };
    // Half a password or half a pattern, when a comma of its own split it.
    let comma = match &*source.option {
        "kamailio" | "redis" => "%2C",
        _ => "\\x2c",
    };
    let failure = match (source.is_split, failure.hint.clone().unwrap_or_default()) {
        (true, hint) => failure.hint(format!(
            "write a comma that is part of an element as {comma}: {} is split at every comma; \
             {hint}",
            source.name
        )),
        (false, _) => failure,
    };
    failure.context(&source.name)
}

/// In lower case. A pattern, a URL, an AoR or a list would name a set that nobody reads.
fn domain(text: &str) -> Result<Vec<u8>, Failure> {
    let is_name = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c) || !c.is_ascii())
    };
    let address = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()) || is_name(text) {
        return Ok(text.to_ascii_lowercase().into_bytes());
    }
    let shown = without_secrets(text);
    Err(
        Failure::usage(format!("--default-domain {shown}: that is no domain"))
            .hint("write it as it stands in the key of its set, behind --prefix: voip.ca"),
    )
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
    let is_no_file = |data: std::fs::Metadata| !data.is_file();
    let shown = without_secrets(&file.to_string_lossy());
    match file.extension() {
        // A FIFO that nobody writes to would be waited for.
        _ if std::fs::metadata(&file).is_ok_and(is_no_file) => Err(Failure::usage(format!(
            "--metrics-file {shown}: that is no regular file"
        ))),
        Some(end) if end == "prom" => Ok(file),
        _ => Err(Failure::usage(format!(
            "--metrics-file {shown}: the name does not end with .prom"
        ))
        .hint(
            "name a file in the directory of node_exporter's --collector.textfile.directory, \
             which reads *.prom",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_neither_a_url_nor_an_aor_nor_a_list_nor_a_pattern() {
        assert_eq!(domain("VoIP.ca").unwrap(), b"voip.ca");
        for right in ["10.0.0.1", "[2001:db8::1]", "a_b-c", "bücher.example"] {
            assert_eq!(domain(right).unwrap(), right.as_bytes());
        }
        for wrong in [
            "sip:voip.ca",
            "http://voip.ca",
            "100@voip.ca",
            "@voip.ca",
            "a.ca,b.ca",
            "a.ca b.ca",
            "'voip.ca",
            "\"voip.ca",
            "*.voip.ca",
            "voip.ca:5060",
            "voip\\.ca",
            "[voip]",
            "2001:db8::1",
            "abc#",
            "abc?",
        ] {
            let failure = domain(wrong).unwrap_err().to_string();
            let shown = without_secrets(wrong);
            let told = format!("--default-domain {shown}: that is no domain");
            assert_eq!(failure, told);
        }
    }

    #[test]
    fn a_limit_is_a_count_or_a_share() {
        assert_eq!(max_removal("0").unwrap(), MaxRemoval::Count(0));
        assert_eq!(max_removal("100%").unwrap(), MaxRemoval::Percent(100));
        for wrong in ["", "%", "-1", "101%", "5.5%", "50 %", "many"] {
            assert!(max_removal(wrong).is_err(), "{wrong}");
        }
    }
}
