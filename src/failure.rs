//! How a run fails: what an administrator is told, what to do next, and the exit code.

use std::fmt;
use std::io;

use crate::text::without_number;

/// The exit codes, as `kamonline --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: in sync, or all that was to be done was done.
    Done,
    /// 1: failed; the message says what was and what was not changed.
    Failed,
    /// 2: wrong usage; nothing was asked of any server.
    Usage,
    /// 3: the guard refused the plan; nothing was written.
    Refused,
    /// 4: `--dry-run --exit-code` found a discrepancy.
    Discrepancies,
    /// 128 + n: stopped by signal n; everybody who was removed is back.
    Stopped(u8),
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Discrepancies => 4,
            Exit::Stopped(signal) => 128 + signal,
        }
    }
}

/// One error, as an administrator reads it.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// What failed and where, with the causes below it.
    pub cause: anyhow::Error,
    /// What was and what was not changed.
    pub state: Option<String>,
    /// What to do next, where that is known.
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self::from(anyhow::Error::msg(message.into()))
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            ..Self::new(message)
        }
    }

    pub fn refused(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Refused,
            ..Self::new(message)
        }
    }

    pub fn no_thread(error: io::Error) -> Self {
        Self::new(format!(
            "cannot start a thread ({})",
            without_number(&error)
        ))
        .hint("raise the limit on tasks: TasksMax of systemd, pids of a container, ulimit -u")
    }

    /// Puts in front what the cause is the cause of.
    pub fn context(self, what: impl Into<String>) -> Self {
        Self {
            cause: self.cause.context(what.into()),
            ..self
        }
    }

    /// Adds to the state of things.
    pub fn and(self, more: impl fmt::Display) -> Self {
        let state = match &self.state {
            Some(state) => format!("{state}; {more}"),
            None => more.to_string(),
        };
        Self {
            state: Some(state),
            ..self
        }
    }

    pub fn nothing_changed(self) -> Self {
        self.and("nothing was changed")
    }

    /// A write that came only so far.
    pub fn with_progress(self, verb: &str, done: usize, unsure: usize, of: usize) -> Self {
        let perhaps = match unsure {
            0 => String::new(),
            _ => format!(", perhaps {unsure} more"),
        };
        self.and(format!("{done} of {of} were {verb}{perhaps}"))
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(cause: anyhow::Error) -> Self {
        Self {
            exit: Exit::Failed,
            cause,
            state: None,
            hint: None,
        }
    }
}

/// On one line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.cause)?;
        self.state
            .iter()
            .try_for_each(|state| write!(f, "; {state}"))
    }
}
