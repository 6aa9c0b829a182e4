//! Which names have a form: a hash table whose look-ups mostly wait for memory once, and can be told to ahead of their
//! time, which a library's table gives no way to. With a million users that is what a run spends its time in.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use std::hash::BuildHasher;

use crate::names::Name;

/// The names that have a form, in a domain.
#[derive(Default)]
pub struct Index {
    /// Behind the homes: of what overflowed the last of them.
    lines: Vec<Line>,
    homes: usize,
    used: usize,
    /// What finds so many full lines from its home on: one user in thousands of spellings, which all have one hash.
    crowded: HashMap<u32, Vec<Name>>,
    /// Seeded anew in each run, since phones choose their names.
    hasher: RandomState,
}

/// Part of the hash of a form in a domain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(u32);

/// A line of the processor's cache, with forms and the names they are forms of, filled from the front. What finds its
/// home full goes into the next one.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    hashes: [Hash; LINE],
    names: [Name; LINE],
}

/// How many lines a search looks at.
const FAR: usize = 32;

const LINE: usize = 64 / size_of::<(Hash, Name)>();

impl Line {
    const EMPTY: Line = Line {
        hashes: [Hash(0); LINE],
        names: [Name::NONE; LINE],
    };

    fn is_full(&self) -> bool {
        self.names[LINE - 1] != Name::NONE
    }

    /// There must be room.
    fn put(&mut self, hash: Hash, name: Name) {
        let free = self
            .names
            .iter()
            .filter(|name| **name != Name::NONE)
            .count();
        self.hashes[free] = hash;
        self.names[free] = name;
    }

    fn candidates(&self, hash: Hash) -> impl Iterator<Item = Name> + '_ {
        // One bit for each, without a branch that nobody can foresee.
        let mut found = 0_u32;
        for at in 0..LINE {
            let same = self.hashes[at] == hash && self.names[at] != Name::NONE;
            found |= u32::from(same) << at;
        }
        std::iter::from_fn(move || {
            let at = (found != 0).then_some(found.trailing_zeros() as usize)?;
            found &= found - 1;
            Some(self.names[at])
        })
    }
}

impl Index {
    /// For half of the room that it takes, so that few homes overflow.
    pub fn with_room_for(forms: usize) -> Self {
        let homes = forms * 2 / LINE + 1;
        Self {
            lines: vec![Line::EMPTY; homes],
            homes,
            ..Self::default()
        }
    }

    pub fn hash(&self, domain: u32, form: &[u8]) -> Hash {
        Hash(self.hasher.hash_one((domain, form)) as u32)
    }

    /// Lets `name` be found by a form of it.
    pub fn insert(&mut self, hash: Hash, name: Name) {
        if self.used >= self.homes * LINE * 3 / 4 {
            let small = std::mem::replace(self, Self::with_room_for(self.used * 3 / 2));
            self.hasher = small.hasher;
            for line in small.lines {
                for (hash, name) in line.hashes.into_iter().zip(line.names) {
                    if name != Name::NONE {
                        self.put(hash, name);
                    }
                }
            }
            for (hash, names) in small.crowded {
                for name in names {
                    self.put(Hash(hash), name);
                }
            }
        }
        self.put(hash, name);
    }

    fn put(&mut self, hash: Hash, name: Name) {
        let home = self.home(hash);
        let lines = self.lines[home..].iter().take(FAR);
        let further = lines.take_while(|line| line.is_full()).count();
        self.used += 1;
        if further == FAR {
            self.crowded.entry(hash.0).or_default().push(name);
            return;
        }
        if home + further == self.lines.len() {
            self.lines.push(Line::EMPTY);
        }
        self.lines[home + further].put(hash, name);
    }

    /// The number of the line where a search begins.
    fn home(&self, hash: Hash) -> usize {
        ((u64::from(hash.0) * self.homes as u64) >> 32) as usize
    }

    /// The names that may have a form with this hash: the caller compares.
    pub fn candidates(&self, hash: Hash) -> impl Iterator<Item = Name> + use<'_> {
        let lines = self.lines[self.home(hash)..].split_inclusive(|line| !line.is_full());
        let lines = lines.take(1).flatten().take(FAR);
        let crowded = self.crowded.get(&hash.0).into_iter().flatten();
        lines
            .flat_map(move |line| line.candidates(hash))
            .chain(crowded.copied())
    }

    /// The one of them that the caller knows.
    pub fn find(&self, hash: Hash, known: impl Fn(Name) -> bool) -> Option<Name> {
        for line in self.lines[self.home(hash)..].iter().take(FAR) {
            for name in line.candidates(hash) {
                if known(name) {
                    return Some(name);
                }
            }
            if !line.is_full() {
                return None;
            }
        }
        let crowded = self.crowded.get(&hash.0)?.iter();
        crowded.copied().find(|name| known(*name))
    }

    /// As [`Names::touch`](crate::names::Names::touch).
    pub fn touch(&self, hash: Hash) -> u8 {
        let line = self.lines.get(self.home(hash));
        line.map_or(0, |line| line.hashes[0].0 as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Names;

    #[test]
    fn a_hundred_thousand_names_of_one_hash_take_no_long_search() {
        let mut names = Names::default();
        let mut index = Index::default();
        for _ in 0..100_000 {
            index.insert(Hash(5), names.add(0, b"100").unwrap());
        }
        index.insert(Hash(6), names.add(0, b"101").unwrap());
        assert_eq!(index.candidates(Hash(5)).count(), 100_000);
        assert_eq!(index.candidates(Hash(6)).count(), 1);
    }

    #[test]
    fn every_name_is_found_however_many_share_a_hash() {
        let mut names = Names::default();
        let mut index = Index::default();
        // The last home has the lines behind it to itself.
        for hash in [Hash(0), Hash(u32::MAX), Hash(7), Hash(u32::MAX)].repeat(30) {
            index.insert(hash, names.add(hash.0, b"100").unwrap());
        }
        for (hash, count) in [(0, 30), (u32::MAX, 60), (7, 30), (8, 0)] {
            let found: Vec<_> = index.candidates(Hash(hash)).collect();
            let added: Vec<_> = names
                .iter()
                .filter(|name| names.group(*name) == hash)
                .collect();
            assert_eq!((&found, found.len()), (&added, count));
        }
    }
}
