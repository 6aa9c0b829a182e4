//! Settings from the command line, the environment and the settings file, by one rule for every option.
//!
//! A variable is `KAMONLINE_` and the name of its option, a flag too. The command line takes precedence over the environment, and
//! that over the file, also where two of them conflict. All are read here as they are written, and clap then checks them as one
//! command line. Words put in front of it would not do: a list would grow, and a conflict would be an error.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::builder::Resettable::Reset;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::file::{self, Assignment};
use super::setting::{PREFIX, Place, Setting, is_flag, is_list, long, variable};
use crate::failure::Failure;

/// It asks for a text, and is no setting.
const NO_SETTING: &str = "generate";
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
    let Some(rest) = name.strip_prefix_ignoring_case(PREFIX) else {
        let slip = options.find(|option| is_slip_of(name, option));
        return slip.map_or(Ok(None), |option| Err(misspelt(name, &place, &[option])));
    };
    if let Some(option) = options.find(|option| name == variable(option)) {
        return Setting::from_variable(option, place, value).map(Some);
    }
    let resembled = resembled(command, &rest.to_lowercase().replace('_', "-"));
    match resembled.is_empty() || is_of_a_service(name, &value) {
        true => Ok(None),
        false => Err(misspelt(name, &place, &resembled)),
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

fn is_setting(option: &Arg) -> bool {
    long(option) != NO_SETTING
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

fn misspelt(name: &str, place: &Place, resembled: &[&Arg]) -> Failure {
    let names: Vec<_> = resembled.iter().map(|option| variable(option)).collect();
    let names = names.join(" or ");
    let hint = match resembled {
        [_] if name.ends_with("_PASSWORD") && names == format!("{name}_FILE") => {
            format!("put what it holds into a file, name that file in {names}, and remove {name}")
        }
        _ => format!("remove it, or rename it if {names} is what you mean"),
    };
    let name = place.of(name);
    Failure::usage(format!("{name} is no setting of kamonline")).hint(hint)
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

trait StripPrefix {
    fn strip_prefix_ignoring_case(&self, prefix: &str) -> Option<&str>;
}

impl StripPrefix for str {
    fn strip_prefix_ignoring_case(&self, prefix: &str) -> Option<&str> {
        let (start, rest) = self.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(rest)
    }
}
