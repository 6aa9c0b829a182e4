//! The report as JSON: one object on one line, also of a run that failed. The man page describes it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use super::style::Detail;
use crate::matching::{MemberId, Plan};
use crate::run::{Outcome, Verdict};
use crate::text::{is_unseen, rfc3339};

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
    off: usize,
    other_forms: usize,
}

#[derive(Serialize)]
struct Domain {
    domain: String,
    key: String,
    /// Where there are several.
    keys: Vec<Key>,
    online: usize,
    members: usize,
    stale: Vec<String>,
    missing: Vec<String>,
    returned: Vec<String>,
    restored: Vec<String>,
    rolled_back: Vec<String>,
    off: Vec<String>,
    other_forms: Vec<String>,
    /// The names above that are not shown byte for byte.
    bytes: Vec<Bytes>,
}

/// One of several keys that differ in case.
#[derive(Serialize)]
struct Key {
    key: String,
    members: usize,
    stale: Vec<String>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Bytes {
    name: String,
    hex: String,
}

#[derive(Serialize)]
struct Notice {
    kind: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Error<'a> {
    message: String,
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
        started_at: rfc3339(outcome.started_at),
        duration_seconds: outcome.duration.as_millis() as f64 / 1000.0,
        registrars: outcome
            .registrars
            .iter()
            .map(|answer| Registrar {
                url: &answer.url,
                server: answer.dumped().and_then(|dumped| dumped.server.as_deref()),
                aors: answer.aors(),
                uptime_seconds: answer.uptime().and_then(|uptime| uptime.reported.seconds),
                up_since: answer.uptime().map(|uptime| {
                    let since = uptime.reported.since.trim_ascii();
                    String::from_utf8_lossy(since).into_owned()
                }),
            })
            .collect(),
        redis: Redis {
            url: &outcome.redis,
            keys: plan.map_or(0, |plan| plan.sets.keys().len()),
        },
        totals: Totals {
            online: totals.online,
            members: totals.members,
            stale: totals.stale,
            missing: totals.missing,
            removed: outcome.removed.len(),
            added: outcome.added,
            restored: outcome.restored.len(),
            rolled_back: outcome.rolled_back.len(),
            off: outcome.off.len(),
            other_forms: totals.other_forms,
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
            message: failure.to_string(),
            hint: failure.hint.as_deref(),
        }),
    };
    report.serialize(&mut serde_json::Serializer::with_formatter(
        &mut *out,
        TerminalSafe,
    ))?;
    writeln!(out)
}

/// JSON escapes the control characters below U+0020 only; what else a terminal obeys, or a reader does not see, is
/// escaped too. The value is the same.
struct TerminalSafe;

impl Formatter for TerminalSafe {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for part in fragment.split_inclusive(is_unseen) {
            let plain = part.trim_end_matches(is_unseen);
            out.write_all(plain.as_bytes())?;
            for char in part[plain.len()..].chars() {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

fn domains(outcome: &Outcome, plan: &Plan, detail: Detail, lossy: &mut bool) -> Vec<Domain> {
    let shown = plan
        .entries
        .iter()
        .filter(|entry| detail == Detail::All || entry.differs());
    shown
        .map(|entry| {
            let mut bytes = Vec::new();
            let mut text = |name: &[u8]| {
                let shown = String::from_utf8_lossy(name).into_owned();
                *lossy |= shown.as_bytes() != name;
                if shown.as_bytes() != name || shown.chars().any(char::is_control) {
                    let hex = name.iter().map(|byte| format!("{byte:02x}")).collect();
                    bytes.push(Bytes {
                        name: shown.clone(),
                        hex,
                    });
                }
                shown
            };
            let mut names = |members: &mut dyn Iterator<Item = MemberId>| {
                members
                    .map(|member| text(plan.sets.member(member)))
                    .collect()
            };
            let key_names = entry.key_names(&plan.sets);
            let keys = entry.keys.iter().filter(|_| key_names.len() > 1);
            Domain {
                online: entry.online,
                members: entry.members,
                stale: names(&mut entry.stale.iter().copied()),
                returned: names(&mut outcome.returned_of(entry)),
                restored: names(&mut outcome.restored_of(entry)),
                rolled_back: names(&mut outcome.rolled_back_of(entry)),
                off: names(&mut outcome.off_of(entry).map(|off| off.member)),
                other_forms: names(&mut entry.other_forms.iter().map(|other| other.member)),
                missing: entry
                    .missing
                    .iter()
                    .map(|user| text(plan.missing(*user)))
                    .collect(),
                domain: text(&entry.domain),
                key: match &*key_names {
                    [only] => text(only),
                    _ => text(&entry.key),
                },
                keys: keys
                    .map(|key| Key {
                        key: text(&plan.sets.key(*key).name),
                        members: plan.sets.key(*key).members,
                        stale: {
                            let stale = entry.stale_of(*key, &plan.sets).iter();
                            stale
                                .map(|member| text(plan.sets.member(*member)))
                                .collect()
                        },
                    })
                    .collect(),
                bytes: {
                    bytes.sort_unstable();
                    bytes.dedup();
                    bytes
                },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_escaped_and_keeps_its_value() {
        let text = "a\u{9b}\u{202e}\u{200b}\u{feff}\u{e0001}\u{2066}ü\"\\\u{1}";
        let mut out = Vec::new();
        let mut json = serde_json::Serializer::with_formatter(&mut out, TerminalSafe);
        text.serialize(&mut json).unwrap();
        let printed = String::from_utf8(out).unwrap();
        let escaped = "\"a\\u009b\\u202e\\u200b\\ufeff\\udb40\\udc01\\u2066ü\\\"\\\\\\u0001\"";
        assert_eq!(printed, escaped);
        assert_eq!(serde_json::from_str::<String>(&printed).unwrap(), text);
    }
}
