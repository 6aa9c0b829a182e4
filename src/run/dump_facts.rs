//! What a dump shows beside what a run makes of it, for `--dry-run -v`.

use std::cell::Cell;

use super::answer::DumpFacts;
use crate::failure::Failure;
use crate::kamailio::{Dump, Registrar};
use crate::matching::{Counting, DumpVisitor};

/// The dump of a registrar, as a visitor takes it in; and the facts of it, if the run `tells` them.
pub fn dump<V: DumpVisitor>(
    registrar: &Registrar,
    tells: bool,
    begin: impl Fn() -> V,
) -> (Result<Dump<V::Output>, Failure>, Option<DumpFacts>) {
    if !tells {
        return (registrar.dump(begin), None);
    }
    let contents = Cell::new(None);
    let dump = registrar.dump(|| Counting::for_visitor(begin(), &contents));
    let facts = DumpFacts {
        server: dump.as_ref().ok().and_then(|dump| dump.head.server.clone()),
        contents: contents.take(),
        failure: dump.as_ref().err().map(ToString::to_string),
    };
    (dump, Some(facts))
}
