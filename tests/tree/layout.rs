//! Imports in src/ run downwards only: no circles, in any folder, and `store/` and `kamailio/` do not know each other. Each
//! file opens by saying what it answers for, and its lines fit a screen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::{files_below, root};

/// The modules that each module of a folder imports, by their `use` lines; a module with a folder of its own is one.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The paths that a file imports, each from the crate's root: `store/write.rs` with `use super::link::Link;` imports
/// `store::link::Link`.
fn imported(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let inside = file.strip_prefix("src").unwrap().with_extension("");
    let mut home: Vec<_> = inside.iter().map(|part| part.to_str().unwrap()).collect();
    home.pop_if(|last| *last == "mod" || *last == "lib");
    let mut paths = Vec::new();
    for statement in code.split("\nuse ").skip(1) {
        let statement = statement
            .split(';')
            .next()
            .unwrap()
            .replace(['\n', ' '], "");
        for path in leaves(&statement) {
            let path = match path.split_once("::") {
                Some(("crate", rest)) => rest.to_owned(),
                Some(("super", rest)) => [&home[..home.len() - 1], &[rest]].concat().join("::"),
                Some((first, _)) if home.is_empty() || is_child(file, first) => {
                    [&home[..], &[&path]].concat().join("::")
                }
                _ => continue,
            };
            paths.push(path);
        }
    }
    paths
}

/// Whether the file is a folder's own, and this a module in that folder.
fn is_child(file: &Path, name: &str) -> bool {
    let folder = file.parent().unwrap();
    let is_own = file.ends_with("mod.rs");
    is_own && root().join(folder).join(name).with_extension("rs").exists()
}

/// `a::{b::c,d}` is `a::b::c` and `a::d`.
fn leaves(statement: &str) -> Vec<String> {
    let Some((before, rest)) = statement.split_once('{') else {
        return vec![statement.to_owned()];
    };
    let mut inner = vec![String::new()];
    let mut depth = 0;
    for letter in rest[..rest.rfind('}').unwrap()].chars() {
        match letter {
            ',' if depth == 0 => inner.push(String::new()),
            _ => {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                inner.last_mut().unwrap().push(letter);
            }
        }
    }
    let whole = |part: String| {
        leaves(&part)
            .into_iter()
            .map(|leaf| format!("{before}{leaf}"))
    };
    inner
        .into_iter()
        .filter(|part| !part.is_empty())
        .flat_map(whole)
        .collect()
}

/// The modules of a folder (`""` is src/ itself) and what they import of each other.
fn imports(folder: &str) -> Imports {
    let prefix = match folder {
        "" => String::new(),
        _ => format!("{folder}::"),
    };
    let mut imports = Imports::new();
    let module_of = |path: &str| {
        let inside = path.strip_prefix(&prefix)?;
        Some(inside.split("::").next().unwrap().to_owned())
    };
    for file in files_below("src", "rs") {
        let file = file.strip_prefix(root()).unwrap_or(&file).to_owned();
        let path = file.strip_prefix("src").unwrap().with_extension("");
        let path = path.to_str().unwrap().replace('/', "::");
        let path = path.strip_suffix("::mod").unwrap_or(&path);
        let Some(module) = module_of(path).filter(|module| module != "lib") else {
            continue;
        };
        let others = imported(&file)
            .into_iter()
            .filter_map(|import| module_of(&import));
        let others = others.filter(|other| *other != module);
        imports.entry(module.clone()).or_default().extend(others);
    }
    let modules: BTreeSet<_> = imports.keys().cloned().collect();
    for others in imports.values_mut() {
        others.retain(|other| modules.contains(other));
    }
    imports
}

fn circle(imports: &Imports) -> Option<Vec<String>> {
    fn walk(imports: &Imports, path: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        let last = path.last().unwrap().clone();
        for next in &imports[&last] {
            let seen = path.contains(next);
            path.push(next.clone());
            if seen || !done.contains(next) && walk(imports, path, done) {
                return true;
            }
            path.pop();
        }
        done.insert(last);
        false
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|module| {
        let mut path = vec![module.clone()];
        walk(imports, &mut path, &mut done).then_some(path)
    })
}

#[test]
fn no_folder_has_a_circle_of_imports() {
    let mut folders = vec![String::new()];
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        let is_folder = entry.file_type().unwrap().is_dir();
        folders.extend(is_folder.then(|| entry.file_name().into_string().unwrap()));
    }
    assert!(folders.len() > 3, "{folders:?}");
    let found: Vec<_> = folders
        .iter()
        .filter_map(|folder| Some((folder, circle(&imports(folder))?)))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_sets_and_the_registrars_do_not_know_each_other() {
    let imports = imports("");
    assert!(!imports["store"].contains("kamailio"));
    assert!(!imports["kamailio"].contains("store"));
    assert!(imports["run"].contains("store"), "{imports:#?}");
}

/// A folder is entered through its `mod.rs`: only these of its modules can be named from outside.
#[test]
fn a_folder_shows_what_its_mod_rs_shows() {
    let mut shown = Vec::new();
    for file in files_below("src", "rs")
        .iter()
        .filter(|file| file.ends_with("mod.rs"))
    {
        let folder = file
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        let text = fs::read_to_string(file).unwrap();
        let modules = text
            .lines()
            .filter_map(|line| line.strip_prefix("pub mod "));
        shown.extend(modules.map(|module| format!("{folder}::{}", module.trim_end_matches(';'))));
    }
    shown.sort();
    // The two readers, for the fuzzers; and some whose names mean nothing without their module's.
    let allowed = [
        "kamailio::jsonrpc",
        "kamailio::xhttp_rpc",
        "peer::file",
        "peer::limits",
        "peer::tls",
    ];
    assert_eq!(shown, allowed);
}

#[test]
fn a_circle_is_found_and_a_use_is_read() {
    let to = |others: &[&str]| others.iter().map(ToString::to_string).collect();
    let mut imports: Imports = [("a", to(&["b"])), ("b", to(&["c"])), ("c", to(&[]))]
        .map(|(module, others): (&str, BTreeSet<String>)| (module.to_owned(), others))
        .into();
    assert_eq!(circle(&imports), None);
    imports.insert("c".into(), to(&["a"]));
    assert_eq!(circle(&imports).unwrap(), ["a", "b", "c", "a"]);
    assert_eq!(leaves("a::{b::{c,d},e}"), ["a::b::c", "a::b::d", "a::e"]);
}

#[test]
fn every_file_opens_by_saying_what_it_answers_for() {
    for file in files_below("src", "rs") {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//! "), "{}", file.display());
    }
}

/// rustfmt gives up where a string is longer than its line.
#[test]
fn no_line_is_longer_than_a_screen() {
    const LONGEST: usize = 140;
    for file in files_below("src", "rs") {
        let text = fs::read_to_string(&file).unwrap();
        let long = text.lines().find(|line| line.chars().count() > LONGEST);
        assert!(long.is_none(), "{}: {long:?}", file.display());
    }
}
