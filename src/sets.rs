//! The presence sets as Redis held them when the run began (R), and how users are found among their members.

use crate::aor::{UserCase, unescaped};
use crate::domains::Domains;
use crate::failure::Failure;
use crate::index::{Hash, Index};
use crate::names::{Name, Names};
use std::hint::black_box;
use std::sync::{Arc, OnceLock};

/// Every set under the prefix, by key; keys that differ only in case are one domain.
pub struct Sets {
    pub user_case: UserCase,
    pub keys: Vec<Key>,
    pub domains: Domains,
    members: Names,
    index: OnceLock<Index>,
}

pub struct Key {
    pub name: Arc<[u8]>,
    /// The number of its domain in [`Sets::domains`].
    pub domain: u32,
}

impl Sets {
    pub fn new(user_case: UserCase) -> Self {
        Self {
            user_case,
            keys: Vec::new(),
            domains: Domains::default(),
            members: Names::default(),
            index: OnceLock::new(),
        }
    }

    /// Adds the key of a domain and returns its number.
    pub fn add_key(&mut self, name: impl Into<Arc<[u8]>>, domain: &[u8]) -> Result<u32, Failure> {
        let domain = self.domains.number_or_add(domain)?;
        self.keys.push(Key {
            name: name.into(),
            domain,
        });
        Ok(self.keys.len() as u32 - 1)
    }

    pub fn add_member(&mut self, key: u32, member: &[u8]) -> Result<Name, Failure> {
        // It does not know this one.
        self.index.take();
        self.members.add(key, member)
    }

    /// Adds a member who may have been added to the same `seen` before.
    pub fn add_once(&mut self, seen: &mut Index, key: u32, member: &[u8]) -> Result<(), Failure> {
        let hash = seen.hash(key, member);
        let known = |name: Name| self.key_of(name) == key && self.member(name) == member;
        if seen.find(hash, known).is_none() {
            seen.insert(hash, self.add_member(key, member)?);
        }
        Ok(())
    }

    /// Makes ready to look users up, which takes a while. Else the first look-up does.
    pub fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut index = Index::with_room_for(self.count());
            for name in self.members.iter() {
                let domain = self.keys[self.key_of(name) as usize].domain;
                let folded = self.user_case.fold(self.member(name));
                index.insert(index.hash(domain, &folded), name);
                if let Some(plain) = unescaped(&folded) {
                    index.insert(index.hash(domain, &self.user_case.fold(&plain)), name);
                }
            }
            index
        })
    }

    /// How many members all sets together have.
    pub fn count(&self) -> usize {
        self.members.count()
    }

    pub fn members(&self) -> &Names {
        &self.members
    }

    pub fn member(&self, member: Name) -> &[u8] {
        self.members.get(member)
    }

    /// The number of the key whose set the member is in.
    pub fn key_of(&self, member: Name) -> u32 {
        self.members.group(member)
    }

    /// By what [`Sets::candidates`] finds a user of a domain.
    pub fn hash(&self, domain: u32, user: &[u8]) -> Hash {
        self.index().hash(domain, &self.user_case.fold(user))
    }

    /// For many users at a time, since one after the other each would wait for memory: who may stand for which of
    /// them, by the place of his hash, in their order. [`Sets::stands_for`] tells whether it is so.
    pub fn candidates(&self, hashes: &[Hash]) -> Vec<(usize, Name)> {
        let index = self.index();
        black_box(hashes.iter().fold(0, |sum, hash| sum ^ index.touch(*hash)));
        let mut candidates = Vec::with_capacity(2 * hashes.len());
        for (place, hash) in hashes.iter().enumerate() {
            index
                .candidates(*hash)
                .for_each(|name| candidates.push((place, name)));
        }
        let touch = |sum, (_, name): &(usize, Name)| sum ^ self.members.touch(*name);
        black_box(candidates.iter().fold(0, touch));
        candidates
    }

    /// Whether a member stands for a user of a domain, in this or that spelling.
    pub fn stands_for(&self, member: Name, domain: u32, user: &[u8]) -> bool {
        self.keys[self.key_of(member) as usize].domain == domain
            && self.user_case.stands_for(self.member(member), user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing_for(sets: &Sets, user: &str) -> Vec<String> {
        let mut found: Vec<_> = sets
            .candidates(&[sets.hash(0, user.as_bytes())])
            .into_iter()
            .map(|(_, member)| member)
            .filter(|member| sets.stands_for(*member, 0, user.as_bytes()))
            .map(|member| String::from_utf8(sets.member(member).to_vec()).unwrap())
            .collect();
        found.sort();
        found
    }

    #[test]
    fn every_spelling_of_a_user_is_found() {
        let mut sets = Sets::new(UserCase::Ignored);
        let mut seen = Index::default();
        let lower = sets
            .add_key(b"ONLINE:abc.voip.ca".to_vec(), b"abc.voip.ca")
            .unwrap();
        let mixed = sets
            .add_key(b"ONLINE:ABC.voip.ca".to_vec(), b"ABC.voip.ca")
            .unwrap();
        for (key, member) in [
            (lower, "alice"),
            (mixed, "Alice"),
            (mixed, "%41lice"),
            (lower, "bob"),
            (lower, "alice"),
        ] {
            sets.add_once(&mut seen, key, member.as_bytes()).unwrap();
        }
        assert_eq!(sets.count(), 4, "the member reported twice counts once");
        assert_eq!(standing_for(&sets, "alice"), ["%41lice", "Alice", "alice"]);
        assert_eq!(standing_for(&sets, "Bob"), ["bob"]);
        assert_eq!(standing_for(&sets, "carol"), [""; 0]);
    }

    #[test]
    fn a_user_of_another_domain_is_not_found() {
        let mut sets = Sets::new(UserCase::Ignored);
        let abc = sets.add_key(b"ONLINE:abc".to_vec(), b"abc").unwrap();
        let xyz = sets.add_key(b"ONLINE:xyz".to_vec(), b"xyz").unwrap();
        sets.add_member(abc, b"100").unwrap();
        let other = sets.add_member(xyz, b"100").unwrap();
        let domain = sets.keys[xyz as usize].domain;
        assert_eq!(sets.candidates(&[sets.hash(domain, b"100")]), [(0, other)]);
        assert!(sets.stands_for(other, domain, b"100") && !sets.stands_for(other, 0, b"100"));
    }
}
