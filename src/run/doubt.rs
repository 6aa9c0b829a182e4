//! A source in doubt: two looks at the registrars that do not agree. Phones come and go one by one; a registrar that
//! loads, restarts, or is several behind one address does not.

use std::time::Duration;

use super::answer::{Answer, Dumped, Other, UptimeAnswer};
use crate::text::{Escaped, counted};

/// Who comes and goes on any site between two looks.
const FEW: usize = 10;
/// Phones do not change a registrar by more than this in a second, or than 1 AoR in so many; a registrar that is loading
/// does.
///
/// Where 5,000 users come and go 380 times a second, far more than on any site, 1 in 500 took 30% of the runs for a load
/// (tests/load/churn). A load of 1,000 users a second is seen up to 500,000 users.
const A_SECOND: f64 = 10.0;
const CHANGE: f64 = 500.0;
/// More than 1 in so many of those to be removed who are registered again are a flood.
const FLOOD: usize = 10;

/// An uptime advances as time passes, but for a clock that is set right by some seconds.
const CLOCK_STEP: i64 = 2;

/// The other answers that a cache keeps: of the uptime and of the processes.
const KEPT_ANSWERS: usize = 2;

/// What to do about a source in doubt.
pub const LET_IT_SETTLE: &str = "let the next run try again; raise --min-uptime above the time that Kamailio takes to load \
     its users; name Kamailio's own address, without a cache in between";

/// Two looks, one after the other.
pub struct Looks<'a> {
    pub first: &'a [Answer],
    pub second: &'a [Answer],
    pub min_uptime: Duration,
    /// Each knows the users of all (`--replicated`).
    pub replicated: bool,
    /// How many were to be removed, or were.
    pub stale: usize,
    /// Those of them who are registered after all.
    pub returned: usize,
}

impl Looks<'_> {
    /// Why nobody may be removed by what these looks show.
    pub fn doubt(&self) -> Option<String> {
        let find = |url: &str| self.second.iter().find(|answer| answer.url == url);
        // The looks at each registrar that answered at both.
        let mut pairs = Vec::new();
        for first in self.first {
            let (Some(before), Some(second)) = (first.dumped(), find(&first.url)) else {
                continue;
            };
            let Some(now) = second.dumped() else {
                return Some(format!(
                    "Kamailio at {} answered before, and refuses connections now",
                    first.url
                ));
            };
            // One that was too young confirms nothing.
            if !self.replicated || first.is_old(self.min_uptime) {
                let is_young = self.replicated && !second.is_old(self.min_uptime);
                pairs.push((&*first.url, before, now, is_young));
            }
        }
        let any_users = pairs.iter().any(|(_, _, now, _)| now.aors > 0);
        let mut doubts = pairs.iter().filter_map(|(url, before, now, is_young)| {
            if !self.replicated {
                several_behind(url, now).or_else(|| restart(url, before, now))
            } else if *is_young {
                restart(url, before, now)
            } else {
                None
            }
            .or_else(|| stands_still(url, before, now))
            .or_else(|| is_kept(url, before, now))
            .or_else(|| of_aors(url, before, now, any_users))
        });
        doubts.next().or_else(|| self.flood())
    }

    fn flood(&self) -> Option<String> {
        let flood = self.returned > FEW && self.returned * FLOOD > self.stale;
        flood.then(|| {
            format!(
                "{} of {} stale members are registered again, too many to have come meanwhile",
                self.returned, self.stale
            )
        })
    }
}

fn restart<'a>(url: &str, before: &'a Dumped, now: &'a Dumped) -> Option<String> {
    let (before, now) = (before.uptime.as_ref(), now.uptime.as_ref());
    let since = |uptime: Option<&'a UptimeAnswer>| uptime.map(|uptime| &*uptime.reported.since);
    if since(before) != since(now) {
        return Some(format!(
            "Kamailio at {url} was restarted, or another machine answers there: up since {}, before {}",
            shown(since(now)),
            shown(since(before))
        ));
    }
    match (&before?.processes, &now?.processes) {
        (Some(before), Some(now)) => (before != now).then(|| of_one_second(url)),
        (None, None) => None,
        _ => Some(tells_less(url)),
    }
}

fn of_one_second(url: &str) -> String {
    format!(
        "several registrars answer at {url}, started in the same second: core.ps tells of other \
         processes from one answer to the next"
    )
}

fn tells_less(url: &str) -> String {
    format!(
        "several registrars answer at {url}, or it is overloaded: it tells its uptime and its \
         processes (core.uptime, core.ps) at one time and not at another"
    )
}

/// A cache answers every question with what it kept. A registrar that answers late may have counted sooner.
fn stands_still(url: &str, before: &Dumped, now: &Dumped) -> Option<String> {
    let (before, now) = (before.uptime.as_ref()?, now.uptime.as_ref()?);
    let (was, is) = (before.reported.seconds?, now.reported.seconds?);
    let passed = now.asked.saturating_duration_since(before.came).as_secs();
    let advanced = is.saturating_sub(was).saturating_add(CLOCK_STEP);
    let is_same = now.reported.since == before.reported.since;
    (is_same && advanced < passed as i64).then(|| {
        format!(
            "Kamailio at {url}: a cache answers, or the clock was set back: up for {was} s, and {passed} s later for {is} s"
        )
    })
}

/// Each question goes over a connection of its own. A proxy that uses one to Kamailio again asks other questions over it, or
/// over others of its own, again and again; a cache has a new one for each answer, unless it keeps that, too.
fn is_kept(url: &str, before: &Dumped, now: &Dumped) -> Option<String> {
    let uptimes = [before.uptime.as_ref()?, now.uptime.as_ref()?];
    let others = uptimes.into_iter().flat_map(|uptime| &uptime.asked_from);
    let mut others: Vec<_> = others.collect();
    let asked = others.len();
    others.sort_unstable();
    others.dedup();
    let is_pool = others.len() < asked && others.len() > KEPT_ANSWERS;
    let first = before.asked_from.first()?;
    let mut dumps = before.asked_from.iter().chain(&now.asked_from);
    let is_kept = first.is_some() && dumps.all(|one| one == first) && !others.contains(&first);
    (is_kept && !is_pool).then(|| {
        format!(
            "Kamailio at {url}: a cache answers: all dumps came over one connection to Kamailio, \
             and nothing else did"
        )
    })
}

/// `any_users`: a registrar has users now.
fn of_aors(url: &str, before: &Dumped, now: &Dumped, any_users: bool) -> Option<String> {
    if now.aors == 0 && before.aors > 0 {
        return Some(format!(
            "Kamailio at {url} reports nobody any more: {} before",
            counted(before.aors, "AoR")
        ));
    }
    // One that tells how long it is up may rightly have nobody: a standby.
    if now.aors == 0 && any_users && now.uptime.is_none() {
        return Some(format!(
            "Kamailio at {url} reports nobody, and does not tell whether it has just started"
        ));
    }
    let seconds = now.came.duration_since(before.asked).as_secs_f64().max(1.0);
    let by_phones = seconds * A_SECOND.max(before.aors as f64 / CHANGE);
    let much = before.aors.abs_diff(now.aors) as f64 > by_phones;
    // Of one that does not tell since when it is up nobody knows whether it was restarted.
    let what = match (now.aors > before.aors, now.uptime.is_some()) {
        (true, _) if much => "is still filling",
        (false, false) if much => "may have been restarted",
        _ => return None,
    };
    Some(format!(
        "Kamailio at {url} {what}: {} before, {} now",
        counted(before.aors, "AoR"),
        now.aors
    ))
}

/// Whether what one look was told at an address is of several registrars.
pub fn several_behind(url: &str, dumped: &Dumped) -> Option<String> {
    let uptime = dumped.uptime.as_ref();
    let since = uptime.map(|uptime| &*uptime.reported.since);
    match uptime.and_then(|uptime| uptime.other.as_ref()) {
        Some(Other::Since(other)) => Some(format!(
            "several registrars answer at {url}: up since {}, and since {}",
            shown(since),
            shown(Some(other))
        )),
        Some(Other::OfOneSecond) => Some(of_one_second(url)),
        Some(Other::TellsLess) => Some(tells_less(url)),
        None => dumped.contradicts_itself.then(|| {
            format!(
                "several registrars answer at {url}, or a phone came and left in an instant: a \
                 member is registered by one answer and not by the next"
            )
        }),
    }
}

fn shown(since: Option<&[u8]>) -> String {
    match since {
        Some(since) => Escaped(since.trim_ascii()).to_string(),
        None => "an unknown time".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::kamailio::{Processes, Rpc, Uptime};
    use crate::run::answer::Heard;

    fn dumped(aors: usize, uptime: Option<UptimeAnswer>) -> Answer {
        let now = Instant::now();
        Answer {
            url: "http://k/rpc".into(),
            heard: Heard::Dumped(Dumped {
                server: None,
                asked_from: Vec::new(),
                aors,
                lacks_domains: false,
                asked: now,
                came: now,
                uptime,
                contradicts_itself: false,
            }),
            facts: None,
        }
    }

    fn up_since(since: &str, seconds: u64) -> Option<UptimeAnswer> {
        let now = Instant::now();
        Some(UptimeAnswer {
            reported: Uptime {
                since: since.into(),
                seconds: Some(0),
            },
            processes: None,
            asked_from: Vec::new(),
            asked: now,
            came: now,
            other: None,
            when_asked: Some(Duration::from_secs(seconds)),
        })
    }

    fn answer(aors: usize, since: &str) -> Answer {
        dumped(aors, up_since(since, 9))
    }

    fn dead() -> Answer {
        Answer {
            url: "http://k/rpc".into(),
            heard: Heard::Dead,
            facts: None,
        }
    }

    fn at(url: &str, answer: Answer) -> Answer {
        Answer {
            url: url.into(),
            ..answer
        }
    }

    fn looks<'a>(first: &'a [Answer], second: &'a [Answer]) -> Looks<'a> {
        Looks {
            first,
            second,
            min_uptime: Duration::from_secs(9),
            replicated: false,
            stale: 1,
            returned: 0,
        }
    }

    fn doubt(first: Answer, second: Answer) -> Option<String> {
        looks(&[first], &[second]).doubt()
    }

    #[track_caller]
    fn assert_says(doubt: Option<String>, words: &str) {
        let doubt = doubt.expect(words);
        assert!(doubt.contains(words), "{doubt}");
    }

    #[test]
    fn a_registrar_that_grows_faster_than_phones_come_is_still_filling() {
        let grown = |first, second| doubt(answer(first, "a"), answer(second, "a"));
        assert_eq!(grown(100, 110), None);
        assert_says(grown(100, 111), "100 AoRs before, 111 now");
        assert_eq!(grown(10_000, 10_020), None);
        assert_says(grown(10_000, 10_021), "is still filling");
        assert_eq!(grown(10_000, 100), None, "who leaves is no doubt");
        let mut late = answer(100, "a");
        if let Heard::Dumped(dumped) = &mut late.heard {
            dumped.asked -= Duration::from_secs(60);
        }
        assert_eq!(doubt(late, answer(690, "a")), None, "10 in each of 60 s");
    }

    #[test]
    fn one_that_does_not_tell_its_uptime_must_not_shrink_either() {
        let untold = |aors| dumped(aors, None);
        assert_eq!(doubt(untold(10_000), untold(9_980)), None);
        assert_says(
            doubt(untold(10_000), untold(9_979)),
            "may have been restarted",
        );
        let beside_others = |first: Answer, second: Answer| {
            looks(
                &[at("one", first), answer(5, "b")],
                &[at("one", second), answer(5, "b")],
            )
            .doubt()
        };
        assert_eq!(beside_others(answer(0, "a"), answer(0, "a")), None);
        assert_says(beside_others(untold(0), untold(0)), "reports nobody");
        assert_eq!(doubt(untold(0), untold(0)), None);
    }

    #[test]
    fn a_few_who_come_back_are_no_doubt_and_a_flood_is() {
        let flood = |stale, returned| {
            let (first, second) = ([answer(100, "a")], [answer(100, "a")]);
            Looks {
                stale,
                returned,
                ..looks(&first, &second)
            }
            .doubt()
        };
        assert_eq!(flood(10, 10), None);
        assert_eq!(flood(110, 11), None);
        assert_says(flood(109, 11), "11 of 109 stale members");
    }

    #[test]
    fn a_registrar_that_was_restarted_refuses_or_reports_nobody_is_in_doubt() {
        assert_eq!(doubt(answer(5, "a"), answer(5, "a")), None);
        assert_eq!(doubt(answer(0, "a"), answer(0, "a")), None);
        let restarted = doubt(answer(5, "a"), answer(5, "b\n")).unwrap();
        assert!(restarted.ends_with("up since b, before a"), "{restarted}");
        assert_says(doubt(answer(5, "a"), dead()), "refuses connections now");
        let (first, second) = (
            [answer(1, "a"), at("b", answer(9, "b"))],
            [answer(0, "a"), at("b", answer(9, "b"))],
        );
        assert_says(
            looks(&first, &second).doubt(),
            "reports nobody any more: 1 AoR before",
        );
    }

    #[test]
    fn an_uptime_that_does_not_advance_is_a_cache_s() {
        let begun = Instant::now();
        // Up for so many seconds, by an answer that was asked for and came so many milliseconds later.
        let told = |since: &str, seconds, asked, came| {
            let later = |by| begun + Duration::from_millis(by);
            let uptime = UptimeAnswer {
                reported: Uptime {
                    since: since.into(),
                    seconds: Some(seconds),
                },
                asked: later(asked),
                came: later(came),
                ..up_since(since, 9).unwrap()
            };
            dumped(5, Some(uptime))
        };
        let first = |came| told("a", 500, 0, came);
        let second = |seconds, asked| told("a", seconds, asked, asked + 1);
        let said = "up for 500 s, and 3 s later for 500 s";
        assert_says(doubt(first(100), second(500, 3_200)), said);
        assert_says(
            doubt(first(100), second(556, 60_000)),
            "59 s later for 556 s",
        );
        assert_eq!(doubt(first(100), second(500, 3_000)), None, "too soon");
        let stepped = doubt(first(100), second(558, 60_000));
        assert_eq!(stepped, None, "a clock that was set back by 2 s");
        let late = told("a", 502, 9_001, 30_000);
        assert_eq!(doubt(first(9_000), late), None);
        let (first, another) = ([first(0)], [told("b", 9, 60_000, 60_000)]);
        let replicas = Looks {
            replicated: true,
            ..looks(&first, &another)
        };
        assert_eq!(replicas.doubt(), None);
    }

    #[test]
    fn a_dump_that_came_over_an_old_connection_is_a_cache_s_unless_the_uptimes_did() {
        let over = |of_dump: Option<&str>, of_others: [&str; 2]| {
            let uptime = UptimeAnswer {
                asked_from: of_others.map(|other| Some(other.into())).into(),
                ..up_since("a", 9).unwrap()
            };
            let mut answer = dumped(5, Some(uptime));
            if let Heard::Dumped(dumped) = &mut answer.heard {
                dumped.asked_from = vec![of_dump.map(String::from); 2];
            }
            answer
        };
        let first = || over(Some("1"), ["2", "3"]);
        let said = "a cache answers: all dumps came over one connection";
        assert_says(doubt(first(), over(Some("1"), ["4", "5"])), said);
        assert_says(doubt(first(), first()), said);
        for (of_dump, of_others, why) in [
            (Some("4"), ["5", "6"], "another connection"),
            (Some("1"), ["1", "4"], "the only one"),
            (Some("1"), ["2", "4"], "one of several that are kept open"),
        ] {
            assert_eq!(doubt(first(), over(of_dump, of_others)), None, "{why}");
        }
        let untold = || over(None, ["2", "3"]);
        assert_eq!(doubt(untold(), untold()), None);
    }

    #[test]
    fn several_registrars_behind_one_address_are_in_doubt() {
        let mut several = answer(5, "a");
        if let Heard::Dumped(Dumped {
            uptime: Some(uptime),
            ..
        }) = &mut several.heard
        {
            uptime.other = Some(Other::Since(b"b".to_vec()));
        }
        assert_says(
            doubt(answer(5, "a"), several),
            "several registrars answer at http://k/rpc: up since a, and since b",
        );
        let mut of_one_second = answer(5, "a");
        if let Heard::Dumped(dumped) = &mut of_one_second.heard {
            dumped.contradicts_itself = true;
        }
        assert_says(
            doubt(answer(5, "a"), of_one_second),
            "a member is registered by one answer and not by the next",
        );
        let of_process = |number| {
            let told = format!(r#"{{"result":[{number}]}}"#);
            let uptime = UptimeAnswer {
                processes: Processes::read(Rpc::JsonRpc, told.as_bytes()),
                ..up_since("a", 9).unwrap()
            };
            dumped(5, Some(uptime))
        };
        let said = "started in the same second: core.ps tells of other processes";
        assert_says(doubt(of_process(7), of_process(8)), said);
        assert_eq!(doubt(of_process(7), of_process(7)), None);
        let said = "it tells its uptime and its processes (core.uptime, core.ps) at one time and";
        assert_says(doubt(of_process(7), answer(5, "a")), said);
    }

    #[test]
    fn of_replicas_only_one_that_was_old_and_answered_before_confirms() {
        let doubt = |first, second| {
            Looks {
                replicated: true,
                ..looks(
                    &[at("b", answer(7, "c")), first],
                    &[at("b", answer(7, "c")), second],
                )
            }
            .doubt()
        };
        let (still, young) = (|| answer(5, "a"), |aors| dumped(aors, up_since("b", 8)));
        assert_eq!(doubt(dead(), dead()), None);
        assert_eq!(doubt(dead(), young(0)), None);
        assert_eq!(doubt(young(0), young(900)), None);
        assert_eq!(doubt(still(), answer(5, "b")), None, "another, as old");
        assert_says(doubt(still(), young(5)), "was restarted");
        assert_says(doubt(still(), dead()), "refuses connections now");
        assert_says(doubt(young(5), dead()), "refuses connections now");
        assert_says(doubt(still(), answer(0, "a")), "nobody any more");
    }
}
