//! Which names are there already, while more come.

use hashbrown::HashTable;

use super::hash::Hasher;
use super::ids::Id;

/// Ids of names that differ. The caller knows what makes two names the same.
pub struct Distinct<N> {
    ids: HashTable<Entry<N>>,
    hasher: Hasher,
}

/// It keeps its hash, so that a table that grows need not read the names.
struct Entry<N> {
    hash: u32,
    id: N,
}

/// The table takes its place from the low bits of a hash and compares the high ones.
fn widened(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl<N> Default for Distinct<N> {
    fn default() -> Self {
        Self {
            ids: HashTable::new(),
            hasher: Hasher::default(),
        }
    }
}

impl<N: Id> Distinct<N> {
    pub fn hash(&self, group: impl Id, form: &[u8]) -> u32 {
        self.hasher.hash(group, form) as u32
    }

    /// The name that `is_same`.
    pub fn find(&self, hash: u32, is_same: impl Fn(N) -> bool) -> Option<N> {
        let same = |entry: &Entry<N>| entry.hash == hash && is_same(entry.id);
        self.ids.find(widened(hash), same).map(|entry| entry.id)
    }

    pub fn contains(&self, hash: u32, is_same: impl Fn(N) -> bool) -> bool {
        self.find(hash, is_same).is_some()
    }

    pub fn insert(&mut self, hash: u32, id: N) {
        let rehash = |entry: &Entry<N>| widened(entry.hash);
        self.ids
            .insert_unique(widened(hash), Entry { hash, id }, rehash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::MemberId;

    #[test]
    fn every_name_is_found_however_many_share_a_hash() {
        let mut distinct = Distinct::default();
        let hashes = [0, u32::MAX, 7, u32::MAX].repeat(30);
        for (number, hash) in hashes.iter().enumerate() {
            distinct.insert(*hash, MemberId::new(number as u32));
        }
        for hash in [0, u32::MAX, 7, 8] {
            let inserted = |number: usize| hashes[number] == hash;
            let found = |number| distinct.contains(hash, |id: MemberId| id.number() == number);
            assert!((0..hashes.len()).all(|number| found(number as u32) == inserted(number)));
        }
    }
}
