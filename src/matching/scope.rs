//! What counts: which domains (`--domain`, `--exclude-domain`), users (`--exclude-user`), keys and usrloc tables, and how
//! users are compared.

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::aor::{UserCase, unescaped};
use crate::failure::Failure;

/// How AoRs and sets are matched.
pub struct Rules {
    pub user_case: UserCase,
    /// Of the keys (`--prefix`).
    pub prefix: Vec<u8>,
    pub scope: Scope,
    pub excluded: ExcludedUsers,
    /// The domain of every AoR, for registrars with `use_domain` 0.
    pub default_domain: Option<Vec<u8>>,
    /// The usrloc tables that count; none means every one.
    pub tables: Vec<String>,
}

impl Rules {
    /// Whether the sets and the users of a domain count: with `--default-domain`, of that one only.
    pub fn counts(&self, domain: &[u8]) -> bool {
        self.scope.contains(domain) && !self.is_other(domain)
    }

    /// Whether `--default-domain` leaves the set of a domain alone.
    pub fn is_other(&self, domain: &[u8]) -> bool {
        let own = self.default_domain.as_ref();
        own.is_some_and(|own| !own.eq_ignore_ascii_case(domain))
    }
}

/// Domains out of scope are never read, so never stale, and never written.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What `only` is made of.
    given: Vec<String>,
    only: Option<RegexSet>,
    except: Option<RegexSet>,
}

impl Scope {
    /// Each pattern must match the whole domain, in any case; no `--domain` means every domain.
    pub fn new(only: &[String], except: &[String]) -> Result<Self, Failure> {
        Ok(Self {
            given: only.to_vec(),
            only: whole("--domain", only, UserCase::Ignored)?,
            except: whole("--exclude-domain", except, UserCase::Ignored)?,
        })
    }

    /// The `--domain` patterns that match none of these.
    pub fn unmatched<'a>(&self, domains: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
        let Some(only) = &self.only else {
            return Vec::new();
        };
        let mut matched = vec![false; only.len()];
        for domain in domains {
            for pattern in only.matches(domain) {
                matched[pattern] = true;
            }
        }
        let patterns = self.given.iter().zip(matched);
        let unmatched = patterns.filter(|(_, matched)| !matched);
        unmatched.map(|(pattern, _)| pattern.clone()).collect()
    }

    pub fn contains(&self, domain: &[u8]) -> bool {
        let matches = |patterns: &RegexSet| patterns.is_match(domain);
        self.only.as_ref().is_none_or(matches) && !self.except.as_ref().is_some_and(matches)
    }
}

/// Trunks, probes, members of other applications: neither removed, nor added, nor counted.
#[derive(Clone, Debug, Default)]
pub struct ExcludedUsers(Option<RegexSet>);

impl ExcludedUsers {
    /// Each pattern must match the whole user.
    pub fn new(patterns: &[String], case: UserCase) -> Result<Self, Failure> {
        whole("--exclude-user", patterns, case).map(Self)
    }

    /// Whether a member is one of them, as it is or %-unescaped; or a user, since whom a run adds is a member of the next.
    pub fn contains(&self, name: &[u8]) -> bool {
        let matches = |users: &RegexSet| {
            users.is_match(name) || unescaped(name).is_some_and(|plain| users.is_match(&plain))
        };
        self.0.as_ref().is_some_and(matches)
    }
}

/// Domains and users are bytes, so the patterns are too: `.` matches any byte but a line feed. No patterns are None.
fn whole(option: &str, patterns: &[String], case: UserCase) -> Result<Option<RegexSet>, Failure> {
    if patterns.is_empty() {
        return Ok(None);
    }
    // Each is compiled alone first: `a)(b` would balance inside the anchors.
    let compile = |patterns: &[String]| {
        RegexSetBuilder::new(patterns).case_insensitive(case == UserCase::Ignored).unicode(false).build().map_err(|error| {
            Failure::usage(format!("{option}: {}", error.to_string().lines().last().unwrap_or_default()))
                .hint("write it as https://docs.rs/regex describes, for instance (abc|xyz)\\.voip\\.ca")
        })
    };
    compile(patterns)?;
    let whole = patterns.iter().map(|pattern| format!("^(?:{pattern})$"));
    compile(&whole.collect::<Vec<_>>()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(only: &[&str], except: &[&str]) -> Scope {
        let owned =
            |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
        Scope::new(&owned(only), &owned(except)).unwrap()
    }

    #[test]
    fn a_pattern_matches_the_whole_domain_in_any_case() {
        let scope = scope(&["abc|xyz\\.voip\\.ca"], &[]);
        assert!(scope.contains(b"abc") && scope.contains(b"XYZ.voip.ca"));
        assert!(!scope.contains(b"abc.voip.ca") && !scope.contains(b"xyz.voip.ca.evil"));
    }

    #[test]
    fn exclusion_wins_and_no_pattern_is_every_domain() {
        assert!(scope(&[], &[]).contains(b"\xff"));
        let scope = scope(&[".*\\.ca"], &["test\\..*"]);
        assert!(
            scope.contains(b"\xff.ca")
                && !scope.contains(b"test.voip.ca")
                && !scope.contains(b"abc.com")
        );
    }

    #[test]
    fn the_patterns_that_match_no_domain_are_told_as_they_were_given() {
        let scope = scope(&["abc", "x(y)z", ".*\\.ca"], &[]);
        let unmatched = |domains: &[&[u8]]| scope.unmatched(domains.iter().copied());
        assert_eq!(unmatched(&[b"ABC", b"a.ca"]), ["x(y)z"]);
        assert_eq!(unmatched(&[b"xyz"]), ["abc", ".*\\.ca"]);
    }

    #[test]
    fn a_member_is_excluded_by_either_of_its_forms_and_whole() {
        let excluded = |pattern: &str, case| ExcludedUsers::new(&[pattern.into()], case).unwrap();
        let users = excluded("a b|trunk-.*|pc%25z", UserCase::Ignored);
        for member in ["a b", "A%20b", "Trunk-1", "tr%75nk-1", "pc%25z"] {
            assert!(users.contains(member.as_bytes()), "{member}");
        }
        assert!(!users.contains(b"my-trunk-1") && !users.contains(b"a bc"));
        let users = excluded("trunk", UserCase::Counts);
        assert!(users.contains(b"trunk") && !users.contains(b"Trunk"));
        assert!(!ExcludedUsers::default().contains(b""));
    }

    #[test]
    fn a_pattern_that_is_no_regex_is_wrong_usage() {
        for pattern in ["(", "a)|(b", "["] {
            let failure = Scope::new(&[pattern.to_string()], &[]).unwrap_err();
            assert!(failure.to_string().starts_with("--domain: "), "{failure}");
        }
    }
}
