//! A variable that is none of kamonline's: whether it is misspelt, and which option is meant.

use std::ffi::OsStr;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};

use super::option::{PREFIX, is_setting, long, variable};
use super::setting::Place;
use super::spelling::is_invisible;
use crate::failure::Failure;
use crate::text::Escaped;

/// As Compose and Helm name it: near --replicated, and nobody means that.
const COUNT_OF_CONTAINERS: &str = "REPLICAS";

/// An error about a variable that is misspelt. `value` tells those that Kubernetes makes.
pub fn check(command: &Command, name: &str, value: &OsStr, place: &Place) -> Result<(), Failure> {
    let is_seen = |c: &char| !c.is_whitespace() && !is_invisible(*c);
    let seen: String = name.chars().filter(is_seen).collect();
    let meant = match seen.strip_prefix_ignoring_case(PREFIX) {
        Some(COUNT_OF_CONTAINERS) => None,
        Some(_) if is_of_a_service(&seen, value) => None,
        Some(rest) => resembled(command, &rest.to_lowercase().replace('_', "-")),
        None => {
            let slip = settings(command).find(|option| is_slip_of(&seen, option));
            slip.map(|option| vec![option])
        }
    };
    meant.map_or(Ok(()), |meant| Err(misspelt(name, place, &meant)))
}

fn settings(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|option| is_setting(option))
}

/// What Kubernetes sets in every container for a service whose name begins with `kamonline`.
fn is_of_a_service(name: &str, value: &OsStr) -> bool {
    let value = value.to_string_lossy();
    let is_numbered = |rest: &str| {
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < rest.len() && digits.starts_with('_')
    };
    let of_docker = || match name.split_once("_PORT") {
        Some((_, "")) => value.contains("://"),
        Some((_, rest)) => rest.strip_prefix('_').is_some_and(is_numbered),
        None => false,
    };
    name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || of_docker()
}

/// The options that may be meant by a name that resembles one: the one of that name, in another case; or those that begin
/// with its words; or the one whose name it begins with, unless it begins longer ones; or, if clap would suggest one, that one
/// if it is near, and otherwise those that are.
fn resembled<'a>(command: &'a Command, name: &str) -> Option<Vec<&'a Arg>> {
    let known = || settings(command);
    let begun_by = |start: &str| -> Vec<_> {
        known()
            .filter(|option| long(option).starts_with(start))
            .collect()
    };
    let is_known = known().any(|option| long(option) == name);
    let longer = begun_by(&format!("{name}-"));
    if !longer.is_empty() && !is_known {
        return Some(longer);
    }
    let shorter = known().filter(|option| name.starts_with(long(option)));
    if let Some(longest) = shorter.max_by_key(|option| long(option).len()) {
        let begun = begun_by(name);
        return Some(match begun.is_empty() || is_known {
            true => vec![longest],
            false => begun,
        });
    }
    let word = format!("--{name}");
    let error = command.clone().try_get_matches_from(["", &word]).err();
    let suggested = error
        .as_ref()
        .and_then(|error| error.get(ContextKind::SuggestedArg));
    let Some(ContextValue::String(suggested)) = suggested else {
        return None;
    };
    let near = known().filter(|option| is_near(name, long(option)));
    let near: Vec<_> = near.collect();
    let is_suggested = |option: &&&Arg| suggested.trim_start_matches('-') == long(option);
    match near.iter().find(is_suggested) {
        Some(option) => Some(vec![option]),
        None => (!near.is_empty()).then_some(near),
    }
}

/// Whether two names share a word or their first letters, or differ in one letter.
fn is_near(name: &str, option: &str) -> bool {
    let start = |text: &str| text.replace('-', "").chars().take(4).collect::<String>();
    name.split('-')
        .any(|word| option.split('-').any(|other| word == other))
        || start(name) == start(option)
        || is_one_letter_off(name.as_bytes(), option.as_bytes())
}

/// Whether it is the variable of this option but for another separator, or for one letter before it.
fn is_slip_of(name: &str, option: &Arg) -> bool {
    let name = name.to_uppercase().replace(['-', '.'], "_");
    let variable = variable(option);
    let end = name.strip_suffix(&variable[PREFIX.len()..]);
    end.is_some_and(|program| is_one_letter_off(program.as_bytes(), PREFIX.as_bytes()))
}

/// Whether one letter is wrong, left out or too many, or two have changed places, at most.
fn is_one_letter_off(one: &[u8], other: &[u8]) -> bool {
    let alike = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    match (&one[alike..], &other[alike..]) {
        ([], []) => true,
        ([a, b, one @ ..], [c, d, other @ ..]) if (a, b) == (d, c) => one == other,
        (one, other) => {
            let (without, without_other) = (one.get(1..), other.get(1..));
            without == without_other || without == Some(other) || Some(one) == without_other
        }
    }
}

fn misspelt(name: &str, place: &Place, meant: &[&Arg]) -> Failure {
    let name = Escaped(name.as_bytes()).to_string();
    let names: Vec<_> = meant.iter().map(|option| variable(option)).collect();
    let names = names.join(" or ");
    let is_password = match (meant, names.strip_suffix("_FILE")) {
        ([_], Some(of_file)) => {
            of_file.ends_with("_PASSWORD") && of_file.starts_with(&name.to_uppercase())
        }
        _ => false,
    };
    let hint = match is_password {
        true => {
            format!("put what it holds into a file, name that file in {names}, and remove {name}")
        }
        false => format!("remove it, or rename it if {names} is what you mean"),
    };
    let name = place.of(&name);
    Failure::usage(format!("{name} is no setting of kamonline")).hint(hint)
}

trait StripPrefix {
    fn strip_prefix_ignoring_case(&self, prefix: &str) -> Option<&str>;
}

impl StripPrefix for str {
    fn strip_prefix_ignoring_case(&self, prefix: &str) -> Option<&str> {
        let (start, rest) = self.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(rest)
    }
}
