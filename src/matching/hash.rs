//! The hash of a name in its group.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::ids::Id;

/// Hashes names; each has a seed of its own, since phones choose their names.
#[derive(Clone, Default)]
pub struct Hasher(RandomState);

impl Hasher {
    pub fn hash(&self, group: impl Id, name: &[u8]) -> u64 {
        self.0.hash_one((group.number(), name))
    }
}
