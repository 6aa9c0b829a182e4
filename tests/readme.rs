//! README.md and its like in parts, for the tests that hold them to what they say.

// Two test binaries share it, and neither uses all of it.
#![allow(dead_code)]

use std::fs;

pub fn readme() -> String {
    document("README.md")
}

pub fn document(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The fenced blocks of a language.
pub fn readme_blocks(language: &str) -> Vec<String> {
    blocks(&readme(), language)
}

pub fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("```") {
            continue;
        }
        let body: String = lines
            .by_ref()
            .take_while(|line| !line.starts_with("```"))
            .flat_map(|line| [line, "\n"])
            .collect();
        if line == fence {
            found.push(body);
        }
    }
    found
}
