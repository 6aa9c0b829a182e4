//! Many names in little memory: one buffer for all of them.
//!
//! With the index that finds it, a user costs about 35 bytes, where a `HashMap<String, _>` takes a hundred.

use crate::failure::Failure;

/// More than any registrar holds (a million users are about 10 MB); bounds on what a broken server can make us keep.
const MOST_BYTES: usize = 256 << 20;
const MOST_NAMES: usize = 16 << 20;

/// Whether so many names, of so many bytes together, make sense.
pub fn bounded(names: usize, bytes: usize) -> Result<(), Failure> {
    if names <= MOST_NAMES && bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(Failure::new(
        "there are more than 16 million users, or 256 MiB of names",
    ))
}

/// Names, each in a group (a key, a domain), in the order they came.
#[derive(Default)]
pub struct Names {
    /// Of each name its group, its length, its bytes: to look at one is to wait for memory once.
    records: Vec<u8>,
    count: usize,
}

/// One of the names: where its record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(u32);

impl Name {
    /// None of the names: there is not so much room.
    pub const NONE: Name = Name(u32::MAX);

    /// A number that no other of these names has, for a table of what is known of each.
    pub fn slot(self) -> usize {
        self.0 as usize / HEAD
    }
}

/// The length of a record without the name.
const HEAD: usize = 8;

impl Names {
    pub fn count(&self) -> usize {
        self.count
    }

    /// Of all names together.
    pub fn bytes(&self) -> usize {
        self.records.len() - self.count * HEAD
    }

    pub fn add(&mut self, group: u32, name: &[u8]) -> Result<Name, Failure> {
        let start = self.records.len();
        bounded(self.count + 1, self.bytes() + name.len())?;
        self.records.extend_from_slice(&group.to_ne_bytes());
        self.records
            .extend_from_slice(&(name.len() as u32).to_ne_bytes());
        self.records.extend_from_slice(name);
        self.count += 1;
        Ok(Name(start as u32))
    }

    pub fn get(&self, name: Name) -> &[u8] {
        let start = name.0 as usize + HEAD;
        &self.records[start..start + self.word(start - HEAD / 2) as usize]
    }

    pub fn group(&self, name: Name) -> u32 {
        self.word(name.0 as usize)
    }

    fn word(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.records[at..at + 4]);
        u32::from_ne_bytes(word)
    }

    pub fn iter(&self) -> impl Iterator<Item = Name> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            let name = (next < self.records.len()).then_some(Name(next as u32))?;
            next += HEAD + self.get(name).len();
            Some(name)
        })
    }

    /// What [`Name::slot`] is always less than.
    pub fn slots(&self) -> usize {
        self.records.len() / HEAD + 1
    }

    /// Touches what looking at this one will touch, so that it comes into the cache; what is returned is of no use.
    pub fn touch(&self, name: Name) -> u8 {
        let start = name.0 as usize;
        // Names are compared 32 bytes at a time, which may be in the next line of the cache.
        let further = self.records.get(start + HEAD + 31);
        self.records[start] ^ further.copied().unwrap_or_default()
    }
}
