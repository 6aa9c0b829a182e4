//! The command line and the environment, checked and made into a run's Config. Nothing below knows an option of clap.

mod cli;
mod config;
mod environment;

pub use cli::Cli;
pub use environment::{SettingsError, read, variable};
