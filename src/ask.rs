//! Asks every registrar: who is registered, and for how long it has been up.

use std::thread;
use std::time::{Duration, Instant};

use crate::answer::{Answer, UptimeAnswer};
use crate::config::Config;
use crate::dump_matcher::{DumpMatcher, TOO_LARGE};
use crate::failure::Failure;
use crate::kamailio::{self, Dump};
use crate::text::counted;
use crate::users::{Matches, Sets};

/// What the registrars say when all of them are asked for their dumps.
pub struct Dumps {
    /// All together; one that fails fails them all.
    pub matches: Result<Matches, Failure>,
    /// Each by itself, as far as it answered.
    pub answers: Vec<Answer>,
    pub warnings: Vec<String>,
    /// When each was asked, if it answered.
    pub asked: Vec<Option<Instant>>,
}

pub fn for_dumps(config: &Config, sets: &Sets) -> Dumps {
    let dumps = thread::scope(|threads| {
        kamailio::each(&config.registrars, |registrar| {
            registrar.dump(|| DumpMatcher::begin(&config.rules, sets, threads))
        })
    });
    let mut answers: Vec<_> = config.registrars.iter().map(Answer::of).collect();
    let mut warnings = Vec::new();
    for (answer, dump) in answers.iter_mut().zip(&dumps) {
        let Ok(dump) = dump else { continue };
        answer.server = dump.server.clone();
        answer.aors = Some(dump.output.aors);
        if dump.output.of_no_set > 0 {
            let count = counted(dump.output.of_no_set, "AoR");
            warnings.push(format!(
                "Kamailio at {}: {count} without a user or a domain, for no set",
                answer.url
            ));
        }
    }
    let asked = dumps.iter().map(|dump| Some(dump.as_ref().ok()?.asked));
    Dumps {
        asked: asked.collect(),
        matches: united(dumps, sets),
        answers,
        warnings,
    }
}

fn united(dumps: Vec<Result<Dump<Matches>, Failure>>, sets: &Sets) -> Result<Matches, Failure> {
    let dumps = dumps.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut dumps = dumps.into_iter().map(|dump| dump.output);
    let mut matches = dumps.next().unwrap_or_else(|| Matches::nobody(sets));
    for other in dumps {
        let more = matches.unite(other);
        more.map_err(|failure| Failure {
            hint: failure.hint.clone().or(Some(TOO_LARGE.into())),
            ..failure.context("Kamailio, all registrars together")
        })?;
    }
    Ok(matches)
}

/// Adds to the answers how long each registrar has been up; one that cannot tell fails them all.
pub fn for_uptimes(
    config: &Config,
    asked: &[Option<Instant>],
    answers: &mut [Answer],
) -> Result<(), Failure> {
    if config.guard.min_uptime.is_zero() {
        return Ok(());
    }
    let uptimes = kamailio::each(&config.registrars, |registrar| {
        registrar.uptime().map(|uptime| (uptime, Instant::now()))
    });
    for ((answer, asked), uptime) in answers.iter_mut().zip(asked).zip(uptimes) {
        let (reported, now) = uptime?;
        let since_asked = asked.map_or(Duration::ZERO, |asked| now - asked);
        let seconds = reported
            .seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        let up = seconds.map(Duration::from_secs);
        answer.uptime = Some(UptimeAnswer {
            when_asked: up.map(|up| up.saturating_sub(since_asked)),
            reported,
        });
    }
    Ok(())
}
