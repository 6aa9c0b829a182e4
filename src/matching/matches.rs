//! What a dump shows of the sets: which members are online, and which users are missing.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::batch::{Aors, Batch};
use super::ids::{KeyId, MemberId};
use super::index::Found;
use super::missing::Missing;
use super::names::Names;
use super::sets::Sets;
use crate::failure::Failure;

/// What one registrar's dump shows, or those of several together.
pub struct Matches {
    presence: Vec<Presence>,
    pub missing: Missing,
    /// AoRs in the tables that count, and those among them of no set: without a user or without a domain.
    pub aors: usize,
    pub unusable: usize,
    /// Whether a member stands for a user of [`Aors::WithDomain`].
    pub(super) with_domain_online: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Presence {
    Absent,
    Online,
    /// Online, and the first of those who stand for the same user: so users can be counted.
    OnlineFirst,
}

fn slot(member: MemberId) -> usize {
    Names::<MemberId, KeyId>::slot(member)
}

impl Matches {
    /// A dump without AoRs.
    pub fn nobody(sets: &Sets) -> Self {
        Self {
            presence: vec![Presence::Absent; sets.slots()],
            missing: Missing::new(sets.user_case()),
            aors: 0,
            unusable: 0,
            with_domain_online: false,
        }
    }

    /// What the users of all batches show. A user whom no member stands for is missing.
    pub fn of(sets: &Sets, batches: impl IntoIterator<Item = Batch>) -> Result<Self, Failure> {
        // A Kamailio that prints a large page leaves time for it.
        sets.index();
        let mut matches = Self::nobody(sets);
        let mut done = Done::default();
        for batch in batches {
            matches.mark(sets, &batch, &mut done)?;
        }
        Ok(matches)
    }

    fn mark(&mut self, sets: &Sets, batch: &Batch, done: &mut Done) -> Result<(), Failure> {
        let index = sets.index();
        let found = sets.find(batch);
        for (user, found) in batch.users.iter().zip(found) {
            if found.is_nobody() {
                let domain = sets.domains.name(batch.users.group(user));
                self.missing.add(domain, batch.users.get(user))?;
                continue;
            }
            self.with_domain_online |= batch.aors == Aors::WithDomain;
            if index.has_several(found) && !done.insert(found) {
                continue;
            }
            let mut presence = Presence::OnlineFirst;
            for member in index.members(found) {
                let its = &mut self.presence[slot(member)];
                *its = presence.max(*its);
                presence = presence.min(Presence::Online);
            }
        }
        Ok(())
    }

    /// A user is online when any registrar has them.
    pub fn unite(&mut self, other: Self) -> Result<(), Failure> {
        for (mine, theirs) in self.presence.iter_mut().zip(other.presence) {
            *mine = theirs.max(*mine);
        }
        self.aors += other.aors;
        self.unusable += other.unusable;
        self.missing.unite(other.missing)
    }

    pub fn is_online(&self, member: MemberId) -> bool {
        self.presence[slot(member)] >= Presence::Online
    }

    /// How many users of each domain of `sets` are online and not missing, by [`DomainId::index`](super::DomainId::index).
    pub fn online_by_domain(&self, sets: &Sets) -> Vec<usize> {
        let mut online = vec![0; sets.domains.count()];
        for member in sets.members() {
            let is_first = self.presence[slot(member)] == Presence::OnlineFirst;
            online[sets.domain_of(member).index()] += usize::from(is_first);
        }
        online
    }
}

/// Whom [`Matches::of`] has marked already, where a form has several members.
///
/// Each AoR may be one more spelling of one user, and each would mark all the members again.
type Done = HashSet<Found, RandomState>;
