//! Some users of a dump, to be looked up together: one after the other each would wait for memory.

use super::aor::UserCase;
use super::hash::Hasher;
use super::ids::{DomainId, UserId};
use super::members::Among;
use super::names::Names;
use crate::failure::Failure;

/// Users of domains that have a set: [`Sets::batch`](super::Sets::batch) makes an empty batch.
pub struct Batch {
    pub users: Names<UserId, DomainId>,
    /// One for each user, in their order.
    pub hashes: Vec<u64>,
    pub aors: Aors,
    user_case: UserCase,
    hasher: Hasher,
}

/// What the users of a batch are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aors {
    /// Those whom the AoRs name.
    AsDumped,
    /// Users with a domain of their own behind an `@`, against `--default-domain`.
    WithDomain,
    /// The AoRs themselves, with [`DomainId::NONE`]: each may be a user of any set (`--ignore-domain`).
    Whole,
}

impl Aors {
    pub fn among(self) -> Among {
        match self {
            Aors::AsDumped | Aors::WithDomain => Among::TheirDomain,
            Aors::Whole => Among::Everyone,
        }
    }
}

impl Batch {
    /// `user_case` and `hasher` are those of the sets.
    pub fn new(aors: Aors, user_case: UserCase, hasher: Hasher) -> Self {
        Self {
            users: Names::default(),
            hashes: Vec::new(),
            aors,
            user_case,
            hasher,
        }
    }

    /// For every AoR, from two places: a call of it would cost 1% of a run.
    #[inline(always)]
    pub fn add(&mut self, domain: DomainId, user: &[u8]) -> Result<(), Failure> {
        self.users.add(domain, user)?;
        let hash = self.hasher.hash(domain, &self.user_case.fold(user));
        self.hashes.push(hash);
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.hashes.len()
    }

    /// Leaves an empty one of the same kind.
    pub fn take(&mut self) -> Self {
        let empty = Self::new(self.aors, self.user_case, self.hasher.clone());
        std::mem::replace(self, empty)
    }
}
