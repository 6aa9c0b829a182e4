//! The command line and the environment, checked and made into a run's Config. Nothing below knows an option of clap.

mod cli;
mod config;
mod environment;
mod setting;

pub use cli::Cli;
pub use environment::{SettingsError, read};
pub use setting::variable;
