//! The command line, the environment and the settings file, checked and made into a run's Config. Nothing below knows an option of clap.

mod cli;
mod config;
mod environment;
mod file;
mod misspelt;
mod option;
mod setting;
mod spelling;

pub use cli::Cli;
pub use environment::{Settings, SettingsError, read};
pub use option::variable;
