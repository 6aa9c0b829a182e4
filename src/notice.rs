//! What an administrator should know of a run that went well, without being told of it in a mail each time.

use std::fmt;

use crate::answer::Answer;
use crate::plan::Plan;
use crate::scope::Scope;
use crate::text::Shown;

/// A domain with no more members than this may well have nobody registered.
const FEW: usize = 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// This registrar reports nobody, while others have users.
    EmptyRegistrar(String),
    /// This registrar is dead, and the others know its users.
    DeadRegistrar(String),
    /// This registrar's name has several addresses.
    SeveralAddresses(String),
    /// None of this domain's members is registered.
    DeadDomain { domain: Vec<u8>, members: usize },
    /// This `--domain` matches no key and no registered user's domain.
    UnmatchedDomain(String),
}

impl Notice {
    /// As JSON and the metrics call them.
    pub const KINDS: [&str; 5] = [
        "empty_registrar",
        "dead_domain",
        "unmatched_domain",
        "dead_registrar",
        "several_addresses",
    ];

    pub fn kind(&self) -> &'static str {
        Self::KINDS[match self {
            Notice::EmptyRegistrar(_) => 0,
            Notice::DeadDomain { .. } => 1,
            Notice::UnmatchedDomain(_) => 2,
            Notice::DeadRegistrar(_) => 3,
            Notice::SeveralAddresses(_) => 4,
        }]
    }

    /// `several` are the URLs whose name has several addresses.
    pub fn all(
        plan: &Plan,
        registrars: &[Answer],
        several: Vec<String>,
        scope: &Scope,
    ) -> Vec<Self> {
        let others = plan.totals.aors > 0;
        let empty = registrars
            .iter()
            .filter(|answer| others && answer.aors == Some(0))
            .map(|answer| Notice::EmptyRegistrar(answer.url.clone()));
        let refusing = registrars.iter().filter(|answer| answer.is_dead);
        let refusing = refusing.map(|answer| Notice::DeadRegistrar(answer.url.clone()));
        let several = several.into_iter().map(Notice::SeveralAddresses);
        let dead = plan
            .entries
            .iter()
            .filter(|entry| entry.online == 0 && entry.members > FEW)
            .map(|entry| Notice::DeadDomain {
                domain: entry.domain.clone(),
                members: entry.members,
            });
        let domains = plan.entries.iter().map(|entry| entry.domain.as_slice());
        let unmatched = scope
            .unmatched(domains)
            .into_iter()
            .map(Notice::UnmatchedDomain);
        empty
            .chain(refusing)
            .chain(several)
            .chain(dead)
            .chain(unmatched)
            .collect()
    }
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
                    "Kamailio at {url} refuses connections: it is taken for dead, as the others know its users"
                )
            }
            Notice::SeveralAddresses(url) => {
                write!(
                    f,
                    "Kamailio at {url}: its name has several addresses, and only one is asked: name each with --kamailio"
                )
            }
            Notice::DeadDomain { domain, members } => {
                write!(
                    f,
                    "{}: none of its {members} members is registered",
                    Shown(domain)
                )
            }
            Notice::UnmatchedDomain(pattern) => write!(
                f,
                "--domain {} matches no key and no registered user",
                Shown(pattern.as_bytes())
            ),
        }
    }
}
