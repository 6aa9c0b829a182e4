//! Asks every registrar: who is registered, and for how long it has been up.

use std::thread;
use std::time::{Duration, Instant};

use super::answer::{Answer, UptimeAnswer};
use super::config::Config;
use crate::failure::Failure;
use crate::kamailio::{self, Dump, Registrar};
use crate::matching::{DumpMatcher, Matches, Sets, TOO_LARGE};
use crate::text::counted;

/// What the registrars say when all of them are asked for their dumps.
pub struct Dumps {
    /// All together; one that fails fails them all, unless the others know its users (`--replicated`).
    pub matches: Result<Matches, Failure>,
    /// Each by itself, as far as it answered.
    pub answers: Vec<Answer>,
    pub warnings: Vec<String>,
    /// When each was asked, if it answered.
    pub asked: Vec<Option<Instant>>,
    /// Why nobody may be removed: of registrars that replicate their users, one did not answer and is not dead.
    pub unheard: Option<Failure>,
}

pub fn for_dumps(config: &Config, sets: &Sets) -> Dumps {
    let dumps = thread::scope(|threads| {
        kamailio::each(&config.registrars, |registrar| {
            let dump = registrar.dump(|| DumpMatcher::begin(&config.rules, sets, threads));
            let is_dead = config.replicated && dump.is_err() && registrar.refuses_connections();
            (dump, is_dead)
        })
    });
    let (mut dumps, dead): (Vec<_>, Vec<_>) = dumps.into_iter().unzip();
    let mut answers: Vec<_> = config.registrars.iter().map(Answer::of).collect();
    let mut warnings = Vec::new();
    for ((answer, dump), is_dead) in answers.iter_mut().zip(&dumps).zip(dead) {
        answer.is_dead = is_dead;
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
    let asked = asked.collect();
    let mut unheard = None;
    if config.replicated && dumps.iter().any(Result::is_ok) {
        let (heard, silent) = dumps
            .into_iter()
            .zip(&answers)
            .partition::<Vec<_>, _>(|(dump, _)| dump.is_ok());
        dumps = heard.into_iter().map(|(dump, _)| dump).collect();
        let mut failures = silent
            .into_iter()
            .filter(|(_, answer)| !answer.is_dead)
            .filter_map(|(dump, _)| dump.err());
        unheard = failures.next();
        warnings.extend(failures.map(|failure| failure.to_string()));
    }
    Dumps {
        asked,
        unheard,
        matches: united(dumps, sets),
        answers,
        warnings,
    }
}

/// The URLs whose name has several addresses, of which one is asked.
pub fn for_several_addresses(config: &Config) -> Vec<String> {
    let several = |registrar: &&Registrar| registrar.has_several_addresses();
    let urls = config.registrars.iter().filter(several);
    urls.map(|registrar| registrar.url().to_owned()).collect()
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

/// Adds to the answers how long each registrar that dumped has been up; one that cannot tell fails them all.
pub fn for_uptimes(
    config: &Config,
    asked: &[Option<Instant>],
    answers: &mut [Answer],
) -> Result<(), Failure> {
    if config.guard.min_uptime.is_zero() {
        return Ok(());
    }
    let registrars: Vec<_> = config.registrars.iter().zip(asked).collect();
    let uptimes = kamailio::each(&registrars, |(registrar, asked)| {
        let asked = (**asked)?;
        let uptime = registrar.uptime();
        Some(uptime.map(|uptime| (uptime, asked.elapsed())))
    });
    for (answer, uptime) in answers.iter_mut().zip(uptimes) {
        let Some(uptime) = uptime else { continue };
        let (reported, since_asked) = uptime?;
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
