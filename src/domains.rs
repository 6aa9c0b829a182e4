//! Domains in lower case, numbered from 0.

use crate::failure::Failure;
use crate::index::Index;
use crate::names::{Name, Names};

/// Of memory, about: a bound on what a broken server can make us keep.
const MOST_BYTES: usize = 256 << 20;

#[derive(Default)]
pub struct Domains {
    /// Each in the group of its number.
    names: Names,
    by_number: Vec<Name>,
    index: Index,
}

impl Domains {
    pub fn count(&self) -> usize {
        self.by_number.len()
    }

    pub fn name(&self, number: u32) -> &[u8] {
        self.names.get(self.by_number[number as usize])
    }

    pub fn number(&self, domain: &[u8]) -> Option<u32> {
        // A registrar's are in lower case already.
        let known = self.lower(domain);
        match known.is_none() && domain.iter().any(u8::is_ascii_uppercase) {
            true => self.lower(&domain.to_ascii_lowercase()),
            false => known,
        }
    }

    fn lower(&self, domain: &[u8]) -> Option<u32> {
        let known = |name| self.names.get(name) == domain;
        let name = self.index.find(self.index.hash(0, domain), known)?;
        Some(self.names.group(name))
    }

    /// Whether there are more than make sense.
    pub fn is_full(&self) -> bool {
        self.names.bytes() + 100 * self.count() > MOST_BYTES
    }

    pub fn number_or_add(&mut self, domain: &[u8]) -> Result<u32, Failure> {
        if let Some(number) = self.number(domain) {
            return Ok(number);
        }
        let domain = domain.to_ascii_lowercase();
        let number = self.count() as u32;
        let name = self.names.add(number, &domain)?;
        self.index.insert(self.index.hash(0, &domain), name);
        self.by_number.push(name);
        Ok(number)
    }
}
