//! The sets as Redis held them when the run began (R): keys, their domains, and the members of each key.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;

use super::aor::UserCase;
use super::batch::{Aors, Batch};
use super::distinct::Distinct;
use super::domains::Domains;
use super::ids::{DomainId, Id, KeyId, MemberId};
use super::index::{Found, Index};
use super::members::{Among, Key, Members};
use super::missing::Missing;
use crate::failure::Failure;

/// Every set under the prefix, by key; keys that differ only in case are one domain.
pub struct Sets {
    pub domains: Domains,
    /// Sets in scope that `--default-domain` leaves alone, since they are of other domains.
    pub others: usize,
    /// What AoRs may call a domain that the keys call otherwise.
    pub aliases: HashMap<DomainId, Vec<Vec<u8>>, RandomState>,
    members: Members,
    /// None is everyone.
    sought: Option<Sought>,
    /// Users of domains out of scope whom members mean.
    beyond: OnceLock<Missing>,
    index: OnceLock<Index>,
    index_of_everyone: OnceLock<Index>,
}

/// Whom a search finds.
struct Sought {
    members: Vec<MemberId>,
    users: Missing,
}

impl Sets {
    pub fn new(user_case: UserCase) -> Self {
        Self {
            domains: Domains::default(),
            others: 0,
            aliases: HashMap::default(),
            members: Members::new(user_case),
            sought: None,
            beyond: OnceLock::new(),
            index: OnceLock::new(),
            index_of_everyone: OnceLock::new(),
        }
    }

    pub fn user_case(&self) -> UserCase {
        self.members.user_case
    }

    /// Adds the key of a domain.
    pub fn add_key(&mut self, name: impl Into<Arc<[u8]>>, domain: &[u8]) -> Result<KeyId, Failure> {
        let domain = self.domains.find_or_add(domain)?;
        Ok(self.members.add_key(name.into(), domain))
    }

    pub fn add_member(&mut self, key: KeyId, member: &[u8]) -> Result<MemberId, Failure> {
        // They do not know this one.
        self.drop_indexes();
        self.members.add(key, member)
    }

    /// From now on a search finds these members only, and of the missing users those whom they may mean. It takes less
    /// memory and time.
    pub fn seek(&mut self, members: Vec<MemberId>, users: Missing) {
        self.drop_indexes();
        self.sought = Some(Sought { members, users });
    }

    /// Whether any user counts for whom no member stands.
    pub fn seeks_users(&self) -> bool {
        let some = |sought: &Sought| sought.users.count() > 0;
        self.sought.as_ref().is_none_or(some)
    }

    /// Whether this one does.
    pub fn seeks(&self, domain: &[u8], user: &[u8]) -> bool {
        let seeks = |sought: &Sought| sought.users.find(domain, user).is_some();
        self.seeks_users() && self.sought.as_ref().is_none_or(seeks)
    }

    /// Whether a member means this one, of a domain out of scope. `all` are those whom members mean.
    pub fn means(&self, domain: &[u8], user: &[u8], all: impl FnOnce() -> Missing) -> bool {
        let users = match &self.sought {
            Some(sought) => &sought.users,
            None => self.beyond.get_or_init(all),
        };
        users.find(domain, user).is_some()
    }

    pub fn seeks_everyone(&self) -> bool {
        self.sought.is_none()
    }

    fn drop_indexes(&mut self) {
        self.index.take();
        self.index_of_everyone.take();
    }

    /// Adds a member, unless they are in `distinct`, which must hold every earlier member of this key.
    pub fn add_once(
        &mut self,
        distinct: &mut Distinct<MemberId>,
        key: KeyId,
        member: &[u8],
    ) -> Result<(), Failure> {
        let hash = distinct.hash(key, member);
        let is_same = |other| self.key_of(other) == key && self.member(other) == member;
        if !distinct.contains(hash, is_same) {
            distinct.insert(hash, self.add_member(key, member)?);
        }
        Ok(())
    }

    /// How many members all sets together have.
    pub fn count(&self) -> usize {
        self.members.names.count()
    }

    pub fn keys(&self) -> &[Key] {
        &self.members.keys
    }

    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        (0..self.keys().len()).map(|index| KeyId::new(index as u32))
    }

    pub fn key(&self, id: KeyId) -> &Key {
        &self.members.keys[id.index()]
    }

    pub fn members(&self) -> impl Iterator<Item = MemberId> + '_ {
        self.members.names.iter()
    }

    pub fn member(&self, id: MemberId) -> &[u8] {
        self.members.names.get(id)
    }

    pub fn key_of(&self, member: MemberId) -> KeyId {
        self.members.names.group(member)
    }

    /// The name of the key whose set holds a member.
    pub fn key_name(&self, member: MemberId) -> &[u8] {
        &self.key(self.key_of(member)).name
    }

    pub fn domain_of(&self, member: MemberId) -> DomainId {
        self.members.domain_of(member)
    }

    /// What [`Names::slot`](super::Names::slot) of a member is always less than.
    pub(super) fn slots(&self) -> usize {
        self.members.names.slots()
    }

    /// Makes ready to find members, which takes a while. Otherwise the first search does.
    pub fn index_of(&self, among: Among) -> &Index {
        let index = match among {
            Among::TheirDomain => &self.index,
            Among::Everyone => &self.index_of_everyone,
        };
        let sought = self.sought.as_ref().map(|sought| &sought.members[..]);
        index.get_or_init(|| Index::new(&self.members, sought, among))
    }

    /// An empty batch of users to find.
    pub fn batch(&self, aors: Aors) -> Batch {
        Batch::new(aors, self.members.user_case, self.members.hasher.clone())
    }

    /// Who stands for each user of a batch, in their order.
    pub fn find(&self, batch: &Batch) -> Vec<Found> {
        self.index_of(batch.aors.among()).find(&self.members, batch)
    }

    /// Who stands for one user.
    pub fn find_one(&self, aors: Aors, group: DomainId, user: &[u8]) -> Found {
        let mut batch = self.batch(aors);
        match batch.add(group, user) {
            Ok(()) => self.find(&batch)[0],
            Err(_) => Found::default(),
        }
    }

    /// Each member who was found, in the order of their domains.
    pub fn by_domain(&self, among: Among, found: Found) -> Vec<MemberId> {
        let index = self.index_of(among);
        index.by_domain(&self.members, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who stands for a user of a domain.
    fn found(sets: &Sets, domain: &[u8], user: &str) -> Vec<MemberId> {
        let domain = sets.domains.find(domain).unwrap();
        let found = sets.find_one(Aors::AsDumped, domain, user.as_bytes());
        sets.index_of(Among::TheirDomain).members(found).collect()
    }

    #[test]
    fn every_spelling_of_a_user_is_found() {
        let mut sets = Sets::new(UserCase::Ignored);
        let mut distinct = Distinct::default();
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
            sets.add_once(&mut distinct, key, member.as_bytes())
                .unwrap();
        }
        assert_eq!(sets.count(), 4, "the member reported twice counts once");
        let found = |user| {
            let found = found(&sets, b"abc.voip.ca", user);
            let text = |member: MemberId| String::from_utf8(sets.member(member).to_vec()).unwrap();
            let mut found: Vec<_> = found.into_iter().map(text).collect();
            found.sort();
            found
        };
        assert_eq!(found("alice"), ["%41lice", "Alice", "alice"]);
        assert_eq!(found("Bob"), ["bob"]);
        assert_eq!(found("carol"), [""; 0]);
    }

    #[test]
    fn members_who_share_a_hash_are_all_kept() {
        let mut sets = Sets::new(UserCase::Ignored);
        let mut distinct = Distinct::default();
        let key = sets.add_key(b"ONLINE:abc".to_vec(), b"abc").unwrap();
        // Some ten pairs of them share one.
        for number in 0..300_000 {
            let member = number.to_string();
            sets.add_once(&mut distinct, key, member.as_bytes())
                .unwrap();
        }
        assert_eq!(sets.count(), 300_000);
    }

    #[test]
    fn a_user_of_another_domain_is_not_found() {
        let mut sets = Sets::new(UserCase::Ignored);
        let abc = sets.add_key(b"ONLINE:abc".to_vec(), b"abc").unwrap();
        let xyz = sets.add_key(b"ONLINE:xyz".to_vec(), b"xyz").unwrap();
        let one = sets.add_member(abc, b"100").unwrap();
        let other = sets.add_member(xyz, b"100").unwrap();
        sets.add_member(xyz, b"200").unwrap();
        assert_eq!(found(&sets, b"xyz", "100"), [other]);
        assert_eq!(found(&sets, b"abc", "100"), [one]);
        assert_eq!(found(&sets, b"abc", "200"), []);
    }
}
