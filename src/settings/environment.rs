//! Settings from the command line and from the environment, by one rule for every option.
//!
//! An option is `KAMONLINE_` and its name there, a flag too. The command line goes before the environment, also where the
//! two conflict. Both are read here as they are written, and clap then checks them as one command line.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable::Reset;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::failure::Failure;

const PREFIX: &str = "KAMONLINE_";
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

/// What an option is set to, and where.
struct Setting<'a> {
    option: &'a Arg,
    /// None is the command line.
    variable: Option<String>,
    values: Vec<OsString>,
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
            settings.push(Setting::new(option, None, values.cloned().collect())?);
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
                if let Some(option) = resembled(command, &rest.to_lowercase().replace('_', "-")) {
                    return Err(misspelt(&name, &option).into());
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

impl<'a> Setting<'a> {
    /// Of a flag or a single value the last counts.
    fn new(
        option: &'a Arg,
        variable: Option<String>,
        mut values: Vec<OsString>,
    ) -> Result<Self, Failure> {
        if !is_list(option) {
            values.drain(..values.len().saturating_sub(1));
        }
        let setting = Self {
            option,
            variable,
            values,
        };
        if setting.values.iter().any(|value| value.is_empty()) {
            let failure = Failure::usage(format!("{} is empty", setting.name()));
            return Err(failure.hint("give it a value, or remove it"));
        }
        if is_flag(option) && setting.values.iter().any(|value| truth(value).is_none()) {
            let name = setting.name();
            return Err(Failure::usage(format!(
                "{name} is neither on (1, true, yes, on) nor off (0, false, no, off)"
            )));
        }
        Ok(setting)
    }

    /// A list is split at every comma; the last one may stand at the end.
    fn from_environment(
        option: &'a Arg,
        variable: String,
        value: OsString,
    ) -> Result<Self, Failure> {
        if !is_list(option) || value.is_empty() {
            return Self::new(option, Some(variable), vec![value]);
        }
        let text = value
            .to_str()
            .ok_or_else(|| Failure::usage(format!("{variable} is not valid UTF-8")))?;
        let mut parts: Vec<_> = text.split(',').map(|part| part.trim().into()).collect();
        parts.pop_if(|last: &mut OsString| last.is_empty() && text.contains(','));
        if parts.is_empty() || parts.contains(&OsString::new()) {
            return Err(Failure::usage(format!("{variable} has an empty element"))
                .hint("remove a comma: the list is split at each"));
        }
        Self::new(option, Some(variable), parts)
    }

    fn name(&self) -> String {
        let on_command_line = || format!("--{}", long(self.option));
        self.variable.clone().unwrap_or_else(on_command_line)
    }

    /// A flag that is off is as good as one that is not set.
    fn is_on(&self) -> bool {
        !is_flag(self.option) || self.values.iter().any(|value| truth(value) == Some(true))
    }

    /// As on a command line.
    fn words(&self) -> Vec<OsString> {
        let name = OsString::from(format!("--{}", long(self.option)));
        match (is_flag(self.option), self.is_on()) {
            (true, true) => vec![name],
            (true, false) => vec![],
            (false, _) => {
                let word = |value: &OsString| [&name, OsStr::new("="), value].into_iter().collect();
                self.values.iter().map(word).collect()
            }
        }
    }
}

fn truth(value: &OsStr) -> Option<bool> {
    match value.to_str()?.to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn is_flag(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::SetTrue)
}

fn is_list(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Append)
}

fn is_setting(option: &Arg) -> bool {
    long(option) != NO_SETTING
}

fn long(option: &Arg) -> &str {
    option.get_long().expect("every option has a long name")
}

/// `KAMONLINE_MAX_REMOVAL`
pub fn variable(option: &Arg) -> String {
    format!("{PREFIX}{}", long(option).to_uppercase().replace('-', "_"))
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

/// The option that this one resembles: it begins like it, or clap would suggest it.
fn resembled(command: &Command, name: &str) -> Option<String> {
    let known = || {
        command
            .get_arguments()
            .filter(|option| is_setting(option))
            .map(long)
    };
    let begun = known().filter(|known| name.starts_with(known));
    if let Some(begun) = begun.max_by_key(|known| known.len()) {
        return Some(begun.to_owned());
    }
    let word = format!("--{name}");
    let error = command.clone().try_get_matches_from(["", &word]).err()?;
    let suggested = match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(suggested) => suggested.trim_start_matches('-').to_owned(),
        _ => return None,
    };
    known().any(|known| known == suggested).then_some(suggested)
}

fn misspelt(name: &str, option: &str) -> Failure {
    let right = format!("{PREFIX}{}", option.to_uppercase().replace('-', "_"));
    Failure::usage(format!("{name} is no setting of kamonline")).hint(format!(
        "rename it to {right}, or remove it from the environment"
    ))
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
