//! What the guard looks at, out of a plan and the registrars' answers.

use std::time::Duration;

use super::answer::Answer;
use super::doubt::several_behind;
use crate::matching::{Entry, Plan, Totals};
use crate::text::Escaped;

#[derive(Default)]
pub struct Findings<'a> {
    pub totals: Totals,
    /// Those that were asked how long they have been up.
    pub uptimes: Vec<UpWhenAsked<'a>>,
    /// What shows that several registrars answer at one address.
    pub several: Option<String>,
    /// A stale member and a missing user, where there are both.
    pub example: Option<Example>,
    pub new_set: Option<NewSet>,
}

/// The set of `--default-domain` that would be made where there are sets, all of them of other domains.
pub struct NewSet {
    pub key: String,
    pub others: usize,
}

/// How long a registrar had been up when its dump was asked for.
pub struct UpWhenAsked<'a> {
    pub registrar: &'a str,
    /// None is one that has started since, or whose clock was set back, or what it says is no number.
    pub time: Option<Duration>,
    /// It reports nobody, while others have users.
    pub is_empty: bool,
}

pub struct Example {
    pub member: String,
    pub key: String,
    pub aor: String,
}

impl<'a> Findings<'a> {
    /// `replicated` registrars may be several at one address; `adds`: missing users are added.
    pub fn new(plan: &Plan, registrars: &'a [Answer], replicated: bool, adds: bool) -> Self {
        let uptimes = registrars.iter().filter_map(|answer| {
            Some(UpWhenAsked {
                registrar: &answer.url,
                time: answer.uptime()?.when_asked,
                is_empty: answer.aors() == Some(0) && plan.totals.aors > 0,
            })
        });
        let several = |answer: &Answer| several_behind(&answer.url, answer.dumped()?);
        Self {
            totals: plan.totals,
            uptimes: uptimes.collect(),
            several: registrars.iter().find_map(several).filter(|_| !replicated),
            example: example(plan),
            new_set: new_set(plan).filter(|_| adds),
        }
    }
}

fn new_set(plan: &Plan) -> Option<NewSet> {
    let others = plan.sets.others;
    let is_new = others > 0 && plan.totals.members == 0;
    let added = plan.entries.iter().find(|entry| !entry.missing.is_empty());
    added.filter(|_| is_new).map(|entry| NewSet {
        key: Escaped(&entry.key).to_string(),
        others,
    })
}

/// Of one domain, if there is one that has both.
fn example(plan: &Plan) -> Option<Example> {
    let gone = |entry: &Entry| {
        let other = entry.other_forms.first().map(|other| other.member);
        entry.stale.first().copied().or(other)
    };
    let missing = |entry: &Entry| entry.missing.first().copied();
    let of_both = plan
        .entries
        .iter()
        .find(|entry| gone(entry).is_some() && missing(entry).is_some());
    let entries = || of_both.into_iter().chain(&plan.entries);
    let member = entries().find_map(gone)?;
    let (user, of) = entries().find_map(|entry| Some((missing(entry)?, entry)))?;
    let user = Escaped(plan.missing(user));
    Some(Example {
        member: Escaped(plan.sets.member(member)).to_string(),
        key: Escaped(plan.sets.key_name(member)).to_string(),
        aor: match of.is_of_no_set() {
            true => user.to_string(),
            false => format!("{user}@{}", Escaped(&of.domain)),
        },
    })
}
