//! The users who are registered and in no set of their domain; with `--ignore-domain`, in no set at all.

use super::aor::UserCase;
use super::distinct::Distinct;
use super::domains::Domains;
use super::ids::{DomainId, UserId};
use super::names::Names;
use crate::failure::Failure;

/// Missing users, each once, by domain. The empty one has whole AoRs: all with `--ignore-domain`, else those of no set.
pub struct Missing {
    user_case: UserCase,
    /// Its own: most of them are those of no set.
    domains: Domains,
    users: Names<UserId, DomainId>,
    distinct: Distinct<UserId>,
}

impl Missing {
    pub fn new(user_case: UserCase) -> Self {
        Self {
            user_case,
            domains: Domains::default(),
            users: Names::default(),
            distinct: Distinct::default(),
        }
    }

    pub fn has_domain(&self, domain: &[u8]) -> bool {
        self.domains.find(domain).is_some()
    }

    pub fn add(&mut self, domain: &[u8], user: &[u8]) -> Result<(), Failure> {
        if self.domains.is_full() {
            return Err(Failure::new("its AoRs are of more than a million domains")
                .hint("look at which domains this registrar accepts: no site has so many"));
        }
        let domain = self.domains.find_or_add(domain)?;
        let hash = self.distinct.hash(domain, &self.user_case.fold(user));
        if self.find_hashed(hash, domain, user).is_none() {
            self.distinct.insert(hash, self.users.add(domain, user)?);
        }
        Ok(())
    }

    pub fn find(&self, domain: &[u8], user: &[u8]) -> Option<UserId> {
        let domain = self.domains.find(domain)?;
        let hash = self.distinct.hash(domain, &self.user_case.fold(user));
        self.find_hashed(hash, domain, user)
    }

    fn find_hashed(&self, hash: u32, domain: DomainId, user: &[u8]) -> Option<UserId> {
        let is_same = |other| {
            self.users.group(other) == domain && self.user_case.same(self.users.get(other), user)
        };
        self.distinct.find(hash, is_same)
    }

    /// Adds those of another dump.
    pub fn unite(&mut self, other: Self) -> Result<(), Failure> {
        if self.count() == 0 {
            *self = other;
            return Ok(());
        }
        for user in other.users.iter() {
            let domain = other.domains.name(other.users.group(user));
            self.add(domain, other.users.get(user))?;
        }
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.users.count()
    }

    /// Each domain, in lower case, and its users.
    pub fn by_domain(&self) -> Vec<(&[u8], Vec<UserId>)> {
        let domains = self.domains.iter().map(|domain| (domain, Vec::new()));
        let mut by_domain: Vec<_> = domains.collect();
        for user in self.users.iter() {
            by_domain[self.users.group(user).index()].1.push(user);
        }
        by_domain
    }

    pub fn user(&self, user: UserId) -> &[u8] {
        self.users.get(user)
    }

    /// In lower case.
    pub fn domain_of(&self, user: UserId) -> &[u8] {
        self.domains.name(self.users.group(user))
    }

    /// Drops what finds them.
    pub fn into_users(self) -> Names<UserId, DomainId> {
        self.users
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_who_share_a_hash_are_all_kept() {
        let mut missing = Missing::new(UserCase::Ignored);
        // Some ten pairs of them share one.
        for number in 0..300_000 {
            missing.add(b"abc", number.to_string().as_bytes()).unwrap();
        }
        assert_eq!(missing.count(), 300_000);
    }

    #[test]
    fn domains_are_taken_in_up_to_256_mib() {
        let mut missing = Missing::new(UserCase::Ignored);
        let domains = (0..).map(|number| format!("{number:09900}"));
        let taken = domains.map_while(|domain| missing.add(domain.as_bytes(), b"1").ok());
        // Each counts as its bytes and 100 more.
        assert_eq!(taken.count(), (256 << 20) / 10_000 + 1);
    }
}
