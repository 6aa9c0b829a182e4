//! The page of `xhttp_rpc`, read by one regex for each layout.

use std::mem::discriminant;
use std::sync::LazyLock;

use kamonline::kamailio::{Error, xhttp_rpc::Page};
use regex::bytes::Regex;

use super::{Item, chunks, keep, seeded};

/// A page is read alike whole and in chunks, as the plain reader reads it; cut short it is never believed.
pub fn check(input: &[u8]) {
    let (seed, page) = seeded(input);
    let whole = items_of(&[page]);
    let split = items_of(&chunks(seed, page));
    match (&whole, &split) {
        (Ok(whole), Ok(split)) => assert_eq!(whole, split),
        (Err(whole), Err(split)) => assert_eq!(discriminant(whole), discriminant(split)),
        _ => panic!("whole {whole:?}, split {split:?}"),
    }
    let plain = read(page);
    assert_eq!(whole.as_ref().ok(), plain.as_ref().map(|dump| &dump.items));
    if let Some(dump) = plain {
        let cut = &page[..usize::from(seed) % dump.end];
        match (find(cut, b"<pre>"), items_of(&[cut])) {
            (None, Err(Error::Refused { .. })) | (Some(_), Err(Error::CutOff)) => {}
            other => panic!("a page cut short: {other:?}"),
        }
    }
}

fn items_of(chunks: &[&[u8]]) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    let mut visit = keep(&mut items);
    let mut page = Page::default();
    for chunk in chunks {
        page.read(chunk, &mut visit)?;
    }
    page.finish()?;
    drop(visit);
    Ok(items)
}

pub struct Dump {
    pub items: Vec<Item>,
    /// Where in the page it ends, behind `</pre>`.
    pub end: usize,
}

pub fn read(page: &[u8]) -> Option<Dump> {
    let pre = find(page, b"<pre>")?;
    find(&page[..pre], b"<td>200: OK</td>")?;
    let mut dump = &page[pre + 5..];
    let wrapped = dump.strip_prefix(b"Domains: <br/>");
    dump = wrapped.unwrap_or(dump);
    let (table, aor): (&Regex, &[u8]) = match wrapped {
        Some(_) => (&TABLE_B, b"\t\t\tAoR: "),
        None => (&TABLE_A, b"\tAoR: "),
    };
    let mut items = Vec::new();
    while !dump.starts_with(b"</pre>") || items.is_empty() {
        let parts = table.captures(dump)?;
        let text = |name| parts.name(name).unwrap().as_bytes();
        let number = |name| String::from_utf8_lossy(text(name)).parse::<u64>().ok();
        let (records, _, _) = (number("records")?, number("size")?, number("slots")?);
        if wrapped.is_none() && find(text("name"), b"<br/>").is_some() {
            return None;
        }
        items.push(Item::Table(text("name").to_vec()));
        let mut list = text("aors");
        let mut aors = 0;
        while let Some(rest) = list.strip_prefix(aor) {
            let next = find(rest, b"\t").unwrap_or(rest.len());
            items.push(Item::Aor(rest[..next].strip_suffix(b"<br/>")?.to_vec()));
            list = &rest[next..];
            aors += 1;
        }
        if aors != records {
            return None;
        }
        dump = &dump[parts[0].len()..];
    }
    Some(Dump {
        items,
        end: page.len() - dump.len() + 6,
    })
}

static TABLE_A: LazyLock<Regex> = LazyLock::new(|| {
    layout(
        r"Domain: (?<name>[^\t]*?)<br/>Size: (?<size>[0-9]+)<br/>AoRs: <br/>
          (?<aors>(?:\tAoR: [^\t]*<br/>)*)Stats: <br/>
          \tRecords: (?<records>[0-9]+)<br/>\tMax-Slots: (?<slots>[0-9]+)<br/>",
    )
});

static TABLE_B: LazyLock<Regex> = LazyLock::new(|| {
    layout(
        r"\tDomain: <br/>\t\tDomain: (?<name>[^\t]*)<br/>\t\tSize: (?<size>[0-9]+)<br/>\t\tAoRs: <br/>
          (?<aors>(?:\t\t\tAoR: [^\t]*<br/>)*)\t\tStats: <br/>
          \t\t\tRecords: (?<records>[0-9]+)<br/>\t\t\tMax-Slots: (?<slots>[0-9]+)<br/>",
    )
});

fn layout(table: &str) -> Regex {
    let line: String = table.lines().map(str::trim_start).collect();
    Regex::new(&format!("(?s-u)^{line}")).unwrap()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
