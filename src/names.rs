//! Many names in little memory: one buffer for their bytes, and a hash index over the forms under which they are found.
//!
//! A million users cost about 35 bytes each here, where a `HashMap<String, _>` takes a hundred.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::Arc;

use crate::failure::Failure;

/// More than any registrar holds (a million users are about 10 MB); bounds on what a broken server can make us keep.
const MOST_BYTES: usize = 256 << 20;
const MOST_NAMES: usize = 16 << 20;

/// Names, each in a group (a key, a domain), numbered from 0 in the order they came.
#[derive(Default)]
pub struct Names {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    index: HashTable<Slot>,
    /// Seeded anew in each run, since phones choose their names.
    hasher: RandomState,
}

struct Entry {
    end: u32,
    group: u32,
}

/// A form in the index, and the name it is a form of.
struct Slot {
    hash: Hash,
    name: u32,
}

/// Part of the hash of a form in a domain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(u32);

impl Names {
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    pub fn add(&mut self, group: u32, name: &[u8]) -> Result<u32, Failure> {
        if self.bytes.len() + name.len() > MOST_BYTES || self.entries.len() >= MOST_NAMES {
            return Err(
                Failure::new("there are more than 16 million users, or 256 MiB of names")
                    .hint("that is no presence board: look at what the sets under --prefix hold"),
            );
        }
        self.bytes.extend_from_slice(name);
        self.entries.push(Entry {
            end: self.bytes.len() as u32,
            group,
        });
        Ok(self.entries.len() as u32 - 1)
    }

    pub fn get(&self, name: u32) -> &[u8] {
        let start = name
            .checked_sub(1)
            .map_or(0, |before| self.entries[before as usize].end);
        &self.bytes[start as usize..self.entries[name as usize].end as usize]
    }

    pub fn group(&self, name: u32) -> u32 {
        self.entries[name as usize].group
    }

    /// Forgets the names, and keeps their memory for others.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.index.clear();
    }

    pub fn hash(&self, domain: u32, form: &[u8]) -> Hash {
        Hash(self.hasher.hash_one((domain, form)) as u32)
    }

    /// Lets `name` be found by a form of it.
    pub fn index(&mut self, hash: Hash, name: u32) {
        let slot = Slot { hash, name };
        self.index
            .insert_unique(hash.spread(), slot, |slot| slot.hash.spread());
    }

    /// The names that may have a form with this hash: the caller compares.
    pub fn candidates(&self, hash: Hash) -> impl Iterator<Item = u32> + use<'_> {
        self.index
            .iter_hash(hash.spread())
            .filter(move |slot| slot.hash == hash)
            .map(|slot| slot.name)
    }

    /// Touches what looking for these will touch, so that it comes into the cache. One look-up waits four times for
    /// memory, each time for the address of the next; many at a time wait together.
    pub fn prefetch(&self, hashes: &[Hash]) {
        let names: Vec<_> = hashes
            .iter()
            .filter_map(|hash| self.candidates(*hash).next())
            .collect();
        let ends: Vec<_> = names
            .iter()
            .map(|name| self.entries[*name as usize].end)
            .collect();
        let last = |end: &u32| self.bytes.get((*end as usize).checked_sub(1)?);
        black_box(ends.iter().filter_map(last).fold(0, |sum, byte| sum ^ byte));
    }
}

impl Hash {
    /// The table takes its bucket from the low bits of a hash and its tag from the high ones.
    fn spread(self) -> u64 {
        u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Domains in lower case, numbered from 0.
#[derive(Default)]
pub struct Domains {
    names: Vec<Arc<[u8]>>,
    numbers: HashMap<Arc<[u8]>, u32, RandomState>,
    /// Of memory, about.
    bytes: usize,
}

impl Domains {
    pub fn count(&self) -> usize {
        self.names.len()
    }

    pub fn name(&self, number: u32) -> &[u8] {
        &self.names[number as usize]
    }

    pub fn number(&self, domain: &[u8]) -> Option<u32> {
        match domain.iter().any(u8::is_ascii_uppercase) {
            true => self
                .numbers
                .get(domain.to_ascii_lowercase().as_slice())
                .copied(),
            false => self.numbers.get(domain).copied(),
        }
    }

    /// Whether there are more than make sense.
    pub fn is_full(&self) -> bool {
        self.bytes > MOST_BYTES
    }

    pub fn number_or_add(&mut self, domain: &[u8]) -> u32 {
        self.number(domain).unwrap_or_else(|| {
            let name: Arc<[u8]> = domain.to_ascii_lowercase().into();
            self.bytes += name.len() + 100;
            self.names.push(name.clone());
            let number = self.numbers.len() as u32;
            self.numbers.insert(name, number);
            number
        })
    }
}
