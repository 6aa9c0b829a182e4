//! Domains in lower case, numbered from 0.

use super::distinct::Distinct;
use super::ids::{DomainId, Id, NameId};
use super::names::Names;
use crate::failure::Failure;
use crate::peer::limits::DOMAINS_BYTES;

/// With 10,000 domains a `HashMap` takes 4 ms longer for 100,000 AoRs: each of its names is elsewhere in memory.
#[derive(Default)]
pub struct Domains {
    /// Each in the group of its number.
    names: Names<NameId, DomainId>,
    by_id: Vec<NameId>,
    distinct: Distinct<NameId>,
    /// How many all names together have.
    bytes: usize,
}

impl Domains {
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    pub fn name(&self, id: DomainId) -> &[u8] {
        self.names.get(self.by_id[id.index()])
    }

    /// The names, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.by_id.iter().map(|name| self.names.get(*name))
    }

    pub fn ids(&self) -> impl Iterator<Item = DomainId> + use<> {
        (0..self.count()).map(|index| DomainId::new(index as u32))
    }

    pub fn find(&self, domain: &[u8]) -> Option<DomainId> {
        // A registrar's are in lower case already.
        let id = self.find_lower(domain);
        match id.is_none() && domain.iter().any(u8::is_ascii_uppercase) {
            true => self.find_lower(&domain.to_ascii_lowercase()),
            false => id,
        }
    }

    fn find_lower(&self, domain: &[u8]) -> Option<DomainId> {
        let hash = self.distinct.hash(DomainId::NONE, domain);
        let is_same = |name| self.names.get(name) == domain;
        let name = self.distinct.find(hash, is_same)?;
        Some(self.names.group(name))
    }

    /// Whether there are more than make sense.
    pub fn is_full(&self) -> bool {
        self.bytes + 100 * self.count() > DOMAINS_BYTES
    }

    pub fn find_or_add(&mut self, domain: &[u8]) -> Result<DomainId, Failure> {
        if let Some(id) = self.find(domain) {
            return Ok(id);
        }
        let domain = domain.to_ascii_lowercase();
        let id = DomainId::new(self.count() as u32);
        let name = self.names.add(id, &domain)?;
        self.distinct
            .insert(self.distinct.hash(DomainId::NONE, &domain), name);
        self.by_id.push(name);
        self.bytes += domain.len();
        Ok(id)
    }
}
