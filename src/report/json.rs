//! The report as JSON: one object on one line, also of a run that failed. `README.md` describes it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use super::Detail;
use crate::outcome::{Outcome, Verdict};
use crate::plan::Plan;

#[derive(Serialize)]
struct Report<'a> {
    format_version: u32,
    program: &'static str,
    outcome: &'static str,
    dry_run: bool,
    started_at: String,
    duration_seconds: f64,
    registrars: Vec<Registrar<'a>>,
    redis: Redis<'a>,
    totals: Totals,
    domains: Vec<Domain>,
    notices: Vec<Notice>,
    warnings: Vec<&'a str>,
    error: Option<Error<'a>>,
}

#[derive(Serialize)]
struct Registrar<'a> {
    url: &'a str,
    server: Option<&'a str>,
    aors: Option<usize>,
    uptime_seconds: Option<i64>,
    up_since: Option<String>,
}

#[derive(Serialize)]
struct Redis<'a> {
    url: &'a str,
    keys: usize,
}

#[derive(Serialize)]
struct Totals {
    online: usize,
    members: usize,
    stale: usize,
    missing: usize,
    removed: usize,
    added: usize,
    restored: usize,
    rolled_back: usize,
}

#[derive(Serialize)]
struct Domain {
    domain: String,
    key: String,
    online: usize,
    members: usize,
    stale: Vec<String>,
    missing: Vec<String>,
    restored: Vec<String>,
    rolled_back: Vec<String>,
}

#[derive(Serialize)]
struct Notice {
    kind: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    hint: Option<&'a str>,
}

pub fn write(outcome: &Outcome, detail: Detail, out: &mut impl Write) -> io::Result<()> {
    if detail == Detail::OnlyNews
        && outcome.verdict() == Verdict::InSync
        && outcome.warnings.is_empty()
    {
        return Ok(());
    }
    let plan = outcome.plan.as_ref();
    let totals = plan.map(|plan| plan.totals).unwrap_or_default();
    let mut lossy = false;
    let domains = plan
        .map(|plan| domains(outcome, plan, detail, &mut lossy))
        .unwrap_or_default();
    let warning = lossy.then_some("bytes that are not UTF-8 are shown as U+FFFD");
    let report = Report {
        format_version: 1,
        program: concat!("kamonline ", env!("CARGO_PKG_VERSION")),
        outcome: outcome.verdict().name(),
        dry_run: outcome.dry_run,
        started_at: humantime::format_rfc3339_seconds(outcome.started_at).to_string(),
        duration_seconds: outcome.duration.as_millis() as f64 / 1000.0,
        registrars: outcome
            .registrars
            .iter()
            .map(|answer| Registrar {
                url: &answer.url,
                server: answer.server.as_deref(),
                aors: answer.aors,
                uptime_seconds: answer
                    .uptime
                    .as_ref()
                    .and_then(|uptime| uptime.told.seconds),
                up_since: answer.uptime.as_ref().map(|uptime| {
                    let since = uptime.told.since.trim_ascii();
                    String::from_utf8_lossy(since).into_owned()
                }),
            })
            .collect(),
        redis: Redis {
            url: &outcome.redis,
            keys: plan.map_or(0, |plan| plan.sets.keys.len()),
        },
        totals: Totals {
            online: totals.online,
            members: totals.members,
            stale: totals.stale,
            missing: totals.missing,
            removed: outcome.removed,
            added: outcome.added,
            restored: outcome.restored.len(),
            rolled_back: outcome.rolled_back.len(),
        },
        domains,
        notices: outcome
            .notices
            .iter()
            .map(|notice| Notice {
                kind: notice.kind(),
                message: notice.to_string(),
            })
            .collect(),
        warnings: outcome
            .warnings
            .iter()
            .map(String::as_str)
            .chain(warning)
            .collect(),
        error: outcome.failure.as_ref().map(|failure| Error {
            message: &failure.message,
            hint: failure.hint.as_deref(),
        }),
    };
    report.serialize(&mut serde_json::Serializer::with_formatter(
        &mut *out,
        TerminalSafe,
    ))?;
    writeln!(out)
}

/// JSON escapes the control characters below U+0020; a terminal obeys those from U+007F to U+009F too.
struct TerminalSafe;

impl Formatter for TerminalSafe {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for part in fragment.split_inclusive(char::is_control) {
            let plain = part.trim_end_matches(char::is_control);
            out.write_all(plain.as_bytes())?;
            for control in part[plain.len()..].chars() {
                write!(out, "\\u{:04x}", u32::from(control))?;
            }
        }
        Ok(())
    }
}

fn domains(outcome: &Outcome, plan: &Plan, detail: Detail, lossy: &mut bool) -> Vec<Domain> {
    let mut text = |bytes: &[u8]| {
        *lossy |= std::str::from_utf8(bytes).is_err();
        String::from_utf8_lossy(bytes).into_owned()
    };
    let shown = plan
        .entries
        .iter()
        .filter(|entry| detail == Detail::All || entry.differs());
    shown
        .map(|entry| Domain {
            domain: text(&entry.domain),
            key: text(&entry.key),
            online: entry.online,
            members: entry.members,
            stale: entry
                .stale
                .iter()
                .map(|member| text(plan.sets.member(*member)))
                .collect(),
            missing: entry
                .missing
                .iter()
                .map(|user| text(plan.missing(*user)))
                .collect(),
            restored: outcome
                .restored_of(entry)
                .map(|member| text(plan.sets.member(member)))
                .collect(),
            rolled_back: outcome
                .rolled_back_of(entry)
                .map(|member| text(plan.sets.member(member)))
                .collect(),
        })
        .collect()
}
