//! Many names in little memory: one buffer for their bytes, and a hash index over the forms under which they are found.
//!
//! A million users cost about 35 bytes each here, where a `HashMap<String, _>` takes a hundred.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::failure::Failure;

/// More than any registrar holds (a million users are about 10 MB); a bound on what a broken server can make us keep.
const MOST_BYTES: usize = 256 << 20;

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

/// A form in the index: part of its hash, and the name it is a form of.
struct Slot {
    hash: u32,
    name: u32,
}

impl Names {
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    pub fn add(&mut self, group: u32, name: &[u8]) -> Result<u32, Failure> {
        if self.bytes.len() + name.len() > MOST_BYTES || self.entries.len() >= MOST_BYTES {
            return Err(Failure::new("there are more than 256 MiB of user names")
                .hint("that is no presence board: look at what the sets under --prefix hold"));
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

    /// Lets `name` be found as `form` in `domain`.
    pub fn index(&mut self, domain: u32, form: &[u8], name: u32) {
        let hash = self.hash(domain, form);
        self.index
            .insert_unique(spread(hash), Slot { hash, name }, |slot| spread(slot.hash));
    }

    /// The names that may have `form` in `domain`: the caller compares.
    pub fn candidates(&self, domain: u32, form: &[u8]) -> impl Iterator<Item = u32> + use<'_> {
        let hash = self.hash(domain, form);
        self.index
            .iter_hash(spread(hash))
            .filter(move |slot| slot.hash == hash)
            .map(|slot| slot.name)
    }

    fn hash(&self, domain: u32, form: &[u8]) -> u32 {
        self.hasher.hash_one((domain, form)) as u32
    }
}

/// The table takes its bucket from the low bits of a hash and its tag from the high ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Domains in lower case, numbered from 0.
#[derive(Default)]
pub struct Domains {
    names: Vec<Arc<[u8]>>,
    numbers: HashMap<Arc<[u8]>, u32>,
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

    pub fn number_or_add(&mut self, domain: &[u8]) -> u32 {
        self.number(domain).unwrap_or_else(|| {
            let name: Arc<[u8]> = domain.to_ascii_lowercase().into();
            self.names.push(name.clone());
            let number = self.numbers.len() as u32;
            self.numbers.insert(name, number);
            number
        })
    }
}
