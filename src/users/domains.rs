//! Domains in lower case, numbered from 0.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::ids::{DomainId, Id};

/// Of memory, about: a bound on what a broken server can make us keep.
const MOST_BYTES: usize = 256 << 20;

#[derive(Default)]
pub struct Domains {
    names: Vec<Arc<[u8]>>,
    ids: HashMap<Arc<[u8]>, DomainId, RandomState>,
    /// Of all names together.
    bytes: usize,
}

impl Domains {
    pub fn count(&self) -> usize {
        self.names.len()
    }

    pub fn name(&self, id: DomainId) -> &[u8] {
        &self.names[id.index()]
    }

    /// The names, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|name| &**name)
    }

    pub fn find(&self, domain: &[u8]) -> Option<DomainId> {
        // A registrar's are in lower case already.
        let id = self.ids.get(domain).copied();
        match id.is_none() && domain.iter().any(u8::is_ascii_uppercase) {
            true => self
                .ids
                .get(domain.to_ascii_lowercase().as_slice())
                .copied(),
            false => id,
        }
    }

    /// Whether there are more than make sense.
    pub fn is_full(&self) -> bool {
        self.bytes + 100 * self.count() > MOST_BYTES
    }

    pub fn find_or_add(&mut self, domain: &[u8]) -> DomainId {
        if let Some(id) = self.find(domain) {
            return id;
        }
        let name: Arc<[u8]> = domain.to_ascii_lowercase().into();
        let id = DomainId::new(self.count() as u32);
        self.bytes += name.len();
        self.names.push(name.clone());
        self.ids.insert(name, id);
        id
    }
}
