//! Names from outside as they may be printed: a phone chooses its user name, so it may hold anything.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The bytes that one text takes where it is shown: a name in a SIP message may have 64 KiB.
const MOST_SHOWN: usize = 1 << 10;

/// Bytes from Redis or Kamailio, safe on a terminal: what is not printable text is escaped as in a string literal
/// (`\u{1b}`), bytes that are not UTF-8 as `\xff`, and a backslash is doubled. Of a long text its start is shown.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = MOST_SHOWN;
        let mut fits = |bytes: usize| {
            let left = room.checked_sub(bytes);
            room = left.unwrap_or_default();
            left.is_some()
        };
        let ends = |f: &mut fmt::Formatter<'_>| write!(f, "... ({} bytes)", self.0.len());
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                let escape = char.escape_debug();
                let is_escaped = char == '\\' || is_unseen(char);
                match is_escaped {
                    true if fits(escape.len()) => write!(f, "{escape}")?,
                    false if fits(char.len_utf8()) => f.write_char(char)?,
                    _ => return ends(f),
                }
            }
            for byte in chunk.invalid() {
                match fits(r"\xff".len()) {
                    true => write!(f, "\\x{byte:02x}")?,
                    false => return ends(f),
                }
            }
        }
        Ok(())
    }
}

/// Control, bidirectional, zero-width and other characters that are not printed as themselves.
pub fn is_unseen(char: char) -> bool {
    !matches!(char, '"' | '\'' | '\\') && char.escape_debug().len() > 1
}

/// A URL without its user, password and query, where `unix://` may have a password too. What is none is shown whole, unless
/// it may be `USER:PASSWORD@HOST`.
pub fn without_secrets(url: &str) -> String {
    let before_query = |text: &str| text.split(['?', '#']).next().unwrap_or_default().to_owned();
    let Some((scheme, rest)) = url.split_once("://") else {
        return match (url.split_once(':'), url.rsplit_once('@')) {
            (None, _) => url.to_owned(),
            (Some((scheme, _)), Some((_, host))) if !scheme.ends_with("unix") => {
                format!("...@{host}")
            }
            // As unix:/run/redis.sock?pass=...
            _ => before_query(url),
        };
    };
    let host = match rest.rsplit_once('@') {
        Some((_, host)) if !scheme.ends_with("unix") => host,
        _ => rest,
    };
    format!("{scheme}://{}", before_query(host))
}

/// The words of an error of the system, without its number: `Connection refused`.
pub fn without_number(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// What the system's resolver says of a name, and what to do then.
pub const NO_SUCH_NAME: &str = "failed to lookup address information";
pub const CHECK_THE_NAME: &str =
    "check it with getent hosts NAME, which asks as kamonline does: /etc/hosts, then DNS";

/// The first of many lines, and how many more there are: of one kind of warning a few tell all.
pub fn first_lines(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    const FIRST: usize = 20;
    let mut lines = lines.into_iter();
    let mut first: Vec<_> = lines.by_ref().take(FIRST).collect();
    match lines.count() {
        0 => {}
        more => first.push(format!("and {more} more of this kind")),
    }
    first
}

/// `1 user`, `2 users`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A clock before 1970 or after 9999 is shown as the nearest time that has four digits for its year.
pub fn rfc3339(time: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since.min(LAST)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_is_shown_as_near_as_four_digits_go() {
        let before = UNIX_EPOCH - Duration::from_secs(86_400 * 365 * 100);
        let after = UNIX_EPOCH + Duration::from_secs(400_000_000_000);
        assert_eq!(rfc3339(before), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(after), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("redis://me:secret@host:1/2", "redis://host:1/2"),
            ("redis://:s/e?c#r@et@host", "redis://host"),
            (
                "unix:///run/redis.sock?pass=se@cret",
                "unix:///run/redis.sock",
            ),
            ("http://host/rpc", "http://host/rpc"),
            ("no url", "no url"),
            ("abc#", "abc#"),
            ("abc?", "abc?"),
            ("100@voip.ca", "100@voip.ca"),
            ("me:s3c@ret#@host", "...@host"),
            ("unix:/run/redis.sock?pass=secret", "unix:/run/redis.sock"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn nothing_that_moves_a_cursor_or_hides_gets_through() {
        let shown = |bytes: &[u8]| Escaped(bytes).to_string();
        assert_eq!(shown(b"it's \"100\""), "it's \"100\"");
        assert_eq!(shown(b"\x1b[31mred\x01\x7f"), "\\u{1b}[31mred\\u{1}\\u{7f}");
        assert_eq!(shown("ü\u{9b}\u{202e}".as_bytes()), "ü\\u{9b}\\u{202e}");
        assert_eq!(shown(b"raw\xffutf8\\"), "raw\\xffutf8\\\\");
        assert_eq!(shown(&[b'a'; MOST_SHOWN]).len(), MOST_SHOWN);
        assert!(shown(&[b'a'; MOST_SHOWN + 1]).ends_with("aa... (1025 bytes)"));
        for long in [&b"\x01"[..], b"\\", b"\xff", "\u{202e}".as_bytes()] {
            let long = shown(&long.repeat(MOST_SHOWN));
            let (start, end) = long.split_once("... (").unwrap();
            assert!(
                start.len() <= MOST_SHOWN && start.len() > MOST_SHOWN - 8,
                "{start}"
            );
            assert!(end.ends_with(" bytes)"), "{end}");
        }
    }
}
