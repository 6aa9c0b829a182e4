//! The answer of `jsonrpcs`, read as a tree.

use std::fmt;
use std::io::{self, Read};

use kamonline::kamailio::{Error, jsonrpc};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Item, chunks, keep, seeded};

/// An answer is read alike whole and in chunks, as the plain reader reads it; cut short it is never believed.
pub fn check(input: &[u8]) {
    let (seed, body) = seeded(input);
    let whole = items_of(&[body]);
    let split = items_of(&chunks(seed, body));
    match (&whole, &split) {
        (Ok(whole), Ok(split)) => assert_eq!(whole, split),
        (Err(_), Err(_)) => {}
        _ => panic!("whole {whole:?}, split {split:?}"),
    }
    match parse(body) {
        Some(Ok(answer)) => {
            let plain = read(&answer).filter(|_| body.starts_with(b"{"));
            assert_eq!(whole.as_ref().ok(), plain.as_ref());
            let whole = body.trim_ascii_end();
            if plain.is_some() {
                let cut = &whole[..usize::from(seed) % whole.len()];
                items_of(&[cut]).expect_err("an answer cut short");
            }
        }
        Some(Err(error)) if error.is_eof() => {
            whole.expect_err("an answer that ends before its end");
        }
        // Lone surrogates and raw control characters, which no reader of text takes, are bytes like others here.
        _ => {}
    }
}

fn items_of(chunks: &[&[u8]]) -> Result<Vec<Item>, Error> {
    struct Chunks<'a>(Vec<&'a [u8]>);
    impl Read for Chunks<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(next) = self.0.last_mut() else {
                return Ok(0);
            };
            let length = next.read(buffer)?;
            if next.is_empty() {
                self.0.pop();
            }
            Ok(length)
        }
    }
    let mut items = Vec::new();
    let last_first = chunks.iter().rev().copied().collect();
    jsonrpc::read(Chunks(last_first), &mut keep(&mut items))?;
    Ok(items)
}

/// None for text that this reader cannot tell apart.
fn parse(body: &[u8]) -> Option<serde_json::Result<Tree>> {
    let text: String = body.iter().copied().map(as_char).collect();
    let ambiguous = text.to_lowercase().contains("\\uf7");
    (!ambiguous).then(|| serde_json::from_str(&text))
}

/// Bytes that are not ASCII, as characters for private use: so the answer is text, whatever it holds.
fn as_char(byte: u8) -> char {
    match byte {
        ..0x80 => char::from(byte),
        _ => char::from_u32(0xf700 + u32::from(byte)).unwrap(),
    }
}

fn as_bytes(text: &str) -> Vec<u8> {
    let byte = |char: char| match u32::from(char) {
        private @ 0xf780..=0xf7ff => vec![(private - 0xf700) as u8],
        _ => char.to_string().into_bytes(),
    };
    text.chars().flat_map(byte).collect()
}

fn read(answer: &Tree) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    for (name, value) in answer.fields()? {
        match name.as_str() {
            "jsonrpc" | "id" => {}
            "result" => {
                for (name, tables) in value.fields()? {
                    (name == "Domains").then_some(())?;
                    for wrapper in tables.items()? {
                        for (name, table) in wrapper.fields()? {
                            (name == "Domain").then_some(())?;
                            read_table(table, &mut items)?;
                        }
                    }
                }
            }
            _ => return None,
        }
    }
    (!items.is_empty()).then_some(items)
}

/// The name comes first, then the AoRs, then their number; nothing comes twice but a list.
fn read_table(table: &Tree, items: &mut Vec<Item>) -> Option<()> {
    let (mut named, mut aors, mut records) = (false, 0, None);
    for (name, value) in table.fields()? {
        match name.as_str() {
            "Size" => {}
            "Domain" if !named => {
                items.push(Item::Table(value.text()?));
                named = true;
            }
            "AoRs" => {
                for entry in value.items()? {
                    for (name, aor) in entry.fields()? {
                        (name == "AoR" && named && records.is_none()).then_some(())?;
                        items.push(Item::Aor(aor.text()?));
                        aors += 1;
                    }
                }
            }
            "Stats" => {
                for (name, value) in value.fields()? {
                    match (name.as_str(), value) {
                        ("Max-Slots", _) => {}
                        ("Records", Tree::Number(number)) if named && records.is_none() => {
                            records = Some(*number)
                        }
                        _ => return None,
                    }
                }
            }
            _ => return None,
        }
    }
    (records == Some(aors)).then_some(())
}

/// JSON in its own order, with the names that it repeats.
enum Tree {
    Object(Vec<(String, Tree)>),
    List(Vec<Tree>),
    Text(String),
    Number(u64),
    Other,
}

impl Tree {
    fn fields(&self) -> Option<&[(String, Tree)]> {
        match self {
            Tree::Object(fields) => Some(fields),
            _ => None,
        }
    }

    fn items(&self) -> Option<&[Tree]> {
        match self {
            Tree::List(items) => Some(items),
            _ => None,
        }
    }

    fn text(&self) -> Option<Vec<u8>> {
        match self {
            Tree::Text(text) => Some(as_bytes(text)),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Tree::Object(fields))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Tree, E> {
                Ok(Tree::Text(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Tree, E> {
                Ok(Tree::Number(number))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Tree, E> {
                Ok(Tree::Other)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Tree, E> {
                Ok(Tree::Other)
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Tree, E> {
                Ok(Tree::Other)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
                Ok(Tree::Other)
            }
        }
        json.deserialize_any(Any)
    }
}
