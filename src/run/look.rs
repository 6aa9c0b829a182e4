//! A look: every registrar is asked who is registered and, where somebody would be removed, for how long it has been up.

use std::thread;
use std::time::{Duration, Instant};

use super::answer::{Answer, Dumped, Heard, UptimeAnswer};
use super::config::Config;
use super::dump_facts;
use crate::failure::Failure;
use crate::kamailio::{self, NoUptime, Registrar};
use crate::matching::{DumpMatcher, Matches, MemberId, Sets, TOO_LARGE};
use crate::text::counted;

/// How often one look asks a registrar for its uptime, each time over a connection of its own: several registrars behind
/// one address must not pass for one. No round robin over two to six of them keeps step with a dump and six more.
pub const QUESTIONS: usize = 6;

/// What the registrars answered.
pub struct Look {
    /// Of each, in the order of `--kamailio`.
    pub answers: Vec<Answer>,
    dumps: Vec<Matches>,
    pub warnings: Vec<String>,
}

impl Look {
    pub fn take(config: &Config, sets: &Sets) -> Self {
        let heard = thread::scope(|threads| {
            kamailio::each(&config.registrars, |registrar: &Registrar| {
                let begin = || DumpMatcher::begin(&config.rules, sets, threads);
                let (dump, facts) = dump_facts::dump(registrar, config.mode.tells_facts(), begin);
                let is_dead = config.replicated && dump.is_err() && registrar.refuses_connections();
                (registrar.url(), dump, is_dead, Instant::now(), facts)
            })
        });
        let mut look = Self {
            answers: Vec::new(),
            dumps: Vec::new(),
            warnings: Vec::new(),
        };
        // When nobody is left who knows their users, none of them is told as dead.
        let others_suffice = heard.iter().any(|(_, dump, ..)| dump.is_ok());
        for (url, dump, is_dead, came, facts) in heard {
            let heard = match dump {
                Err(_) if is_dead && others_suffice => Heard::Dead,
                Err(failure) => Heard::Silent(Some(failure)),
                Ok(dump) => {
                    let (aors, unusable) = (dump.output.aors, dump.output.unusable);
                    if unusable > 0 {
                        let count = counted(unusable, "AoR");
                        look.warnings.push(format!(
                            "Kamailio at {url}: {count} without a user or a domain, for no set"
                        ));
                    }
                    look.dumps.push(dump.output);
                    Heard::Dumped(Dumped {
                        server: dump.server,
                        aors,
                        asked: dump.asked,
                        came,
                        uptime: None,
                    })
                }
            };
            look.answers.push(Answer {
                url: url.into(),
                heard,
                facts,
            });
        }
        look
    }

    /// Who is registered, by all dumps together. A registrar without one fails them all, unless the others know its
    /// users (`--replicated`).
    pub fn matches(&mut self, config: &Config, sets: &Sets) -> Result<Matches, Failure> {
        if !config.replicated || self.dumps.is_empty() {
            let silent = self.silent().into_iter().next();
            silent.map_or(Ok(()), Err)?;
        }
        let mut dumps = self.dumps.drain(..);
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

    /// Why those who are silent are so. A replica that neither answers nor refuses connections may have users of its
    /// own, so nobody may be removed.
    pub fn silent(&mut self) -> Vec<Failure> {
        let silent = self.answers.iter_mut();
        silent
            .filter_map(|answer| match &mut answer.heard {
                Heard::Silent(failure) => failure.take(),
                _ => None,
            })
            .collect()
    }
}

/// Who of these members is registered now, ascending, and what the registrars answered.
pub fn again(
    config: &Config,
    sets: &Sets,
    members: &[MemberId],
) -> Result<(Vec<Answer>, Vec<MemberId>), Failure> {
    let mut look = Look::take(config, sets);
    let matches = look.matches(config, sets)?;
    if let Some(silent) = look.silent().into_iter().next() {
        return Err(silent);
    }
    ask_uptimes(config, &mut look.answers)?;
    let online = members.iter().copied();
    let mut online: Vec<_> = online.filter(|member| matches.is_online(*member)).collect();
    online.sort_unstable();
    Ok((look.answers, online))
}

/// Asks each registrar that dumped how long it has been up. One that forbids the question is an error, unless
/// `--min-uptime` is 0s: any age is believed then.
pub fn ask_uptimes(config: &Config, answers: &mut Vec<Answer>) -> Result<(), Failure> {
    let told = kamailio::each(std::mem::take(answers), |mut answer| {
        let is_it = |registrar: &&Registrar| registrar.url() == answer.url;
        let registrar = config.registrars.iter().find(is_it);
        if let (Heard::Dumped(dumped), Some(registrar)) = (&mut answer.heard, registrar) {
            dumped.uptime = match uptime(registrar, dumped.asked) {
                Ok(uptime) => Some(uptime),
                Err(no) if no.is_forbidden && config.guard.min_uptime.is_zero() => None,
                Err(no) => return (answer, Err(no.failure)),
            };
        }
        (answer, Ok(()))
    });
    let mut all = Ok(());
    for (answer, its) in told {
        answers.push(answer);
        all = all.and(its);
    }
    all
}

/// `asked` is when its dump was asked for.
pub fn uptime(registrar: &Registrar, asked: Instant) -> Result<UptimeAnswer, NoUptime> {
    let mut answers = Vec::new();
    for _ in 0..QUESTIONS {
        let uptime = registrar.uptime()?;
        let seconds = uptime.seconds.and_then(|seconds| seconds.try_into().ok());
        let up = seconds.map(Duration::from_secs);
        let when_asked = up.and_then(|up| up.checked_sub(asked.elapsed()));
        answers.push((uptime, when_asked));
    }
    // None comes first.
    let when_asked = answers.iter().map(|(_, up)| *up).min().flatten();
    let mut reported = answers.into_iter().map(|(uptime, _)| uptime);
    let first = reported.next().expect("it was asked more than once");
    let other = reported.find(|uptime| uptime.since != first.since);
    Ok(UptimeAnswer {
        other: other.map(|uptime| uptime.since),
        reported: first,
        when_asked,
    })
}
