//! The report for a person who looks rather than reads.

use std::io::{self, Write};

use super::style::Detail;
use crate::matching::{Entry, Plan};
use crate::run::{MissingUsers, Outcome, StaleUsers, Verdict};
use crate::text::{Escaped, counted};

/// Users shown of one domain to a person who did not ask for all.
const SOME: usize = 20;

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";

/// How many users of one domain are shown.
struct Most {
    stale: usize,
    missing: usize,
}

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

/// `terminal` is whether a person looks at it: what is kept, as cron's mail is, names everyone who was removed.
pub fn write(
    outcome: &Outcome,
    detail: Detail,
    color: bool,
    terminal: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let paint = Paint { color };
    let Some(plan) = &outcome.plan else {
        return Ok(());
    };
    if detail == Detail::OnlyNews && outcome.verdict() == Verdict::InSync {
        return Ok(());
    }
    let most_missing = match detail {
        Detail::All => usize::MAX,
        _ => SOME,
    };
    let most_stale = match terminal || outcome.removed.is_empty() {
        true => most_missing,
        false => usize::MAX,
    };
    let most = Most {
        stale: most_stale,
        missing: most_missing,
    };
    for entry in plan
        .entries
        .iter()
        .filter(|entry| detail == Detail::All || entry.differs())
    {
        self::entry(outcome, plan, entry, &most, &paint, out)?;
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
    most: &Most,
    paint: &Paint,
    out: &mut impl Write,
) -> io::Result<()> {
    let head = match entry.is_of_no_set() {
        true => format!(
            "in no set: {}",
            counted(entry.missing.len(), "registered user")
        ),
        false => format!(
            "{}: {} online, {} in {}",
            Escaped(&entry.domain),
            counted(entry.online, "user"),
            counted(entry.members, "member"),
            Escaped(&entry.key)
        ),
    };
    paint.line(out, BOLD, &head)?;
    for member in entry.stale.iter().take(most.stale) {
        paint.line(
            out,
            RED,
            &format!("  - {}", Escaped(plan.sets.member(*member))),
        )?;
    }
    for other in entry.other_forms.iter().take(most.missing) {
        let (member, aor) = (plan.sets.member(other.member), &other.aor);
        writeln!(
            out,
            "  ? {} (another form of {})",
            Escaped(member),
            Escaped(aor)
        )?;
    }
    for user in entry.missing.iter().take(most.missing) {
        paint.line(out, GREEN, &format!("  + {}", Escaped(plan.missing(*user))))?;
    }
    let hidden = entry.stale.len().saturating_sub(most.stale)
        + entry.other_forms.len().saturating_sub(most.missing)
        + entry.missing.len().saturating_sub(most.missing);
    if hidden > 0 {
        writeln!(out, "    and {hidden} more (-v shows all)")?;
    }
    let why = |why: &'static str| move |member| (member, why);
    let returned = outcome.returned_of(entry);
    let returned = returned.map(why("not removed: registered at the second look"));
    let restored = outcome.restored_of(entry);
    let restored = restored.map(why("restored: registered while they were being removed"));
    let rolled_back = outcome.rolled_back_of(entry).map(why("put back"));
    let back = returned.chain(restored).chain(rolled_back.take(most.stale));
    for (member, why) in back {
        let user = Escaped(plan.sets.member(member));
        paint.line(out, GREEN, &format!("  + {user} ({why})"))?;
    }
    for off in outcome.off_of(entry) {
        let user = Escaped(plan.sets.member(off.member));
        let perhaps = if off.is_certain { "" } else { "perhaps " };
        let line = format!("  ! {user} ({perhaps}off the board, and should be on it)");
        paint.line(out, RED, &line)?;
    }
    Ok(())
}

/// One line that says it all.
fn summary(outcome: &Outcome, plan: &Plan) -> String {
    let totals = &plan.totals;
    let board = format!(
        "{} online in {}",
        counted(totals.online, "user"),
        counted(plan.domains(), "domain")
    );
    let keeps_stale = outcome.stale_users == StaleUsers::Keep;
    let done = || {
        let mut parts = Vec::new();
        if !outcome.removed.is_empty() || outcome.added == 0 && !keeps_stale {
            parts.push(format!(
                "removed {}",
                counted(outcome.removed.len(), "stale user")
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
        if !outcome.off.is_empty() {
            parts.push(format!("perhaps off the board {}", outcome.off.len()));
        }
        parts.join(", ")
    };
    let missing = totals.missing;
    let missing_left = match outcome.missing_users {
        MissingUsers::Leave if missing > 0 => format!(
            "; {} not added (--add-missing does)",
            counted(missing, "missing user")
        ),
        MissingUsers::OfUnknownSets if missing > 0 => {
            format!("; {} in no set", counted(missing, "registered user"))
        }
        _ => String::new(),
    };
    let to_add = match outcome.missing_users {
        MissingUsers::OfUnknownSets => {
            format!("{} in no set", counted(missing, "registered user"))
        }
        MissingUsers::Leave if missing > 0 => format!(
            "{} to add (with --add-missing)",
            counted(missing, "missing user")
        ),
        MissingUsers::Leave | MissingUsers::Add => {
            format!("{} to add", counted(missing, "missing user"))
        }
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
            "dry run, nothing was changed: {} to {}, {to_add}; {board}",
            counted(totals.stale, "stale user"),
            if keeps_stale { "keep" } else { "remove" },
        ),
        Verdict::Discrepancies | Verdict::Changed => {
            format!("{}{stale_left}{missing_left}; {board}", done())
        }
    }
}
