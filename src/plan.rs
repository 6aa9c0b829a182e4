//! What a run would do: the sets as they are (R) and who is registered (D1), to a plan. Pure: no I/O, no clock.

use std::sync::Arc;

use crate::names::{Name, Names};
use crate::registered::Registered;
use crate::roll_call::Rules;
use crate::sets::Sets;

/// Every key, with the members to remove from its set and the users to add.
pub struct Plan {
    pub sets: Arc<Sets>,
    missing: Names,
    /// In the order of the keys' bytes.
    pub entries: Vec<Entry>,
    pub totals: Totals,
    /// A stale member who would be online if the AoRs were split at their `@`, against `--default-domain`.
    pub online_if_split: Option<Name>,
}

/// One key.
#[derive(Default)]
pub struct Entry {
    /// In lower case.
    pub domain: Vec<u8>,
    pub key: Arc<[u8]>,
    /// Users of the domain who are registered.
    pub online: usize,
    /// Members that the set had.
    pub members: usize,
    /// Members who are not registered, for [`Sets::member`], in the order of their bytes.
    pub stale: Vec<Name>,
    /// Users who are registered and in no set of the domain, for [`Plan::missing`], in the order of their bytes.
    pub missing: Vec<Name>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub online: usize,
    pub members: usize,
    pub stale: usize,
    pub missing: usize,
    /// AoRs that the registrars reported, those out of scope too.
    pub aors: usize,
}

impl Plan {
    pub fn new(rules: &Rules, sets: Arc<Sets>, registered: Registered) -> Self {
        let mut entries: Vec<Entry> = sets
            .keys
            .iter()
            .map(|key| Entry::new(key.name.clone(), sets.domains.name(key.domain)))
            .collect();
        let mut online = vec![0; sets.domains.count()];
        let mut online_if_split = Vec::new();
        for member in sets.members().iter() {
            let key = sets.key_of(member) as usize;
            entries[key].members += 1;
            online[sets.keys[key].domain as usize] += registered.users(member);
            if !registered.is_online(member) {
                entries[key].stale.push(member);
                if registered.is_online_if_split(member) {
                    online_if_split.push(member);
                }
            }
        }

        let (aors, missing) = (registered.aors, registered.missing);
        let mut missing_of = vec![Vec::new(); missing.domains.count()];
        for user in missing.users.iter() {
            missing_of[missing.users.group(user) as usize].push(user);
        }
        let by_key = |a: &Entry, b: &Entry| a.key.cmp(&b.key);
        entries.sort_unstable_by(by_key);
        let known = entries.len();
        let mut without_set = 0;
        for (number, users) in missing_of.into_iter().enumerate() {
            let domain = missing.domains.name(number as u32);
            match sets.domains.number(domain) {
                Some(known) => online[known as usize] += users.len(),
                None => without_set += users.len(),
            }
            let key = [&rules.prefix, domain].concat();
            match entries[..known].binary_search_by(|entry| (*entry.key).cmp(&key)) {
                Ok(at) => entries[at].missing = users,
                Err(_) => entries.push(Entry {
                    missing: users,
                    ..Entry::new(key.into(), domain)
                }),
            }
        }

        for entry in &mut entries {
            let known = sets.domains.number(&entry.domain);
            entry.online = known.map_or(entry.missing.len(), |domain| online[domain as usize]);
            entry
                .stale
                .sort_unstable_by_key(|member| sets.member(*member));
            entry
                .missing
                .sort_unstable_by_key(|user| missing.users.get(*user));
        }
        entries.sort_unstable_by(by_key);
        let totals = Totals {
            online: online.iter().sum::<usize>() + without_set,
            members: sets.count(),
            stale: entries.iter().map(|entry| entry.stale.len()).sum(),
            missing: missing.users.count(),
            aors,
        };
        let online_if_split = online_if_split
            .into_iter()
            .min_by_key(|member| sets.member(*member));
        Self {
            sets,
            missing: missing.users,
            entries,
            totals,
            online_if_split,
        }
    }

    /// Every stale member, those of one key together.
    pub fn stale(&self) -> Vec<Name> {
        let stale = self.entries.iter().flat_map(|entry| &entry.stale);
        stale.copied().collect()
    }

    /// The name of the key whose set a member is in.
    pub fn key_of(&self, member: Name) -> &[u8] {
        &self.sets.keys[self.sets.key_of(member) as usize].name
    }

    /// A missing user, as his registrar spells him.
    pub fn missing(&self, user: Name) -> &[u8] {
        self.missing.get(user)
    }
}

impl Entry {
    fn new(key: Arc<[u8]>, domain: &[u8]) -> Self {
        Self {
            key,
            domain: domain.to_vec(),
            ..Self::default()
        }
    }

    pub fn differs(&self) -> bool {
        !self.stale.is_empty() || !self.missing.is_empty()
    }
}
