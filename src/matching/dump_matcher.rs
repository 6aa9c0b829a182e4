//! Reads a registrar's dump as it comes, and keeps none of it: which AoRs count, and whose they are. A thread of its own
//! looks them up in the sets meanwhile.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, Scope as Threads, ScopedJoinHandle};

use super::aor;
use super::dump::{DumpItem, DumpVisitor};
use super::readings::meant_out_of_scope;
use super::scope::{AorDomain, Rules};
use super::{Aors, Batch, DomainId, Matches, Missing, Sets, bounded};
use crate::failure::Failure;
use crate::peer::limits::TABLES;
use crate::text::Escaped;

/// How many users are looked up together, and how many such batches may wait.
const BATCH: usize = 256;
const WAITING: usize = 16;

/// The hint for dumps with more users than are kept.
pub const TOO_LARGE: &str = "look at what this Kamailio's usrloc holds: no site has so many users";

/// Matches the AoRs of one dump with the sets.
pub struct DumpMatcher<'scope> {
    rules: &'scope Rules,
    sets: &'scope Sets,
    tables: Vec<Vec<u8>>,
    /// Whether the table being read counts.
    counts: bool,
    aors: usize,
    /// Of their users together.
    bytes: usize,
    /// AoRs without an `@`, and those without a domain behind it.
    without_at: usize,
    without_domain: usize,
    /// Of domains that have no set.
    missing: Missing,
    batch: Batch,
    /// Of a registrar that is said to have no domains: AoRs that hold one, and how many they are.
    with_domain: Batch,
    with_domain_count: usize,
    batches: SyncSender<Batch>,
    /// Of no thread, when the system starts none.
    matches: io::Result<ScopedJoinHandle<'scope, Result<Matches, Failure>>>,
}

impl<'scope> DumpMatcher<'scope> {
    pub fn begin(
        rules: &'scope Rules,
        sets: &'scope Sets,
        threads: &'scope Threads<'scope, '_>,
    ) -> Self {
        let (batches, received) = sync_channel(WAITING);
        let aors = match rules.aor_domain {
            AorDomain::Ignored => Aors::Whole,
            AorDomain::Own | AorDomain::Default(_) => Aors::AsDumped,
        };
        let matches = Builder::new().spawn_scoped(threads, move || {
            // A Kamailio that prints a large page leaves time for it.
            sets.index_of(aors.among());
            Matches::of(sets, received)
        });
        Self {
            rules,
            sets,
            tables: Vec::new(),
            counts: false,
            aors: 0,
            bytes: 0,
            without_at: 0,
            without_domain: 0,
            missing: Missing::new(rules.user_case),
            batch: sets.batch(aors),
            with_domain: sets.batch(Aors::WithDomain),
            with_domain_count: 0,
            batches,
            matches,
        }
    }

    fn aor(&mut self, aor: &[u8]) -> Result<(), Failure> {
        self.aors += 1;
        let (user, domain, batch) = match &self.rules.aor_domain {
            AorDomain::Own => match aor::split(aor) {
                // From a tel: URI.
                Some((_, b"")) => {
                    self.without_domain += 1;
                    return self.of_no_set(aor);
                }
                Some((user, domain)) => (user, domain, &mut self.batch),
                None => {
                    self.without_at += 1;
                    return self.of_no_set(aor);
                }
            },
            AorDomain::Default(default) => match aor::split(aor) {
                Some((_, domain)) if !domain.is_empty() => {
                    self.with_domain_count += 1;
                    (aor, &default[..], &mut self.with_domain)
                }
                _ => (aor, &default[..], &mut self.batch),
            },
            AorDomain::Ignored => (aor, &b""[..], &mut self.batch),
        };
        self.bytes += user.len();
        bounded(self.aors, self.bytes).map_err(|failure| failure.hint(TOO_LARGE))?;
        let group = match batch.aors {
            Aors::Whole => Some(DomainId::NONE),
            Aors::AsDumped | Aors::WithDomain => self.sets.domains.find(domain),
        };
        let out_of_scope = || meant_out_of_scope(self.rules, self.sets);
        if let Some(group) = group {
            batch.add(group, user)?;
            if batch.count() == BATCH {
                pass_on(batch, &self.batches);
            }
        } else if self.sets.seeks(domain, user)
            && (self.missing.has_domain(domain)
                || self.rules.counts(domain)
                || self.sets.means(domain, user, out_of_scope))
        {
            self.missing.add(domain, user)?;
        }
        Ok(())
    }

    /// Kept to be found under another reading of a member.
    fn of_no_set(&mut self, aor: &[u8]) -> Result<(), Failure> {
        self.bytes += aor.len();
        bounded(self.aors, self.bytes).map_err(|failure| failure.hint(TOO_LARGE))?;
        self.missing.add(b"", aor)
    }
}

fn pass_on(batch: &mut Batch, batches: &SyncSender<Batch>) {
    if batch.count() > 0 {
        // When the other thread has ended early, it tells why in the end.
        let _ = batches.send(batch.take());
    }
}

impl DumpVisitor for DumpMatcher<'_> {
    type Output = Matches;

    fn visit(&mut self, item: DumpItem) -> Result<(), Failure> {
        match item {
            DumpItem::Table(name) => {
                let wanted = &self.rules.tables;
                self.counts =
                    wanted.is_empty() || wanted.iter().any(|table| table.as_bytes() == name);
                if self.tables.len() == TABLES {
                    return Err(
                        Failure::new(format!("it has more than {TABLES} usrloc tables"))
                            .hint(TOO_LARGE),
                    );
                }
                self.tables.push(name.to_vec());
                Ok(())
            }
            DumpItem::Aor(aor) if self.counts => self.aor(aor),
            DumpItem::Aor(_) => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Matches, Failure> {
        if let Some(absent) = self
            .rules
            .tables
            .iter()
            .find(|table| !self.tables.iter().any(|name| name == table.as_bytes()))
        {
            let there: Vec<_> = self
                .tables
                .iter()
                .map(|name| Escaped(name).to_string())
                .collect();
            return Err(Failure::new(format!(
                "it has no usrloc table named {absent}; its tables: {}",
                there.join(", ")
            ))
            .hint("give --table the first argument of save() in kamailio.cfg"));
        }
        if self.without_at * 2 > self.aors {
            return Err(Failure::new(format!(
                "{} of its {} AoRs have no domain: its usrloc has use_domain 0, so nobody can tell whose they are",
                self.without_at, self.aors
            ))
            .hint(
                "give --default-domain DOMAIN, if every phone is of one domain, or \
                 --ignore-domain, if the sets are of several; or set modparam(\"usrloc\", \
                 \"use_domain\", 1), which tells them apart",
            ));
        }
        pass_on(&mut self.batch, &self.batches);
        pass_on(&mut self.with_domain, &self.batches);
        drop(self.batches);
        let thread = self.matches.map_err(Failure::no_thread)?;
        let mut matches = thread.join().expect("a panic ends the process")?;
        // The few whom a later look seeks need not be among them.
        let no_member = self.sets.seeks_everyone() && !matches.with_domain_online;
        if self.with_domain_count * 2 > self.aors && no_member {
            return Err(Failure::new(format!(
                "{} of its {} AoRs hold a domain, and none of them is a member as it stands: its usrloc seems to have use_domain 1",
                self.with_domain_count, self.aors
            ))
            .hint(
                "leave out --default-domain: it is for registrars with use_domain 0. For \
                 registrars of both kinds that serve the same domain, give --ignore-domain \
                 instead; ask those of different domains in runs of their own, each with its \
                 --domain. If use_domain is 0, and users only look like e-mail addresses, SADD \
                 one who is registered to the set as it stands, or give --ignore-domain instead",
            ));
        }
        matches.missing.unite(self.missing)?;
        matches.aors = self.aors;
        matches.unusable += self.without_at + self.without_domain;
        Ok(matches)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::aor::UserCase;
    use super::*;

    fn rules() -> Rules {
        Rules::of_all(UserCase::Ignored, AorDomain::Own)
    }

    #[test]
    fn aors_without_a_user_or_a_domain_are_counted_and_of_no_set() {
        let (rules, sets) = (rules(), Sets::new(UserCase::Ignored));
        let matches = thread::scope(|threads| {
            let mut matcher = DumpMatcher::begin(&rules, &sets, threads);
            matcher.visit(DumpItem::Table(b"location")).unwrap();
            for aor in ["100@abc", "abc", "+1555@", "200@xyz", "+1556@"] {
                matcher.visit(DumpItem::Aor(aor.as_bytes())).unwrap();
            }
            matcher.finish().unwrap()
        });
        assert_eq!((matches.aors, matches.unusable), (5, 3));
        assert_eq!(matches.missing.count(), 2 + 3);
    }

    #[test]
    fn a_dump_that_is_too_large_sends_to_kamailio_and_not_to_redis() {
        let rules = rules();
        let sets = Sets::new(rules.user_case);
        let failure = thread::scope(|threads| {
            let mut matcher = DumpMatcher::begin(&rules, &sets, threads);
            matcher.visit(DumpItem::Table(b"location")).unwrap();
            // Most of it is never touched, so it takes no memory.
            let mut aor = vec![0; (256 << 20) + 5];
            aor[(256 << 20) + 1..].copy_from_slice(b"@abc");
            matcher.visit(DumpItem::Aor(&aor)).unwrap_err()
        });
        assert!(
            failure.to_string().contains("16 million users"),
            "{failure}"
        );
        assert_eq!(failure.hint.unwrap(), TOO_LARGE);
    }
}
