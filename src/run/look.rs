//! A look: every registrar is asked who is registered and, where somebody would be removed, for how long it has been up.

use std::thread;
use std::time::{Duration, Instant};

use super::answer::{Answer, Dumped, Heard};
use super::config::Config;
use super::dump_facts;
use super::questions::{QUESTIONS, Questions};
use crate::failure::Failure;
use crate::kamailio::{self, Registrar};
use crate::matching::{DumpMatcher, Matches, MemberId, Readings, Sets, TOO_LARGE};
use crate::text::counted;

/// The dump is asked for again after these questions: in two containers of one image, started in the same second, nothing
/// differs but who is registered. A look is 17 requests with them, and 13 without, 11 and 7 where core.ps is not answered: no
/// round robin over two to six keeps step with any.
const DUMP_AFTER: [usize; 4] = [1, 3, 4, 6];
/// If it takes no longer than this, where only the processes are not told.
const CHEAP: Duration = Duration::from_millis(20);
/// Or than this, where it has few AoRs, where much is at stake, or where nothing else tells one registrar from another.
const BEARABLE: Duration = Duration::from_secs(1);
/// What few AoRs are, and what they are at the second look: nobody must be put back for what it finds.
pub const FEW_AORS: usize = 500;
pub const FEW_AORS_AT_SECOND_LOOK: usize = 5_000;
/// A removal is large that is of more members than this, and of more than 1 in so many.
const FEW_MEMBERS: usize = 10;
const LARGE: usize = 4;

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
                    let lacks_domains = dump.output.without_at * 2 > aors;
                    look.dumps.push(dump.output);
                    Heard::Dumped(Dumped {
                        server: dump.head.server,
                        asked_from: vec![dump.head.asked_from],
                        aors,
                        lacks_domains,
                        asked: dump.asked,
                        came,
                        uptime: None,
                        contradicts_itself: false,
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

/// Who of these members is registered now, ascending, and what the registrars answered. Of so few AoRs a dump is
/// asked for again.
pub fn again(
    config: &Config,
    sets: &Sets,
    members: &[MemberId],
    few_aors: usize,
) -> Result<(Vec<Answer>, Vec<MemberId>), Failure> {
    let mut look = Look::take(config, sets);
    let matches = look.matches(config, sets)?;
    if let Some(silent) = look.silent().into_iter().next() {
        return Err(silent);
    }
    let mut online = ask_on(config, sets, members, few_aors, &mut look.answers)?;
    let mut readings = Readings::new(&config.rules, sets, &matches);
    online.extend(members.iter().filter(|member| readings.is_online(**member)));
    Ok((look.answers, ascending(online)))
}

/// Goes on asking each registrar that dumped: how long it has been up, and for its dump again. Those of these members who
/// are registered by one of these dumps, ascending.
pub fn ask_on(
    config: &Config,
    sets: &Sets,
    members: &[MemberId],
    few_aors: usize,
    answers: &mut Vec<Answer>,
) -> Result<Vec<MemberId>, Failure> {
    let told = kamailio::each(std::mem::take(answers), |mut answer| {
        let registrar = config.registrar(&answer.url);
        let online = match (&mut answer.heard, registrar) {
            (Heard::Dumped(dumped), Some(registrar)) => {
                question(config, sets, members, few_aors, registrar, dumped)
            }
            _ => Ok(Vec::new()),
        };
        (answer, online)
    });
    let mut all = Ok(Vec::new());
    for (answer, its) in told {
        answers.push(answer);
        all = all.and_then(|all: Vec<_>| Ok([all, its?].concat()));
    }
    all.map(ascending)
}

/// A registrar that forbids the question for its uptime is an error, unless `--min-uptime` is 0s: any age is believed then.
fn question(
    config: &Config,
    sets: &Sets,
    members: &[MemberId],
    few_aors: usize,
    registrar: &Registrar,
    dumped: &mut Dumped,
) -> Result<Vec<MemberId>, Failure> {
    let is_large = members.len() > FEW_MEMBERS && members.len() * LARGE > sets.count();
    let mut questions = Questions::to(registrar, !config.replicated);
    let (mut by_any, mut by_last) = (vec![false; members.len()], vec![false; members.len()]);
    for number in 1..=QUESTIONS {
        match questions.ask() {
            Ok(()) => {}
            Err(no) if no.is_forbidden && config.guard.min_uptime.is_zero() => {}
            Err(no) => return Err(no.failure),
        }
        let longest = if dumped.aors <= few_aors || is_large || questions.forbids_uptime() {
            BEARABLE
        } else if !questions.tells_processes() {
            CHEAP
        } else {
            Duration::ZERO
        };
        if dumped.came - dumped.asked > longest || !DUMP_AFTER.contains(&number) {
            continue;
        }
        let again = thread::scope(|threads| {
            registrar.dump(|| DumpMatcher::begin(&config.rules, sets, threads))
        })?;
        dumped.asked_from.push(again.head.asked_from);
        let mut readings = Readings::new(&config.rules, sets, &again.output);
        for (member, (any, last)) in members.iter().zip(by_any.iter_mut().zip(&mut by_last)) {
            let now = readings.is_online(*member);
            dumped.contradicts_itself |= *last && !now;
            (*any, *last) = (*any || now, now);
        }
    }
    dumped.uptime = questions.answer(dumped.asked);
    let online = members.iter().zip(by_any).filter(|(_, online)| *online);
    Ok(online.map(|(member, _)| *member).collect())
}

pub fn ascending(mut members: Vec<MemberId>) -> Vec<MemberId> {
    members.sort_unstable();
    members.dedup();
    members
}
