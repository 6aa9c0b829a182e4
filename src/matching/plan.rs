//! What a run would do: the sets as they are (R) and who is registered (D1), to a plan. Pure: no I/O, no clock.

use std::sync::Arc;

use super::aliases::{Aliases, OfDomain};
use super::readings::{self, OtherForm, Readings};
use super::scope::Rules;
use super::{DomainId, KeyId, Matches, MemberId, Names, Reading, Sets, UserId};

/// Every domain, with the members to remove from its sets and the users to add.
pub struct Plan {
    pub sets: Sets,
    missing: Names<UserId, DomainId>,
    /// In the order of the domains' bytes.
    pub entries: Vec<Entry>,
    pub totals: Totals,
}

/// One domain.
#[derive(Default)]
pub struct Entry {
    /// In lower case. Empty, as the key, where it has the users who are in no set (`--ignore-domain`).
    pub domain: Vec<u8>,
    /// Its keys in Redis, for [`Sets::key`], in the order of their bytes: one, or several that differ in case.
    pub keys: Vec<KeyId>,
    /// To whose set missing users are added: `--prefix` and the domain.
    pub key: Arc<[u8]>,
    /// Users of the domain who are registered.
    pub online: usize,
    /// Members that the sets had.
    pub members: usize,
    /// Members who are not registered, for [`Sets::member`], in the order of their keys and of their bytes.
    pub stale: Vec<MemberId>,
    /// Members who are not registered as they stand, and are under another reading: neither stale nor online.
    pub other_forms: Vec<OtherForm>,
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
    /// From here on the stale members are sought and whom they may mean, and nobody else.
    pub fn new(rules: &Rules, mut sets: Sets, matches: Matches) -> Self {
        let new_entry = |domain: &[u8]| Entry::new(&rules.prefix, domain);
        let mut entries: Vec<_> = sets.domains.iter().map(new_entry).collect();
        for key in sets.key_ids() {
            let entry = &mut entries[sets.key(key).domain.index()];
            entry.members += sets.key(key).members;
            entry.keys.push(key);
        }
        // R - D1. D1 - R is `matches.missing`.
        for member in sets.members().filter(|member| !matches.is_online(*member)) {
            entries[sets.domain_of(member).index()].stale.push(member);
        }
        for (entry, online) in entries.iter_mut().zip(matches.online_by_domain(&sets)) {
            entry.online = online;
        }
        let domains = sets
            .domains
            .ids()
            .zip(&entries)
            .map(|(id, entry)| OfDomain {
                id,
                name: &entry.domain,
                members: entry.members,
                stale: &entry.stale,
            });
        let mut aliases = Aliases::new(rules, &sets, &matches.missing, domains);
        sets.aliases = std::mem::take(&mut aliases.names);
        // The guard refuses such a plan for the users who are missing.
        if entries
            .iter()
            .all(|entry| entry.stale.len() == entry.members)
        {
            aliases.standing.clear();
        }
        for (domain, mut users) in matches.missing.by_domain() {
            // Excluded only here: an excluded AoR must still keep its members online.
            users.retain(|user| !rules.excludes(domain, matches.missing.user(*user)));
            if users.is_empty() || !rules.knows_missing() || !rules.counts(domain) {
                continue;
            }
            let online = users.len();
            users.retain(|user| !aliases.standing.contains(user));
            if domain.is_empty() {
                entries.push(Entry {
                    online,
                    missing: users,
                    ..Entry::default()
                });
                continue;
            }
            let at = sets.domains.find(domain).map(DomainId::index);
            let at = at.unwrap_or_else(|| {
                entries.push(new_entry(domain));
                entries.len() - 1
            });
            entries[at].online += online;
            entries[at].missing = users;
        }

        // Of excluded users, too: they are registered.
        let mut readings = Readings::new(rules, &sets, &matches);
        for entry in &mut entries {
            entry.keys.sort_unstable_by_key(|key| &sets.key(*key).name);
            let several = entry.keys.len() > 1;
            entry.stale.sort_unstable_by_key(|member| {
                let key = several.then(|| sets.key_name(*member));
                (key, sets.member(*member))
            });
            entry.stale.retain(|member| {
                let other = readings.find(*member);
                let other = other.or_else(|| {
                    let user = *aliases.members.get(member)?;
                    let (user, of) = (matches.missing.user(user), matches.missing.domain_of(user));
                    Some(OtherForm {
                        member: *member,
                        reading: Reading::Alias,
                        aor: [user, b"@", of].concat(),
                    })
                });
                let is_stale = other.is_none();
                entry.other_forms.extend(other);
                is_stale
            });
            entry
                .missing
                .sort_unstable_by_key(|user| matches.missing.user(*user));
        }
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let totals = Totals {
            online: entries.iter().map(|entry| entry.online).sum(),
            members: sets.count(),
            stale: entries.iter().map(|entry| entry.stale.len()).sum(),
            other_forms: entries.iter().map(|entry| entry.other_forms.len()).sum(),
            missing: entries.iter().map(|entry| entry.missing.len()).sum(),
            aors: matches.aors,
            split: matches.split,
        };
        let mut plan = Self {
            sets,
            missing: matches.missing.into_users(),
            entries,
            totals,
        };
        let stale = plan.stale();
        let meant = readings::meant_by(rules, &plan.sets, stale.iter().copied());
        plan.sets.seek(stale, meant);
        plan
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
    fn new(prefix: &[u8], domain: &[u8]) -> Self {
        Self {
            key: [prefix, domain].concat().into(),
            domain: domain.to_vec(),
            ..Self::default()
        }
    }

    /// Whether these are the users who are in no set, and whose set nobody knows.
    pub fn is_of_no_set(&self) -> bool {
        self.key.is_empty()
    }

    /// The keys that a report names: more than one where members and missing users are of several.
    pub fn key_names<'a>(&'a self, sets: &'a Sets) -> Vec<&'a [u8]> {
        let mut names: Vec<_> = self.keys.iter().map(|key| &*sets.key(*key).name).collect();
        if (names.is_empty() || !self.missing.is_empty()) && !names.contains(&&*self.key) {
            names.push(&self.key);
        }
        names
    }

    /// The stale members of one of the keys.
    pub fn stale_of(&self, key: KeyId, sets: &Sets) -> &[MemberId] {
        let name = &*sets.key(key).name;
        let from = self
            .stale
            .partition_point(|member| sets.key_name(*member) < name);
        let to = self
            .stale
            .partition_point(|member| sets.key_name(*member) <= name);
        &self.stale[from..to]
    }

    pub fn differs(&self) -> bool {
        !self.stale.is_empty() || !self.other_forms.is_empty() || !self.missing.is_empty()
    }
}
