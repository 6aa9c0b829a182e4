//! What any source of registrations reports, and who takes it in.

use crate::failure::Failure;

/// One part of a dump, in the order of the dump.
pub enum DumpItem<'a> {
    /// The AoRs of this usrloc table follow.
    Table(&'a [u8]),
    Aor(&'a [u8]),
}

/// Takes in one dump.
///
/// When a dump breaks off, its visitor is dropped, and the next dump has a new one.
pub trait DumpVisitor {
    /// What it makes of the dump.
    type Output;

    fn visit(&mut self, item: DumpItem) -> Result<(), Failure>;

    /// The dump was whole: what it makes of it, or why nobody may act upon it.
    fn finish(self) -> Result<Self::Output, Failure>;
}
