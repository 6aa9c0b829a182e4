//! Other readings of a member: the forms in which a kamailio.cfg may have written a user who is registered.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::aor::{self, UserCase};
use super::batch::Aors;
use super::forms::{Reading, forms, is_user_alone, names_above, other_domains, without_port};
use super::ids::{DomainId, MemberId};
use super::index::Found;
use super::matches::Matches;
use super::missing::Missing;
use super::scope::{AorDomain, Rules};
use super::sets::Sets;

/// A member who is not online, and the registered user whom it means under another reading.
pub struct OtherForm {
    pub member: MemberId,
    pub reading: Reading,
    /// As the registrar spells it.
    pub aor: Vec<u8>,
}

/// Finds registered users under other readings of a member: those who are missing and, where domains are ignored or the
/// member holds another one, those for whom a member of another domain's set stands. For any other user a member of the
/// same set stands already.
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
                ignores_domain: rules.ignores_domain(),
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
        let name = self.sets.member(member);
        if missing.count() == 0 && !ignores_domain && is_user_alone(name) {
            return None;
        }
        for place in places(self.rules, self.sets, member) {
            let of = &place.of[..];
            let is_other = place.reading == Some(Reading::OtherDomain);
            if of.is_empty() && !missing.has_domain(of) && !ignores_domain {
                continue;
            }
            for (form, reading) in forms(name, of, &place.behind, &self.rules.aor_domain) {
                let may_be_elsewhere = is_other || ignores_domain && reading.is_some();
                let user = match missing.find(of, &form) {
                    Some(user) => missing.user(user),
                    None if may_be_elsewhere && self.elsewhere.has(of, &form, member) => &form,
                    None => continue,
                };
                return Some(OtherForm {
                    member,
                    reading: place.reading.or(reading).unwrap_or(Reading::Case),
                    aor: match of {
                        b"" => user.to_vec(),
                        domain => [user, b"@", domain].concat(),
                    },
                });
            }
        }
        None
    }
}

/// Where the users are whom a member may mean.
struct Place<'s> {
    /// Their domain, unless they have none or it is ignored.
    of: Cow<'s, [u8]>,
    /// What may stand behind an `@`.
    behind: Cow<'s, [u8]>,
    /// What it says that they are there.
    reading: Option<Reading>,
}

fn places<'s>(rules: &Rules, sets: &'s Sets, member: MemberId) -> Vec<Place<'s>> {
    let domain = sets.domains.name(sets.domain_of(member));
    let host = without_port(domain);
    let behind = host.unwrap_or(domain);
    let place = |of: &'s [u8], behind: &'s [u8], reading| Place {
        of: of.into(),
        behind: behind.into(),
        reading,
    };
    let mut places = Vec::new();
    if rules.ignores_domain() {
        places.push(place(b"", domain, None));
        places.extend(host.map(|host| place(b"", host, Some(Reading::Port))));
        return places;
    }
    if !domain.is_empty() {
        places.push(place(domain, behind, None));
    }
    places.extend(host.map(|host| place(host, behind, Some(Reading::Port))));
    let aliases = other_names(rules, sets, sets.domain_of(member));
    places.extend(aliases.map(|alias| place(alias, behind, Some(Reading::Alias))));
    places.push(place(b"", behind, Some(Reading::NoDomain)));
    if rules.aor_domain == AorDomain::Own {
        let others = other_domains(sets.member(member), behind).into_iter();
        places.extend(others.map(|other| Place {
            of: other.clone().into(),
            behind: other.into(),
            reading: Some(Reading::OtherDomain),
        }));
    }
    places
}

/// Other names of a domain: those that its users tell, and those out of scope, of which `realm_prefix` may leave it.
fn other_names<'s>(
    rules: &Rules,
    sets: &'s Sets,
    domain: DomainId,
) -> impl Iterator<Item = &'s [u8]> {
    let told = sets.aliases.get(&domain).into_iter().flatten();
    let out_of_scope = names_above(sets.domains.name(domain)).filter(|name| !rules.counts(name));
    told.map(|name| &name[..]).chain(out_of_scope)
}

/// The users whom members who are not online may mean when they register later, unless a member stands for them.
pub fn meant_by(rules: &Rules, sets: &Sets, members: impl Iterator<Item = MemberId>) -> Missing {
    meant(rules, sets, members, rules.user_case, |_| true)
}

/// The users of domains out of scope whom members may mean.
pub fn meant_out_of_scope(rules: &Rules, sets: &Sets) -> Missing {
    let is_out = |domain: &[u8]| !domain.is_empty() && !rules.counts(domain);
    meant(rules, sets, sets.members(), UserCase::Ignored, is_out)
}

fn meant(
    rules: &Rules,
    sets: &Sets,
    members: impl Iterator<Item = MemberId>,
    user_case: UserCase,
    is_wanted: impl Fn(&[u8]) -> bool,
) -> Missing {
    let mut meant = Missing::new(user_case);
    let is_default = matches!(rules.aor_domain, AorDomain::Default(_));
    let has_one_name = |domain| {
        let has_port = memchr::memchr(b':', sets.domains.name(domain)).is_some();
        !has_port && other_names(rules, sets, domain).next().is_none()
    };
    let have_one_name: Vec<_> = sets.domains.ids().map(has_one_name).collect();
    for member in members {
        let name = sets.member(member);
        // Hardly any other is stale.
        if !is_default && is_user_alone(name) && have_one_name[sets.domain_of(member).index()] {
            continue;
        }
        for place in places(rules, sets, member) {
            // Users of no set are looked for in any case.
            if place.reading == Some(Reading::NoDomain) || !is_wanted(&place.of) {
                continue;
            }
            for (form, reading) in forms(name, &place.of, &place.behind, &rules.aor_domain) {
                let counts = match place.reading.or(reading) {
                    Some(
                        Reading::Longer | Reading::Port | Reading::OtherDomain | Reading::Alias,
                    ) => true,
                    Some(Reading::Shorter) => is_default,
                    Some(Reading::NoDomain | Reading::Case) | None => false,
                };
                if counts && !is_there(rules, sets, &place.of, &form) {
                    // No more than the members, but for a few forms.
                    let _ = meant.add(&place.of, &form);
                }
            }
        }
    }
    meant
}

/// Whether a member stands for a user of a domain.
fn is_there(rules: &Rules, sets: &Sets, domain: &[u8], user: &[u8]) -> bool {
    let finds = |aors, group, user| !sets.find_one(aors, group, user).is_nobody();
    let has = |domain, user| {
        let domain = sets.domains.find(domain);
        domain.is_some_and(|domain| finds(Aors::AsDumped, domain, user))
    };
    match rules.ignores_domain() {
        true => {
            finds(Aors::Whole, DomainId::NONE, user)
                || aor::split(user).is_some_and(|(user, domain)| has(domain, user))
        }
        false => has(domain, user),
    }
}

/// In which sets users stand whom members of other sets may mean.
struct Elsewhere<'a> {
    sets: &'a Sets,
    matches: &'a Matches,
    ignores_domain: bool,
    /// Of whom was found, the domains with an online member, ascending. One user may have thousands of spellings.
    online_in: HashMap<Found, Vec<DomainId>, RandomState>,
}

impl Elsewhere<'_> {
    /// Whether online members stand for this user of a domain, or of any where that is ignored, but none of the member's
    /// own domain.
    fn has(&mut self, of: &[u8], user: &[u8], member: MemberId) -> bool {
        let (aors, group) = match (self.ignores_domain, self.sets.domains.find(of)) {
            (true, _) => (Aors::Whole, DomainId::NONE),
            (false, Some(domain)) => (Aors::AsDumped, domain),
            (false, None) => return false,
        };
        let found = self.sets.find_one(aors, group, user);
        let domains = self.online_in.entry(found).or_insert_with(|| {
            let standing = self.sets.by_domain(aors.among(), found).into_iter();
            let online = standing.filter(|member| self.matches.is_online(*member));
            let mut domains: Vec<_> = online.map(|member| self.sets.domain_of(member)).collect();
            domains.dedup();
            domains
        });
        let own = self.sets.domain_of(member);
        !domains.is_empty() && domains.binary_search(&own).is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::AorDomain;

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
        Readings::new(&Rules::of_all(user_case, aor_domain), &sets, &matches).find(member)
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
    fn a_member_may_be_the_whole_aor_of_another_domain() {
        for member in [
            "e@m.org",
            "E%40M.org",
            "sip:e:x@m.org:5060;lr",
            "<sip:e@m.org>",
        ] {
            let reading = found(UserCase::Ignored, ("e", "m.org"), "abc", member);
            assert_eq!(reading, Some(Reading::OtherDomain), "{member}");
        }
        let mut sets = Sets::new(UserCase::Ignored);
        for (domain, members) in [("abc", ["e@m.org", "gone@m.org"]), ("m.org", ["e", "gone"])] {
            let key = sets.add_key(domain.as_bytes(), domain.as_bytes()).unwrap();
            for member in members {
                sets.add_member(key, member.as_bytes()).unwrap();
            }
        }
        let mut batch = sets.batch(Aors::AsDumped);
        batch
            .add(sets.domains.find(b"m.org").unwrap(), b"e")
            .unwrap();
        let matches = Matches::of(&sets, [batch]).unwrap();
        let rules = Rules::of_all(UserCase::Ignored, AorDomain::Own);
        let mut readings = Readings::new(&rules, &sets, &matches);
        let online = sets.members().filter(|member| readings.is_online(*member));
        let online: Vec<_> = online.map(|member| sets.member(member)).collect();
        assert_eq!(
            online,
            [&b"e@m.org"[..], b"e"],
            "in the set of that domain, too"
        );
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
        for member in ["u@m.org:5060", "sip:u@m.org;lr", "<sip:u@m.org:5060?x=y>"] {
            let of = ("u@m.org", "abc");
            let form = find(UserCase::Ignored, default.clone(), of, "abc", member);
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
        let rules = Rules::of_all(UserCase::Ignored, AorDomain::Ignored);
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
