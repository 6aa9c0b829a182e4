//! What counts: which domains (`--domain`, `--exclude-domain`), users (`--exclude-user`), keys and usrloc tables, and how
//! users are compared.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use regex::{RegexSet, RegexSetBuilder};

use super::aor::{self, UserCase, unescaped};
use crate::failure::Failure;

/// How AoRs and sets are matched.
pub struct Rules {
    pub user_case: UserCase,
    /// Of the keys (`--prefix`).
    pub prefix: Vec<u8>,
    pub scope: Scope,
    pub excluded: ExcludedUsers,
    pub aor_domain: AorDomain,
    /// The usrloc tables that count; none means every one.
    pub tables: Vec<String>,
}

/// Which domain an AoR is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AorDomain {
    /// The one that it holds.
    #[default]
    Own,
    /// This one, in lower case, whatever it holds (`--default-domain`, for registrars with `use_domain` 0).
    Default(Vec<u8>),
    /// Every one that has a set (`--ignore-domain`, for the same); and the one that it holds, if it holds one.
    Ignored,
}

impl Rules {
    /// Whether the sets and the users of a domain count: with `--default-domain`, of that one only.
    pub fn counts(&self, domain: &[u8]) -> bool {
        self.scope.contains(domain) && !self.is_other(domain)
    }

    /// Whether `--default-domain` leaves the set of a domain alone.
    pub fn is_other(&self, domain: &[u8]) -> bool {
        matches!(&self.aor_domain, AorDomain::Default(own) if !own.eq_ignore_ascii_case(domain))
    }

    pub fn ignores_domain(&self) -> bool {
        self.aor_domain == AorDomain::Ignored
    }

    /// Whether a user in no set is known to be in scope. With `--ignore-domain` a set out of scope may hold them.
    pub fn knows_missing(&self) -> bool {
        !self.ignores_domain() || self.scope.is_whole()
    }

    /// Whether a missing user is excluded, with `--ignore-domain` by either reading of their AoR; or is of no set.
    pub fn excludes(&self, domain: &[u8], user: &[u8]) -> bool {
        let split = || aor::split(user).filter(|_| self.ignores_domain());
        let is_of_no_set = domain.is_empty() && (!self.ignores_domain() || aor::is_of_no_set(user));
        // First, so that a pattern for such users has matched.
        self.excluded.contains(user)
            || split().is_some_and(|(user, _)| self.excluded.contains(user))
            || is_of_no_set
    }

    /// The patterns that have matched nothing in this run, with their option.
    pub fn unmatched(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [&self.scope.only, &self.scope.except, &self.excluded.0]
            .into_iter()
            .flat_map(|patterns| {
                patterns
                    .unmatched()
                    .map(|pattern| (patterns.option, pattern))
            })
    }
}

/// Domains out of scope are never read, so never stale, and never written.
pub struct Scope {
    only: Patterns,
    except: Patterns,
}

impl Scope {
    /// No `--domain` means every domain. The case of a domain never counts.
    pub fn new(only: &[String], except: &[String]) -> Result<Self, Failure> {
        Ok(Self {
            only: Patterns::new("--domain", only, UserCase::Ignored)?,
            except: Patterns::new("--exclude-domain", except, UserCase::Ignored)?,
        })
    }

    /// Whether every domain is in scope.
    fn is_whole(&self) -> bool {
        self.only.given.is_empty() && self.except.given.is_empty()
    }

    pub fn contains(&self, domain: &[u8]) -> bool {
        // Both are asked, so that a pattern that another one overrules has matched all the same.
        let is_wanted = self.only.given.is_empty() || self.only.contain(domain);
        !self.except.contain(domain) && is_wanted
    }
}

/// Trunks, probes, members of other applications: neither removed, nor added, nor counted.
#[derive(Default)]
pub struct ExcludedUsers(Patterns);

impl ExcludedUsers {
    pub fn new(patterns: &[String], case: UserCase) -> Result<Self, Failure> {
        Patterns::new("--exclude-user", patterns, case).map(Self)
    }

    /// Whether a member is one of them, as it is or %-unescaped; or a user, since whom a run adds is a member of the next.
    pub fn contains(&self, name: &[u8]) -> bool {
        let Self(patterns) = self;
        !patterns.given.is_empty()
            && (patterns.contain(name)
                || unescaped(name).is_some_and(|plain| patterns.contain(&plain)))
    }
}

/// The values of one option. Each must match a whole name.
#[derive(Default)]
struct Patterns {
    option: &'static str,
    given: Vec<String>,
    set: RegexSet,
    /// Of each, whether it has matched a name. A dump is matched by several threads.
    matched: Vec<AtomicBool>,
}

impl Patterns {
    fn new(option: &'static str, given: &[String], case: UserCase) -> Result<Self, Failure> {
        // Each is compiled alone first: `a)(b` would balance inside the anchors.
        let compile = |patterns: &[String]| {
            RegexSetBuilder::new(patterns)
                .case_insensitive(case == UserCase::Ignored)
                .dot_matches_new_line(true)
                .build()
                .map_err(|error| {
                    let error = error.to_string();
                    let why = error.lines().last().unwrap_or_default();
                    Failure::usage(format!("{option}: {why}"))
                        .hint("write it as https://docs.rs/regex describes, for instance (abc|xyz)\\.voip\\.ca")
                })
        };
        compile(given)?;
        let whole = given.iter().map(|pattern| format!("^(?:{pattern})$"));
        Ok(Self {
            option,
            given: given.to_vec(),
            set: compile(&whole.collect::<Vec<_>>())?,
            matched: given.iter().map(|_| AtomicBool::new(false)).collect(),
        })
    }

    fn contain(&self, name: &[u8]) -> bool {
        if self.given.is_empty() {
            return false;
        }
        let name = characters(name);
        let is_match = self.set.is_match(&name);
        if is_match && self.unmatched().next().is_some() {
            for pattern in self.set.matches(&name) {
                self.matched[pattern].store(true, Ordering::Relaxed);
            }
        }
        is_match
    }

    fn unmatched(&self) -> impl Iterator<Item = &str> {
        let patterns = self.given.iter().zip(&self.matched);
        let unmatched = patterns.filter(|(_, matched)| !matched.load(Ordering::Relaxed));
        unmatched.map(|(pattern, _)| pattern.as_str())
    }
}

/// What a pattern matches. A name that is not UTF-8 is taken for Latin-1: a dot is one byte, `\xff` the byte 255.
fn characters(name: &[u8]) -> Cow<'_, str> {
    let latin_1 = |_| name.iter().copied().map(char::from).collect();
    str::from_utf8(name).map_or_else(latin_1, Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Rules {
        /// All domains, users and tables count.
        pub fn of_all(user_case: UserCase, aor_domain: AorDomain) -> Self {
            Self {
                user_case,
                prefix: b"ONLINE:".to_vec(),
                scope: Scope::new(&[], &[]).unwrap(),
                excluded: ExcludedUsers::default(),
                aor_domain,
                tables: Vec::new(),
            }
        }
    }

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
    fn the_patterns_that_have_matched_nothing_are_told_as_they_were_given() {
        let owned = |pattern: &&str| pattern.to_string();
        let rules = |domains: &[&[u8]], users: &[&[u8]]| {
            let excluded = ["trunk", "(?-i)A b"].each_ref().map(owned);
            let rules = Rules {
                user_case: UserCase::Ignored,
                prefix: Vec::new(),
                scope: scope(&["abc", "x(y)z", ".*\\.ca"], &["test\\..*", "b.ca"]),
                excluded: ExcludedUsers::new(&excluded, UserCase::Ignored).unwrap(),
                aor_domain: AorDomain::Own,
                tables: Vec::new(),
            };
            for domain in domains {
                rules.scope.contains(domain);
            }
            for user in users {
                rules.excluded.contains(user);
            }
            let unmatched = rules.unmatched().map(|(_, pattern)| pattern.to_owned());
            unmatched.collect::<Vec<_>>()
        };
        assert_eq!(
            rules(&[b"ABC", b"a.ca", b"b.ca"], &[b"A%20b"]),
            ["x(y)z", "test\\..*", "trunk"]
        );
        assert_eq!(
            rules(&[b"xyz", b"test.ca"], &[b"a b", b"TRUNK"]),
            ["abc", "b.ca", "(?-i)A b"]
        );
    }

    #[test]
    fn a_pattern_matches_characters_and_a_name_that_is_not_utf_8_as_latin_1() {
        let matches = |pattern: &str, name: &[u8]| {
            let users = ExcludedUsers::new(&[pattern.into()], UserCase::Ignored).unwrap();
            users.contains(name)
        };
        for (pattern, name) in [
            ("ü.*", "Ü1"),
            ("\\w+", "bär"),
            ("b.r", "bär"),
            ("[äöü]", "Ö"),
            ("b.r", "b%C3%A4r"),
            ("a.b", "a\nb"),
        ] {
            assert!(matches(pattern, name.as_bytes()), "{pattern} {name}");
        }
        assert!(!matches("b..r", "bär".as_bytes()));
        assert!(matches("a.b", b"a\xffb") && matches("a\\xffb", b"a\xffb"));
        assert!(matches("b.r", b"b\xe4r") && matches("bär", b"b\xe4r"));
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
            let failure = Scope::new(&[pattern.to_string()], &[]).err().unwrap();
            assert!(failure.to_string().starts_with("--domain: "), "{failure}");
        }
    }
}
