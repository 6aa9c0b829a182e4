//! The vocabulary: an address of record, its domain and its user, and when two users are the same one.
//!
//! Users and domains are bytes: a registrar stores whatever a phone sent, valid UTF-8 or not.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Splits an AoR at its last `@` into user and domain; `None` without one.
///
/// The user may hold an `@` of its own (`x@y@abc.voip.ca`, from `sip:x%40y@abc.voip.ca`), a domain cannot.
pub fn split(aor: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr(b'@', aor)?;
    Some((&aor[..at], &aor[at + 1..]))
}

/// Whether an AoR has no user, or an `@` and no domain: it belongs to no set.
pub fn is_of_no_set(aor: &[u8]) -> bool {
    aor.is_empty() || aor.ends_with(b"@")
}

/// Whether the case of a user counts. That of a domain never does (RFC 3261, 19.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserCase {
    /// `Alice` and `alice` are one user, as for a registrar with `case_sensitive` 0, the default.
    Ignored,
    /// `Alice` and `alice` are two, as with `case_sensitive` 1.
    Counts,
}

impl UserCase {
    /// The form in which users are compared. Only ASCII letters have a case, as in Kamailio.
    pub fn fold(self, user: &[u8]) -> Cow<'_, [u8]> {
        match self {
            UserCase::Ignored if user.iter().any(u8::is_ascii_uppercase) => {
                user.to_ascii_lowercase().into()
            }
            _ => user.into(),
        }
    }

    pub fn same(self, a: &[u8], b: &[u8]) -> bool {
        match self {
            UserCase::Ignored => a == b || a.eq_ignore_ascii_case(b),
            UserCase::Counts => a == b,
        }
    }

    /// Whether `member` stands for `user`: as it is, or %-unescaped, since kamailio.cfg's `$fU` is as the phone sent it
    /// (`a%20b`) while the registrar stores the unescaped user (`a b`).
    pub fn stands_for(self, member: &[u8], user: &[u8]) -> bool {
        self.same(member, user) || unescaped(member).is_some_and(|plain| self.same(&plain, user))
    }
}

/// The %-unescaped form of a member, if it has an escape (RFC 3261, 25.1: `%` and two hexadecimal digits).
/// Any other `%` stands for itself, so that `pc%z` and `pc%25z` are one user.
pub fn unescaped(member: &[u8]) -> Option<Vec<u8>> {
    // Hardly any has one, and a million of them are looked at.
    memchr::memchr(b'%', member)?;
    match percent_decode(member).into() {
        Cow::Owned(plain) => Some(plain),
        Cow::Borrowed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aor_is_split_at_its_last_at() {
        assert_eq!(
            split(b"100@abc.voip.ca"),
            Some((&b"100"[..], &b"abc.voip.ca"[..]))
        );
        assert_eq!(
            split(b"x@y@abc.voip.ca"),
            Some((&b"x@y"[..], &b"abc.voip.ca"[..]))
        );
        assert_eq!(
            split(b"v6@[2001:db8::1]"),
            Some((&b"v6"[..], &b"[2001:db8::1]"[..]))
        );
        assert_eq!(split(b"abc.voip.ca"), None);
    }

    #[test]
    fn a_member_stands_for_itself_or_for_its_unescaped_form() {
        let stands_for = |member: &[u8], user: &[u8]| UserCase::Ignored.stands_for(member, user);
        assert!(stands_for(b"a%20b", b"a b"));
        assert!(stands_for(b"Bob%3cBR%2F%3Eq", b"bob<br/>q"));
        assert!(stands_for(b"pc%z", b"pc%z") && stands_for(b"pc%25z", b"pc%z"));
        assert!(stands_for(b"pc%25z", b"pc%25z"));
        assert!(
            !stands_for(b"a b", b"a%20b"),
            "only the member is unescaped, the AoR is already"
        );
        assert!(!stands_for(b"100", b"1000") && !stands_for(b"", b"%"));
    }

    #[test]
    fn the_case_of_a_user_counts_only_when_asked() {
        assert!(UserCase::Ignored.stands_for(b"Alice", b"alice"));
        assert!(!UserCase::Counts.stands_for(b"Alice", b"alice"));
        assert!(!UserCase::Ignored.stands_for("Ü".as_bytes(), "ü".as_bytes()));
        assert_eq!(UserCase::Ignored.fold(b"Alice"), &b"alice"[..]);
        assert_eq!(UserCase::Counts.fold(b"Alice"), &b"Alice"[..]);
    }

    #[test]
    fn a_percent_sign_without_two_digits_stands_for_itself() {
        assert_eq!(unescaped(b"100"), None);
        assert_eq!(unescaped(b"100%"), None);
        assert_eq!(unescaped(b"%4"), None);
        assert_eq!(unescaped(b"%%41"), Some(b"%A".to_vec()));
        assert_eq!(unescaped(b"%00%fF"), Some(vec![0, 0xff]));
    }
}
