//! Many names in little memory: one buffer for all of them.
//!
//! With the index that finds it, a name costs about 35 bytes, where a `HashMap<String, _>` takes a hundred.

use std::marker::PhantomData;

use super::ids::Id;
use crate::failure::Failure;
use crate::peer::limits::{NAMES, NAMES_BYTES};

/// Whether so many names, of so many bytes together, make sense.
pub fn bounded(names: usize, bytes: usize) -> Result<(), Failure> {
    if names <= NAMES && bytes <= NAMES_BYTES {
        return Ok(());
    }
    Err(Failure::new(
        "there are more than 16 million users, or 256 MiB of names",
    ))
}

/// Names, each in a group, in the order they came: members in keys, users in domains.
pub struct Names<N, G> {
    /// For each name its group, its length, its bytes, in one place: reading a name waits for memory once.
    records: Vec<u8>,
    count: usize,
    kinds: PhantomData<(N, G)>,
}

/// The length of a record without the name.
const HEAD: usize = 8;

impl<N, G> Default for Names<N, G> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            count: 0,
            kinds: PhantomData,
        }
    }
}

impl<N: Id, G: Id> Names<N, G> {
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds a name. Its id is where its record begins.
    pub fn add(&mut self, group: G, name: &[u8]) -> Result<N, Failure> {
        let start = self.records.len();
        let bytes = start - self.count * HEAD;
        bounded(self.count + 1, bytes + name.len())?;
        self.records
            .extend_from_slice(&group.number().to_ne_bytes());
        self.records
            .extend_from_slice(&(name.len() as u32).to_ne_bytes());
        self.records.extend_from_slice(name);
        self.count += 1;
        Ok(N::new(start as u32))
    }

    pub fn get(&self, id: N) -> &[u8] {
        let start = id.number() as usize + HEAD;
        &self.records[start..start + self.word(start - HEAD / 2) as usize]
    }

    pub fn group(&self, id: N) -> G {
        G::new(self.word(id.number() as usize))
    }

    fn word(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.records[at..at + 4]);
        u32::from_ne_bytes(word)
    }

    pub fn iter(&self) -> impl Iterator<Item = N> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            let id = (next < self.records.len()).then_some(N::new(next as u32))?;
            next += HEAD + self.get(id).len();
            Some(id)
        })
    }

    /// The place of a name in a table of [`Names::slots`] entries, one of its own.
    pub fn slot(id: N) -> usize {
        id.number() as usize / HEAD
    }

    pub fn slots(&self) -> usize {
        self.records.len() / HEAD + 1
    }

    /// Reads what [`Names::get`] will read, so that it is in the cache by then. The result means nothing.
    pub fn touch(&self, id: N) -> u8 {
        let start = id.number() as usize;
        // Names are compared 32 bytes at a time, which may be in the next line of the cache.
        let further = self.records.get(start + HEAD + 31);
        self.records[start] ^ further.copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{KeyId, MemberId};

    #[test]
    fn names_are_taken_in_up_to_256_mib() {
        let mut names = Names::<MemberId, KeyId>::default();
        let mut add = |name: &[u8]| names.add(KeyId::new(0), name).is_ok();
        assert!(add(&vec![0; (256 << 20) - 1]) && add(b"1") && !add(b"1"));
    }
}
