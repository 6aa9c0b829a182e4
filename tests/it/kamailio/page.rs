//! The proof of a dump: a page is read whole and right, however it arrives, or it is not believed.

use crate::lab::{HttpStub, Redis, Reply, capture, kamonline};
use kamonline::failure::{Exit, Failure};
use kamonline::kamailio::xhttp_rpc::Page;
use kamonline::matching::DumpItem;
use kamonline::run::{Progress, Stop, run};
use kamonline::settings::Cli;
use std::sync::Arc;

const RELEASES: [&str; 5] = ["4.0.7", "4.4.7", "5.0.8", "5.4.9", "5.6.3"];

fn body(name: &str) -> Vec<u8> {
    let reply = capture(name);
    let head = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    reply[head.unwrap() + 4..].to_vec()
}

/// What the page holds, read in these chunks: `table location`, `100@abc.voip.ca`.
fn items_of(chunks: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    let mut page = Page::default();
    let mut items = Vec::new();
    let mut visit = |item: DumpItem| -> Result<(), Failure> {
        items.push(match item {
            DumpItem::Table(name) => [b"table ", name].concat(),
            DumpItem::Aor(aor) => aor.to_vec(),
        });
        Ok(())
    };
    for chunk in chunks {
        page.read(chunk, &mut visit).ok()?;
    }
    page.finish().ok()?;
    Some(items)
}

fn briefs() -> impl Iterator<Item = (String, Vec<u8>)> {
    let names = [
        "empty",
        "three",
        "two-tables",
        "nasty",
        "forge",
        "forge-casesens",
    ];
    RELEASES
        .iter()
        .flat_map(move |release| names.map(|name| format!("{release}/{name}.brief")))
        .map(|name| (name.clone(), body(&name)))
}

#[test]
fn every_split_into_two_chunks_is_read_the_same() {
    for (name, page) in briefs() {
        let whole = items_of(&[&page]).unwrap_or_else(|| panic!("{name} is not read"));
        for at in 0..page.len() {
            let split = items_of(&[&page[..at], &page[at..]]);
            assert_eq!(split.as_ref(), Some(&whole), "{name} split at {at}");
        }
        let bytes: Vec<_> = page.chunks(1).collect();
        assert_eq!(items_of(&bytes), Some(whole), "{name} byte by byte");
    }
}

#[test]
fn a_page_cut_before_the_end_of_its_dump_is_not_believed() {
    for (name, page) in briefs() {
        let end = page.windows(6).rposition(|bytes| bytes == b"</pre>");
        for at in 0..end.unwrap() + 6 {
            assert_eq!(items_of(&[&page[..at]]), None, "{name} cut at {at}");
        }
    }
}

#[test]
fn a_page_with_a_line_dropped_doubled_or_forged_is_not_believed() {
    for (name, page) in briefs() {
        let aors: Vec<usize> = (0..page.len())
            .filter(|at| page[*at..].starts_with(b"\tAoR: "))
            .collect();
        for start in aors {
            let tabs = page[..start]
                .iter()
                .rev()
                .take_while(|byte| **byte == b'\t')
                .count();
            let start = start - tabs;
            let line = &page[start..];
            let text = line.iter().take_while(|byte| **byte == b'\t').count();
            let next = line[text..].iter().position(|byte| *byte == b'\t').unwrap();
            // In layout A the last AoR's piece also holds what follows at column 0.
            let piece = &line[..text + next];
            let end = piece.strip_suffix(b"Stats: <br/>").unwrap_or(piece).len();
            let (line, after) = line.split_at(end);
            let before = &page[..start];
            let tabs = &line[..text];
            let forged = [tabs, b"AoR: 666@abc.voip.ca<br/>", line].concat();
            for (what, lines) in [
                ("dropped", vec![]),
                ("doubled", [line, line].concat()),
                ("forged", forged),
            ] {
                let page = [before, &lines, after].concat();
                assert_eq!(items_of(&[&page]), None, "{name}: {what} at {start}");
            }
        }
    }
}

#[test]
fn a_reply_cut_at_any_byte_leaves_redis_untouched() {
    let reply = capture("5.6.3/three.brief");
    let redis = Redis::start();
    redis.add_many("ONLINE:abc.voip.ca", ["100", "101", "gone"]);
    let head = reply
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap()
        + 4;
    let cuts = (head..reply.len()).map(|at| Reply::Close(reply[..at].to_vec()));
    let stub = HttpStub::serve(cuts.collect());
    let url = stub.url();
    let redis_url = redis.url();
    let args = [
        "kamonline",
        "--kamailio",
        &url,
        "--redis",
        &redis_url,
        "--retries=0",
    ];
    for at in head..reply.len() {
        let cli = Cli::read(args.map(Into::into), []).ok().unwrap();
        let config = Arc::new(cli.config().unwrap());
        let outcome = run(&config, &Stop::default(), &Progress::new(false, &config));
        let failure = outcome
            .failure
            .unwrap_or_else(|| panic!("cut at {at} was believed"));
        assert_eq!(failure.exit, Exit::Failed, "cut at {at}");
        assert!(
            failure.to_string().ends_with("nothing was changed"),
            "{failure}"
        );
    }
    assert_eq!(stub.looks().len(), reply.len() - head);
    assert_eq!(redis.calls("srem"), 0);
    assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["100", "101", "gone"]);
}

#[test]
fn a_forged_reply_leaves_redis_untouched() {
    let page = String::from_utf8(body("5.6.3/three.brief")).unwrap();
    let line = "\t\t\tAoR: 101@abc.voip.ca<br/>";
    let redis = Redis::start();
    redis.add_many("ONLINE:abc.voip.ca", ["100", "101", "gone"]);
    for forged in [
        String::new(),
        line.repeat(2),
        line.replace("101", "666") + line,
    ] {
        let reply = HttpStub::page(page.replace(line, &forged));
        let stub = HttpStub::serve(vec![Reply::Whole(reply)]);
        let run = kamonline(&["--kamailio", &stub.url(), "--redis", &redis.url()]).expect(1);
        assert!(
            run.stderr.contains("a table says that it holds 3 AoRs"),
            "{}",
            run.stderr
        );
        assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["100", "101", "gone"]);
    }
}
