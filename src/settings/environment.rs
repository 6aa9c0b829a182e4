//! Settings from the command line, the environment and the settings file, by one rule for every option.
//!
//! A variable is `KAMONLINE_` and the name of its option, a flag too. The command line takes precedence over the environment, and
//! that over the file, also where two of them conflict. All are read here as they are written, and clap then checks them as one
//! command line. Words put in front of it would not do: a list would grow, and a conflict would be an error.

use std::ffi::OsString;
use std::path::Path;

use clap::builder::Resettable::Reset;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::file::{self, Assignment};
use super::misspelt;
use super::option::{PREFIX, is_flag, is_list, is_setting, long, variable};
use super::setting::{Place, Setting};
use crate::failure::Failure;

/// It names the file.
const FILE: &str = "settings";

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

/// What is set.
pub struct Settings {
    pub matches: ArgMatches,
    pub sources: Vec<Source>,
    pub warnings: Vec<String>,
}

/// An option that the environment or the file sets.
pub struct Source {
    pub option: String,
    /// As errors name it.
    pub name: String,
    /// A list of several elements.
    pub is_split: bool,
}

/// `default` is the settings file when none is named.
pub fn read(
    command: &Command,
    args: Vec<OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    default: &Path,
) -> Result<Settings, SettingsError> {
    let mut settings = from_command_line(command, &args)?;
    let mut warnings = Vec::new();
    if settings.iter().all(|setting| is_setting(setting.option)) {
        let (mut set, mut names) = (Vec::new(), Vec::new());
        for (name, value) in environment {
            let name = name.to_string_lossy().into_owned();
            set.extend(from_variable(command, &name, value, Place::Environment)?);
            names.push(name);
        }
        add(command, &mut settings, set);
        let (assignments, warning) = file_of(&settings, default, &names)?;
        warnings.extend(warning);
        let set = from_file(command, assignments, &mut warnings)?;
        add(command, &mut settings, set);
    }
    let by_variable = settings
        .iter()
        .filter(|setting| setting.place != Place::CommandLine);
    let sources = by_variable.map(|setting| Source {
        option: long(setting.option).to_owned(),
        name: setting.name(),
        is_split: setting.values.len() > 1,
    });
    let sources = sources.collect();
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
    Ok(Settings {
        matches,
        sources,
        warnings,
    })
}

fn from_command_line<'a>(
    command: &'a Command,
    args: &[OsString],
) -> Result<Vec<Setting<'a>>, SettingsError> {
    let written = plain(command)
        .try_get_matches_from(args)
        .map_err(|error| as_clap_says_it(command, args, error))?;
    let mut settings = Vec::new();
    for option in command.get_arguments() {
        let id = option.get_id().as_str();
        if written.value_source(id) == Some(ValueSource::CommandLine) {
            let values = written.get_many::<OsString>(id).unwrap_or_default();
            let values = values.cloned().collect();
            settings.push(Setting::from_command_line(option, values)?);
        }
    }
    Ok(settings)
}

/// None is a variable of others.
fn from_variable<'a>(
    command: &'a Command,
    name: &str,
    value: OsString,
    place: Place,
) -> Result<Option<Setting<'a>>, Failure> {
    let mut options = command.get_arguments().filter(|option| is_setting(option));
    match options.find(|option| name == variable(option)) {
        Some(option) => Setting::from_variable(option, place, value).map(Some),
        None => misspelt::check(command, name, &value, &place).map(|()| None),
    }
}

/// The file that `--settings` names; or the default one, unless a server is named already: one site's settings are none of
/// another's. `environment` is the names of its variables: cron lines and units of older versions hand all of the file over.
fn file_of(
    settings: &[Setting],
    default: &Path,
    environment: &[String],
) -> Result<(Vec<Assignment>, Option<String>), Failure> {
    let value = |name| settings.iter().find(|setting| long(setting.option) == name);
    if let Some(named) = value(FILE) {
        return Ok((file::named(Path::new(&named.values[0]))?, None));
    }
    if let Some(server) = value("kamailio").or(value("redis")) {
        let is_left_out =
            |line: &Assignment| line.name.starts_with(PREFIX) && !environment.contains(&line.name);
        let has_more = match server.place {
            Place::CommandLine => default.exists(),
            _ => file::default(default).is_ok_and(|lines| lines.iter().any(is_left_out)),
        };
        let warning = has_more.then(|| {
            let (shown, server) = (default.display(), server.name());
            format!(
                "nothing of {shown} counts, as {server} names a server; give --settings {shown}, if it should, or --settings none"
            )
        });
        return Ok((Vec::new(), warning));
    }
    Ok((file::default(default)?, None))
}

/// When a name is set twice, the last one counts, as in sh.
fn from_file<'a>(
    command: &'a Command,
    assignments: Vec<Assignment>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Setting<'a>>, Failure> {
    let mut set: Vec<Setting> = Vec::new();
    for Assignment { line, name, value } in assignments {
        let place = Place::File(line.clone());
        match from_variable(command, &name, value.into(), place)? {
            Some(setting) if long(setting.option) == FILE => {
                let message = format!("{}: a settings file names no other", setting.name());
                return Err(Failure::usage(message).hint("remove the line"));
            }
            Some(setting)
                if is_list(setting.option) && set.iter().any(|other| differs(other, &setting)) =>
            {
                let message = format!("{}: an earlier line sets it, too", setting.name());
                return Err(Failure::usage(message)
                    .hint("write one line, with a comma between its values: the last one alone would count"));
            }
            Some(setting) => {
                set.retain(|earlier| earlier.option.get_id() != setting.option.get_id());
                set.push(setting);
            }
            None => warnings.push(format!("{line}: {name} is no setting of kamonline")),
        }
    }
    Ok(set)
}

/// Whether a list is given twice, and not the same.
fn differs(one: &Setting, other: &Setting) -> bool {
    one.option.get_id() == other.option.get_id() && one.values != other.values
}

/// What is set already takes precedence, also where the two conflict.
fn add<'a>(command: &Command, settings: &mut Vec<Setting<'a>>, mut further: Vec<Setting<'a>>) {
    further.retain(|setting| {
        let overruled = |given: &Setting| {
            given.option.get_id() == setting.option.get_id()
                || given.is_on() && conflict(command, given.option, setting.option)
        };
        !settings.iter().any(overruled)
    });
    settings.extend(further);
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

fn conflict(command: &Command, one: &Arg, other: &Arg) -> bool {
    let against = |one: &Arg, other: &Arg| {
        let conflicts = command.get_arg_conflicts_with(one);
        conflicts.iter().any(|arg| arg.get_id() == other.get_id())
    };
    against(one, other) || against(other, one)
}

/// An error about an option that a variable sets names that variable.
fn naming_the_variable(settings: &[Setting], mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(quoted)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let option = quoted.split([' ', '=']).next().unwrap_or_default();
    let is_it = |setting: &&Setting| option.strip_prefix("--") == Some(long(setting.option));
    let set = settings
        .iter()
        .filter(|setting| setting.place != Place::CommandLine)
        .find(is_it);
    if let Some(setting) = set {
        let named = format!("{} ({option})", setting.name());
        error.insert(ContextKind::InvalidArg, ContextValue::String(named));
    }
    error
}
