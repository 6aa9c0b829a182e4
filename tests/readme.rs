//! README.md in parts, for the tests that hold it to what it says.

// Two test binaries share it, and neither uses all of it.
#![allow(dead_code)]

use std::fs;

pub fn readme() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// What stands in README.md between this heading and the next one of its kind.
pub fn section(heading: &str) -> String {
    let readme = readme();
    let (_, rest) = readme
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("README.md has no heading `## {heading}`"));
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The fenced blocks of a language, of README.md as a whole.
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
