//! The presence sets as Redis held them when the run began (R), and who of their members is online.

use crate::aor::{UserCase, unescaped};
use crate::failure::Failure;
use crate::names::{Domains, Hash, Names};

/// Every set under the prefix, by key; keys that differ only in case are one domain.
pub struct Sets {
    user_case: UserCase,
    pub keys: Vec<Key>,
    pub domains: Domains,
    members: Names,
}

pub struct Key {
    pub name: Vec<u8>,
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
        }
    }

    /// Adds the key of a domain and returns its number.
    pub fn add_key(&mut self, name: Vec<u8>, domain: &[u8]) -> u32 {
        let domain = self.domains.number_or_add(domain);
        self.keys.push(Key { name, domain });
        self.keys.len() as u32 - 1
    }

    /// Adds a member of a key's set. SSCAN may report one twice: he is added once.
    pub fn add_member(&mut self, key: u32, member: &[u8]) -> Result<(), Failure> {
        let domain = self.keys[key as usize].domain;
        let folded = self.user_case.fold(member);
        let hash = self.members.hash(domain, &folded);
        let known = |name: u32| self.members.group(name) == key && self.members.get(name) == member;
        if self.members.candidates(hash).any(known) {
            return Ok(());
        }
        let name = self.members.add(key, member)?;
        self.members.index(hash, name);
        if let Some(plain) = unescaped(&folded) {
            let plain = self.members.hash(domain, &self.user_case.fold(&plain));
            self.members.index(plain, name);
        }
        Ok(())
    }

    /// How many members all sets together have.
    pub fn count(&self) -> usize {
        self.members.count()
    }

    pub fn member(&self, member: u32) -> &[u8] {
        self.members.get(member)
    }

    /// The number of the key whose set the member is in.
    pub fn key_of(&self, member: u32) -> u32 {
        self.members.group(member)
    }

    /// By what [`Sets::standing_for`] finds a user of a domain.
    pub fn hash(&self, domain: u32, user: &[u8]) -> Hash {
        self.members.hash(domain, &self.user_case.fold(user))
    }

    /// To be called ahead of many calls of [`Sets::standing_for`].
    pub fn prefetch(&self, hashes: &[Hash]) {
        self.members.prefetch(hashes);
    }

    /// Every member that stands for a user of a domain, in this or that spelling.
    pub fn standing_for<'a>(
        &'a self,
        hash: Hash,
        domain: u32,
        user: &'a [u8],
    ) -> impl Iterator<Item = u32> + 'a {
        self.members.candidates(hash).filter(move |member| {
            self.keys[self.key_of(*member) as usize].domain == domain
                && self.user_case.stands_for(self.member(*member), user)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing_for(sets: &Sets, user: &str) -> Vec<String> {
        let mut found: Vec<_> = sets
            .standing_for(sets.hash(0, user.as_bytes()), 0, user.as_bytes())
            .map(|member| String::from_utf8(sets.member(member).to_vec()).unwrap())
            .collect();
        found.sort();
        found
    }

    #[test]
    fn every_spelling_of_a_user_is_found() {
        let mut sets = Sets::new(UserCase::Ignored);
        let lower = sets.add_key(b"ONLINE:abc.voip.ca".to_vec(), b"abc.voip.ca");
        let mixed = sets.add_key(b"ONLINE:ABC.voip.ca".to_vec(), b"ABC.voip.ca");
        for (key, member) in [
            (lower, "alice"),
            (mixed, "Alice"),
            (mixed, "%41lice"),
            (lower, "bob"),
            (lower, "alice"),
        ] {
            sets.add_member(key, member.as_bytes()).unwrap();
        }
        assert_eq!(sets.count(), 4, "the member reported twice counts once");
        assert_eq!(standing_for(&sets, "alice"), ["%41lice", "Alice", "alice"]);
        assert_eq!(standing_for(&sets, "Bob"), ["bob"]);
        assert_eq!(standing_for(&sets, "carol"), [""; 0]);
    }

    #[test]
    fn a_user_of_another_domain_is_not_found() {
        let mut sets = Sets::new(UserCase::Ignored);
        let abc = sets.add_key(b"ONLINE:abc".to_vec(), b"abc");
        let xyz = sets.add_key(b"ONLINE:xyz".to_vec(), b"xyz");
        sets.add_member(abc, b"100").unwrap();
        sets.add_member(xyz, b"100").unwrap();
        let domain = sets.keys[xyz as usize].domain;
        assert_eq!(
            sets.standing_for(sets.hash(domain, b"100"), domain, b"100")
                .collect::<Vec<_>>(),
            [1]
        );
    }
}
