//! README.md explains every hint that the code gives, and no error that is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::files_below;
use crate::readme::section;

/// Every hint that the code gives stands in README.md.
#[test]
fn it_tells_every_hint() {
    let told = plain(&section("Troubleshooting"));
    let mut hints = BTreeMap::new();
    for file in files_below("src", "rs") {
        for hint in hints_in(&file) {
            hints.insert(hint, file.clone());
        }
    }
    assert!(
        hints.len() > 30,
        "the hints are looked for in the wrong way"
    );
    let untold: Vec<_> = hints
        .iter()
        .filter(|(hint, _)| !pieces(hint).iter().all(|piece| told.contains(piece)))
        .map(|(hint, file)| format!("{}: {hint}", file.display()))
        .collect();
    assert!(
        untold.is_empty(),
        "not in README.md below `## Troubleshooting`:\n{}",
        untold.join("\n")
    );
}

/// Every error that README.md explains is one that the code can give: what is quoted in the first column.
#[test]
fn it_tells_of_no_error_that_is_gone() {
    let mut code = String::new();
    for file in files_below("src", "rs") {
        for text in literals(tokens(&file)) {
            code += &format!("{}\n", plain(&text));
        }
    }
    let section = section("Troubleshooting");
    let mut rows = 0;
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let error = row.split('`').nth(1).unwrap();
        let pieces = error
            .split('…')
            .map(|piece| plain(piece.trim_end_matches([':', ' '])));
        for piece in pieces.filter(|piece| piece.len() > 3) {
            assert!(code.contains(&piece), "no error of the code says `{piece}`");
        }
        rows += 1;
    }
    assert!(
        rows > 20,
        "{rows} rows in the tables below `## Troubleshooting`"
    );
}

fn tokens(file: &Path) -> Vec<TokenTree> {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    code.parse::<TokenStream>().unwrap().into_iter().collect()
}

/// The texts in the arguments of `.hint(..)`, and those of the functions and constants that are named there.
fn hints_in(file: &Path) -> BTreeSet<String> {
    let tokens = tokens(file);
    let mut items = BTreeMap::new();
    items_in(&tokens, &mut items);
    let mut arguments = Vec::new();
    arguments_of_hint(&tokens, &mut arguments);
    let mut hints = BTreeSet::new();
    for argument in arguments {
        for name in identifiers(argument.clone()) {
            hints.extend(items.get(&name).cloned().unwrap_or_default());
        }
        hints.extend(literals(argument));
    }
    // Words that are looked for in an answer are in such functions too.
    hints.retain(|hint| hint.split(' ').count() > 3);
    hints
}

fn arguments_of_hint(tokens: &[TokenTree], found: &mut Vec<Vec<TokenTree>>) {
    for (i, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else {
            continue;
        };
        let inner: Vec<_> = group.stream().into_iter().collect();
        let called = group.delimiter() == Delimiter::Parenthesis;
        if called && i > 0 && matches!(&tokens[i - 1], TokenTree::Ident(name) if name == "hint") {
            found.push(inner.clone());
        }
        arguments_of_hint(&inner, found);
    }
}

/// The texts of each function, constant and variable, by its name.
fn items_in(tokens: &[TokenTree], items: &mut BTreeMap<String, Vec<String>>) {
    for (i, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(kind) if kind == "fn" || kind == "const" || kind == "let" => {
                let is_end = |token: &TokenTree| match token {
                    TokenTree::Group(group) => {
                        kind == "fn" && group.delimiter() == Delimiter::Brace
                    }
                    TokenTree::Punct(mark) => mark.as_char() == ';',
                    _ => false,
                };
                let end = tokens[i..]
                    .iter()
                    .position(is_end)
                    .map_or(tokens.len(), |end| i + end + 1);
                if let Some(TokenTree::Ident(name)) = tokens.get(i + 1) {
                    let texts = literals(tokens[i..end].to_vec());
                    items.entry(name.to_string()).or_default().extend(texts);
                }
            }
            TokenTree::Group(group) => {
                items_in(&group.stream().into_iter().collect::<Vec<_>>(), items)
            }
            _ => {}
        }
    }
}

fn identifiers(tokens: Vec<TokenTree>) -> Vec<String> {
    let of = |token| match token {
        TokenTree::Ident(name) => vec![name.to_string()],
        TokenTree::Group(group) => identifiers(group.stream().into_iter().collect()),
        // A name can stand in a format string too.
        TokenTree::Literal(text) => {
            let text = text.to_string();
            let held = text
                .split('{')
                .skip(1)
                .filter_map(|part| part.split('}').next());
            held.map(str::to_owned).collect()
        }
        TokenTree::Punct(_) => vec![],
    };
    tokens.into_iter().flat_map(of).collect()
}

/// The string literals, unescaped.
fn literals(tokens: Vec<TokenTree>) -> Vec<String> {
    let of = |token| match token {
        TokenTree::Group(group) => literals(group.stream().into_iter().collect()),
        TokenTree::Literal(literal) => {
            let text = literal.to_string();
            let inner = text
                .strip_prefix('"')
                .and_then(|text| text.strip_suffix('"'));
            inner.map(unescaped).into_iter().collect()
        }
        _ => vec![],
    };
    tokens.into_iter().flat_map(of).collect()
}

fn unescaped(literal: &str) -> String {
    let mut text = String::new();
    let mut letters = literal.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some('\n')) => while letters.next_if(|next| next.is_whitespace()).is_some() {},
            ('\\', Some('n')) => {
                letters.next();
                text.push('\n');
            }
            ('\\', Some('"' | '\\' | '\'')) => text.extend(letters.next()),
            _ => text.push(letter),
        }
    }
    text
}

/// What stands between the `{}` of a format string.
fn pieces(format: &str) -> Vec<String> {
    format
        .split('{')
        .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest))
        .map(plain)
        .filter(|piece| piece.len() > 3)
        .collect()
}

/// Without what Markdown adds, in one line.
fn plain(text: &str) -> String {
    let text = text.replace('`', "").replace("\\|", "|");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
