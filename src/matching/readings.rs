//! Other readings of a member: the forms in which a kamailio.cfg may have written a user who is registered.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::aor::{self, UserCase, unescaped};
use super::batch::Aors;
use super::ids::{DomainId, MemberId};
use super::index::Found;
use super::matches::Matches;
use super::missing::Missing;
use super::scope::{AorDomain, Rules};
use super::sets::Sets;

/// What makes the difference between a member and the user whom it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// `sip:100`, `100@abc.voip.ca`, `<sip:100@abc.voip.ca:5060;transport=udp>`, where the user is `100`.
    Longer,
    /// `100`, where the user is `100@abc.voip.ca`.
    Shorter,
    /// The set is that of `abc.voip.ca:5060`.
    Port,
    /// `Alice`, where case counts and the user is `alice`.
    Case,
    /// `+1555`, where the AoR is `+1555@`, of a tel: URI; `100`, where the AoR is `100` and others hold a domain.
    NoDomain,
}

/// A member who is not online, and the registered user whom it means under another reading.
pub struct OtherForm {
    pub member: MemberId,
    pub reading: Reading,
    /// As the registrar spells it.
    pub aor: Vec<u8>,
}

/// Finds registered users under other readings of a member: those who are missing and, where domains are ignored, those
/// for whom a member of another domain's set stands. For any other user a member of the same set stands already.
pub struct Readings<'a> {
    rules: &'a Rules,
    sets: &'a Sets,
    matches: &'a Matches,
    /// The missing in any case, where case counts.
    folded: Option<Missing>,
    elsewhere: Elsewhere<'a>,
}

impl<'a> Readings<'a> {
    pub fn new(rules: &'a Rules, sets: &'a Sets, matches: &'a Matches) -> Self {
        let folded = (rules.user_case == UserCase::Counts).then(|| {
            let mut folded = Missing::new(UserCase::Ignored);
            for (domain, users) in matches.missing.by_domain() {
                for user in users {
                    // They fit, as they do in `missing`.
                    let _ = folded.add(domain, matches.missing.user(user));
                }
            }
            folded
        });
        Self {
            rules,
            sets,
            matches,
            folded,
            elsewhere: Elsewhere {
                sets,
                matches,
                online_in: HashMap::default(),
            },
        }
    }

    /// Whether a member is online, as it stands or under another reading.
    pub fn is_online(&mut self, member: MemberId) -> bool {
        self.matches.is_online(member) || self.find(member).is_some()
    }

    /// Of a member who is not online as it stands. Readings may combine.
    pub fn find(&mut self, member: MemberId) -> Option<OtherForm> {
        let missing = self.folded.as_ref().unwrap_or(&self.matches.missing);
        let ignores_domain = self.rules.ignores_domain();
        if missing.count() == 0 && !ignores_domain {
            return None;
        }
        let domain = self.sets.domains.name(self.sets.domain_of(member));
        let host = without_port(domain);
        let without_port = host.unwrap_or(domain);
        // Among the missing of which domain, with which behind an `@`, and what that says.
        let mut places = match ignores_domain {
            true => vec![(&b""[..], domain, None)],
            false => {
                let of_no_set = domain.is_empty().then_some(Reading::NoDomain);
                vec![(domain, without_port, of_no_set)]
            }
        };
        if let Some(host) = host {
            let of = if ignores_domain { b"" } else { host };
            places.push((of, host, Some(Reading::Port)));
        }
        if !ignores_domain && missing.has_domain(b"") {
            places.push((b"", without_port, Some(Reading::NoDomain)));
        }
        let name = self.sets.member(member);
        for (missing_of, domain, of_place) in places {
            for (form, reading) in forms(name, domain, &self.rules.aor_domain) {
                let user = match (missing.find(missing_of, &form), reading) {
                    (Some(user), _) => missing.user(user),
                    (None, Some(_)) if ignores_domain && self.elsewhere.has(&form, member) => &form,
                    _ => continue,
                };
                let aor = match missing_of {
                    b"" => user.to_vec(),
                    domain => [user, b"@", domain].concat(),
                };
                return Some(OtherForm {
                    member,
                    reading: of_place.or(reading).unwrap_or(Reading::Case),
                    aor,
                });
            }
        }
        None
    }
}

/// Where domains are ignored: in which sets users stand.
struct Elsewhere<'a> {
    sets: &'a Sets,
    matches: &'a Matches,
    /// Of whom was found, the domains with an online member, ascending. One user may have thousands of spellings.
    online_in: HashMap<Found, Vec<DomainId>, RandomState>,
}

impl Elsewhere<'_> {
    /// Whether online members stand for this user, but none of the member's own domain.
    fn has(&mut self, user: &[u8], member: MemberId) -> bool {
        let mut batch = self.sets.batch(Aors::Whole);
        if batch.add(DomainId::NONE, user).is_err() {
            return false;
        }
        let found = self.sets.find(&batch)[0];
        let domains = self.online_in.entry(found).or_insert_with(|| {
            let standing = self.sets.by_domain(found).into_iter();
            let online = standing.filter(|member| self.matches.is_online(*member));
            let mut domains: Vec<_> = online.map(|member| self.sets.domain_of(member)).collect();
            domains.dedup();
            domains
        });
        let own = self.sets.domain_of(member);
        !domains.is_empty() && domains.binary_search(&own).is_err()
    }
}

/// The users whom a member of a domain's set may mean.
fn forms(member: &[u8], domain: &[u8], aor_domain: &AorDomain) -> Vec<(Vec<u8>, Option<Reading>)> {
    let mut forms = Vec::new();
    for member in [Some(member.to_vec()), unescaped(member)]
        .into_iter()
        .flatten()
    {
        let name = without_scheme(&member);
        let longer = (name.len() < member.len()).then_some(Reading::Longer);
        forms.push((name.to_vec(), longer));
        let user = match aor::split(name) {
            // Only where AoRs hold their domain another one makes another user.
            Some((_, of)) if *aor_domain == AorDomain::Own && !is_of(of, domain) => None,
            Some((user, _)) => Some(user),
            None => Some(name),
        };
        let parts = user.map(|user| [user, before(user, b';'), before(before(user, b';'), b':')]);
        let shorter = parts.into_iter().flatten();
        let shorter = shorter.filter(|part| part.len() < name.len());
        forms.extend(shorter.map(|part| (part.to_vec(), Some(Reading::Longer))));
        // With its domain a member is online already where domains are ignored, but for a scheme, a port or the case.
        let shorter = match aor_domain {
            AorDomain::Ignored => longer,
            AorDomain::Own | AorDomain::Default(_) => Some(Reading::Shorter),
        };
        forms.push(([name, b"@", domain].concat(), shorter));
        forms.push(([name, b"@"].concat(), Some(Reading::NoDomain)));
    }
    forms
}

/// Of a URI that may stand in angle brackets behind a name.
fn without_scheme(member: &[u8]) -> &[u8] {
    let member = member.trim_ascii();
    let uri = member
        .iter()
        .position(|byte| *byte == b'<')
        .map(|at| before(&member[at + 1..], b'>'));
    let without = |name: &'_ [u8]| {
        let colon = name.iter().position(|byte| *byte == b':')?;
        let scheme = &name[..colon];
        let is_known = |known: &&[u8]| scheme.eq_ignore_ascii_case(known);
        [&b"sip"[..], b"sips", b"tel"]
            .iter()
            .any(is_known)
            .then_some(colon + 1)
    };
    match uri.and_then(|uri| Some((uri, without(uri)?))) {
        Some((uri, at)) => &uri[at..],
        None => &member[without(member).unwrap_or(0)..],
    }
}

/// Whether this stands for the domain behind an `@`: with a port or parameters, too.
fn is_of(domain: &[u8], own: &[u8]) -> bool {
    let domain = before(before(domain, b';'), b'?');
    let is_own = |domain: &[u8]| domain.eq_ignore_ascii_case(own);
    is_own(domain) || without_port(domain).is_some_and(is_own)
}

/// The part before a byte, or all of it.
fn before(name: &[u8], byte: u8) -> &[u8] {
    name.split(|other| *other == byte).next().unwrap_or(name)
}

/// `abc.voip.ca` of `abc.voip.ca:5060`; an IPv6 address stands in brackets.
fn without_port(domain: &[u8]) -> Option<&[u8]> {
    let colon = domain.iter().rposition(|byte| *byte == b':')?;
    let (host, port) = (&domain[..colon], &domain[colon + 1..]);
    let in_brackets = host.contains(&b':') && !host.ends_with(b"]");
    let is_port = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    (is_port && !in_brackets && !host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{AorDomain, ExcludedUsers, Scope};

    /// The only member of all sets, where one user is missing.
    fn find(
        user_case: UserCase,
        aor_domain: AorDomain,
        (user, of): (&str, &str),
        domain: &str,
        member: &str,
    ) -> Option<OtherForm> {
        let mut sets = Sets::new(user_case);
        let key = sets.add_key(domain.as_bytes(), domain.as_bytes()).unwrap();
        let member = sets.add_member(key, member.as_bytes()).unwrap();
        let mut matches = Matches::nobody(&sets);
        matches.missing.add(of.as_bytes(), user.as_bytes()).unwrap();
        Readings::new(&rules(user_case, aor_domain), &sets, &matches).find(member)
    }

    fn rules(user_case: UserCase, aor_domain: AorDomain) -> Rules {
        Rules {
            user_case,
            prefix: b"ONLINE:".to_vec(),
            scope: Scope::new(&[], &[]).unwrap(),
            excluded: ExcludedUsers::default(),
            aor_domain,
            tables: Vec::new(),
        }
    }

    fn found(case: UserCase, aor: (&str, &str), domain: &str, member: &str) -> Option<Reading> {
        find(case, AorDomain::Own, aor, domain, member).map(|form| form.reading)
    }

    #[test]
    fn another_form_of_a_registered_user_is_found_and_another_user_is_not() {
        use Reading::*;
        for (user, domain, member, reading) in [
            ("100", "abc", "sip:100", Some(Longer)),
            ("100", "abc", "SIPS:100", Some(Longer)),
            ("100", "abc", "100@abc", Some(Longer)),
            ("100", "abc", "sip:100@ABC", Some(Longer)),
            ("a b", "abc", "sip%3aa%20b@abc", Some(Longer)),
            ("100", "abc:5060", "100", Some(Port)),
            ("100", "abc:5060", "sip:100@abc", Some(Port)),
            ("100@abc", "abc", "100", Some(Shorter)),
            ("100", "abc", "100@xyz", None),
            ("100", "abc", "tel:100", Some(Longer)),
            ("100", "abc", "sip:100@abc:5060", Some(Longer)),
            ("100", "abc", "100@abc;transport=udp", Some(Longer)),
            ("100", "abc", "sip:100:secret@abc:5060;lr?x=y", Some(Longer)),
            ("100", "abc", "100;phone-context=x", Some(Longer)),
            ("100", "abc", "\"Bob <b>\" <sip:100@abc>", None),
            ("100", "abc", "\"Bob\" <sip:100@abc>;tag=1", Some(Longer)),
            ("100", "abc", "100\t", Some(Longer)),
            ("100", "abc:5060", "100@abc:5060", Some(Port)),
            ("100", "abc", "xsip:100", None),
            ("100", "abc", "1000", None),
            ("100", "xyz", "sip:100", None),
            ("100", "abc:x", "100", None),
            ("", "abc", "@abc", Some(Longer)),
        ] {
            let found = found(UserCase::Ignored, (user, "abc"), domain, member);
            assert_eq!(found, reading, "{user} {domain} {member}");
        }
        let v6 = |domain| found(UserCase::Ignored, ("100", "[2001:db8::1]"), domain, "100");
        assert_eq!(v6("[2001:db8::1]:5060"), Some(Port));
        assert_eq!(
            found(UserCase::Ignored, ("1", "2001:db8:"), "2001:db8::1", "1"),
            None
        );
    }

    #[test]
    fn an_aor_that_is_of_no_set_may_be_the_member_of_any() {
        for (aor, domain, member) in [
            ("+1555@", "abc", "+1555"),
            ("+1555@", "abc", "tel:+1555"),
            ("+1555@", "", "+1555"),
            ("100", "abc", "100"),
            ("100", "", "100"),
            ("100", "abc:5060", "sip:100@abc"),
            ("e@m.org", "abc", "e@m.org"),
        ] {
            let reading = found(UserCase::Ignored, (aor, ""), domain, member);
            assert_eq!(reading, Some(Reading::NoDomain), "{aor} {domain} {member}");
        }
    }

    #[test]
    fn with_a_default_domain_a_member_may_hold_any() {
        let default = AorDomain::Default(b"abc".to_vec());
        for member in ["100@pbx", "sip:100@10.0.0.5:5060"] {
            let form = find(
                UserCase::Ignored,
                default.clone(),
                ("100", "abc"),
                "abc",
                member,
            );
            assert_eq!(form.unwrap().reading, Reading::Longer, "{member}");
        }
    }

    #[test]
    fn where_domains_are_ignored_a_form_may_hold_any_and_the_aor_its_own() {
        use Reading::*;
        for (aor, domain, member, reading) in [
            ("100", "abc", "sip:100", Some(Longer)),
            ("100", "abc", "100@abc", Some(Longer)),
            ("100", "abc", "sips:100@xyz", Some(Longer)),
            ("a b", "abc", "sip%3aa%20b@xyz", Some(Longer)),
            ("100@abc", "abc", "sip:100", Some(Longer)),
            ("100@abc", "abc", "sip:100@abc", Some(Longer)),
            ("100@abc", "abc:5060", "100", Some(Port)),
            ("100@abc:5060", "abc:5060", "sip:100", Some(Longer)),
            ("100@abc", "abc", "ALICE", None),
            ("100@xyz", "abc", "sip:100", None),
            ("100", "abc", "tel:100", Some(Longer)),
            ("100", "abc", "<sip:100@xyz:5060>", Some(Longer)),
            ("+1555@", "abc", "+1555", Some(NoDomain)),
            ("", "abc", "@xyz", Some(Longer)),
        ] {
            let found = find(
                UserCase::Ignored,
                AorDomain::Ignored,
                (aor, ""),
                domain,
                member,
            );
            assert!(found.iter().all(|form| form.aor == aor.as_bytes()));
            assert_eq!(
                found.map(|form| form.reading),
                reading,
                "{aor} {domain} {member}"
            );
        }
        let alice = |aor| {
            find(
                UserCase::Counts,
                AorDomain::Ignored,
                (aor, ""),
                "abc",
                "Alice",
            )
        };
        assert_eq!(alice("alice").unwrap().reading, Case);
        assert_eq!(alice("alice@abc").unwrap().reading, Case);
        assert!(alice("alice@xyz").is_none());
    }

    #[test]
    fn where_domains_are_ignored_a_member_of_another_set_may_stand_for_the_user() {
        let mut sets = Sets::new(UserCase::Ignored);
        for (domain, members) in [
            ("abc", &["100", "sip:100", "b", "b@xyz"][..]),
            (
                "xyz",
                &["sip:100", "sip:b", "sip:gone", "%73ip:100", "100@abc", "c"],
            ),
            ("other", &["gone", "c"]),
        ] {
            let key = sets.add_key(domain.as_bytes(), domain.as_bytes()).unwrap();
            for member in members {
                sets.add_member(key, member.as_bytes()).unwrap();
            }
        }
        let mut batch = sets.batch(Aors::Whole);
        for aor in ["100", "b", "c@other"] {
            batch.add(DomainId::NONE, aor.as_bytes()).unwrap();
        }
        let matches = Matches::of(&sets, [batch]).unwrap();
        let rules = rules(UserCase::Ignored, AorDomain::Ignored);
        let mut readings = Readings::new(&rules, &sets, &matches);
        let others = sets
            .members()
            .filter(|member| readings.find(*member).is_some());
        let text = |bytes| str::from_utf8(bytes).unwrap();
        assert_eq!(
            others
                .map(|member| (text(sets.key_name(member)), text(sets.member(member))))
                .collect::<Vec<_>>(),
            [
                ("xyz", "sip:100"),
                ("xyz", "sip:b"),
                ("xyz", "%73ip:100"),
                ("xyz", "100@abc"),
            ],
            "abc has the right members beside its leftovers, and c is of another domain"
        );
    }

    #[test]
    fn where_case_counts_another_case_is_another_form() {
        let counts = |member| found(UserCase::Counts, ("alice", "abc"), "abc", member);
        assert_eq!(counts("Alice"), Some(Reading::Case));
        assert_eq!(counts("sip:ALICE@abc"), Some(Reading::Longer));
        assert_eq!(counts("Bob"), None);
    }
}
