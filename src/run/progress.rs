//! What a run waits for, on a terminal, once it takes longer than a second.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Escaped on standard error until it ends.
#[derive(Clone)]
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// `shown` tells whether there is somebody to show it to.
    pub fn new(shown: bool) -> Self {
        if !shown {
            return Self(None);
        }
        let style = ProgressStyle::with_template("{spinner} waiting for {msg} ({elapsed})");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let later = bar.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(1));
            if !later.is_finished() {
                later.set_draw_target(ProgressDrawTarget::stderr());
                later.enable_steady_tick(Duration::from_millis(100));
            }
        });
        Self(Some(bar))
    }

    pub fn wait_for(&self, what: &'static str) {
        if let Some(bar) = &self.0 {
            bar.set_message(what);
        }
    }

    /// A line on standard error, above what is shown.
    pub fn say(&self, line: &str) {
        let say = || {
            // Nobody is left to be told when it is closed.
            let _ = writeln!(io::stderr(), "kamonline: {line}");
        };
        match &self.0 {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }

    pub fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
