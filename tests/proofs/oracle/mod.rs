//! The two readers and the matching once more, so plain that they are obviously right: whole inputs, regexes, trees and
//! loops over everything. The fuzz targets and the tests hold kamonline against them.

// Several packages share it, and none uses all of it.
#![allow(dead_code)]

pub mod jsonrpc;
pub mod matching;
pub mod page;

use kamonline::failure::Failure;
use kamonline::matching::DumpItem;

/// A [`DumpItem`], kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Table(Vec<u8>),
    Aor(Vec<u8>),
}

pub fn keep(items: &mut Vec<Item>) -> impl FnMut(DumpItem) -> Result<(), Failure> {
    |item| {
        items.push(match item {
            DumpItem::Table(name) => Item::Table(name.to_vec()),
            DumpItem::Aor(aor) => Item::Aor(aor.to_vec()),
        });
        Ok(())
    }
}

/// Cuts a body into chunks of 1 to 64 bytes, as `seed` has it.
pub fn chunks(seed: u16, mut body: &[u8]) -> Vec<&[u8]> {
    let mut chunks = Vec::new();
    let mut random = u32::from(seed);
    while !body.is_empty() {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = (random >> 24) as usize % 64 + 1;
        let (chunk, rest) = body.split_at(length.min(body.len()));
        chunks.push(chunk);
        body = rest;
    }
    chunks
}

/// The first two bytes of a fuzzer's input choose the chunks, the rest is the body.
fn seeded(input: &[u8]) -> (u16, &[u8]) {
    match input.split_first_chunk() {
        Some((seed, body)) => (u16::from_le_bytes(*seed), body),
        None => (0, &[]),
    }
}
