//! How many members one run may remove: `--max-removal`.

use std::fmt;

/// Removals that pass under any share above 0%, so that a share works on small sites.
const FEW_REMOVALS: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxRemoval {
    Count(usize),
    /// Of the members of all sets.
    Percent(usize),
}

impl MaxRemoval {
    pub fn allows(self, stale: usize, members: usize) -> bool {
        match self {
            MaxRemoval::Count(most) => stale <= most,
            MaxRemoval::Percent(0) => stale == 0,
            MaxRemoval::Percent(percent) => {
                stale <= FEW_REMOVALS || stale * 100 <= percent * members
            }
        }
    }
}

impl fmt::Display for MaxRemoval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaxRemoval::Count(most) => write!(f, "{most}"),
            MaxRemoval::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_the_most_that_may_go() {
        assert!(
            MaxRemoval::Count(500).allows(500, 500) && !MaxRemoval::Count(500).allows(501, 100_000)
        );
        assert!(MaxRemoval::Count(0).allows(0, 5) && !MaxRemoval::Count(0).allows(1, 5));
    }

    #[test]
    fn a_share_is_of_the_members_and_lets_a_few_go_unless_it_is_0() {
        let percent = MaxRemoval::Percent;
        assert!(percent(50).allows(50, 100) && !percent(50).allows(51, 100));
        assert!(percent(50).allows(10, 10) && !percent(50).allows(11, 11));
        assert!(percent(1).allows(10, 100) && percent(100).allows(100, 100));
        assert!(percent(0).allows(0, 100) && !percent(0).allows(1, 100));
        assert_eq!(percent(50).to_string(), "50%");
    }
}
