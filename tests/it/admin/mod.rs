//! The administrator's day: settings, cron, systemd, packages, man page and completions.

mod cron;
mod environment;
mod environment_at_work;
mod generate;
mod image;
mod package;
mod release;
mod settings_file;
mod settings_of_the_machine;
mod systemd;
