//! Replies of Redis as they come (RESP2), each within a bound on its bytes.
//!
//! Members are shown where they lie in the buffer: a `Vec` for each of a million took some 0.3 of 0.8 s.

use std::io::Read;
use std::ops::Range;

use memchr::memchr;

use super::error::{Error, Result};
use crate::peer::limits::{NAME_BYTES, NAMES, NESTING, TEXT_BYTES, WORDS_BYTES};

/// How much is read at once.
const CHUNK: usize = 64 << 10;
/// What a text takes in memory beyond its bytes, about.
const TEXT_OVERHEAD: usize = 16;

/// What Redis answers. An error that it sends is an [`Error::Refused`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Text(Vec<u8>),
    Number(i64),
    Nil,
    List(Vec<Reply>),
}

pub type Visit<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

/// Reads one reply after the other.
pub struct Replies<S> {
    pub stream: S,
    /// What came and is not read yet lies between `start` and `end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes the present reply may still take.
    left: usize,
}

impl<S: Read> Replies<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            left: 0,
        }
    }

    /// The next reply may take so many bytes.
    pub fn begin(&mut self, most_bytes: usize) {
        self.left = most_bytes;
    }

    pub fn value(&mut self) -> Result<Reply> {
        self.value_at(0)
    }

    /// A reply of SCAN or SSCAN: its next cursor.
    pub fn page(&mut self, visit: Visit) -> Result<u64> {
        if self.list()? != 2 {
            return Err(Error::Foreign);
        }
        let cursor = self.text()?;
        let cursor = std::str::from_utf8(&self.buffer[cursor]).ok();
        let cursor = cursor.and_then(|cursor| cursor.parse().ok());
        self.list_of_texts(visit)?;
        cursor.ok_or(Error::Foreign)
    }

    fn value_at(&mut self, depth: usize) -> Result<Reply> {
        let (kind, line) = self.line()?;
        match kind {
            b'+' => self.kept(line),
            b'-' if depth == 0 => Err(Error::refused(&self.buffer[line])),
            b':' => Ok(Reply::Number(self.number(line)?)),
            b'$' | b'*' => match (self.number(line)?, kind) {
                (-1, _) => Ok(Reply::Nil),
                (length @ 0.., b'$') if length as usize <= TEXT_BYTES => {
                    let text = self.bytes(length as usize)?;
                    self.kept(text)
                }
                (0.., b'$') => Err(Error::ReplyTooLarge),
                (count @ 0.., _) if depth < NESTING => {
                    let count = count as usize;
                    self.take(count.saturating_mul(size_of::<Reply>()))?;
                    let mut values = Vec::with_capacity(count);
                    for _ in 0..count {
                        values.push(self.value_at(depth + 1)?);
                    }
                    Ok(Reply::List(values))
                }
                _ => Err(Error::Foreign),
            },
            _ => Err(Error::Foreign),
        }
    }

    fn kept(&mut self, text: Range<usize>) -> Result<Reply> {
        self.take(TEXT_OVERHEAD)?;
        Ok(Reply::Text(self.buffer[text].to_vec()))
    }

    /// A reply that lists members, as SMEMBERS has it.
    pub fn list_of_texts(&mut self, visit: Visit) -> Result<()> {
        let count = self.list()?;
        if count > NAMES as u64 {
            return Err(Error::ReplyTooLarge);
        }
        for _ in 0..count {
            let text = self.text()?;
            visit(&self.buffer[text])?;
        }
        Ok(())
    }

    /// The head of a list: how many elements follow.
    fn list(&mut self) -> Result<u64> {
        match self.line()? {
            (b'*', line) => self.number(line)?.try_into().map_err(|_| Error::Foreign),
            (b'-', line) => Err(Error::refused(&self.buffer[line])),
            _ => Err(Error::Foreign),
        }
    }

    fn text(&mut self) -> Result<Range<usize>> {
        let (b'$', line) = self.line()? else {
            return Err(Error::Foreign);
        };
        let length = self.number(line)?.try_into().map_err(|_| Error::Foreign)?;
        match length <= NAME_BYTES {
            true => self.bytes(length),
            false => Err(Error::ReplyTooLarge),
        }
    }

    fn number(&self, line: Range<usize>) -> Result<i64> {
        let text = std::str::from_utf8(&self.buffer[line]).ok();
        match text.and_then(|text| text.parse().ok()) {
            Some(number) => Ok(number),
            None => Err(Error::Foreign),
        }
    }

    /// So many bytes and the end of a line. Where they lie holds until more is read.
    fn bytes(&mut self, length: usize) -> Result<Range<usize>> {
        self.take(length)?;
        while self.end - self.start < length + 2 {
            self.fill()?;
        }
        let text = self.start..self.start + length;
        self.start = text.end + 2;
        match &self.buffer[text.end..self.start] {
            b"\r\n" => Ok(text),
            _ => Err(Error::Foreign),
        }
    }

    /// The first byte of a line, and where the rest of it lies. Of a long line only the start is kept.
    fn line(&mut self) -> Result<(u8, Range<usize>)> {
        let mut searched = 0;
        loop {
            let unread = &self.buffer[self.start..self.end];
            if unread.first().is_some_and(|kind| !b"+-:$*".contains(kind)) {
                return Err(Error::Foreign);
            }
            if let Some(end) = memchr(b'\n', &unread[searched..]) {
                let (start, end) = (self.start, self.start + searched + end);
                self.start = end + 1;
                self.take(end + 1 - start)?;
                return match &self.buffer[start..end] {
                    [kind, .., b'\r'] => Ok((*kind, start + 1..end - 1)),
                    _ => Err(Error::Foreign),
                };
            }
            if unread.len() > 2 * WORDS_BYTES {
                let last = unread[unread.len() - 1];
                self.take(unread.len() - WORDS_BYTES)?;
                self.end = self.start + WORDS_BYTES + 1;
                self.buffer[self.end - 1] = last;
            }
            searched = self.end - self.start;
            self.fill()?;
        }
    }

    /// Bounds the bytes of a reply, before they are kept.
    fn take(&mut self, bytes: usize) -> Result<()> {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => return Err(Error::ReplyTooLarge),
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == 0 && self.buffer.len() > CHUNK {
            self.buffer = vec![0; CHUNK];
        } else if self.end > self.buffer.len() / 2 {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        match self.stream.read(&mut self.buffer[self.end..])? {
            0 => Err(Error::closed()),
            length => {
                self.end += length;
                Ok(())
            }
        }
    }
}

impl Reply {
    pub fn into_text(self) -> Result<Vec<u8>> {
        match self {
            Reply::Text(text) => Ok(text),
            _ => Err(Error::Foreign),
        }
    }

    pub fn into_utf8(self) -> Result<String> {
        String::from_utf8(self.into_text()?).map_err(|_| Error::Foreign)
    }

    pub fn into_number<N: TryFrom<i64>>(self) -> Result<N> {
        match self {
            Reply::Number(number) => number.try_into().map_err(|_| Error::NoNumber),
            _ => Err(Error::NoNumber),
        }
    }

    pub fn into_list(self) -> Result<Vec<Reply>> {
        match self {
            Reply::List(list) => Ok(list),
            _ => Err(Error::Foreign),
        }
    }
}
