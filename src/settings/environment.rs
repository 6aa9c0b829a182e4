//! Settings from the command line and from the environment, by one rule for every option.
//!
//! An option is `KAMONLINE_` and its name there, a flag too. The command line goes before the environment, also where the
//! two conflict. Both are read here as they are written, and clap then checks them as one command line.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable::Reset;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::setting::{PREFIX, Setting, is_flag, long, variable};
use crate::failure::Failure;

/// It asks for a text, and is no setting.
const NO_SETTING: &str = "generate";

/// Why there are no settings.
pub enum SettingsError {
    /// clap's own, among them the texts that `--help` and `--version` ask for.
    Clap(clap::Error),
    Failure(Failure),
}

impl From<clap::Error> for SettingsError {
    fn from(error: clap::Error) -> Self {
        SettingsError::Clap(error)
    }
}

impl From<Failure> for SettingsError {
    fn from(failure: Failure) -> Self {
        SettingsError::Failure(failure)
    }
}

/// What is set, and the names of the lists that the environment sets to more than one element.
pub fn read(
    command: &Command,
    args: Vec<OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(ArgMatches, Vec<String>), SettingsError> {
    let written = plain(command)
        .try_get_matches_from(&args)
        .map_err(|error| as_clap_says_it(command, &args, error))?;
    let options = || command.get_arguments();
    let mut settings = Vec::new();
    for option in options() {
        let id = option.get_id().as_str();
        if written.value_source(id) == Some(ValueSource::CommandLine) {
            let values = written.get_many::<OsString>(id).unwrap_or_default();
            let values = values.cloned().collect();
            settings.push(Setting::from_command_line(option, values)?);
        }
    }
    let asks_for_text = written.contains_id(NO_SETTING);
    let environment = environment.into_iter().filter(|_| !asks_for_text);
    let mut from_environment = Vec::new();
    for (name, value) in environment {
        let name = name.to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix_ignoring_case(PREFIX) else {
            continue;
        };
        let is_it = |option: &&Arg| is_setting(option) && name == variable(option);
        match options().find(is_it) {
            Some(option) => {
                from_environment.push(Setting::from_environment(option, name, value)?);
            }
            None if is_of_a_service(&name, &value) => {}
            None => {
                let resembled = resembled(command, &rest.to_lowercase().replace('_', "-"));
                if !resembled.is_empty() {
                    return Err(misspelt(&name, &resembled).into());
                }
            }
        }
    }
    from_environment.retain(|setting| {
        let overruled = |given: &Setting| {
            given.option.get_id() == setting.option.get_id()
                || given.is_on() && conflict(command, given.option, setting.option)
        };
        !settings.iter().any(overruled)
    });
    let is_split = |setting: &&Setting| setting.values.len() > 1;
    let split = from_environment.iter().filter(is_split);
    let split = split
        .map(|setting| long(setting.option).to_owned())
        .collect();
    settings.extend(from_environment);
    let name = args
        .into_iter()
        .next()
        .unwrap_or_else(|| command.get_name().into());
    let merged = [name]
        .into_iter()
        .chain(settings.iter().flat_map(Setting::words));
    let matches = command
        .clone()
        .try_get_matches_from(merged)
        .map_err(|error| naming_the_variable(&settings, error))?;
    Ok((matches, split))
}

/// The same options, which take anything: a flag may have a value (`--dry-run=false`), and whatever stands there more than
/// once is kept.
fn plain(command: &Command) -> Command {
    command.clone().mut_args(|option| {
        let is_flag = is_flag(&option);
        let plain = option
            .action(ArgAction::Append)
            .value_parser(value_parser!(OsString))
            .default_value(Reset)
            .conflicts_with(Reset)
            .requires(Reset);
        match is_flag {
            true => plain
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true"),
            false => plain,
        }
    })
}

/// The text of `--help` or `--version`, or the error, in the words of the real command line.
fn as_clap_says_it(command: &Command, args: &[OsString], error: clap::Error) -> clap::Error {
    let asked = |words: [&str; 2]| args.iter().find(|arg| words.iter().any(|word| arg == word));
    let asked = match error.kind() {
        ErrorKind::DisplayHelp => asked(["-h", "--help"]),
        ErrorKind::DisplayVersion => asked(["-V", "--version"]),
        _ => return error,
    };
    let words = [
        command.get_name().into(),
        asked.cloned().unwrap_or("--help".into()),
    ];
    command
        .clone()
        .try_get_matches_from(words)
        .err()
        .unwrap_or(error)
}

fn is_setting(option: &Arg) -> bool {
    long(option) != NO_SETTING
}

fn takes_a_file(option: &Arg) -> bool {
    option
        .get_value_names()
        .is_some_and(|names| names == ["FILE"])
}

fn conflict(command: &Command, one: &Arg, other: &Arg) -> bool {
    let against = |one: &Arg, other: &Arg| {
        let conflicts = command.get_arg_conflicts_with(one);
        conflicts.iter().any(|arg| arg.get_id() == other.get_id())
    };
    against(one, other) || against(other, one)
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

/// The options that this name resembles: the one of that name, in another case; or those that begin with its words; or the
/// one whose name it begins with; or the one that clap would suggest.
fn resembled<'a>(command: &'a Command, name: &str) -> Vec<&'a Arg> {
    let known = || command.get_arguments().filter(|option| is_setting(option));
    let words = format!("{name}-");
    let is_known = known().any(|option| long(option) == name);
    let longer: Vec<_> = known()
        .filter(|option| long(option).starts_with(&words))
        .collect();
    if !longer.is_empty() && !is_known {
        return longer;
    }
    let shorter = known().filter(|option| name.starts_with(long(option)));
    if let Some(longest) = shorter.max_by_key(|option| long(option).len()) {
        return vec![longest];
    }
    let word = format!("--{name}");
    let error = command.clone().try_get_matches_from(["", &word]).err();
    let suggested = error
        .as_ref()
        .and_then(|error| error.get(ContextKind::SuggestedArg));
    let Some(ContextValue::String(suggested)) = suggested else {
        return Vec::new();
    };
    known()
        .filter(|option| suggested.trim_start_matches('-') == long(option))
        .collect()
}

fn misspelt(name: &str, resembled: &[&Arg]) -> Failure {
    let names: Vec<_> = resembled.iter().map(|option| variable(option)).collect();
    let names = names.join(" or ");
    let hint = match resembled {
        [option] if names.starts_with(name) && takes_a_file(option) => format!(
            "put what it holds into a file, and name that file in {names}; remove {name} from the environment"
        ),
        _ => format!("rename it to {names}, or remove it from the environment"),
    };
    Failure::usage(format!("{name} is no setting of kamonline")).hint(hint)
}

/// An error about an option that the environment sets names its variable.
fn naming_the_variable(settings: &[Setting], mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(quoted)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let option = quoted.split([' ', '=']).next().unwrap_or_default();
    let is_it = |setting: &&Setting| option.strip_prefix("--") == Some(long(setting.option));
    let set = settings
        .iter()
        .filter(|setting| setting.variable.is_some())
        .find(is_it);
    if let Some(setting) = set {
        let named = format!("{} ({option})", setting.name());
        error.insert(ContextKind::InvalidArg, ContextValue::String(named));
    }
    error
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
