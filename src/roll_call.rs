//! Who of the sets' members is online, and who is missing in the sets: measured while a dump streams in, so that the
//! dump itself is never kept.

use crate::aor::{self, UserCase};
use crate::failure::Failure;
use crate::kamailio::{Heard, Listener};
use crate::names::{Domains, Hash, Names};
use crate::scope::Scope;
use crate::sets::Sets;
use crate::shown::Shown;

/// How many users are looked up together.
const BATCH: usize = 256;

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

/// One registrar's answer, or that of several, united.
pub struct RollCall<'a> {
    rules: &'a Rules,
    sets: &'a Sets,
    /// For each member of the sets.
    present: Vec<Presence>,
    pub missing: Missing,
    /// AoRs in the tables that count, and those among them without a domain.
    pub aors: u64,
    pub without_domain: u64,
    tables: Vec<Vec<u8>>,
    counts: bool,
    /// Users of domains that have a set, by their numbers, who are looked up when they are enough.
    batch: Names,
    hashes: Vec<Hash>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Presence {
    Absent,
    Online,
    /// Online, and the first of those that stand for the same user: so users can be counted.
    OnlineFirst,
}

/// The users who are registered and in no set of their domain.
#[derive(Default)]
pub struct Missing {
    pub domains: Domains,
    pub users: Names,
}

impl<'a> RollCall<'a> {
    pub fn begin(rules: &'a Rules, sets: &'a Sets) -> Self {
        Self {
            rules,
            sets,
            present: vec![Presence::Absent; sets.count()],
            missing: Missing::default(),
            aors: 0,
            without_domain: 0,
            tables: Vec::new(),
            counts: false,
            batch: Names::default(),
            hashes: Vec::with_capacity(BATCH),
        }
    }

    pub fn is_online(&self, member: u32) -> bool {
        self.present[member as usize] != Presence::Absent
    }

    /// How many users this member adds to those who are online: the others who stand for the same user add none.
    pub fn users(&self, member: u32) -> usize {
        (self.present[member as usize] == Presence::OnlineFirst).into()
    }

    /// A user is online when any registrar has him.
    pub fn unite(&mut self, other: RollCall) -> Result<(), Failure> {
        for (mine, theirs) in self.present.iter_mut().zip(other.present) {
            *mine = theirs.max(*mine);
        }
        let Missing { domains, users } = &other.missing;
        for user in 0..users.count() as u32 {
            self.missing.add(
                self.rules.user_case,
                domains.name(users.group(user)),
                users.get(user),
            )?;
        }
        self.aors += other.aors;
        self.without_domain += other.without_domain;
        Ok(())
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
        if let Some(domain) = self.sets.domains.number(domain) {
            self.batch.add(domain, user)?;
            self.hashes.push(self.sets.hash(domain, user));
            if self.hashes.len() == BATCH {
                self.look_up()?;
            }
        } else if self.missing.domains.number(domain).is_some() || self.rules.scope.contains(domain)
        {
            self.missing.add(self.rules.user_case, domain, user)?;
        }
        Ok(())
    }

    fn look_up(&mut self) -> Result<(), Failure> {
        self.sets.prefetch(&self.hashes);
        for (number, hash) in self.hashes.drain(..).enumerate() {
            let (domain, user) = (
                self.batch.group(number as u32),
                self.batch.get(number as u32),
            );
            let mut presence = Presence::OnlineFirst;
            for member in self.sets.standing_for(hash, domain, user) {
                let known = &mut self.present[member as usize];
                *known = presence.max(*known);
                presence = Presence::Online;
            }
            if presence == Presence::OnlineFirst {
                let domain = self.sets.domains.name(domain);
                self.missing.add(self.rules.user_case, domain, user)?;
            }
        }
        self.batch.clear();
        Ok(())
    }
}

impl Listener for RollCall<'_> {
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

    fn end(&mut self) -> Result<(), Failure> {
        self.look_up()?;
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
        Ok(())
    }
}

impl Missing {
    fn add(&mut self, case: UserCase, domain: &[u8], user: &[u8]) -> Result<(), Failure> {
        if self.domains.is_full() {
            return Err(Failure::new("its AoRs are of more than a million domains")
                .hint("that is no presence board: look at what domains its registrar accepts"));
        }
        let domain = self.domains.number_or_add(domain);
        let hash = self.users.hash(domain, &case.fold(user));
        let known =
            |name: u32| self.users.group(name) == domain && case.same(self.users.get(name), user);
        if !self.users.candidates(hash).any(known) {
            let name = self.users.add(domain, user)?;
            self.users.index(hash, name);
        }
        Ok(())
    }
}
