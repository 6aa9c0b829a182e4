//! When a plan is refused: it looks like a broken source, or like a wrong setting.

use std::time::Duration;

use super::findings::{Example, Findings, NewSet, UpWhenAsked};
use super::max_removal::MaxRemoval;
use crate::failure::Failure;
use crate::matching::Totals;
use crate::text::counted;

/// How long a registrar that reports nobody must have been up, while others have users: before it loads it is empty, and
/// neither grows nor shrinks. A standby is older.
const EMPTY: Duration = Duration::from_secs(120);

/// The limits that a plan must keep.
pub struct Guard {
    pub max_removal: MaxRemoval,
    pub empty: EmptyDump,
    /// How long each registrar must have been up when its dump was asked for (`--min-uptime`); 0 does not ask.
    pub min_uptime: Duration,
    /// One that is old enough and has users suffices, as each knows the users of all (`--replicated`).
    pub one_suffices: bool,
}

/// `--allow-empty`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyDump {
    Refused,
    Allowed,
}

/// One reason to refuse.
struct Objection {
    message: String,
    /// What to do or to look at, up to the flags that let the plan through.
    hint: String,
    flag: Option<String>,
}

impl Guard {
    /// Refuses the whole plan where there is a reason to.
    pub fn check(&self, findings: &Findings) -> Result<(), Failure> {
        let of_plan = [
            self.new_set(findings),
            self.nobody_registered(findings),
            self.nobody_in_common(findings),
            self.too_many(findings),
        ];
        // A flag would remove users whose phones have not registered since a restart.
        let must_wait = findings.totals.online == 0 || of_plan.iter().any(Option::is_some);
        let of_source = [
            several_behind_one_address(findings),
            self.too_young(findings, must_wait),
        ];
        refuse(of_source.into_iter().chain(of_plan))
    }

    /// The same for a plan that removes nobody: with a wrong setting it would add to the wrong sets.
    pub fn check_additions(&self, findings: &Findings) -> Result<(), Failure> {
        refuse([self.new_set(findings), self.nobody_in_common(findings)])
    }

    /// `must_wait`: it offers no flag.
    fn too_young(&self, findings: &Findings, must_wait: bool) -> Option<Objection> {
        let left = |up: &UpWhenAsked| {
            let needed = match up.is_empty {
                true => self.min_uptime.max(EMPTY),
                false => self.min_uptime,
            };
            match up.time {
                Some(time) => needed.saturating_sub(time),
                None => needed.max(Duration::from_secs(1)),
            }
        };
        let uptimes = findings.uptimes.iter();
        // A replica that reports nobody beside others is none: it does not vouch for them.
        let youngest = match self.one_suffices {
            true => uptimes.filter(|up| !up.is_empty).min_by_key(|up| left(up)),
            false => uptimes.max_by_key(|up| left(up)),
        }?;
        let left = left(youngest);
        if left.is_zero() {
            return None;
        }
        let age = match youngest.time {
            Some(time) if time < self.min_uptime => format!(
                "had been up for {} s only when it was asked, less than --min-uptime {}",
                time.as_secs(),
                humantime::format_duration(self.min_uptime)
            ),
            Some(time) => format!(
                "had been up for {} s only when it was asked",
                time.as_secs()
            ),
            None => "has just started, or tells an uptime that makes no sense".into(),
        };
        let reports = match (youngest.is_empty, findings.totals.online) {
            (true, _) => ", and reports nobody".into(),
            (false, 0) => format!(", and reports {}", nobody(findings)),
            (false, _) => String::new(),
        };
        let next = match must_wait {
            true => " and run kamonline again: its users may be back then",
            false => ": the next run does it",
        };
        let (otherwise, flag) = match (youngest.is_empty, youngest.time) {
            (true, _) => (
                ". If it has no users yet, leave it out of --kamailio until it has",
                None,
            ),
            (false, None) => (
                ". If its clock was set back, set it right, or restart Kamailio",
                None,
            ),
            (false, Some(_)) if must_wait => ("", None),
            (false, Some(_)) => (
                ". If it knows all its users already",
                Some("--min-uptime 0s".into()),
            ),
        };
        Some(Objection {
            message: format!(
                "Kamailio at {} {age}{reports}: it may not know all its users yet",
                youngest.registrar
            ),
            hint: format!("wait {} s{next}{otherwise}", left.as_secs_f64().ceil()),
            flag,
        })
    }

    /// A misspelt domain or prefix would begin a second board, and the dead would stay on the real one.
    fn new_set(&self, findings: &Findings) -> Option<Objection> {
        let NewSet { key, others } = findings.new_set.as_ref()?;
        if self.empty == EmptyDump::Allowed {
            return None;
        }
        Some(Objection {
            message: format!(
                "{key} would be a new set, with {}, while the sets under --prefix are of other \
                 domains ({others})",
                counted(findings.totals.missing, "user"),
            ),
            hint: "check --default-domain and --prefix. If this set is to be made indeed".into(),
            flag: Some("--allow-empty".into()),
        })
    }

    fn nobody_registered(&self, findings: &Findings) -> Option<Objection> {
        let Totals {
            aors,
            online,
            members,
            ..
        } = findings.totals;
        if online > 0 || members == 0 || self.empty == EmptyDump::Allowed {
            return None;
        }
        let hint = match aors {
            0 => {
                "check whether Kamailio was just restarted, whether its usrloc has db_mode 3 \
                 (nothing in memory), and --table"
            }
            _ => {
                "check --domain and --exclude-user, and whether this is the registrar of this \
                 site"
            }
        };
        Some(Objection {
            message: format!(
                "Kamailio reports {}, while Redis has {}: refused, to keep the board from \
                 being emptied",
                nobody(findings),
                counted(members, "member")
            ),
            hint: format!("{hint}. If nobody is online indeed"),
            flag: Some("--allow-empty".into()),
        })
    }

    fn nobody_in_common(&self, findings: &Findings) -> Option<Objection> {
        let Totals {
            members,
            stale,
            other_forms,
            missing,
            ..
        } = findings.totals;
        let in_common = members > stale + other_forms;
        if members == 0 || in_common || missing == 0 || self.empty == EmptyDump::Allowed {
            return None;
        }
        let example = findings
            .example
            .as_ref()
            .map(|Example { member, key, aor }| {
                format!("; a member: {member} (in {key}); a registered AoR: {aor}")
            });
        Some(Objection {
            message: format!(
                "Redis and Kamailio have nobody in common: {} registered, {} in no set{}",
                match members {
                    1 => "the only member is not".into(),
                    _ => format!("of {members} members none is"),
                },
                counted(missing, "registered user"),
                example.unwrap_or_default()
            ),
            hint: "compare the two: --prefix may be wrong, this may be another site's \
                   registrar, or kamailio.cfg may write members in another form \
                   (100@abc.voip.ca, sip:100), or the login ($au) where the number is meant. If \
                   all members are gone indeed, and those who are registered were never added"
                .into(),
            flag: Some("--allow-empty".into()),
        })
    }

    fn too_many(&self, findings: &Findings) -> Option<Objection> {
        let Totals { stale, members, .. } = findings.totals;
        if self.max_removal.allows(stale, members) {
            return None;
        }
        Some(Objection {
            message: format!(
                "{stale} of {} would be removed, which is more than --max-removal {} allows",
                counted(members, "member"),
                self.max_removal
            ),
            hint: "see who it is with --dry-run -v. Kamailio may have been restarted, a \
                   registrar may be missing among the --kamailio URLs, or --prefix, --table or \
                   --case-sensitive may be wrong. If they are gone indeed"
                .into(),
            flag: Some(format!("--max-removal {stale}")),
        })
    }
}

fn nobody(findings: &Findings) -> &'static str {
    match findings.totals.aors {
        0 => "nobody",
        _ => "nobody of these domains",
    }
}

fn several_behind_one_address(findings: &Findings) -> Option<Objection> {
    Some(Objection {
        message: findings.several.clone()?,
        hint: "name each registrar by its own address, with --kamailio for each, not by that of \
               a balancer or of a service: each dump is of one of them. If they replicate their \
               users to each other"
            .into(),
        flag: Some("--replicated".into()),
    })
}

/// Names every flag at once that the plan would need. An objection without a flag comes first, and names none.
fn refuse(objections: impl IntoIterator<Item = Option<Objection>>) -> Result<(), Failure> {
    let objections: Vec<_> = objections.into_iter().flatten().collect();
    let without_flag = objections.iter().find(|one| one.flag.is_none());
    let Some(first) = without_flag.or(objections.first()) else {
        return Ok(());
    };
    let refusal = Failure::refused(&first.message);
    if without_flag.is_some() {
        return Err(refusal.hint(&first.hint));
    }
    let flags: Vec<_> = objections
        .iter()
        .filter_map(|one| one.flag.clone())
        .collect();
    Err(refusal.hint(format!("{}: {}", first.hint, flags.join(" "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(max_removal: MaxRemoval) -> Guard {
        Guard {
            max_removal,
            empty: EmptyDump::Refused,
            min_uptime: Duration::from_secs(120),
            one_suffices: false,
        }
    }

    #[test]
    fn a_registrar_must_have_been_up_for_min_uptime_when_it_was_asked() {
        let refusal = |times: &[Option<u64>]| {
            let uptimes = times.iter().map(|time| UpWhenAsked {
                registrar: "http://k/rpc",
                time: time.map(Duration::from_secs),
                is_empty: false,
            });
            let findings = Findings {
                totals: Totals {
                    online: 1,
                    ..Totals::default()
                },
                uptimes: uptimes.collect(),
                ..Findings::default()
            };
            guard(MaxRemoval::Percent(50)).check(&findings).err()
        };
        assert!(refusal(&[]).is_none() && refusal(&[Some(120), Some(500)]).is_none());
        for (times, said, wait) in [
            (&[Some(500), Some(119)][..], "up for 119 s", "wait 1 s"),
            (&[Some(0)], "up for 0 s", "wait 120 s"),
        ] {
            let refusal = refusal(times).unwrap();
            let said_so = refusal.to_string();
            let hint = refusal.hint.unwrap();
            assert!(said_so.contains(said) && hint.starts_with(wait), "{hint}");
            assert!(hint.ends_with(": --min-uptime 0s"), "{hint}");
        }
        let refusal = refusal(&[Some(500), None]).unwrap();
        assert!(refusal.to_string().contains("makes no sense"), "{refusal}");
        let hint = refusal.hint.unwrap();
        assert!(
            hint.ends_with("restart Kamailio"),
            "no option helps: {hint}"
        );
    }

    #[test]
    fn one_that_reports_nobody_beside_others_must_be_older_than_a_load() {
        let refusal = |time| {
            let findings = Findings {
                uptimes: vec![UpWhenAsked {
                    registrar: "http://k/rpc",
                    time: Some(Duration::from_secs(time)),
                    is_empty: true,
                }],
                ..Findings::default()
            };
            let guard = Guard {
                min_uptime: Duration::from_secs(1),
                ..guard(MaxRemoval::Percent(50))
            };
            guard.check(&findings).err()
        };
        let refused = refusal(5).unwrap();
        assert!(refused.to_string().contains("and reports nobody"));
        let hint = refused.hint.unwrap();
        assert!(
            hint.starts_with("wait 115 s") && hint.ends_with("until it has"),
            "{hint}"
        );
        assert!(refusal(120).is_none());
    }

    #[test]
    fn of_replicas_one_that_is_old_and_has_users_suffices() {
        let allows = |replicas: &[(u64, bool)]| {
            let uptimes = replicas.iter().map(|(time, is_empty)| UpWhenAsked {
                registrar: "http://k/rpc",
                time: Some(Duration::from_secs(*time)),
                is_empty: *is_empty,
            });
            let findings = Findings {
                uptimes: uptimes.collect(),
                ..Findings::default()
            };
            let guard = Guard {
                one_suffices: true,
                ..guard(MaxRemoval::Percent(50))
            };
            guard.check(&findings).is_ok()
        };
        assert!(allows(&[(119, false), (120, false)]) && allows(&[(120, false), (0, true)]));
        assert!(!allows(&[(119, false), (0, false)]) && !allows(&[(119, false), (500, true)]));
    }

    #[test]
    fn a_refusal_names_every_flag_that_lets_the_plan_through_or_none() {
        let hint = |aors, stale, time: Option<u64>| {
            let totals = Totals {
                stale,
                members: stale,
                missing: aors,
                aors,
                online: aors,
                ..Totals::default()
            };
            let findings = Findings {
                totals,
                uptimes: vec![UpWhenAsked {
                    registrar: "",
                    time: time.map(Duration::from_secs),
                    is_empty: false,
                }],
                ..Findings::default()
            };
            let refusal = guard(MaxRemoval::Percent(50)).check(&findings).unwrap_err();
            refusal.hint.unwrap()
        };
        assert!(hint(0, 20, Some(500)).ends_with("indeed: --allow-empty --max-removal 20"));
        assert!(hint(0, 5, Some(500)).ends_with("indeed: --allow-empty"));
        assert!(hint(3, 20, Some(500)).ends_with("never added: --allow-empty --max-removal 20"));
        for (aors, stale) in [(0, 20), (0, 5), (3, 20)] {
            let wait = "wait 119 s and run kamonline again: its users may be back then";
            assert_eq!(hint(aors, stale, Some(1)), wait);
        }
        let no_flag_helps = hint(0, 20, None);
        assert!(
            no_flag_helps.ends_with("restart Kamailio"),
            "{no_flag_helps}"
        );
    }
}
