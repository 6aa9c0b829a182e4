//! What the guard looks at, out of a plan and the registrars' answers.

use std::time::Duration;

use super::answer::Answer;
use crate::matching::{Plan, Totals};
use crate::text::Shown;

#[derive(Default)]
pub struct Findings<'a> {
    pub totals: Totals,
    /// Those that were asked how long they have been up.
    pub uptimes: Vec<UpWhenAsked<'a>>,
    /// A stale member and a missing user, where there are both.
    pub example: Option<Example>,
}

/// How long a registrar had been up when its dump was asked for.
pub struct UpWhenAsked<'a> {
    pub registrar: &'a str,
    /// None is one that makes no sense: Kamailio's clock was set back, or what it says is no number.
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
    pub fn new(plan: &Plan, registrars: &'a [Answer]) -> Self {
        let uptimes = registrars.iter().filter_map(|answer| {
            let uptime = answer.uptime.as_ref()?;
            Some(UpWhenAsked {
                registrar: &answer.url,
                time: uptime.when_asked,
                is_empty: answer.aors == Some(0) && plan.totals.aors > 0,
            })
        });
        Self {
            totals: plan.totals,
            uptimes: uptimes.collect(),
            example: example(plan),
        }
    }
}

/// Of one key, if there is one that has both.
fn example(plan: &Plan) -> Option<Example> {
    let of_both = || {
        plan.entries
            .iter()
            .find(|entry| !entry.stale.is_empty() && !entry.missing.is_empty())
    };
    let stale = of_both().or_else(|| plan.entries.iter().find(|entry| !entry.stale.is_empty()))?;
    let missing =
        of_both().or_else(|| plan.entries.iter().find(|entry| !entry.missing.is_empty()))?;
    Some(Example {
        member: Shown(plan.sets.member(*stale.stale.first()?)).to_string(),
        key: Shown(&stale.key).to_string(),
        aor: format!(
            "{}@{}",
            Shown(plan.missing(*missing.missing.first()?)),
            Shown(&missing.domain)
        ),
    })
}
