//! Checks of the tree itself, which need no server: documents, layout, the packages that are built in.

#[path = "../lab/mod.rs"]
mod lab;
#[path = "../readme.rs"]
mod readme;

mod documents;
mod layout;
mod supply_chain;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn files_below(dir: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(dir)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(
                path.strip_prefix(root()).unwrap().to_str().unwrap(),
                extension,
            ));
        } else if extension.is_empty() || path.extension().is_some_and(|end| end == extension) {
            found.push(path);
        }
    }
    found
}
