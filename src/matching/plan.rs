//! What a run would do: the sets as they are (R) and who is registered (D1), to a plan. Pure: no I/O, no clock.

use std::sync::Arc;

use super::readings::{OtherForm, Readings};
use super::scope::Rules;
use super::{DomainId, Key, Matches, MemberId, Names, Sets, UserId};

/// Every key, with the members to remove from its set and the users to add.
pub struct Plan {
    pub sets: Sets,
    missing: Names<UserId, DomainId>,
    /// In the order of the keys' bytes.
    pub entries: Vec<Entry>,
    pub totals: Totals,
}

/// One key.
#[derive(Default)]
pub struct Entry {
    /// In lower case. Empty, as the key, where it has the users who are in no set (`--ignore-domain`).
    pub domain: Vec<u8>,
    pub key: Arc<[u8]>,
    /// Users of the domain who are registered.
    pub online: usize,
    /// Members that the set had.
    pub members: usize,
    /// Members who are not registered, for [`Sets::member`], in the order of their bytes.
    pub stale: Vec<MemberId>,
    /// Members who are not registered as they stand, and are under another reading: neither stale nor online.
    pub other_forms: Vec<OtherForm<MemberId>>,
    /// Users who are registered and in no set of the domain, for [`Plan::missing`], in the order of their bytes.
    pub missing: Vec<UserId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub online: usize,
    pub members: usize,
    pub stale: usize,
    /// Members who are registered under another reading.
    pub other_forms: usize,
    pub missing: usize,
    /// AoRs that the registrars reported, those out of scope too.
    pub aors: usize,
    /// [`Matches::split`]
    pub split: usize,
}

impl Plan {
    pub fn new(rules: &Rules, sets: Sets, matches: Matches) -> Self {
        // R - D1. D1 - R is `matches.missing`.
        let stale: Vec<_> = sets
            .members()
            .filter(|member| !matches.is_online(*member))
            .collect();

        let new_entry = |key: &Key| Entry {
            members: key.members,
            ..Entry::new(key.name.clone(), sets.domains.name(key.domain))
        };
        let mut entries: Vec<_> = sets.keys().iter().map(new_entry).collect();
        // Before excluded users are taken out of the missing: they are registered, too.
        let readings = Readings::new(&matches.missing, rules);
        for member in &stale {
            let entry = &mut entries[sets.key_of(*member).index()];
            let name = sets.member(*member);
            match readings.find(*member, &entry.domain, name) {
                Some(other) => entry.other_forms.push(other),
                None => entry.stale.push(*member),
            }
        }
        let mut online = matches.online_by_domain(&sets);
        let by_key = |a: &Entry, b: &Entry| a.key.cmp(&b.key);
        entries.sort_unstable_by(by_key);
        let with_set = entries.len();
        let mut without_set = 0;
        for (domain, mut users) in matches.missing.by_domain() {
            // Not sooner: every AoR keeps its members on the board, whatever a pattern says.
            users.retain(|user| !rules.excludes(matches.missing.user(*user)));
            if users.is_empty() || !rules.knows_missing() {
                continue;
            }
            if domain.is_empty() {
                without_set += users.len();
                entries.push(Entry {
                    missing: users,
                    ..Entry::default()
                });
                continue;
            }
            match sets.domains.find(domain) {
                Some(id) => online[id.index()] += users.len(),
                None => without_set += users.len(),
            }
            let key = [&rules.prefix, domain].concat();
            match entries[..with_set].binary_search_by(|entry| (*entry.key).cmp(&key)) {
                Ok(at) => entries[at].missing = users,
                Err(_) => entries.push(Entry {
                    missing: users,
                    ..Entry::new(key.into(), domain)
                }),
            }
        }

        for entry in &mut entries {
            let id = sets.domains.find(&entry.domain);
            let id = id.filter(|_| !entry.is_of_no_set());
            entry.online = id.map_or(entry.missing.len(), |id| online[id.index()]);
            entry
                .stale
                .sort_unstable_by_key(|member| sets.member(*member));
            entry
                .other_forms
                .sort_unstable_by_key(|other| sets.member(other.member));
            entry
                .missing
                .sort_unstable_by_key(|user| matches.missing.user(*user));
        }
        entries.sort_unstable_by(by_key);
        let totals = Totals {
            online: online.iter().sum::<usize>() + without_set,
            members: sets.count(),
            stale: entries.iter().map(|entry| entry.stale.len()).sum(),
            other_forms: entries.iter().map(|entry| entry.other_forms.len()).sum(),
            missing: entries.iter().map(|entry| entry.missing.len()).sum(),
            aors: matches.aors,
            split: matches.split,
        };
        Self {
            sets,
            missing: matches.missing.into_users(),
            entries,
            totals,
        }
    }

    /// Every stale member, those of one key together.
    pub fn stale(&self) -> Vec<MemberId> {
        let stale = self.entries.iter().flat_map(|entry| &entry.stale);
        stale.copied().collect()
    }

    /// How many domains have a set or should have one.
    pub fn domains(&self) -> usize {
        let keys = self.entries.iter().filter(|entry| !entry.is_of_no_set());
        keys.count()
    }

    /// A missing user, as their registrar spells them.
    pub fn missing(&self, user: UserId) -> &[u8] {
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

    /// Whether these are the users who are in no set, and whose set nobody knows.
    pub fn is_of_no_set(&self) -> bool {
        self.key.is_empty()
    }

    pub fn differs(&self) -> bool {
        !self.stale.is_empty() || !self.other_forms.is_empty() || !self.missing.is_empty()
    }
}
