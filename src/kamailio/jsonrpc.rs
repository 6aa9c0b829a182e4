//! The answer of `jsonrpcs` to a brief `ul.dump`, from bytes to AoRs, as it comes in; no network.
//!
//! No tree of it is built: each AoR is handed on as it is read, as bytes, since Kamailio prints a user that is not UTF-8 raw.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::{Error, prove};
use crate::failure::Failure;
use crate::matching::DumpItem;
use crate::peer::limits::JSON_BYTES;

/// Reads one answer to its end.
pub fn read(
    body: impl Read,
    visit: &mut dyn FnMut(DumpItem) -> Result<(), Failure>,
) -> Result<(), Error> {
    let mut body = BufReader::with_capacity(64 << 10, body.take(JSON_BYTES));
    let start = body.fill_buf()?;
    if start.first() != Some(&b'{') {
        return Err(Error::no_answer(start.to_vec()));
    }
    let mut reading = Reading {
        visit,
        table: Table::None,
        error: None,
    };
    let mut json = serde_json::Deserializer::from_reader(&mut body);
    let read = At {
        place: Place::Answer,
        reading: &mut reading,
    }
    .deserialize(&mut json)
    .and_then(|()| json.end());
    match (read, reading.error, reading.table) {
        (Err(_), None, _) if body.get_ref().limit() == 0 => {
            Err(Error::Unknown("the answer is larger than 128 MiB".into()))
        }
        (Err(json), error, _) => Err(error.unwrap_or_else(|| unreadable(json))),
        (Ok(()), _, Table::Proved) => Ok(()),
        (Ok(()), ..) => Err(Error::Unknown("the answer holds no usrloc table".into())),
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    match error.classify() {
        Category::Eof => Error::CutOff,
        Category::Io => std::io::Error::from(error).into(),
        _ => Error::Unknown(format!(
            "the answer is not the JSON that Kamailio prints ({error})"
        )),
    }
}

struct Reading<'a> {
    visit: &'a mut dyn FnMut(DumpItem) -> Result<(), Failure>,
    table: Table,
    /// What the JSON reader's own error cannot carry.
    error: Option<Error>,
}

/// How far the table being read has come.
enum Table {
    None,
    Named {
        aors: u64,
    },
    /// Not compared before the figures have ended: a number that is cut off is a number, too.
    Counted {
        aors: u64,
        records: u64,
    },
    Proved,
}

/// Where in the answer a value stands: `result.Domains[].Domain.{Domain,Size,AoRs[].AoR,Stats.{Records,Max-Slots}}`.
#[derive(Clone, Copy, Debug)]
enum Place {
    Answer,
    Result,
    Tables,
    Wrapper,
    Table,
    Name,
    Aors,
    Entry,
    Aor,
    Stats,
    Records,
    Ignored,
}

impl Place {
    fn field(self, name: &str) -> Option<Place> {
        Some(match (self, name) {
            (Place::Answer, "result") => Place::Result,
            (Place::Answer, "jsonrpc" | "id") => Place::Ignored,
            (Place::Result, "Domains") => Place::Tables,
            (Place::Wrapper, "Domain") => Place::Table,
            (Place::Table, "Domain") => Place::Name,
            (Place::Table, "AoRs") => Place::Aors,
            (Place::Table, "Stats") => Place::Stats,
            (Place::Entry, "AoR") => Place::Aor,
            (Place::Stats, "Records") => Place::Records,
            (Place::Table, "Size") | (Place::Stats, "Max-Slots") => Place::Ignored,
            _ => return None,
        })
    }

    fn item(self) -> Option<Place> {
        match self {
            Place::Tables => Some(Place::Wrapper),
            Place::Aors => Some(Place::Entry),
            _ => None,
        }
    }
}

struct At<'r, 'a> {
    place: Place,
    reading: &'r mut Reading<'a>,
}

impl At<'_, '_> {
    fn stop<E: de::Error>(&mut self, error: impl Into<Error>) -> E {
        self.reading.error = Some(error.into());
        E::custom("stopped")
    }
}

impl<'de> DeserializeSeed<'de> for At<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.place {
            Place::Name | Place::Aor => json.deserialize_bytes(self),
            Place::Records => json.deserialize_u64(self),
            Place::Tables | Place::Aors => json.deserialize_seq(self),
            Place::Ignored => json.deserialize_ignored_any(IgnoredAny).map(|_| ()),
            _ => json.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for At<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "the {:?} of a dump", self.place)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if let Place::Table = self.place {
            self.reading.table = Table::None;
        }
        while let Some(name) = map.next_key::<String>()? {
            if matches!((self.place, name.as_str()), (Place::Result, "Domain")) {
                return Err(self.stop(Error::OneTable));
            }
            let place = self
                .place
                .field(&name)
                .ok_or_else(|| de::Error::custom(format!("unexpected {name:?}")))?;
            map.next_value_seed(At {
                place,
                reading: self.reading,
            })?;
        }
        match (self.place, &self.reading.table) {
            (Place::Stats, &Table::Counted { aors, records }) => {
                prove(records, aors).map_err(|error| self.stop::<A::Error>(error))?;
                self.reading.table = Table::Proved;
                Ok(())
            }
            (Place::Table, Table::Proved) => Ok(()),
            (Place::Table, _) => Err(de::Error::custom("a table without its figures")),
            _ => Ok(()),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let place = self
            .place
            .item()
            .ok_or_else(|| de::Error::custom("unexpected list"))?;
        while list
            .next_element_seed(At {
                place,
                reading: self.reading,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_bytes<E: de::Error>(mut self, text: &[u8]) -> Result<(), E> {
        let item = match (self.place, &mut self.reading.table) {
            (Place::Name, table @ Table::None) => {
                *table = Table::Named { aors: 0 };
                DumpItem::Table(text)
            }
            (Place::Aor, Table::Named { aors }) => {
                *aors += 1;
                DumpItem::Aor(text)
            }
            _ => return Err(E::custom("a table's parts in an unexpected order")),
        };
        (self.reading.visit)(item).map_err(|failure| self.stop(failure))
    }

    fn visit_u64<E: de::Error>(self, records: u64) -> Result<(), E> {
        let Table::Named { aors } = self.reading.table else {
            return Err(E::custom("a table's parts in an unexpected order"));
        };
        self.reading.table = Table::Counted { aors, records };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A real answer, and its tables and AoRs.
    fn nasty() -> (&'static [u8], Vec<Vec<u8>>) {
        let capture = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/captures/5.6.3/nasty.brief.json"
        );
        let reply = std::fs::read(capture).expect("a capture, which only the repository has");
        let reply: &[u8] = reply.leak();
        let head = reply.windows(4).position(|four| four == b"\r\n\r\n");
        let body = &reply[head.unwrap() + 4..];
        (body, items(body).unwrap())
    }

    fn items(body: impl Read) -> Result<Vec<Vec<u8>>, Error> {
        let mut items = Vec::new();
        read(body, &mut |item| {
            let (DumpItem::Table(name) | DumpItem::Aor(name)) = item;
            items.push(name.to_vec());
            Ok(())
        })?;
        Ok(items)
    }

    #[test]
    fn an_answer_cut_at_any_byte_is_not_believed() {
        let (body, expected) = nasty();
        assert!(expected.iter().any(|aor| std::str::from_utf8(aor).is_err()));
        for at in 0..body.trim_ascii_end().len() {
            match items(&body[..at]) {
                Err(Error::CutOff) => assert!(at > 0),
                Err(Error::Refused { status: 200, .. }) => assert_eq!(at, 0),
                other => panic!("cut at {at}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_answer_is_read_the_same_however_it_arrives() {
        struct ByteByByte<'a>(&'a [u8]);
        impl Read for ByteByByte<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.0.read(&mut buffer[..1])
            }
        }
        let (body, expected) = nasty();
        assert_eq!(items(ByteByByte(body)).unwrap(), expected);
    }

    #[test]
    fn a_forged_or_doubled_or_dropped_aor_is_not_believed() {
        let (body, _) = nasty();
        let find = |text: &str, from: usize| {
            from + memchr::memmem::find(&body[from..], text.as_bytes()).unwrap()
        };
        let start = find("{\n\t\t\t\t\t\t\t\"AoR\"", 0);
        let end = find("}, ", start) + 3;
        let entry = &body[start..end];
        let forged = [b"{\"AoR\": \"6@x\"}, ", entry].concat();
        for entries in [&[][..], &[entry, entry].concat(), &forged] {
            let answer = [&body[..start], entries, &body[end..]].concat();
            assert!(matches!(items(&answer[..]), Err(Error::Unknown(_))));
        }
    }
}
