//! The settings file: which one is read, and its lines `NAME='value'` as sh reads them. What sh would expand or run is refused.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::failure::Failure;
use crate::peer::file;
use crate::text::without_secrets;

/// What cron, systemd and an administrator by hand share.
pub const DEFAULT: &str = "/etc/kamonline.env";

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub struct Assignment {
    /// File and number, as they are told.
    pub line: String,
    pub name: String,
    pub value: String,
}

/// The file that `--settings` names: `-` is standard input, `none` is no file.
pub fn named(path: &Path) -> Result<Vec<Assignment>, Failure> {
    if path == "none" {
        return Ok(Vec::new());
    }
    if path == "-" {
        let text = file::read_all(io::stdin())
            .map_err(|error| Failure::usage(format!("--settings -: {error}")))?;
        return assignments("standard input", &text);
    }
    let text = file::read(path).map_err(|error| {
        let shown = without_secrets(&path.to_string_lossy());
        Failure::usage(format!("--settings {shown}: {error}")).hint(match error.kind() {
            ErrorKind::PermissionDenied => readable(&shown),
            _ => "give a file that is there, or - for standard input".into(),
        })
    })?;
    assignments(&path.display().to_string(), &text)
}

/// The file that is read unasked, when it is there.
pub fn default(path: &Path) -> Result<Vec<Assignment>, Failure> {
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(Vec::new());
    }
    let shown = path.display();
    let text = file::read(path).or_else(|error| {
        from_standard_input(path).map_err(|_| {
            let hint = match error.kind() {
                ErrorKind::PermissionDenied => readable(&shown.to_string()),
                _ => "make it a regular file with the settings, or remove it".into(),
            };
            Failure::usage(format!("{shown}: {error}")).hint(hint)
        })
    })?;
    assignments(&shown.to_string(), &text)
}

/// Without the file the run would be another one, so no hint says how to leave it out.
fn readable(file: &str) -> String {
    format!(
        "run it as root, sudo kamonline; or let the group of the account that runs it read the file, \
         as root: chgrp kamonline {file} && chmod 640 {file}"
    )
}

/// The file, where it is standard input: the units of older versions run under an account that may not open it, and `sh` has
/// read it there already.
fn from_standard_input(path: &Path) -> io::Result<Vec<u8>> {
    let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let id = |data: Metadata| (data.dev(), data.ino());
    if id(stdin.metadata()?) != id(fs::metadata(path)?) {
        return Err(ErrorKind::NotFound.into());
    }
    stdin.rewind()?;
    file::read_all(stdin)
}

fn assignments(file: &str, text: &[u8]) -> Result<Vec<Assignment>, Failure> {
    let mut found = Vec::new();
    // A byte order mark, by an editor of Windows.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let at = format!("{file}, line {}", index + 1);
        let wrong = |why: &str| {
            Failure::usage(format!("{at}: {why}")).hint(
                "write NAME='value', with single quotes round the value, as in \
                 KAMONLINE_REDIS='redis://127.0.0.1:6379/0'; a quote in it is '\\''",
            )
        };
        let line = str::from_utf8(line).map_err(|_| wrong("it is not UTF-8"))?;
        let line = line.trim_matches([' ', '\t', '\r']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let is_blank = |rest: &&str| rest.starts_with([' ', '\t']);
        let exported = line.strip_prefix("export").filter(is_blank);
        let assigned = exported.map_or(line, |rest| rest.trim_start_matches([' ', '\t']));
        let (name, value) = assigned
            .split_once('=')
            .filter(|(name, _)| is_name(name))
            .ok_or_else(|| wrong("it sets nothing"))?;
        found.push(Assignment {
            value: unquoted(value).map_err(|why| wrong(&format!("{name}: {why}")))?,
            name: name.to_owned(),
            line: at,
        });
    }
    Ok(found)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Before anything else a backslash is a pattern's own: sh makes `trunk-d+` of `trunk-\d+`.
const NEEDS_A_BACKSLASH: &str = " \t'\"\\$`~#;&|<>()";

/// The value as sh has it then. No error quotes it: it may hold a password.
fn unquoted(text: &str) -> Result<String, &'static str> {
    const OPEN: &str = "a quote or a backslash is not closed on this line";
    const EXPANDED: &str = "sh would expand a $, a ` or a ~ in it";
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match char {
            '\'' => {
                let (inside, after) = rest.as_str().split_once('\'').ok_or(OPEN)?;
                value.push_str(inside);
                rest = after.chars();
            }
            '"' => loop {
                match rest.next().ok_or(OPEN)? {
                    '"' => break,
                    '$' | '`' => return Err(EXPANDED),
                    '\\' => match rest.next().ok_or(OPEN)? {
                        escaped @ ('"' | '\\' | '$' | '`') => value.push(escaped),
                        other => value.extend(['\\', other]),
                    },
                    other => value.push(other),
                }
            },
            '\\' => match rest.next().ok_or(OPEN)? {
                escaped if NEEDS_A_BACKSLASH.contains(escaped) => value.push(escaped),
                _ => return Err("sh would drop a backslash in it"),
            },
            '$' | '`' => return Err(EXPANDED),
            '~' if value.is_empty() || value.ends_with(':') => return Err(EXPANDED),
            ';' | '&' | '|' | '<' | '>' | '(' | ')' => {
                return Err("sh would run a part of it, at a ; & | < > ( or )");
            }
            ' ' | '\t' => {
                let after = rest.as_str().trim_start_matches([' ', '\t']);
                return match after.is_empty() || after.starts_with('#') {
                    true => Ok(value),
                    false => Err("sh would run what follows the blank"),
                };
            }
            other => value.push(other),
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const VALUES: [&str; 27] = [
        "redis://127.0.0.1:6379/0",
        "'trunk-.*'",
        "\"trunk-.*\"",
        "'se$cret`id`~'",
        "\"a\\\"b\\\\c\\$d\\`e\\f\"",
        "a\\ b\\$c\\\\d",
        "'it'\\''s'",
        "a'b c'\"d e\"f",
        "100 # of them",
        "100#of them",
        "''",
        "",
        "a=b",
        "*?[x]{a,b}!%^",
        "ü\u{a0}",
        "a~b",
        "'a' \t# x",
        "\"a~$b\"",
        "~/x",
        "a:~",
        "101 103",
        "a;id",
        "(a|b)",
        "'open",
        "trunk-\\d+",
        "trunk\\+1",
        "\"trunk-\\d+\"",
    ];

    /// dash is what Debian calls sh.
    #[test]
    fn a_value_is_what_sh_makes_of_it_or_none() {
        for value in VALUES {
            let script =
                format!("b=expanded HOME=/home PATH=; {{ X={value}\n}} && printf '<%s>\\n' \"$X\"");
            let sh = Command::new("/bin/sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            let sh = String::from_utf8(sh.stdout).unwrap();
            match unquoted(value) {
                Ok(value) => assert_eq!(sh, format!("<{value}>\n")),
                Err(why) => assert!(
                    !sh.starts_with(&format!("<{value}>")) && !why.is_empty(),
                    "{value}: {why}, and sh says {sh}"
                ),
            }
        }
    }

    #[test]
    fn comments_blank_lines_export_and_the_ends_of_windows_are_passed_over() {
        let text = b"# a comment\n\n \t\nexport A='1'\r\n  B=2  \nexport\tC=\"3\" # it\nD=";
        let read = assignments("file", text).unwrap();
        let read = read.iter().map(|one| (&*one.line, &*one.name, &*one.value));
        assert_eq!(
            read.collect::<Vec<_>>(),
            [
                ("file, line 4", "A", "1"),
                ("file, line 5", "B", "2"),
                ("file, line 6", "C", "3"),
                ("file, line 7", "D", ""),
            ]
        );
    }

    #[test]
    fn what_sets_nothing_is_told_with_its_line_and_without_its_value() {
        for line in [
            "A",
            "export A",
            "export -p",
            "A =s3cret",
            "1A=s3cret",
            "exportA s3cret",
            "set -a",
            ". /etc/other",
            "\u{feff}A=s3cret",
            "A=$s3cret",
            "A=\"`s3cret`\"",
            "A='s3cret",
            "A=\"s3cret",
            "A=s3cret\\",
            "A=s3cret B=1",
            "A=s3cret-\\d+",
        ] {
            let failure = assignments("file", format!("B=1\n{line}\n").as_bytes()).unwrap_err();
            let told = failure.to_string();
            assert!(
                told.starts_with("file, line 2: ") && !told.contains("s3c"),
                "{told}"
            );
        }
        assert!(assignments("file", b"A=\xff").is_err());
    }
}
