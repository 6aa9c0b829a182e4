//! The report for a person who looks rather than reads.

use std::io::{self, Write};

use super::facts;
use super::style::{BOLD, BOLD_RED, Detail, GREEN, RED, painted};
use crate::matching::{Entry, MemberId, Plan};
use crate::run::{MissingUsers, Outcome, StaleUsers, Verdict, WhyOff};
use crate::text::{Escaped, counted, first_lines};

/// The users of one kind that are shown of a domain, unless all are asked for.
const USERS: usize = 20;
/// On a terminal more would scroll away: the domains, and the users of one kind in all of them.
const SCREEN_DOMAINS: usize = 10;
const SCREEN_USERS: usize = 40;

/// How much is shown.
struct Most {
    domains: usize,
    /// Of one domain.
    stale: usize,
    missing: usize,
    back: usize,
}

impl Most {
    const ALL: Self = Self {
        domains: usize::MAX,
        stale: usize::MAX,
        missing: usize::MAX,
        back: usize::MAX,
    };

    fn on_a_screen(domains: usize) -> Self {
        let users = USERS.min(SCREEN_USERS / domains.clamp(1, SCREEN_DOMAINS));
        Self {
            domains: SCREEN_DOMAINS,
            stale: users,
            missing: users,
            back: users,
        }
    }

    /// What is kept, as cron's mail is, names everyone who was removed, or perhaps was.
    fn in_a_file(outcome: &Outcome) -> Self {
        Self {
            stale: match outcome.removed.is_empty() && outcome.off.is_empty() {
                true => USERS,
                false => usize::MAX,
            },
            missing: USERS,
            ..Self::ALL
        }
    }
}

struct Paint {
    color: bool,
}

impl Paint {
    fn line(&self, out: &mut impl Write, style: &str, text: &str) -> io::Result<()> {
        writeln!(out, "{}", painted(self.color, style, text))
    }
}

/// `terminal` is whether a person looks at it.
pub fn write(
    outcome: &Outcome,
    detail: Detail,
    color: bool,
    terminal: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let paint = Paint { color };
    if let Some(facts) = &outcome.facts {
        facts::write(facts, outcome.plan.as_deref(), out)?;
    }
    let Some(plan) = &outcome.plan else {
        return Ok(());
    };
    let verdict = outcome.verdict();
    if detail == Detail::OnlyNews && verdict == Verdict::InSync {
        return Ok(());
    }
    let mut entries: Vec<_> = plan.entries.iter().collect();
    entries.retain(|entry| detail == Detail::All || entry.differs());
    let most = match detail {
        Detail::All => Most::ALL,
        _ if terminal => Most::on_a_screen(entries.len()),
        _ => Most::in_a_file(outcome),
    };
    let mut hidden = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        // Who may be off the board is named, whoever else is not.
        match at < most.domains || outcome.off_of(entry).next().is_some() {
            true => self::entry(outcome, plan, entry, &most, &paint, out)?,
            false => hidden.push(entry),
        }
    }
    if !hidden.is_empty() {
        let stale = hidden.iter().map(|entry| entry.stale.len()).sum();
        let missing = hidden.iter().map(|entry| entry.missing.len()).sum();
        writeln!(
            out,
            "and {}, with {} and {} (-v shows all)",
            counted(hidden.len(), "more domain"),
            counted(stale, "stale user"),
            counted(missing, "missing user")
        )?;
    }
    for notices in outcome
        .notices
        .chunk_by(|one, other| one.kind() == other.kind())
    {
        for line in first_lines(notices.iter().map(|notice| format!("note: {notice}"))) {
            writeln!(out, "{line}")?;
        }
    }
    let style = match verdict {
        Verdict::Refused | Verdict::Failed => BOLD_RED,
        _ => BOLD,
    };
    paint.line(out, style, &summary(outcome, plan))
}

fn entry(
    outcome: &Outcome,
    plan: &Plan,
    entry: &Entry,
    most: &Most,
    paint: &Paint,
    out: &mut impl Write,
) -> io::Result<()> {
    let keys = entry.key_names(&plan.sets);
    // Where there are several, a user's own is told.
    let in_key = |key: &[u8]| match keys.len() {
        1 => String::new(),
        _ => format!(" in {}", Escaped(key)),
    };
    let member = |member: MemberId| {
        let in_key = in_key(plan.sets.key_name(member));
        format!("{}{in_key}", Escaped(plan.sets.member(member)))
    };
    let shown: Vec<_> = keys.iter().map(|key| Escaped(key).to_string()).collect();
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
            shown.join(" and ")
        ),
    };
    paint.line(out, BOLD, &head)?;
    for stale in entry.stale.iter().take(most.stale) {
        paint.line(out, RED, &format!("  - {}", member(*stale)))?;
    }
    for other in entry.other_forms.iter().take(most.missing) {
        let aor = Escaped(&other.aor);
        writeln!(out, "  ? {} (another form of {aor})", member(other.member))?;
    }
    for user in entry.missing.iter().take(most.missing) {
        let user = Escaped(plan.missing(*user));
        paint.line(out, GREEN, &format!("  + {user}{}", in_key(&entry.key)))?;
    }
    let why = |why: &'static str| move |member| (member, why);
    let returned = outcome.returned_of(entry);
    let returned = returned.map(why("not removed: registered when Kamailio was asked again"));
    let restored = outcome.restored_of(entry);
    let restored = restored.map(why("restored: registered while they were being removed"));
    let rolled_back = outcome.rolled_back_of(entry).map(why("put back"));
    let back: Vec<_> = returned.chain(restored).chain(rolled_back).collect();
    let hidden = entry.stale.len().saturating_sub(most.stale)
        + entry.other_forms.len().saturating_sub(most.missing)
        + entry.missing.len().saturating_sub(most.missing)
        + back.len().saturating_sub(most.back);
    for (user, why) in back.iter().take(most.back) {
        paint.line(out, GREEN, &format!("  + {} ({why})", member(*user)))?;
    }
    if hidden > 0 {
        writeln!(out, "    and {hidden} more (-v shows all)")?;
    }
    for off in outcome.off_of(entry) {
        let why = match off.why {
            WhyOff::NotBack => "off the board, and should be on it",
            WhyOff::PerhapsLost | WhyOff::PerhapsLate => {
                "perhaps off the board, and should be on it"
            }
            WhyOff::OnceRegistered => "not registered, and perhaps off the board once it is",
        };
        paint.line(out, RED, &format!("  ! {} ({why})", member(off.member)))?;
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
        MissingUsers::OfUnknownSets { .. } if missing > 0 => {
            format!("; {} in no set", counted(missing, "registered user"))
        }
        _ => String::new(),
    };
    let to_add = match outcome.missing_users {
        MissingUsers::OfUnknownSets { .. } => {
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
        Verdict::Failed if !outcome.began_writing => {
            format!("failed, nothing was changed; {board}")
        }
        Verdict::Failed => format!("failed: {}; {board}", done()),
        Verdict::Discrepancies if outcome.dry_run => format!(
            "dry run, nothing was changed: {} to {}, {to_add}; {board}",
            counted(totals.stale - outcome.returned.len(), "stale user"),
            if keeps_stale { "keep" } else { "remove" },
        ),
        Verdict::Discrepancies | Verdict::Changed => {
            format!("{}{stale_left}{missing_left}; {board}", done())
        }
    }
}
