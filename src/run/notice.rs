//! What an administrator should know of a run that went well, without being told of it in a mail each time.

use std::fmt;

use super::answer::Answer;
use super::config::{Config, MissingUsers};
use crate::matching::{Plan, Totals};
use crate::text::{Escaped, counted};

/// A domain with no more members than this may well have nobody registered; registrars that differ by no more users may well
/// replicate them.
const FEW_USERS: usize = 10;
/// Replication is some seconds late: it does not miss more than one user in so many for that.
const UNEVEN: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// This registrar reports nobody, while others have users.
    EmptyRegistrar(String),
    /// This registrar is dead, and the others know its users.
    DeadRegistrar(String),
    /// This registrar's name has several addresses.
    SeveralAddresses(String),
    /// Sets of other domains than `--default-domain`.
    OtherDomains(usize),
    /// So many of so many AoRs are only in the set of the domain that they hold, and each registrar has domains: no case for
    /// `--ignore-domain`.
    NeedlessIgnoreDomain { split: usize, aors: usize },
    /// `--add-missing`, with `--ignore-domain`.
    IdleAddMissing,
    /// This registrar does not tell how long it has been up.
    UntoldUptime(String),
    /// Of registrars that should know the same users, two that differ most.
    UnevenRegistrars {
        more: (String, usize),
        less: (String, usize),
    },
    /// None of this domain's members is registered.
    DeadDomain { domain: Vec<u8>, members: usize },
    /// This value of this option matches nothing in Redis and nothing that Kamailio knows.
    Unmatched(&'static str, String),
    /// No key in scope begins with `--prefix`, while users are online.
    UnmatchedPrefix { prefix: Vec<u8>, online: usize },
}

impl Notice {
    /// As JSON and the metrics call them.
    pub const KINDS: [&str; 13] = [
        "empty_registrar",
        "dead_domain",
        "unmatched_domain",
        "dead_registrar",
        "several_addresses",
        "uneven_registrars",
        "untold_uptime",
        "other_domains",
        "unmatched_exclude_domain",
        "unmatched_exclude_user",
        "unmatched_prefix",
        "needless_ignore_domain",
        "idle_add_missing",
    ];

    pub fn kind(&self) -> &'static str {
        Self::KINDS[match self {
            Notice::EmptyRegistrar(_) => 0,
            Notice::DeadDomain { .. } => 1,
            Notice::Unmatched("--exclude-domain", _) => 8,
            Notice::Unmatched("--exclude-user", _) => 9,
            Notice::Unmatched(..) => 2,
            Notice::DeadRegistrar(_) => 3,
            Notice::SeveralAddresses(_) => 4,
            Notice::UnevenRegistrars { .. } => 5,
            Notice::UntoldUptime(_) => 6,
            Notice::OtherDomains(_) => 7,
            Notice::UnmatchedPrefix { .. } => 10,
            Notice::NeedlessIgnoreDomain { .. } => 11,
            Notice::IdleAddMissing => 12,
        }]
    }

    /// `removes`: somebody would be removed, so the registrars were asked for their uptime.
    pub fn all(plan: &Plan, registrars: &[Answer], removes: bool, config: &Config) -> Vec<Self> {
        let others = plan.totals.aors > 0;
        let empty = registrars
            .iter()
            .filter(|answer| others && answer.aors() == Some(0))
            .map(|answer| Notice::EmptyRegistrar(answer.url.clone()));
        let refusing = registrars.iter().filter(|answer| answer.is_dead());
        let refusing = refusing.map(|answer| Notice::DeadRegistrar(answer.url.clone()));
        let several = config.registrars.iter();
        let several = several.filter(|registrar| registrar.has_several_addresses());
        let several = several.map(|registrar| Notice::SeveralAddresses(registrar.url().into()));
        let untold = |answer: &&Answer| answer.dumped().is_some_and(|one| one.uptime.is_none());
        let untold = registrars.iter().filter(|_| removes).filter(untold);
        let untold = untold.map(|answer| Notice::UntoldUptime(answer.url.clone()));
        let others = plan.sets.others;
        let others = (others > 0).then_some(Notice::OtherDomains(others));
        let Totals { split, aors, .. } = plan.totals;
        let mut dumped = registrars.iter().filter_map(Answer::dumped);
        let needless = split * 2 > aors && !dumped.any(|one| one.lacks_domains);
        let needless = needless.then_some(Notice::NeedlessIgnoreDomain { split, aors });
        let idle = MissingUsers::OfUnknownSets { add_missing: true };
        let idle = (config.missing == idle).then_some(Notice::IdleAddMissing);
        let uneven = uneven(registrars).filter(|_| config.replicated);
        let dead = plan
            .entries
            .iter()
            .filter(|entry| entry.online == 0 && entry.members > FEW_USERS)
            .map(|entry| Notice::DeadDomain {
                domain: entry.domain.clone(),
                members: entry.members,
            });
        let rules = &config.rules;
        let unmatched = rules
            .unmatched()
            .map(|(option, pattern)| Notice::Unmatched(option, pattern.to_owned()));
        let online = plan.totals.online;
        let has_no_set = plan.sets.keys().is_empty() && plan.sets.others == 0;
        let prefix = (has_no_set && online > 0).then(|| Notice::UnmatchedPrefix {
            prefix: rules.prefix.clone(),
            online,
        });
        empty
            .chain(refusing)
            .chain(several)
            .chain(untold)
            .chain(others)
            .chain(needless)
            .chain(idle)
            .chain(uneven)
            .chain(dead)
            .chain(unmatched)
            .chain(prefix)
            .collect()
    }
}

fn uneven(registrars: &[Answer]) -> Option<Notice> {
    let known = registrars
        .iter()
        .filter_map(|answer| Some((answer.url.clone(), answer.aors()?)));
    let more = known.clone().max_by_key(|(_, aors)| *aors)?;
    let less = known.min_by_key(|(_, aors)| *aors)?;
    let apart = more.1 - less.1;
    (apart > FEW_USERS && apart * UNEVEN > more.1)
        .then_some(Notice::UnevenRegistrars { more, less })
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::EmptyRegistrar(url) => {
                write!(
                    f,
                    "Kamailio at {url} reports nobody, while others have users"
                )
            }
            Notice::DeadRegistrar(url) => {
                write!(
                    f,
                    "Kamailio at {url} refuses connections: it is taken for dead, as the others \
                     know its users"
                )
            }
            Notice::SeveralAddresses(url) => {
                write!(
                    f,
                    "Kamailio at {url}: its name has several addresses, and only one is asked: \
                     name each with --kamailio"
                )
            }
            Notice::OtherDomains(sets) => {
                write!(
                    f,
                    "{} of other domains than --default-domain left alone",
                    counted(*sets, "set")
                )
            }
            Notice::NeedlessIgnoreDomain { split, aors } => {
                write!(
                    f,
                    "{split} of {aors} AoRs hold the domain of their set, as with use_domain 1: \
                     without --ignore-domain kamonline could add missing users"
                )
            }
            Notice::IdleAddMissing => f.write_str(
                "--add-missing adds nobody: with --ignore-domain nobody knows into which set \
                     a user belongs",
            ),
            Notice::UntoldUptime(url) => {
                write!(
                    f,
                    "Kamailio at {url} forbids core.uptime: kamonline cannot see whether it has \
                     just started, or whether several registrars answer there"
                )
            }
            Notice::UnevenRegistrars { more, less } => {
                write!(
                    f,
                    "Kamailio at {} knows {}, Kamailio at {} {}: unless it has just started, \
                     they do not replicate all their users (kamcmd dmq.list_nodes must list \
                     every registrar, on each)",
                    less.0,
                    counted(less.1, "AoR"),
                    more.0,
                    more.1
                )
            }
            Notice::DeadDomain { domain, members } => {
                write!(
                    f,
                    "{}: none of its {members} members is registered",
                    Escaped(domain)
                )
            }
            Notice::Unmatched(option, pattern) => {
                let what = match *option {
                    "--exclude-user" => "no member and no registered user",
                    "--exclude-domain" => "no key and no registered user's domain",
                    _ => "no key and no registered user",
                };
                let pattern = Escaped(pattern.as_bytes());
                write!(f, "{option} {pattern} matches {what}")
            }
            Notice::UnmatchedPrefix { prefix, online } => write!(
                f,
                "no key in scope begins with --prefix {}, while {}",
                Escaped(prefix),
                match online {
                    1 => "1 user is online".into(),
                    _ => format!("{online} users are online"),
                }
            ),
        }
    }
}
