//! Domains of which nobody is registered, while the users of their sets are, in one other domain: kamailio.cfg calls it by
//! two names, one in the key and another in the AoR (an alias, `realm_prefix` of registrar).

use std::cmp::Reverse;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::forms::{forms, without_port};
use super::ids::{DomainId, MemberId};
use super::missing::Missing;
use super::scope::{AorDomain, Rules};
use super::sets::{Aliases, Sets};

/// So many members of a domain are looked for in all others, each a bit, and so many others are held against them.
const MEMBERS: usize = 20;
const OTHERS: usize = 1_000;

/// Of domains without an online member, each with all its members. More than half of them are missing in the other one.
pub fn of(
    rules: &Rules,
    sets: &Sets,
    missing: &Missing,
    domains: &[(DomainId, &[MemberId])],
) -> Aliases {
    let users = |domain: DomainId, member: MemberId| {
        let domain = sets.domains.name(domain);
        let behind = without_port(domain).unwrap_or(domain);
        forms(sets.member(member), domain, behind, &AorDomain::Own)
    };
    let mut looked_for: HashMap<_, Vec<(usize, u32)>, RandomState> = HashMap::default();
    for (at, (domain, members)) in domains.iter().enumerate() {
        for (bit, member) in members.iter().take(MEMBERS).enumerate() {
            for (user, _) in users(*domain, *member) {
                let user = rules.user_case.fold(&user).into_owned();
                looked_for.entry(user).or_default().push((at, 1 << bit));
            }
        }
    }
    let mut found: Vec<HashMap<&[u8], u32, RandomState>> = vec![HashMap::default(); domains.len()];
    for (other, users) in missing.by_domain() {
        if other.is_empty() || !rules.counts(other) {
            continue;
        }
        for user in users {
            let user = rules.user_case.fold(missing.user(user));
            for (at, bit) in looked_for.get(&*user).into_iter().flatten() {
                let others = &mut found[*at];
                if others.len() < OTHERS || others.contains_key(other) {
                    *others.entry(other).or_default() |= bit;
                }
            }
        }
    }
    let mut aliases = Aliases::default();
    for ((domain, members), others) in domains.iter().zip(found) {
        let is_of = |other: &[u8]| {
            let users = members.iter().map(|member| users(*domain, *member));
            let is_there = |(user, _): &(Vec<u8>, _)| missing.find(other, user).is_some();
            users.filter(|users| users.iter().any(is_there)).count() * 2 > members.len()
        };
        let most = others
            .into_iter()
            .max_by_key(|(other, bits)| (bits.count_ones(), Reverse(*other)));
        if let Some((other, _)) = most.filter(|(other, _)| is_of(other)) {
            aliases.insert(*domain, other.to_vec());
        }
    }
    aliases
}
