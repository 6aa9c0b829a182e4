//! Who of the sets' members is online, and who is missing in the sets, by what the registrars report.

use std::hint::black_box;

use crate::aor::UserCase;
use crate::domains::Domains;
use crate::failure::Failure;
use crate::index::{Hash, Index};
use crate::names::{Name, Names};
use crate::sets::Sets;

/// What one registrar reports, or several together.
pub struct Registered<'a> {
    sets: &'a Sets,
    /// By a member's [`Name::slot`].
    present: Vec<Presence>,
    pub missing: Missing,
    /// AoRs in the tables that count, and those among them without a domain.
    pub aors: usize,
    pub without_domain: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Presence {
    Absent,
    /// Absent, and would be online if the AoRs were split at their `@`, where `--default-domain` says that they are not.
    OnlineIfSplit,
    Online,
    /// Online, and the first of those that stand for the same user: so users can be counted.
    OnlineFirst,
}

/// The users who are registered and in no set of their domain.
#[derive(Default)]
pub struct Missing {
    pub domains: Domains,
    pub users: Names,
    index: Index,
}

/// Users of domains that have a set, by the numbers of these, to be looked up together.
pub struct Batch {
    users: Names,
    hashes: Vec<Hash>,
    aors: Aors,
}

/// What the users of a batch are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Aors {
    /// Those whom the AoRs name.
    AsTold,
    /// Those whom they would name if they were split at their `@`, against `--default-domain`.
    Split,
}

impl<'a> Registered<'a> {
    pub fn nobody(sets: &'a Sets) -> Self {
        Self {
            sets,
            present: vec![Presence::Absent; sets.members().slots()],
            missing: Missing::default(),
            aors: 0,
            without_domain: 0,
        }
    }

    pub fn is_online(&self, member: Name) -> bool {
        self.present[member.slot()] >= Presence::Online
    }

    pub fn is_online_if_split(&self, member: Name) -> bool {
        self.present[member.slot()] == Presence::OnlineIfSplit
    }

    /// How many users this member adds to those who are online: the others who stand for the same user add none.
    pub fn users(&self, member: Name) -> usize {
        (self.present[member.slot()] == Presence::OnlineFirst).into()
    }

    /// A user is online when any registrar has him.
    pub fn unite(&mut self, other: Registered) -> Result<(), Failure> {
        for (mine, theirs) in self.present.iter_mut().zip(other.present) {
            *mine = theirs.max(*mine);
        }
        self.aors += other.aors;
        self.without_domain += other.without_domain;
        self.unite_missing(other.missing)
    }

    pub fn unite_missing(&mut self, other: Missing) -> Result<(), Failure> {
        if self.missing.users.count() == 0 {
            self.missing = other;
            return Ok(());
        }
        for user in other.users.iter() {
            let domain = other.domains.name(other.users.group(user));
            self.missing
                .add(self.sets.user_case, domain, other.users.get(user))?;
        }
        Ok(())
    }

    /// Whoever no member stands for is missing.
    pub fn look_up(&mut self, batch: &Batch) -> Result<(), Failure> {
        let candidates = self.sets.candidates(&batch.hashes);
        let touch = |sum, (_, member): &(usize, Name)| sum ^ self.present[member.slot()] as u8;
        black_box(candidates.iter().fold(0, touch));
        let mut candidates = candidates.into_iter().peekable();
        for (place, user) in batch.users.iter().enumerate() {
            let (domain, user) = (batch.users.group(user), batch.users.get(user));
            let mut presence = match batch.aors {
                Aors::AsTold => Presence::OnlineFirst,
                Aors::Split => Presence::OnlineIfSplit,
            };
            while let Some((_, member)) = candidates.next_if(|(of, _)| *of == place) {
                if self.sets.stands_for(member, domain, user) {
                    let known = &mut self.present[member.slot()];
                    *known = presence.max(*known);
                    presence = presence.min(Presence::Online);
                }
            }
            if presence == Presence::OnlineFirst {
                let domain = self.sets.domains.name(domain);
                self.missing.add(self.sets.user_case, domain, user)?;
            }
        }
        Ok(())
    }
}

impl Missing {
    pub fn add(&mut self, case: UserCase, domain: &[u8], user: &[u8]) -> Result<(), Failure> {
        if self.domains.is_full() {
            return Err(Failure::new("its AoRs are of more than a million domains")
                .hint("that is no presence board: look at what domains its registrar accepts"));
        }
        let domain = self.domains.number_or_add(domain)?;
        let hash = self.index.hash(domain, &case.fold(user));
        let known =
            |name: Name| self.users.group(name) == domain && case.same(self.users.get(name), user);
        if self.index.find(hash, known).is_none() {
            self.index.insert(hash, self.users.add(domain, user)?);
        }
        Ok(())
    }
}

impl Batch {
    pub fn new(aors: Aors) -> Self {
        Self {
            users: Names::default(),
            hashes: Vec::new(),
            aors,
        }
    }

    pub fn add(&mut self, sets: &Sets, domain: u32, user: &[u8]) -> Result<(), Failure> {
        self.users.add(domain, user)?;
        self.hashes.push(sets.hash(domain, user));
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.hashes.len()
    }

    /// Leaves an empty one of the same kind.
    pub fn take(&mut self) -> Self {
        let empty = Self::new(self.aors);
        std::mem::replace(self, empty)
    }
}
