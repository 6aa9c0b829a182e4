//! The page of `xhttp_rpc` with a brief `ul.dump`, from bytes to AoRs, as it comes in; no network.
//!
//! The page escapes nothing, and a phone chooses its user name: an AoR may hold `<br/>`, `</pre>` or `Stats: `. It can
//! not hold a tab (measured: such a REGISTER is refused), and Kamailio prints one or more before every AoR and every
//! figure. So the page is read from tab to tab, and no AoR can pass for anything else.

use memchr::{memchr, memmem};

use super::Error;
use crate::failure::Failure;
use crate::matching::DumpItem;
use crate::peer::limits::{PIECE_BYTES, PREFACE_BYTES};
use crate::text::Escaped;

/// Reads one page, in chunks of any size.
#[derive(Default)]
pub struct Page {
    /// What came and could not be read yet.
    rest: Vec<u8>,
    state: State,
    layout: Layout,
    /// AoRs of the table being read.
    aors: u64,
    /// The last AoR in layout A, until the piece behind it tells where it ends.
    held: Option<Vec<u8>>,
}

#[derive(Default, PartialEq)]
enum State {
    /// Before `<pre>`.
    #[default]
    Preface,
    /// At the very start of the dump.
    Opening,
    /// Layout B, at a table's `Domain: `, its name, its size, its list.
    Block,
    Table,
    Size,
    List,
    /// At an AoR, or at what ends the list.
    Aor,
    Records,
    MaxSlots,
    /// Behind `</pre>`.
    Whole,
}

#[derive(Default, PartialEq)]
enum Layout {
    /// Kamailio 4.0 to 5.0.
    A,
    /// Kamailio 5.1 and later.
    #[default]
    B,
}

/// What stands in the `<pre>` of a whole page with another answer than a dump; None is a page without one.
pub fn small_answer(page: &[u8]) -> Result<Option<&[u8]>, Error> {
    let (ok, pre) = (
        memmem::find(page, b"<td>200: OK</td>"),
        memmem::find(page, b"<pre>"),
    );
    let (Some(ok), Some(start)) = (ok, pre) else {
        return Ok(None);
    };
    if ok > start {
        return Ok(None);
    }
    let answer = &page[start + b"<pre>".len()..];
    let end = memmem::find(answer, b"</pre>").ok_or(Error::CutOff)?;
    Ok(Some(&answer[..end]))
}

impl Page {
    /// Reads on, and hands each table and AoR to `visit`.
    pub fn read(
        &mut self,
        chunk: &[u8],
        visit: &mut impl FnMut(DumpItem) -> Result<(), Failure>,
    ) -> Result<(), Error> {
        if self.state == State::Whole {
            return Ok(());
        }
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(chunk);
        let mut unread = &rest[..];
        if self.state == State::Preface {
            match self.preface(unread)? {
                Some(dump) => unread = dump,
                None => {
                    self.rest = rest;
                    return Ok(());
                }
            }
        }
        while self.state != State::Whole {
            let tabs = unread.iter().take_while(|byte| **byte == b'\t').count();
            let text = &unread[tabs..];
            let end = match memchr(b'\t', text) {
                Some(end) => end,
                // The page behind the dump may hold no tab at all.
                None if self.state == State::MaxSlots
                    && memmem::find(text, b"<br/></pre>").is_some() =>
                {
                    text.len()
                }
                None if unread.len() > PIECE_BYTES => return Err(unknown(text)),
                None => break,
            };
            self.piece(tabs, &text[..end], visit)?;
            unread = &text[end..];
        }
        let read = rest.len() - unread.len();
        rest.drain(..read);
        self.rest = rest;
        Ok(())
    }

    /// To be called when the body has ended.
    pub fn finish(self) -> Result<(), Error> {
        match self.state {
            State::Whole => Ok(()),
            State::Preface => Err(Error::no_answer(self.rest)),
            _ => Err(Error::CutOff),
        }
    }

    fn preface<'a>(&mut self, page: &'a [u8]) -> Result<Option<&'a [u8]>, Error> {
        let Some(start) = memmem::find(page, b"<pre>") else {
            let no_answer = page.len() > PREFACE_BYTES;
            return if no_answer {
                Err(Error::no_answer(page[..PREFACE_BYTES].to_vec()))
            } else {
                Ok(None)
            };
        };
        if memmem::find(&page[..start], b"<td>200: OK</td>").is_none() {
            return Err(Error::no_answer(page.to_vec()));
        }
        self.state = State::Opening;
        Ok(Some(&page[start + b"<pre>".len()..]))
    }

    /// Reads one piece: the text between the tabs before it and the next tab.
    fn piece(
        &mut self,
        tabs: usize,
        text: &[u8],
        visit: &mut impl FnMut(DumpItem) -> Result<(), Failure>,
    ) -> Result<(), Error> {
        let wrong = || unknown(text);
        match (&self.layout, &self.state, tabs) {
            (_, State::Opening, 0) if text == b"Domains: <br/>" => self.state = State::Block,
            (_, State::Opening, 0) => {
                self.layout = Layout::A;
                self.table_a(text, visit)?;
            }
            (Layout::B, State::Block, 1) if text == b"Domain: <br/>" => self.state = State::Table,
            (Layout::B, State::Table, 2) => {
                let name = between(text, b"Domain: ", b"<br/>").ok_or_else(wrong)?;
                self.open_table(name, visit)?;
                self.state = State::Size;
            }
            (Layout::B, State::Size, 2) if number(text, b"Size: ").is_some() => {
                self.state = State::List
            }
            (Layout::B, State::List, 2) if text == b"AoRs: <br/>" => self.state = State::Aor,
            (Layout::B, State::Aor, 3) => {
                let aor = between(text, b"AoR: ", b"<br/>").ok_or_else(wrong)?;
                self.aors += 1;
                visit(DumpItem::Aor(aor))?;
            }
            (Layout::B, State::Aor, 2) if text == b"Stats: <br/>" => self.state = State::Records,
            (Layout::B, State::Records, 3) => self.records(text)?,
            (Layout::B, State::MaxSlots, 3) => match max_slots(text).ok_or_else(wrong)? {
                [] => self.state = State::Block,
                behind if behind.starts_with(b"</pre>") => self.state = State::Whole,
                _ => return Err(wrong()),
            },
            (Layout::A, State::Aor, 1)
                if self.held.as_deref().is_some_and(ends_list)
                    && text.starts_with(b"Records: ") =>
            {
                self.visit_held(b"<br/>Stats: <br/>", visit)?;
                self.records(text)?;
            }
            (Layout::A, State::Aor, 1) => {
                let aor = text.strip_prefix(b"AoR: ").ok_or_else(wrong)?;
                self.visit_held(b"<br/>", visit)?;
                self.held = Some(aor.to_vec());
            }
            (Layout::A, State::Records, 1) => self.records(text)?,
            (Layout::A, State::MaxSlots, 1) => match max_slots(text).ok_or_else(wrong)? {
                behind if behind.starts_with(b"</pre>") => self.state = State::Whole,
                behind => self.table_a(behind, visit)?,
            },
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// The head of a table in layout A, at column 0; an empty table's `Stats: ` follows at once.
    fn table_a(
        &mut self,
        text: &[u8],
        visit: &mut impl FnMut(DumpItem) -> Result<(), Failure>,
    ) -> Result<(), Error> {
        let head = || {
            let (name, rest) = split_once(text.strip_prefix(b"Domain: ")?, b"<br/>")?;
            let (size, rest) = split_once(rest, b"AoRs: <br/>")?;
            number(size, b"Size: ")?;
            Some((name, rest))
        };
        let (name, rest) = head().ok_or_else(|| unknown(text))?;
        self.open_table(name, visit)?;
        self.state = match rest {
            b"" => State::Aor,
            b"Stats: <br/>" => State::Records,
            _ => return Err(unknown(rest)),
        };
        Ok(())
    }

    fn open_table(
        &mut self,
        name: &[u8],
        visit: &mut impl FnMut(DumpItem) -> Result<(), Failure>,
    ) -> Result<(), Error> {
        self.aors = 0;
        Ok(visit(DumpItem::Table(name))?)
    }

    fn visit_held(
        &mut self,
        ending: &[u8],
        visit: &mut impl FnMut(DumpItem) -> Result<(), Failure>,
    ) -> Result<(), Error> {
        if let Some(held) = self.held.take() {
            let aor = held.strip_suffix(ending).ok_or_else(|| unknown(&held))?;
            self.aors += 1;
            visit(DumpItem::Aor(aor))?;
        }
        Ok(())
    }

    fn records(&mut self, text: &[u8]) -> Result<(), Error> {
        let records = number(text, b"Records: ").ok_or_else(|| unknown(text))?;
        super::prove(records, self.aors)?;
        self.state = State::MaxSlots;
        Ok(())
    }
}

/// Whether this AoR of layout A is followed by the end of the list. Only a line of figures behind it makes that sure.
fn ends_list(held: &[u8]) -> bool {
    held.ends_with(b"<br/>Stats: <br/>")
}

fn max_slots(text: &[u8]) -> Option<&[u8]> {
    let (slots, behind) = split_once(text.strip_prefix(b"Max-Slots: ")?, b"<br/>")?;
    digits(slots)?;
    Some(behind)
}

fn number(text: &[u8], name: &[u8]) -> Option<u64> {
    digits(between(text, name, b"<br/>")?)
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().all(u8::is_ascii_digit).then_some(())?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn between<'a>(text: &'a [u8], before: &[u8], after: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(before)?.strip_suffix(after)
}

fn split_once<'a>(text: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(text, by)?;
    Some((&text[..at], &text[at + by.len()..]))
}

fn unknown(text: &[u8]) -> Error {
    let start = &text[..text.len().min(60)];
    Error::Unknown(format!(
        "the dump holds what no known Kamailio prints: `{}`",
        Escaped(start)
    ))
}
