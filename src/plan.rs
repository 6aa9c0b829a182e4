//! What a run would do: the sets as they are (R) and who is registered (D1), to a plan, and the guard that may refuse
//! it. Pure: no I/O, no clock.

use std::rc::Rc;
use std::sync::Arc;

use crate::failure::Failure;
use crate::names::{Name, Names};
use crate::registered::Registered;
use crate::roll_call::Rules;
use crate::sets::Sets;
use crate::shown::counted;

/// Removals that pass under any share, so that a share works on small sites.
const FEW: usize = 10;

/// Every key, with the members to remove from its set and the users to add.
pub struct Plan {
    pub sets: Rc<Sets>,
    missing: Names,
    /// In the order of the keys' bytes.
    pub entries: Vec<Entry>,
    pub totals: Totals,
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
    pub fn new(rules: &Rules, sets: Rc<Sets>, registered: Registered) -> Self {
        let mut entries: Vec<Entry> = sets
            .keys
            .iter()
            .map(|key| Entry::new(key.name.clone(), sets.domains.name(key.domain)))
            .collect();
        let mut online = vec![0; sets.domains.count()];
        for member in sets.members().iter() {
            let key = sets.key_of(member) as usize;
            entries[key].members += 1;
            online[sets.keys[key].domain as usize] += registered.users(member);
            if !registered.is_online(member) {
                entries[key].stale.push(member);
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
        Self {
            sets,
            missing: missing.users,
            entries,
            totals,
        }
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

/// What keeps a broken source from emptying the board.
pub struct Guard {
    pub max_removal: MaxRemoval,
    pub empty: EmptyDump,
}

/// `--max-removal`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxRemoval {
    Count(usize),
    /// Of the members of all sets, in percent.
    Share(usize),
}

/// `--allow-empty`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyDump {
    Refused,
    Allowed,
}

impl Guard {
    /// Refuses the whole plan when it looks like a broken source.
    pub fn check(&self, totals: &Totals) -> Result<(), Failure> {
        let Totals { stale, members, .. } = *totals;
        let too_many = !self.max_removal.allows(stale, members);
        if totals.aors == 0 && members > 0 && self.empty == EmptyDump::Refused {
            let raise = if too_many {
                format!(" --max-removal {stale}")
            } else {
                String::new()
            };
            return Err(Failure::refused(format!(
                "Kamailio reports nobody, while Redis has {}: refused, to keep the board from being emptied",
                counted(members, "member")
            ))
            .hint(format!(
                "was Kamailio just restarted, is its usrloc in db_mode 3 (nothing in memory), or is --table wrong? \
                 If nobody is online indeed: --allow-empty{raise}"
            )));
        }
        if too_many {
            return Err(Failure::refused(format!(
                "{} of {} would be removed, which is more than --max-removal {} allows",
                stale,
                counted(members, "member"),
                self.max_removal
            ))
            .hint(format!(
                "was Kamailio just restarted, is a registrar missing among the --kamailio URLs, or --prefix, --table or \
                 --case-sensitive wrong? See who it is with --dry-run -v; if they are gone indeed: --max-removal {stale}"
            )));
        }
        Ok(())
    }
}

impl MaxRemoval {
    fn allows(self, stale: usize, members: usize) -> bool {
        match self {
            MaxRemoval::Count(most) => stale <= most,
            MaxRemoval::Share(percent) => stale <= FEW || stale * 100 <= percent * members,
        }
    }
}

impl std::fmt::Display for MaxRemoval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MaxRemoval::Count(most) => write!(f, "{most}"),
            MaxRemoval::Share(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(max_removal: MaxRemoval, stale: usize, members: usize) -> bool {
        let guard = Guard {
            max_removal,
            empty: EmptyDump::Refused,
        };
        guard
            .check(&Totals {
                stale,
                members,
                aors: 1,
                ..Totals::default()
            })
            .is_ok()
    }

    #[test]
    fn a_count_is_the_most_that_may_go() {
        assert!(
            allows(MaxRemoval::Count(500), 500, 500)
                && !allows(MaxRemoval::Count(500), 501, 100_000)
        );
        assert!(allows(MaxRemoval::Count(0), 0, 5) && !allows(MaxRemoval::Count(0), 1, 5));
    }

    #[test]
    fn a_share_is_of_the_members_and_lets_a_few_go() {
        assert!(allows(MaxRemoval::Share(50), 50, 100) && !allows(MaxRemoval::Share(50), 51, 100));
        assert!(allows(MaxRemoval::Share(50), 10, 10) && !allows(MaxRemoval::Share(50), 11, 11));
        assert!(allows(MaxRemoval::Share(0), 10, 100) && allows(MaxRemoval::Share(100), 100, 100));
    }

    #[test]
    fn a_refused_empty_dump_names_every_flag_that_lets_it_through() {
        let hint = |max_removal, stale| {
            let guard = Guard {
                max_removal,
                empty: EmptyDump::Refused,
            };
            guard
                .check(&Totals {
                    stale,
                    members: stale,
                    ..Totals::default()
                })
                .unwrap_err()
                .hint
                .unwrap()
        };
        assert!(hint(MaxRemoval::Share(50), 20).ends_with("--allow-empty --max-removal 20"));
        assert!(hint(MaxRemoval::Share(50), 5).ends_with("--allow-empty"));
    }
}
