//! What a dump holds, whatever another visitor makes of it: its tables, and whether its AoRs hold a domain.

use std::cell::Cell;

use super::aor;
use super::dump::{DumpItem, DumpVisitor};
use crate::failure::Failure;

#[derive(Default)]
pub struct Contents {
    pub tables: Vec<Table>,
    /// AoRs that hold a domain, of all tables.
    pub with_domain: usize,
}

/// One usrloc table, whether it counts or not.
pub struct Table {
    pub name: Vec<u8>,
    pub aors: usize,
}

impl Contents {
    /// AoRs of all tables.
    pub fn aors(&self) -> usize {
        self.tables.iter().map(|table| table.aors).sum()
    }

    fn count(&mut self, item: &DumpItem) {
        match item {
            DumpItem::Table(name) => self.tables.push(Table {
                name: name.to_vec(),
                aors: 0,
            }),
            DumpItem::Aor(aor) => {
                if let Some(table) = self.tables.last_mut() {
                    table.aors += 1;
                }
                let holds_domain = aor::split(aor).is_some_and(|(_, domain)| !domain.is_empty());
                self.with_domain += usize::from(holds_domain);
            }
        }
    }
}

/// Counts what it shows to another visitor. The contents of a whole dump go to `whole`, also when that visitor refuses it.
pub struct Counting<'a, V> {
    contents: Contents,
    whole: &'a Cell<Option<Contents>>,
    visitor: V,
}

impl<'a, V> Counting<'a, V> {
    pub fn for_visitor(visitor: V, whole: &'a Cell<Option<Contents>>) -> Self {
        Self {
            contents: Contents::default(),
            whole,
            visitor,
        }
    }
}

impl<V: DumpVisitor> DumpVisitor for Counting<'_, V> {
    type Output = V::Output;

    fn visit(&mut self, item: DumpItem) -> Result<(), Failure> {
        self.contents.count(&item);
        self.visitor.visit(item)
    }

    fn finish(self) -> Result<V::Output, Failure> {
        self.whole.set(Some(self.contents));
        self.visitor.finish()
    }
}

/// Takes in a dump and makes nothing of it.
pub struct Nothing;

impl DumpVisitor for Nothing {
    type Output = ();

    fn visit(&mut self, _: DumpItem) -> Result<(), Failure> {
        Ok(())
    }

    fn finish(self) -> Result<(), Failure> {
        Ok(())
    }
}
