//! Which members have a form: their own, or the %-unescaped one. With a million users a run spends its time here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hint::black_box;
use std::iter::successors;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::aor::{UserCase, unescaped};
use super::batch::Batch;
use super::ids::{DomainId, MemberId};
use super::members::{Among, Members};

/// Finds the members who stand for a user. It must agree with [`UserCase::stands_for`], and tests/proofs/properties.rs says so.
#[derive(Default)]
pub struct Index {
    own: Forms,
    unescaped: Forms,
}

/// Members by one of their forms, each form once.
#[derive(Default)]
struct Forms {
    /// The first member of each form in a group.
    first: HashTable<MemberId>,
    /// For each member the next one with the same form: a chain, since one user may have thousands of spellings.
    next: HashMap<MemberId, MemberId, RandomState>,
}

/// For one user: the first member spelled so, and the first member spelled so once unescaped.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Found {
    own: Option<MemberId>,
    unescaped: Option<MemberId>,
}

impl Found {
    pub fn is_nobody(self) -> bool {
        self == Self::default()
    }
}

fn own_form(case: UserCase, member: &[u8]) -> Option<Cow<'_, [u8]>> {
    Some(case.fold(member))
}

fn unescaped_form(case: UserCase, member: &[u8]) -> Option<Cow<'_, [u8]>> {
    let plain = unescaped(member)?;
    Some(case.fold(&plain).into_owned().into())
}

impl Index {
    /// Of those who are `sought`, or of everyone.
    pub fn new(members: &Members, sought: Option<&[MemberId]>, among: Among) -> Self {
        let mut index = Self::default();
        // A table that grew would take up to twice the room.
        let count = sought.map_or(members.names.count(), <[_]>::len);
        index.own.first.reserve(count, |_| 0);
        let insert = |member| {
            index.own.insert(members, among, member, own_form);
            index
                .unescaped
                .insert(members, among, member, unescaped_form);
        };
        match sought {
            Some(sought) => sought.iter().copied().for_each(insert),
            None => members.names.iter().for_each(insert),
        }
        index
    }

    /// Who stands for each user of a batch.
    pub fn find(&self, members: &Members, batch: &Batch) -> Vec<Found> {
        let case = members.user_case;
        let mut candidates = Vec::with_capacity(2 * batch.count());
        for (place, hash) in batch.hashes.iter().enumerate() {
            let with_hash = self.own.first.iter_hash(*hash);
            candidates.extend(with_hash.map(|member| (place, *member)));
        }
        // All of them wait for memory at the same time.
        let touch = |sum, (_, member): &(usize, MemberId)| sum ^ members.names.touch(*member);
        black_box(candidates.iter().fold(0, touch));
        let mut candidates = candidates.into_iter().peekable();
        let mut found = Vec::with_capacity(batch.count());
        for (place, user) in batch.users.iter().enumerate() {
            let (group, user) = (batch.users.group(user), batch.users.get(user));
            let is = |member: &[u8]| case.same(member, user);
            let is_unescaped = |member: &[u8]| unescaped(member).is_some_and(|plain| is(&plain));
            let mut own = None;
            while let Some((_, member)) = candidates.next_if(|(of, _)| *of == place) {
                if members.is_in(group, member) && is(members.names.get(member)) {
                    own = Some(member);
                }
            }
            let hash = batch.hashes[place];
            let unescaped = self.unescaped.find(members, hash, group, is_unescaped);
            found.push(Found { own, unescaped });
        }
        found
    }

    /// Every member of what was found, each once, always in the same order.
    pub fn members(&self, found: Found) -> impl Iterator<Item = MemberId> {
        self.own
            .members(found.own)
            .chain(self.unescaped.members(found.unescaped))
    }

    /// The same, in the order of their domains. Of each domain the first is the one who is first when only that is looked at.
    pub fn by_domain(&self, members: &Members, found: Found) -> Vec<MemberId> {
        let mut own: Vec<_> = self.own.members(found.own).collect();
        let mut unescaped: Vec<_> = self.unescaped.members(found.unescaped).collect();
        own.sort_unstable();
        unescaped.sort_unstable();
        own.append(&mut unescaped);
        own.sort_by_key(|member| members.domain_of(*member));
        own
    }

    /// Whether one of the two forms has several members.
    pub fn has_several(&self, found: Found) -> bool {
        self.own.has_several(found.own) || self.unescaped.has_several(found.unescaped)
    }
}

impl Forms {
    /// Inserts a member who has this `form`.
    fn insert(
        &mut self,
        members: &Members,
        among: Among,
        member: MemberId,
        form: impl Fn(UserCase, &[u8]) -> Option<Cow<'_, [u8]>>,
    ) {
        let form_of = |member| form(members.user_case, members.names.get(member));
        let Some(its_form) = form_of(member) else {
            return;
        };
        let group = |member| members.group_of(among, member);
        let its_group = group(member);
        let is_same = |other: &MemberId| {
            group(*other) == its_group && form_of(*other).as_ref() == Some(&its_form)
        };
        let hash = |member: &MemberId| {
            let form = form_of(*member).unwrap_or_default();
            members.hasher.hash(group(*member), &form)
        };
        let its_hash = members.hasher.hash(its_group, &its_form);
        match self.first.entry(its_hash, is_same, hash) {
            Entry::Vacant(free) => {
                free.insert(member);
            }
            Entry::Occupied(first) => {
                if let Some(second) = self.next.insert(*first.get(), member) {
                    self.next.insert(member, second);
                }
            }
        }
    }

    fn find(
        &self,
        members: &Members,
        hash: u64,
        group: DomainId,
        is: impl Fn(&[u8]) -> bool,
    ) -> Option<MemberId> {
        let is =
            |member: &MemberId| members.is_in(group, *member) && is(members.names.get(*member));
        self.first.find(hash, is).copied()
    }

    fn members(&self, first: Option<MemberId>) -> impl Iterator<Item = MemberId> {
        successors(first, |member| self.next.get(member).copied())
    }

    fn has_several(&self, first: Option<MemberId>) -> bool {
        first.is_some_and(|first| self.next.contains_key(&first))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::matching::{Aors, Matches, Missing, Sets};

    /// Sets of one domain, `abc`.
    fn sets(members: impl Iterator<Item = Vec<u8>>) -> Sets {
        let mut sets = Sets::new(UserCase::Ignored);
        let key = sets.add_key(b"ONLINE:abc".to_vec(), b"abc").unwrap();
        for member in members {
            sets.add_member(key, &member).unwrap();
        }
        sets
    }

    /// `user`, each letter in the case, or as the escape, that a bit of `number` says.
    fn spelling(number: usize, user: &[u8], escaped: bool) -> Vec<u8> {
        let letter = |(place, letter): (usize, &u8)| match (number >> place & 1, escaped) {
            (0, _) => vec![*letter],
            (_, true) => format!("%{letter:x}").into_bytes(),
            (_, false) => vec![letter.to_ascii_uppercase()],
        };
        user.iter().enumerate().flat_map(letter).collect()
    }

    #[test]
    fn a_hundred_thousand_spellings_of_one_user_take_no_long_search() {
        const SPELLINGS: usize = 100_000;
        let user = b"abcdefghijklmnopqrs";
        let begun = Instant::now();
        for (escaped, aors) in [
            (false, Aors::AsDumped),
            (true, Aors::AsDumped),
            (false, Aors::Whole),
            (true, Aors::Whole),
        ] {
            let spellings = || (0..SPELLINGS).map(|number| spelling(number, user, escaped));
            let sets = sets(spellings());
            // Each AoR is one more spelling of the user.
            let batches = (0..SPELLINGS / 1_000).map(|number| {
                let mut batch = sets.batch(aors);
                let (group, domain) = match aors {
                    // Of any set, and of that of their domain.
                    Aors::Whole if number % 2 == 0 => (DomainId::NONE, &b"@abc"[..]),
                    Aors::Whole => (DomainId::NONE, &b""[..]),
                    _ => (sets.domains.find(b"abc").unwrap(), &b""[..]),
                };
                for aor in 1_000 * number..1_000 * (number + 1) {
                    let name = [&spelling(aor, user, false), domain].concat();
                    batch.add(group, &name).unwrap();
                }
                batch
            });
            let matches = Matches::of(&sets, batches).unwrap();
            assert!(sets.members().all(|member| matches.is_online(member)));
            assert_eq!(matches.online_by_domain(&sets), [1]);
            assert_eq!(matches.missing.count(), 0);
        }
        let mut missing = Missing::new(UserCase::Ignored);
        for number in 0..SPELLINGS {
            let aor = spelling(number, user, false);
            missing.add(b"xyz", &aor).unwrap();
        }
        assert_eq!(missing.count(), 1);
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}
