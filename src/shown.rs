//! Names from outside as they may be printed: a phone chooses its user name, so it may hold anything.

use std::fmt;

/// Bytes from Redis or Kamailio, safe on a terminal: what is not printable text is escaped as in a string literal
/// (`\u{1b}`), bytes that are not UTF-8 as `\xff`, and a backslash is doubled.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                match char {
                    '"' | '\'' => write!(f, "{char}")?,
                    _ => write!(f, "{}", char.escape_debug())?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// `1 user`, `2 users`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_or_hides_gets_through() {
        let shown = |bytes: &[u8]| Shown(bytes).to_string();
        assert_eq!(shown(b"it's \"100\""), "it's \"100\"");
        assert_eq!(shown(b"\x1b[31mred\x01\x7f"), "\\u{1b}[31mred\\u{1}\\u{7f}");
        assert_eq!(shown("ü\u{9b}\u{202e}".as_bytes()), "ü\\u{9b}\\u{202e}");
        assert_eq!(shown(b"raw\xffutf8\\"), "raw\\xffutf8\\\\");
    }
}
