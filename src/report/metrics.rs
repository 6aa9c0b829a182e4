//! The last run as Prometheus metrics, for node_exporter's textfile collector (`--metrics-file`). The file is written
//! whole or not at all, also after a failure.

use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::failure::Failure;
use crate::peer::file;
use crate::run::{Answer, Notice, Outcome, Verdict};
use crate::text::without_number;

const LAST_SUCCESS: &str = "kamonline_last_success_timestamp_seconds";

/// node_exporter runs as a user of its own.
const READABLE: u32 = 0o644;

pub fn write(outcome: &Outcome, file: &Path) -> Result<(), Failure> {
    let written = || {
        let last_success = match outcome.failure {
            Some(_) => success_in(file)?,
            None => ended(outcome),
        };
        replace(file, &text(outcome, &last_success))
    };
    written().map_err(|error: io::Error| {
        Failure::new(without_number(&error))
            .context(format!("cannot write the metrics to {}", file.display()))
            .and("a file that was there is unchanged")
            .hint(
                "see that the directory exists, that its disk has room, and that the user who runs kamonline may write into \
                 it: a new file takes the old one's place",
            )
    })
}

fn text(outcome: &Outcome, last_success: &str) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: &dyn std::fmt::Display| {
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "# HELP kamonline_{name} {help}\n# TYPE kamonline_{name} gauge\nkamonline_{name} {value}"
        );
    };
    gauge(
        "last_run_timestamp_seconds",
        "When the last run ended, in seconds since 1970.",
        &ended(outcome),
    );
    gauge(
        "last_success_timestamp_seconds",
        "When the last run that was neither refused nor failed ended, in seconds since 1970; 0 if none did.",
        &last_success,
    );
    gauge(
        "last_run_duration_seconds",
        "How long the last run took.",
        &outcome.duration.as_secs_f64(),
    );
    gauge(
        "last_run_dry_run",
        "1 if the last run was a dry run.",
        &u8::from(outcome.dry_run),
    );
    gauge(
        "registrars",
        "Registrars that were to be asked.",
        &outcome.registrars.len(),
    );
    let answered = |answer: &&Answer| answer.aors().is_some();
    gauge(
        "registrars_answered",
        "Registrars whose answer was whole.",
        &outcome.registrars.iter().filter(answered).count(),
    );
    // Unknown is not 0: without a plan these are left out.
    if let Some(plan) = &outcome.plan {
        let totals = &plan.totals;
        gauge(
            "users_online",
            "Users who are registered, in scope.",
            &totals.online,
        );
        gauge(
            "users_missing",
            "Users who were registered and in no set.",
            &totals.missing,
        );
        gauge(
            "members",
            "Members of all sets before the last run.",
            &totals.members,
        );
        gauge(
            "members_stale",
            "Members who were not registered.",
            &totals.stale,
        );
    }
    gauge(
        "members_removed",
        "Members whom the last run removed.",
        &outcome.removed.len(),
    );
    gauge(
        "members_restored",
        "Members whom the last run removed and put back.",
        &outcome.restored.len(),
    );
    gauge(
        "members_rolled_back",
        "Members whom the last run removed and put back since the last look did not confirm their removal.",
        &outcome.rolled_back.len(),
    );
    gauge(
        "members_off",
        "Members who may be off the board by the last run though they are registered, or as soon as they are.",
        &outcome.off.len(),
    );
    gauge(
        "users_added",
        "Users whom the last run added.",
        &outcome.added,
    );
    text.push_str(
        "# HELP kamonline_notices What the report of the last run notes.\n# TYPE kamonline_notices gauge\n",
    );
    for kind in Notice::KINDS {
        let of_kind = outcome
            .notices
            .iter()
            .filter(|notice| notice.kind() == kind);
        let _ = writeln!(
            text,
            "kamonline_notices{{kind=\"{kind}\"}} {}",
            of_kind.count()
        );
    }
    text.push_str(
        "# HELP kamonline_last_run_outcome 1 for how the last run ended, 0 for the others.\n\
         # TYPE kamonline_last_run_outcome gauge\n",
    );
    for verdict in Verdict::ALL {
        let _ = writeln!(
            text,
            "kamonline_last_run_outcome{{outcome=\"{}\"}} {}",
            verdict.name(),
            u8::from(verdict == outcome.verdict())
        );
    }
    text
}

fn ended(outcome: &Outcome) -> String {
    let since = outcome.started_at.duration_since(UNIX_EPOCH);
    format!(
        "{:.3}",
        (since.unwrap_or_default() + outcome.duration).as_secs_f64()
    )
}

/// The last success that the file of an earlier run tells of.
fn success_in(path: &Path) -> io::Result<String> {
    let old = match file::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        old => old?,
    };
    let old = String::from_utf8_lossy(&old);
    let value = |line: &str| Some(line.strip_prefix(LAST_SUCCESS)?.trim().to_owned());
    let known = old
        .lines()
        .filter_map(value)
        .find(|value| value.parse::<f64>().is_ok_and(f64::is_finite));
    Ok(known.unwrap_or_else(|| "0".into()))
}

/// Several kamonlines may write into one directory, and containers share process ids: the new file has a name of its own.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let directory = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    // Not *.prom, so that node_exporter does not read it.
    let mut new = tempfile::Builder::new()
        .prefix(".kamonline-")
        .permissions(Permissions::from_mode(READABLE))
        .tempfile_in(directory.unwrap_or(Path::new(".")))?;
    new.write_all(text.as_bytes())?;
    // A umask may have taken some of it away.
    new.as_file()
        .set_permissions(Permissions::from_mode(READABLE))?;
    // Some disks tell only now that they are full.
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}
