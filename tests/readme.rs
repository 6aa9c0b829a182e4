//! README.md in parts, for the tests that hold it to what it says.

// Two test binaries share it, and neither uses all of it.
#![allow(dead_code)]

use std::fs;

pub fn readme() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// The fenced blocks of a language.
pub fn readme_blocks(language: &str) -> Vec<String> {
    let readme = readme();
    let fence = format!("```{language}");
    let mut found = Vec::new();
    let mut lines = readme.lines();
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
