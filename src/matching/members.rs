//! The members of all sets, each with the key whose set holds them.

use std::sync::Arc;

use super::aor::UserCase;
use super::hash::Hasher;
use super::ids::{DomainId, Id, KeyId, MemberId};
use super::names::Names;
use crate::failure::Failure;

/// Members by key, and what hashes their forms.
pub struct Members {
    pub user_case: UserCase,
    pub keys: Vec<Key>,
    pub names: Names<MemberId, KeyId>,
    pub hasher: Hasher,
}

/// Among whom a user is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// The members of their domain.
    TheirDomain,
    /// The members of all sets.
    Everyone,
}

/// A key in Redis.
pub struct Key {
    pub name: Arc<[u8]>,
    pub domain: DomainId,
    /// How many members its set has.
    pub members: usize,
}

impl Members {
    pub fn new(user_case: UserCase) -> Self {
        Self {
            user_case,
            keys: Vec::new(),
            names: Names::default(),
            hasher: Hasher::default(),
        }
    }

    pub fn add_key(&mut self, name: Arc<[u8]>, domain: DomainId) -> KeyId {
        let id = KeyId::new(self.keys.len() as u32);
        self.keys.push(Key {
            name,
            domain,
            members: 0,
        });
        id
    }

    pub fn add(&mut self, key: KeyId, member: &[u8]) -> Result<MemberId, Failure> {
        self.keys[key.index()].members += 1;
        self.names.add(key, member)
    }

    /// Members of two groups are never the same user.
    pub fn group_of(&self, among: Among, member: MemberId) -> DomainId {
        match among {
            Among::TheirDomain => self.domain_of(member),
            Among::Everyone => DomainId::NONE,
        }
    }

    /// [`DomainId::NONE`] is everyone's group.
    pub fn is_in(&self, group: DomainId, member: MemberId) -> bool {
        group == DomainId::NONE || self.domain_of(member) == group
    }

    pub fn domain_of(&self, member: MemberId) -> DomainId {
        self.keys[self.names.group(member).index()].domain
    }
}
