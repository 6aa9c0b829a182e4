//! What a dump shows of the sets: which members are online, and which users are missing.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::aor;
use super::batch::{Aors, Batch};
use super::ids::{KeyId, MemberId, UserId};
use super::index::Found;
use super::members::Among;
use super::missing::Missing;
use super::names::Names;
use super::sets::Sets;
use crate::failure::Failure;

/// What one registrar's dump shows, or those of several together, of whom the sets seek.
pub struct Matches {
    presence: Vec<Presence>,
    pub missing: Missing,
    /// AoRs in the tables that count, and those among them of no set: without a user or without a domain.
    pub aors: usize,
    pub unusable: usize,
    /// Whether a member stands for a user of [`Aors::WithDomain`].
    pub(super) with_domain_online: bool,
    /// [`Aors::Whole`] that are in the set of the domain which they hold, and in none as they stand.
    pub split: usize,
    /// [`Aors::Whole`] without an `@`.
    pub without_at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Presence {
    Absent,
    Online,
    /// Online, and the first of those who stand for the same user: so users can be counted.
    OnlineFirst,
}

fn slot(member: MemberId) -> usize {
    Names::<MemberId, KeyId>::slot(member)
}

impl Matches {
    /// A dump without AoRs.
    pub fn nobody(sets: &Sets) -> Self {
        Self {
            presence: vec![Presence::Absent; sets.slots()],
            missing: Missing::new(sets.user_case()),
            aors: 0,
            unusable: 0,
            with_domain_online: false,
            split: 0,
            without_at: 0,
        }
    }

    /// What the users of all batches show. A user whom no member stands for is missing.
    pub fn of(sets: &Sets, batches: impl IntoIterator<Item = Batch>) -> Result<Self, Failure> {
        let mut matches = Self::nobody(sets);
        let mut done = Done::default();
        for batch in batches {
            if batch.aors == Aors::Whole {
                matches.mark_whole(sets, &batch, &mut done)?;
                continue;
            }
            let alone = matches.mark(sets, &batch, &mut done);
            for user in alone.into_iter().filter(|_| sets.seeks_users()) {
                let domain = sets.domains.name(batch.users.group(user));
                matches.add_missing(sets, domain, batch.users.get(user))?;
            }
        }
        Ok(matches)
    }

    /// Marks who stands for the users of a batch. Those for whom nobody does, ascending.
    fn mark(&mut self, sets: &Sets, batch: &Batch, done: &mut Done) -> Vec<UserId> {
        let index = sets.index_of(Among::TheirDomain);
        let mut alone = Vec::new();
        for (user, found) in batch.users.iter().zip(sets.find(batch)) {
            if found.is_nobody() {
                alone.push(user);
                continue;
            }
            self.with_domain_online |= batch.aors == Aors::WithDomain;
            if index.has_several(found) && !done.of_domain.insert(found) {
                continue;
            }
            let mut presence = Presence::OnlineFirst;
            for member in index.members(found) {
                presence = self.mark_member(member, presence);
            }
        }
        alone
    }

    /// An AoR is a user of any set as it stands, and of the domain that it holds without that. It is missing when nobody
    /// stands for either.
    fn mark_whole(&mut self, sets: &Sets, batch: &Batch, done: &mut Done) -> Result<(), Failure> {
        let index = sets.index_of(Among::Everyone);
        let mut split = sets.batch(Aors::AsDumped);
        let mut of_split = Vec::new();
        for (aor, found) in batch.users.iter().zip(sets.find(batch)) {
            let name = batch.users.get(aor);
            let parts = aor::split(name);
            self.without_at += usize::from(parts.is_none());
            let domain = parts.and_then(|(_, domain)| sets.domains.find(domain));
            if let (Some((user, _)), Some(domain)) = (parts, domain) {
                split.add(domain, user)?;
                of_split.push((name, found.is_nobody()));
            } else if found.is_nobody() {
                self.add_missing_whole(sets, name)?;
            }
            if index.has_several(found) && !done.of_everyone.insert(found) {
                continue;
            }
            let members = sets.by_domain(Among::Everyone, found);
            for of_domain in members.chunk_by(|a, b| sets.domain_of(*a) == sets.domain_of(*b)) {
                let mut presence = Presence::OnlineFirst;
                for member in of_domain {
                    presence = self.mark_member(*member, presence);
                }
            }
        }
        // A site without domains needs no second index.
        if split.count() == 0 {
            return Ok(());
        }
        let alone = self.mark(sets, &split, done);
        for (user, (name, is_nobody)) in split.users.iter().zip(of_split) {
            if !is_nobody {
                continue;
            }
            match alone.binary_search(&user) {
                Ok(_) => self.add_missing_whole(sets, name)?,
                Err(_) => self.split += 1,
            }
        }
        Ok(())
    }

    fn add_missing_whole(&mut self, sets: &Sets, aor: &[u8]) -> Result<(), Failure> {
        match aor::is_of_no_set(aor) {
            true => {
                self.unusable += 1;
                self.missing.add(b"", aor)
            }
            false => self.add_missing(sets, b"", aor),
        }
    }

    /// A user for whom the search finds nobody.
    fn add_missing(&mut self, sets: &Sets, domain: &[u8], user: &[u8]) -> Result<(), Failure> {
        match sets.seeks(domain, user) {
            true => self.missing.add(domain, user),
            false => Ok(()),
        }
    }

    /// Of those of one domain who stand for one user. What the next one is.
    fn mark_member(&mut self, member: MemberId, presence: Presence) -> Presence {
        let its = &mut self.presence[slot(member)];
        *its = presence.max(*its);
        Presence::Online
    }

    /// A user is online when any registrar has them.
    pub fn unite(&mut self, other: Self) -> Result<(), Failure> {
        for (mine, theirs) in self.presence.iter_mut().zip(other.presence) {
            *mine = theirs.max(*mine);
        }
        self.aors += other.aors;
        self.unusable += other.unusable;
        self.split += other.split;
        self.without_at += other.without_at;
        self.missing.unite(other.missing)
    }

    pub fn is_online(&self, member: MemberId) -> bool {
        self.presence[slot(member)] >= Presence::Online
    }

    /// How many users of each domain of `sets` are online and not missing, by [`DomainId::index`](super::DomainId::index).
    pub fn online_by_domain(&self, sets: &Sets) -> Vec<usize> {
        let mut online = vec![0; sets.domains.count()];
        for member in sets.members() {
            let is_first = self.presence[slot(member)] == Presence::OnlineFirst;
            online[sets.domain_of(member).index()] += usize::from(is_first);
        }
        online
    }
}

/// Whom [`Matches::of`] has marked already, where a form has several members.
///
/// Each AoR may be one more spelling of one user, and each would mark all the members again.
#[derive(Default)]
struct Done {
    of_domain: HashSet<Found, RandomState>,
    of_everyone: HashSet<Found, RandomState>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{DomainId, UserCase};

    /// What the AoRs of each batch show, where domains are ignored.
    fn of_whole(sets: &Sets, batches: &[&[&str]]) -> Matches {
        let batches = batches.iter().map(|aors| {
            let mut batch = sets.batch(Aors::Whole);
            for aor in *aors {
                batch.add(DomainId::NONE, aor.as_bytes()).unwrap();
            }
            batch
        });
        Matches::of(sets, batches).unwrap()
    }

    fn online<'a>(sets: &'a Sets, matches: &Matches) -> Vec<(&'a str, &'a str)> {
        let text = |bytes| str::from_utf8(bytes).unwrap();
        let online = sets.members().filter(|member| matches.is_online(*member));
        online
            .map(|member| (text(sets.key_name(member)), text(sets.member(member))))
            .collect()
    }

    #[test]
    fn where_domains_are_ignored_a_user_is_online_in_every_set() {
        let mut sets = Sets::new(UserCase::Ignored);
        for (domain, members) in [
            ("abc", &["100", "Bob", "BOB", "%62ob", "b@xyz", "gone"][..]),
            ("xyz", &["100", "bob", "b", "101"]),
            ("", &["100", "+1555"]),
        ] {
            let key = sets.add_key(domain.as_bytes(), domain.as_bytes()).unwrap();
            for member in members {
                sets.add_member(key, member.as_bytes()).unwrap();
            }
        }
        // First of one domain: the others are still to be found.
        let matches = of_whole(
            &sets,
            &[
                &["bob@abc", "101@abc", "102", "102@xyz"],
                &["BOB", "100", "100", "b@xyz", "+1555@", ""],
            ],
        );
        assert_eq!(
            online(&sets, &matches),
            [
                ("abc", "100"),
                ("abc", "Bob"),
                ("abc", "BOB"),
                ("abc", "%62ob"),
                ("abc", "b@xyz"),
                ("xyz", "100"),
                ("xyz", "bob"),
                ("xyz", "b"),
                ("", "100"),
                ("", "+1555"),
            ]
        );
        assert_eq!(matches.online_by_domain(&sets), [3, 3, 2]);
        let missing = matches.missing.by_domain();
        let [(b"", users)] = &missing[..] else {
            panic!("the missing have no domain");
        };
        let names = users.iter().map(|user| matches.missing.user(*user));
        assert_eq!(
            names.collect::<Vec<_>>(),
            [&b"102"[..], b"101@abc", b"102@xyz", b""]
        );
        assert_eq!(matches.split, 2, "bob@abc and +1555@");
        assert_eq!(matches.unusable, 1, "the one without a user");
        assert_eq!(
            matches.without_at, 5,
            "102, BOB, 100 twice and the one without a user"
        );
    }
}
