//! What a run waits for and how long it has waited, on a terminal, once the run takes longer than a second.

use std::io::{self, Write};
use std::thread::{self, Builder};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::config::Config;

#[derive(Clone, Copy)]
pub enum Wait {
    Redis,
    Kamailio,
    SecondLook,
    /// What only `--dry-run -v` asks of each server.
    Facts,
}

/// Shown on standard error until it ends.
#[derive(Clone)]
pub struct Progress(Option<Shown>);

#[derive(Clone)]
struct Shown {
    bar: ProgressBar,
    redis: String,
    kamailio: String,
}

impl Progress {
    /// For somebody who looks, if there is somebody.
    pub fn new(is_watched: bool, config: &Config) -> Self {
        if !is_watched {
            return Self(None);
        }
        let timeout = humantime::format_duration(config.redis.deadlines().timeout);
        let template =
            format!("{{spinner}} waiting for {{msg}}: {{elapsed}} (--timeout {timeout})");
        let style = ProgressStyle::with_template(&template);
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let later = bar.clone();
        // A system that starts no thread shows nothing.
        let _ = Builder::new().spawn(move || {
            thread::sleep(Duration::from_secs(1));
            if !later.is_finished() {
                later.set_draw_target(ProgressDrawTarget::stderr());
            }
            while !later.is_finished() {
                later.tick();
                thread::sleep(Duration::from_millis(100));
            }
        });
        let registrars = config.registrars.iter().map(|registrar| registrar.url());
        Self(Some(Shown {
            bar,
            redis: format!("Redis at {}", config.redis.shown()),
            kamailio: format!("Kamailio at {}", registrars.collect::<Vec<_>>().join(", ")),
        }))
    }

    /// The time begins anew.
    pub fn wait_for(&self, wait: Wait) {
        if let Some(Shown {
            bar,
            redis,
            kamailio,
        }) = &self.0
        {
            bar.set_message(match wait {
                Wait::Redis => redis.clone(),
                Wait::Kamailio => kamailio.clone(),
                Wait::SecondLook => format!("{kamailio}, second look"),
                Wait::Facts => format!("{kamailio}, and {redis}"),
            });
            bar.reset_elapsed();
        }
    }

    /// A line on standard error, above what is shown; none from the background of a terminal, which may stop the process for
    /// it (`stty tostop`).
    pub fn say(&self, line: &str) {
        let say = || {
            // Nobody is left to be told when it is closed.
            let _ = writeln!(io::stderr(), "kamonline: {line}");
        };
        match &self.0 {
            Some(_) if is_in_background() => {}
            Some(shown) => shown.bar.suspend(say),
            None => say(),
        }
    }

    pub fn end(&self) {
        if let Some(shown) = &self.0 {
            shown.bar.finish_and_clear();
        }
    }
}

/// Whether another group of processes has the terminal (proc(5), `pgrp` and `tpgid`).
fn is_in_background() -> bool {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let fields: Vec<i32> = fields
        .skip(1)
        .map_while(|field| field.parse().ok())
        .collect();
    match fields[..] {
        [_, group, _, _, foreground, ..] => foreground > 0 && foreground != group,
        _ => false,
    }
}
