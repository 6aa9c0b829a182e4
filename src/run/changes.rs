//! What a run may change, and how the store is told.

use super::answer::Answer;
use super::signals::Writes;
use crate::failure::Failure;
use crate::matching::{MemberId, Plan};
use crate::store::Change;

/// What a run may change.
pub enum Changes {
    /// Two looks agree that the `stale` are not registered; `second` is what the registrars answered at the second one.
    All {
        stale: Vec<MemberId>,
        second: Vec<Answer>,
    },
    /// Nobody is removed: nobody is stale or shall be removed, or a replica is silent, which fails the run.
    Additions(Option<Failure>),
    Nothing,
}

impl Changes {
    /// What the run begins to write, if anything.
    pub fn writes(&self) -> Option<Writes> {
        match self {
            Changes::All { .. } => Some(Writes::Removals),
            Changes::Additions(_) => Some(Writes::Additions),
            Changes::Nothing => None,
        }
    }
}

/// Members that stand together by key.
pub fn by_key<'a>(plan: &'a Plan, members: &[MemberId]) -> Vec<Change<'a, MemberId>> {
    let named = |member: &MemberId| (*member, plan.sets.member(*member));
    members
        .chunk_by(|a, b| plan.sets.key_of(*a) == plan.sets.key_of(*b))
        .map(|members| Change {
            key: plan.sets.key_name(members[0]),
            members: members.iter().map(named).collect(),
        })
        .collect()
}

pub fn additions(plan: &Plan) -> Vec<Change<'_, ()>> {
    plan.entries
        .iter()
        .map(|entry| Change {
            key: &entry.key,
            members: entry
                .missing
                .iter()
                .map(|user| ((), plan.missing(*user)))
                .collect(),
        })
        .collect()
}
