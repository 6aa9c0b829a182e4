//! The sets in Redis (R) and what a dump shows of them (D1), in memory: about 35 bytes a user.
//!
//! - [`Sets`]: keys, their domains, and their members; an [`Index`] finds the members who stand for a user
//! - [`Matches`]: which members are online, and which users are missing in the sets
//! - [`Batch`]: some users of a dump, to be looked up together
//!
//! Hashing, and touching memory ahead of its use, stay inside this folder.

mod aliases;
mod aor;
mod batch;
mod contents;
mod distinct;
mod domains;
mod dump;
mod dump_matcher;
mod forms;
mod hash;
mod ids;
mod index;
mod matches;
mod members;
mod missing;
mod names;
mod plan;
mod readings;
mod scope;
mod sets;

pub use aor::{UserCase, unescaped};
pub use batch::{Aors, Batch};
pub use contents::{Contents, Counting, Nothing, Table};
pub use distinct::Distinct;
pub use dump::{DumpItem, DumpVisitor};
pub use dump_matcher::{DumpMatcher, TOO_LARGE};
pub use forms::Reading;
pub use ids::{DomainId, KeyId, MemberId, UserId};
pub use index::{Found, Index};
pub use matches::Matches;
pub use members::{Among, Key};
pub use missing::Missing;
pub use names::{Names, bounded};
pub use plan::{Entry, Plan, Totals};
pub use readings::{OtherForm, Readings};
pub use scope::{AorDomain, ExcludedUsers, Rules, Scope};
pub use sets::Sets;
