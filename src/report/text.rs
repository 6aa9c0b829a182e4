//! The report for a person who looks rather than reads.

use std::io::{self, Write};

use super::style::Detail;
use crate::matching::{Entry, Plan};
use crate::run::{MissingUsers, Outcome, StaleUsers, Verdict};
use crate::text::{Shown, counted};

/// Users shown of one domain.
const SOME: usize = 20;

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";

struct Paint {
    color: bool,
}

impl Paint {
    fn line(&self, out: &mut impl Write, style: &str, text: &str) -> io::Result<()> {
        match self.color {
            true => writeln!(out, "{style}{text}\x1b[0m"),
            false => writeln!(out, "{text}"),
        }
    }
}

pub fn write(
    outcome: &Outcome,
    detail: Detail,
    color: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let paint = Paint { color };
    let Some(plan) = &outcome.plan else {
        return Ok(());
    };
    if detail == Detail::OnlyNews && outcome.verdict() == Verdict::InSync {
        return Ok(());
    }
    // Who was removed and is not back must be known to the last one.
    let back = outcome.restored.len() + outcome.rolled_back.len();
    let unverified = outcome.failure.is_some() && outcome.removed > back;
    let most = if detail == Detail::All || unverified {
        usize::MAX
    } else {
        SOME
    };
    for entry in plan
        .entries
        .iter()
        .filter(|entry| detail == Detail::All || entry.differs())
    {
        self::entry(outcome, plan, entry, most, &paint, out)?;
    }
    for notice in &outcome.notices {
        writeln!(out, "note: {notice}")?;
    }
    paint.line(out, BOLD, &summary(outcome, plan))
}

fn entry(
    outcome: &Outcome,
    plan: &Plan,
    entry: &Entry,
    most: usize,
    paint: &Paint,
    out: &mut impl Write,
) -> io::Result<()> {
    let head = format!(
        "{}: {} online, {} in {}",
        Shown(&entry.domain),
        counted(entry.online, "user"),
        counted(entry.members, "member"),
        Shown(&entry.key)
    );
    paint.line(out, BOLD, &head)?;
    for member in entry.stale.iter().take(most) {
        paint.line(
            out,
            RED,
            &format!("  - {}", Shown(plan.sets.member(*member))),
        )?;
    }
    for user in entry.missing.iter().take(most) {
        paint.line(out, GREEN, &format!("  + {}", Shown(plan.missing(*user))))?;
    }
    let hidden = entry.stale.len().saturating_sub(most) + entry.missing.len().saturating_sub(most);
    if hidden > 0 {
        writeln!(out, "    and {hidden} more (-v shows all)")?;
    }
    let restored = outcome
        .restored_of(entry)
        .map(|member| (member, "restored: registered while they were being removed"));
    let rolled_back = outcome
        .rolled_back_of(entry)
        .map(|member| (member, "put back"));
    for (member, why) in restored.chain(rolled_back.take(most)) {
        let user = Shown(plan.sets.member(member));
        paint.line(out, GREEN, &format!("  + {user} ({why})"))?;
    }
    Ok(())
}

/// One line that says it all.
fn summary(outcome: &Outcome, plan: &Plan) -> String {
    let totals = &plan.totals;
    let board = format!(
        "{} online in {}",
        counted(totals.online, "user"),
        counted(plan.entries.len(), "domain")
    );
    let keeps_stale = outcome.stale_users == StaleUsers::Keep;
    let done = || {
        let mut parts = Vec::new();
        if outcome.removed > 0 || outcome.added == 0 && !keeps_stale {
            parts.push(format!(
                "removed {}",
                counted(outcome.removed, "stale user")
            ));
        }
        if outcome.added > 0 || keeps_stale {
            parts.push(format!("added {}", counted(outcome.added, "missing user")));
        }
        if !outcome.restored.is_empty() {
            parts.push(format!("restored {}", outcome.restored.len()));
        }
        if !outcome.rolled_back.is_empty() {
            parts.push(format!("put back {}", outcome.rolled_back.len()));
        }
        parts.join(", ")
    };
    let missing_left = match outcome.missing_users {
        MissingUsers::Leave if totals.missing > 0 => {
            format!(
                "; {} not added (--add-missing does)",
                counted(totals.missing, "missing user")
            )
        }
        _ => String::new(),
    };
    let stale_left = match keeps_stale && totals.stale > 0 {
        true => format!("; {} kept", counted(totals.stale, "stale user")),
        false => String::new(),
    };
    match outcome.verdict() {
        Verdict::InSync => format!("in sync: {board}"),
        Verdict::Refused => format!("refused, nothing was changed; {board}"),
        Verdict::Failed => format!("failed: {}; {board}", done()),
        Verdict::Discrepancies if outcome.dry_run => format!(
            "dry run, nothing was changed: {} to {}, {} to add{}; {board}",
            counted(totals.stale, "stale user"),
            if keeps_stale { "keep" } else { "remove" },
            counted(totals.missing, "missing user"),
            if missing_left.is_empty() {
                ""
            } else {
                " (with --add-missing)"
            }
        ),
        Verdict::Discrepancies | Verdict::Changed => {
            format!("{}{stale_left}{missing_left}; {board}", done())
        }
    }
}
