//! A registrar's dump, heard while it streams in, so that the dump itself is never kept: which AoRs count, of which
//! domain and user they are. Who that is, is looked up in another thread meanwhile.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope as Threads, ScopedJoinHandle};

use crate::aor::{self, UserCase};
use crate::failure::Failure;
use crate::kamailio::{Heard, Listener};
use crate::names::bounded;
use crate::registered::{Aors, Batch, Missing, Registered};
use crate::scope::Scope;
use crate::sets::Sets;
use crate::shown::Shown;

/// How many users are looked up together, and how many such batches may wait.
const BATCH: usize = 256;
const WAITING: usize = 16;

/// How AoRs and sets are matched.
pub struct Rules {
    pub user_case: UserCase,
    /// Of the keys (`--prefix`).
    pub prefix: Vec<u8>,
    pub scope: Scope,
    /// The domain of every AoR, for registrars with `use_domain` 0.
    pub default_domain: Option<Vec<u8>>,
    /// The usrloc tables that count; none means every one.
    pub tables: Vec<String>,
}

/// The listener to one dump.
pub struct RollCall<'scope, 'env> {
    rules: &'env Rules,
    sets: &'env Sets,
    tables: Vec<Vec<u8>>,
    /// Whether the table being read does.
    counts: bool,
    aors: usize,
    /// Of their users together.
    bytes: usize,
    without_domain: usize,
    /// Of domains that have no set.
    missing: Missing,
    batch: Batch,
    /// Of a registrar that is said to have no domains: who its AoRs would be if they had.
    split: Batch,
    batches: SyncSender<Batch>,
    looking_up: ScopedJoinHandle<'scope, Result<Registered<'env>, Failure>>,
}

impl<'scope, 'env> RollCall<'scope, 'env> {
    pub fn begin(
        rules: &'env Rules,
        sets: &'env Sets,
        threads: &'scope Threads<'scope, 'env>,
    ) -> Self {
        let (batches, received) = sync_channel(WAITING);
        let looking_up = threads.spawn(move || look_up(sets, received));
        Self {
            rules,
            sets,
            tables: Vec::new(),
            counts: false,
            aors: 0,
            bytes: 0,
            without_domain: 0,
            missing: Missing::default(),
            batch: Batch::new(Aors::AsTold),
            split: Batch::new(Aors::Split),
            batches,
            looking_up,
        }
    }

    fn aor(&mut self, aor: &[u8]) -> Result<(), Failure> {
        self.aors += 1;
        let (user, domain) = match (&self.rules.default_domain, aor::split(aor)) {
            (Some(domain), _) => (aor, domain.as_slice()),
            (None, Some(parts)) => parts,
            (None, None) => {
                self.without_domain += 1;
                return Ok(());
            }
        };
        self.bytes += user.len();
        bounded(self.aors, self.bytes).map_err(|failure| {
            failure
                .hint("that is no registrar of a site: look at what this Kamailio's usrloc holds")
        })?;
        if self.rules.default_domain.is_some()
            && let Some((user, domain)) = aor::split(aor)
            && let Some(domain) = self.sets.domains.number(domain)
        {
            self.split.add(self.sets, domain, user)?;
            if self.split.count() == BATCH {
                pass_on(&mut self.split, &self.batches);
            }
        }
        if let Some(domain) = self.sets.domains.number(domain) {
            self.batch.add(self.sets, domain, user)?;
            if self.batch.count() == BATCH {
                pass_on(&mut self.batch, &self.batches);
            }
        } else if self.missing.domains.number(domain).is_some() || self.rules.scope.contains(domain)
        {
            self.missing.add(self.rules.user_case, domain, user)?;
        }
        Ok(())
    }
}

fn pass_on(batch: &mut Batch, batches: &SyncSender<Batch>) {
    // When the other thread has ended early, it tells why in the end.
    let _ = batches.send(batch.take());
}

fn look_up(sets: &Sets, batches: Receiver<Batch>) -> Result<Registered<'_>, Failure> {
    // A Kamailio that prints a large page leaves time for it.
    sets.index();
    let mut registered = Registered::nobody(sets);
    for batch in batches {
        registered.look_up(&batch)?;
    }
    Ok(registered)
}

impl<'env> Listener for RollCall<'_, 'env> {
    type Told = Registered<'env>;

    fn hear(&mut self, heard: Heard) -> Result<(), Failure> {
        match heard {
            Heard::Table(name) => {
                let wanted = &self.rules.tables;
                self.counts =
                    wanted.is_empty() || wanted.iter().any(|table| table.as_bytes() == name);
                self.tables.push(name.to_vec());
                Ok(())
            }
            Heard::Aor(aor) if self.counts => self.aor(aor),
            Heard::Aor(_) => Ok(()),
        }
    }

    fn end(mut self) -> Result<Registered<'env>, Failure> {
        if let Some(absent) = self
            .rules
            .tables
            .iter()
            .find(|table| !self.tables.iter().any(|name| name == table.as_bytes()))
        {
            let there: Vec<_> = self
                .tables
                .iter()
                .map(|name| Shown(name).to_string())
                .collect();
            return Err(Failure::new(format!(
                "it has no usrloc table named {absent}; its tables: {}",
                there.join(", ")
            ))
            .hint("the name is the first argument of save() in kamailio.cfg"));
        }
        if self.without_domain * 2 > self.aors {
            return Err(Failure::new(format!(
                "{} of its {} AoRs have no domain: its usrloc has use_domain 0, so nobody can tell whose they are",
                self.without_domain, self.aors
            ))
            .hint("give their domain with --default-domain DOMAIN, or set modparam(\"usrloc\", \"use_domain\", 1)"));
        }
        pass_on(&mut self.batch, &self.batches);
        pass_on(&mut self.split, &self.batches);
        drop(self.batches);
        let found = self.looking_up.join();
        let mut registered = found.unwrap_or_else(|panic| resume_unwind(panic))?;
        registered.unite_missing(self.missing)?;
        registered.aors = self.aors;
        registered.without_domain = self.without_domain;
        Ok(registered)
    }
}
