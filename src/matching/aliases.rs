//! Sets under another name of their domain: kamailio.cfg calls it by two, one in the key and another in the AoR (an alias,
//! `realm_prefix` of registrar). Most of their members are stale then, and their users missing in the other domain.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::aor::UserCase;
use super::forms::{forms, names_above, without_port};
use super::ids::{DomainId, MemberId, UserId};
use super::missing::Missing;
use super::scope::{AorDomain, Rules};
use super::sets::Sets;

/// So many users of one name tell which other names a domain has, and so many of those are looked at later.
const USERS: usize = 10;
const NAMES: usize = 8;
/// One in so many stale members has the number of a user of another domain by chance.
const FEW: usize = 10;

/// A domain that has a set.
pub struct OfDomain<'a> {
    pub id: DomainId,
    pub name: &'a [u8],
    pub members: usize,
    pub stale: &'a [MemberId],
}

#[derive(Default)]
pub struct Aliases {
    /// Stale members whom a missing user of another domain may be, and that user.
    pub members: HashMap<MemberId, UserId, RandomState>,
    /// Missing users who stand in a set of another name, as most of those do who are registered in their domain: nobody
    /// looks into that of its own.
    pub standing: HashSet<UserId, RandomState>,
    /// The other names of a domain, as far as these users tell.
    pub names: HashMap<DomainId, Vec<Vec<u8>>, RandomState>,
}

impl Aliases {
    /// Of the domains of which more members are missing in others than users are registered.
    pub fn new<'a>(
        rules: &Rules,
        sets: &Sets,
        missing: &Missing,
        domains: impl Iterator<Item = OfDomain<'a>>,
    ) -> Self {
        let mut aliases = Self::default();
        if missing.count() == 0 || rules.aor_domain != AorDomain::Own {
            return aliases;
        }
        let mut others = missing.by_domain();
        let own = others.iter().map(|(domain, users)| (*domain, users.len()));
        let own: HashMap<&[u8], usize, RandomState> = own.collect();
        let domains: Vec<_> = domains.collect();
        let online = |of: &OfDomain| of.members - of.stale.len();
        let registered = |of: &OfDomain| online(of) + own.get(of.name).unwrap_or(&0);
        let mut sought: Vec<_> = domains
            .iter()
            .filter(|of| !of.name.is_empty() && of.stale.len() > registered(of))
            .map(|of| (of, Vec::new()))
            .collect();
        if sought.is_empty() {
            return aliases;
        }
        others.retain(|(domain, _)| !domain.is_empty() && rules.counts(domain));
        let hasher = RandomState::default();
        let hash = |user: &[u8]| hasher.hash_one(&*UserCase::Ignored.fold(user));
        let name_of = |user: &UserId| hash(missing.user(*user));
        let users = others.iter().flat_map(|(_, users)| users);
        let known: HashSet<u64, RandomState> = users.map(name_of).collect();

        // Of all names only those are kept, hashed, that both have: together they may take more than the sets.
        let mut named = Namesakes::default();
        for (of, its) in &mut sought {
            let behind = without_port(of.name).unwrap_or(of.name);
            for member in of.stale {
                for (form, _) in forms(sets.member(*member), of.name, behind, &AorDomain::Own) {
                    let name = hash(&form);
                    if known.contains(&name) {
                        let mut above = names_above(of.name);
                        let related = above.find_map(|above| missing.find(above, &form));
                        its.push((*member, name, related));
                        named.insert(name, Vec::new());
                    }
                }
            }
        }
        for (at, (_, users)) in others.iter().enumerate() {
            for user in users {
                let same = named.get_mut(&name_of(user));
                if let Some(same) = same.filter(|same| same.len() < USERS) {
                    same.push((at, *user));
                }
            }
        }
        let namesakes = |name, domain| of_others(&named, &others, name, domain);
        let mut in_sets: HashMap<u64, Vec<&[u8]>, RandomState> = HashMap::default();
        let mut related: HashSet<(&[u8], u64), RandomState> = HashSet::default();
        sought.retain_mut(|(of, its)| {
            its.retain(|(_, name, _)| namesakes(*name, of.name).next().is_some());
            let mut members: Vec<_> = its.iter().map(|(member, ..)| *member).collect();
            members.dedup();
            let is_alias = members.len() > registered(of);
            if is_alias && members.len() * FEW > of.stale.len() {
                for (_, name, _) in its {
                    let domains = in_sets.entry(*name).or_default();
                    if domains.last() != Some(&of.name) {
                        domains.push(of.name);
                        let above = names_above(of.name).filter(|above| own.contains_key(above));
                        related.extend(above.map(|above| (above, *name)));
                    }
                }
            }
            is_alias
        });
        // A set is another name of one domain: of those whose users have the same numbers, the others have lost their sets.
        let in_own_set = domains.iter().map(|of| (of.name, online(of)));
        let in_own_set: HashMap<&[u8], usize, RandomState> = in_own_set.collect();
        let mut left: HashMap<u64, usize, RandomState> = in_sets
            .iter()
            .map(|(name, domains)| (*name, domains.len()))
            .collect();
        let mut others: Vec<_> = others
            .iter()
            .map(|(domain, users)| {
                let is_related = |user: &&UserId| related.contains(&(*domain, name_of(user)));
                let are_related = users.iter().filter(is_related).count() * 2 > users.len();
                (!are_related, *domain, users)
            })
            .collect();
        others.sort_unstable();
        for (are_strangers, domain, users) in others {
            let stands = |user: &&UserId| {
                let name = name_of(user);
                let mut of = in_sets.get(&name).into_iter().flatten();
                left.get(&name) > Some(&0) && of.any(|of| is_other(of, domain))
            };
            let standing: Vec<_> = users.iter().filter(stands).copied().collect();
            let its_own = in_own_set.get(domain).filter(|_| are_strangers);
            if standing.len() * 2 > users.len() + its_own.unwrap_or(&0) {
                for user in &standing {
                    let left = left.entry(name_of(user)).or_default();
                    *left = left.saturating_sub(1);
                }
                aliases.standing.extend(standing);
            }
        }

        for (of, its) in &sought {
            let names = aliases.names.entry(of.id).or_default();
            for (member, name, related) in its {
                let namesakes = namesakes(*name, of.name).map(|(_, user)| *user);
                for user in related.iter().copied().chain(namesakes) {
                    aliases.members.entry(*member).or_insert(user);
                    let domain = missing.domain_of(user).to_vec();
                    if names.len() < NAMES && !names.contains(&domain) {
                        names.push(domain);
                    }
                }
            }
        }
        aliases
    }
}

/// By the hash of their name, missing users, each with the place of their domain.
type Namesakes = HashMap<u64, Vec<(usize, UserId)>, RandomState>;

fn of_others<'a>(
    named: &'a Namesakes,
    others: &'a [(&[u8], Vec<UserId>)],
    name: u64,
    domain: &'a [u8],
) -> impl Iterator<Item = &'a (usize, UserId)> {
    let is_other = move |(at, _): &&(usize, UserId)| is_other(domain, others[*at].0);
    named[&name].iter().filter(is_other)
}

fn is_other(domain: &[u8], other: &[u8]) -> bool {
    domain != other && without_port(domain) != Some(other)
}
