//! The second look: asks Kamailio once more after a removal, and tells whether its answer confirms it.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::answer::Answer;
use super::ask;
use super::config::Config;
use super::stop::Stop;
use crate::failure::Failure;
use crate::matching::{MemberId, Plan};
use crate::text::{Shown, counted};

/// How soon a signal is heeded while Kamailio is asked.
const HEED_EVERY: Duration = Duration::from_millis(20);

/// What comes and goes on any site between two looks.
const FEW: usize = 10;
/// A registrar whose AoRs change by more than one in so many, 0.2%, does not change by what phones do.
///
/// Where 5,000 users come and go 380 times a second, far more than on any site, this took 30% of the runs for a load
/// (tests/churn). A load of 1,000 users a second is seen up to 500,000 users, where 0.5% would end at 200,000.
const CHANGE: usize = 500;
/// More than one in so many of the removed who are registered again are a flood.
const FLOOD: usize = 10;

/// Who of the removed is registered again, or why the removal cannot be kept.
///
/// Kamailio is asked in a thread of its own, which is left where it is when a signal comes.
pub fn look(
    config: &Arc<Config>,
    plan: &Arc<Plan>,
    removed: &[MemberId],
    first: &[Answer],
    stop: &Stop,
) -> Result<Vec<MemberId>, Failure> {
    stop.sleep(config.settle);
    stop.check()?;
    let (tell, looked) = channel();
    let (its_config, its_plan, its_removed) = (config.clone(), plan.clone(), removed.to_vec());
    thread::spawn(move || tell.send(ask_again(&its_config, &its_plan, its_removed)));
    let second = loop {
        stop.check()?;
        match looked.recv_timeout(HEED_EVERY) {
            Ok(second) => break second,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => unreachable!("a panic ends the process"),
        }
    };
    let in_second_look = |failure: Failure| failure.context("second look");
    let (returned, second) = second.map_err(in_second_look)?;
    let looks = Looks {
        first,
        second: &second,
        min_uptime: config.guard.min_uptime,
        removed: removed.len(),
        returned: returned.len(),
    };
    match looks.doubt() {
        Some(doubt) => Err(in_second_look(Failure::new(doubt).hint(
            "let the next run try again; raise --min-uptime above the time that Kamailio takes to load its users",
        ))),
        None => Ok(returned),
    }
}

/// Who of the removed is registered now, and what each registrar answered.
fn ask_again(
    config: &Config,
    plan: &Plan,
    mut removed: Vec<MemberId>,
) -> Result<(Vec<MemberId>, Vec<Answer>), Failure> {
    let dumps = ask::for_dumps(config, &plan.sets);
    let mut answers = dumps.answers;
    let matches = dumps.matches?;
    if let Some(unheard) = dumps.unheard {
        return Err(unheard);
    }
    ask::for_uptimes(config, &dumps.asked, &mut answers)?;
    removed.retain(|member| matches.is_online(*member));
    Ok((removed, answers))
}

/// What the two looks saw.
struct Looks<'a> {
    first: &'a [Answer],
    second: &'a [Answer],
    min_uptime: Duration,
    removed: usize,
    /// Those of them who are registered at the second look.
    returned: usize,
}

impl Looks<'_> {
    /// Why the removal cannot be kept, if it cannot.
    fn doubt(&self) -> Option<String> {
        let pairs = || self.first.iter().zip(self.second);
        if let Some((Answer { url, .. }, _)) =
            pairs().find(|(first, second)| first.aors.is_some() && second.aors.is_none())
        {
            return Some(format!(
                "Kamailio at {url} answered at first, and refuses connections now"
            ));
        }
        // Of registrars that replicate their users, one that was dead or too young at first confirms nothing.
        let (first, second): (Vec<_>, Vec<_>) = pairs()
            .filter(|(first, _)| first.aors.is_some() && first.is_old(self.min_uptime))
            .unzip();
        let empty = |answer: &&Answer| answer.aors == Some(0);
        let all_empty = |answers: &[&Answer]| answers.iter().all(empty);
        if all_empty(&second) && !all_empty(&first) {
            return Some("Kamailio reports nobody any more".into());
        }
        // One that was asked how long it is up may rightly have nobody: a standby.
        let unasked = |answer: &&Answer| empty(answer) && answer.uptime.is_none();
        if !all_empty(&second)
            && let Some(Answer { url, .. }) = second.iter().copied().find(unasked)
        {
            return Some(format!(
                "Kamailio at {url} reports nobody, and --min-uptime 0s does not ask whether it has just started"
            ));
        }
        let mut pairs = first.into_iter().zip(second);
        if let Some(doubt) = pairs.find_map(|(first, second)| of_one_registrar(first, second)) {
            return Some(doubt);
        }
        let flood = self.returned > FEW && self.returned * FLOOD > self.removed;
        flood.then(|| {
            format!(
                "{} of the {} who were removed are registered again, too many to have come meanwhile",
                self.returned, self.removed
            )
        })
    }
}

fn of_one_registrar(first: &Answer, second: &Answer) -> Option<String> {
    let url = &first.url;
    let since = |answer: &Answer| {
        answer
            .uptime
            .as_ref()
            .map(|uptime| uptime.reported.since.clone())
    };
    let (before, now) = (since(first), since(second));
    if before != now {
        let shown = |since: Option<Vec<u8>>| {
            let since = since.unwrap_or_default();
            Shown(since.trim_ascii()).to_string()
        };
        return Some(format!(
            "Kamailio at {url} was restarted, or another machine answers there: up since {}, before {}",
            shown(now),
            shown(before)
        ));
    }
    let (before, now) = (first.aors?, second.aors?);
    let changed = before.abs_diff(now);
    let much = changed > FEW && changed * CHANGE > before;
    // With --min-uptime 0s nobody asks whether it was restarted.
    let what = match (now > before, second.uptime.is_some()) {
        (true, _) if much => "is still filling",
        (false, false) if much => "may have been restarted",
        _ => return None,
    };
    Some(format!(
        "Kamailio at {url} {what}: {} at first, {now} now",
        counted(before, "AoR")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kamailio::Uptime;
    use crate::run::answer::UptimeAnswer;

    fn answer(aors: usize, since: &str) -> Answer {
        Answer {
            url: "http://k/rpc".into(),
            server: None,
            aors: Some(aors),
            uptime: Some(UptimeAnswer {
                reported: Uptime {
                    since: since.into(),
                    seconds: Some(0),
                },
                when_asked: Some(Duration::ZERO),
            }),
            is_dead: false,
        }
    }

    fn doubt(aors: [usize; 2], removed: usize, returned: usize) -> Option<String> {
        Looks {
            first: &[answer(5, "a"), answer(aors[0], "b")],
            second: &[answer(5, "a"), answer(aors[1], "b")],
            min_uptime: Duration::ZERO,
            removed,
            returned,
        }
        .doubt()
    }

    #[test]
    fn a_registrar_that_grows_fast_is_still_filling() {
        assert_eq!(doubt([100, 110], 1, 0), None);
        assert!(
            doubt([100, 111], 1, 0)
                .unwrap()
                .contains("100 AoRs at first, 111 now")
        );
        assert_eq!(doubt([10_000, 10_020], 1, 0), None);
        assert!(doubt([10_000, 10_021], 1, 0).is_some());
        assert_eq!(doubt([10_000, 100], 1, 0), None, "who leaves is no doubt");
    }

    #[test]
    fn one_that_was_not_asked_since_when_it_is_up_must_not_shrink_either() {
        let unasked = |aors| Answer {
            uptime: None,
            ..answer(aors, "")
        };
        let doubt = |first, second| {
            Looks {
                first: &[unasked(first)],
                second: &[unasked(second)],
                min_uptime: Duration::ZERO,
                removed: 1,
                returned: 0,
            }
            .doubt()
        };
        assert_eq!(doubt(10_000, 9_980), None);
        let shrunk = doubt(10_000, 9_979).unwrap();
        assert!(shrunk.contains("may have been restarted"), "{shrunk}");
        let looks = |second: &[Answer]| {
            Looks {
                first: &[answer(0, "a"), unasked(5)],
                second,
                min_uptime: Duration::ZERO,
                removed: 1,
                returned: 0,
            }
            .doubt()
        };
        assert_eq!(looks(&[answer(0, "a"), unasked(5)]), None, "a standby");
        let empty = Looks {
            first: &[unasked(0), unasked(5)],
            second: &[unasked(0), unasked(5)],
            min_uptime: Duration::ZERO,
            removed: 1,
            returned: 0,
        };
        assert!(empty.doubt().unwrap().contains("reports nobody"));
        assert_eq!(doubt(0, 0), None);
    }

    #[test]
    fn a_few_who_come_back_are_restored_and_a_flood_is_not_believed() {
        assert_eq!(doubt([100, 100], 10, 10), None);
        assert_eq!(doubt([100, 100], 110, 11), None);
        assert!(
            doubt([100, 100], 109, 11)
                .unwrap()
                .starts_with("11 of the 109")
        );
    }

    #[test]
    fn a_registrar_that_was_restarted_or_reports_nobody_is_not_believed() {
        let looks = |first, second| {
            Looks {
                first: &[first],
                second: &[second],
                min_uptime: Duration::ZERO,
                removed: 1,
                returned: 0,
            }
            .doubt()
        };
        assert_eq!(looks(answer(5, "a"), answer(5, "a")), None);
        assert_eq!(looks(answer(0, "a"), answer(0, "a")), None);
        let restarted = looks(answer(5, "a"), answer(5, "b\n")).unwrap();
        assert!(restarted.ends_with("up since b, before a"), "{restarted}");
        assert!(
            looks(answer(5, "a"), answer(0, "a"))
                .unwrap()
                .contains("nobody")
        );
    }

    #[test]
    fn of_replicas_only_one_that_was_old_and_answered_at_first_confirms() {
        let old = |aors, since| Answer {
            uptime: Some(UptimeAnswer {
                when_asked: Some(Duration::from_secs(9)),
                ..answer(aors, since).uptime.unwrap()
            }),
            ..answer(aors, since)
        };
        let dead = || Answer {
            aors: None,
            uptime: None,
            is_dead: true,
            ..answer(0, "")
        };
        let doubt = |first: [Answer; 2], second: [Answer; 2]| {
            Looks {
                first: &first,
                second: &second,
                min_uptime: Duration::from_secs(9),
                removed: 1,
                returned: 0,
            }
            .doubt()
        };
        let still = || old(5, "a");
        assert_eq!(doubt([still(), dead()], [still(), dead()]), None);
        assert_eq!(doubt([still(), dead()], [still(), answer(0, "b")]), None);
        let young = |aors| answer(aors, "b");
        assert_eq!(doubt([still(), young(0)], [still(), young(900)]), None);
        for first in [[still(), still()], [still(), young(5)]] {
            let died = doubt(first, [still(), dead()]).unwrap();
            assert!(died.contains("refuses connections now"), "{died}");
        }
        let emptied = doubt([still(), dead()], [old(0, "a"), dead()]).unwrap();
        assert!(emptied.contains("nobody any more"), "{emptied}");
    }
}
