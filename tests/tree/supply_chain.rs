//! What is built into kamonline is what tests/deny.toml allows. `cargo deny` checks more, where it is installed.

use std::collections::BTreeMap;
use std::process::Command;

use regex::Regex;
use serde_json::Value;

/// The packages that are built on Linux, those of the tests too.
fn packages() -> Vec<Value> {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--locked", "--offline", "--format-version=1"]);
    metadata.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let output = metadata
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter().cloned();
    packages
        .filter(|package| package["name"] != "kamonline")
        .collect()
}

/// What stands in quotation marks in a list of tests/deny.toml.
fn allowed(list: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/deny.toml");
    let rules = std::fs::read_to_string(path).unwrap();
    let list = Regex::new(&format!(r"(?s)\n{list} = \[(.*?)\n?\]\n"))
        .unwrap()
        .captures(&rules)
        .unwrap()[1]
        .to_owned();
    let quoted = Regex::new(r#""(.*?)""#).unwrap();
    quoted
        .captures_iter(&list)
        .map(|text| text[1].to_owned())
        .collect()
}

#[test]
fn every_package_has_a_licence_that_is_allowed() {
    let allowed = allowed("allow");
    let either = Regex::new(" OR |/").unwrap();
    for package in packages() {
        let licence = package["license"]
            .as_str()
            .unwrap_or_else(|| panic!("{package} has none"));
        let fits = licence.split(" AND ").all(|part| {
            let part = part.trim_matches(['(', ')']);
            either
                .split(part)
                .any(|name| allowed.iter().any(|known| known == name))
        });
        assert!(fits, "{}: {licence}", package["name"]);
    }
}

#[test]
fn every_package_comes_from_crates_io() {
    for package in packages() {
        assert_eq!(
            package["source"], "registry+https://github.com/rust-lang/crates.io-index",
            "{package}"
        );
    }
}

#[test]
fn no_package_is_built_in_two_versions() {
    let mut versions = BTreeMap::<String, Vec<String>>::new();
    for package in packages() {
        let text = |field: &str| package[field].as_str().unwrap().to_owned();
        versions
            .entry(text("name"))
            .or_default()
            .push(text("version"));
    }
    versions.retain(|_, versions| versions.len() > 1);
    let skipped = allowed("skip");
    for (name, versions) in versions {
        let known = |version: &String| {
            skipped
                .iter()
                .any(|skip| format!("{name}@{version}").starts_with(skip))
        };
        assert!(
            versions.iter().filter(|version| !known(version)).count() == 1,
            "{name}: {versions:?}"
        );
    }
}

/// The tests are built with more: what only they ask for must not hide that the program lacks it.
#[test]
fn the_program_alone_has_patterns_of_characters() {
    let tree = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--locked", "--offline", "--edges", "normal"])
        .args(["--format", "{p} {f}", "--invert", "regex-syntax"])
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    let first = tree.lines().next().unwrap();
    for feature in ["unicode-case", "unicode-perl"] {
        assert!(first.contains(feature), "{first}");
    }
}
