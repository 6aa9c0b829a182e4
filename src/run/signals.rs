//! Signals that end a run: how far it may go on then.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};
use std::time::Duration;

use libc::{SIGPWR, SIGRTMAX, SIGRTMIN, SIGSTKFLT};
use signal_hook::consts::*;
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;

use crate::failure::{Exit, Failure};

/// All that end a process unless it heeds them, with the real-time ones, but for its own faults, SIGPIPE and SIGXFSZ.
const ENDING: [i32; 13] = [
    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU, SIGVTALRM, SIGPROF,
    SIGIO, SIGSTKFLT, SIGPWR,
];

/// A signal that asks a run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(i32);

impl Signal {
    pub fn number(self) -> i32 {
        self.0
    }

    pub fn name(self) -> String {
        match self.0 {
            SIGSTKFLT => "SIGSTKFLT".into(),
            SIGPWR => "SIGPWR".into(),
            other => signal_name(other).map_or_else(|| format!("signal {other}"), Into::into),
        }
    }
}

impl From<Signal> for Failure {
    fn from(signal: Signal) -> Self {
        Self {
            exit: Exit::Stopped(signal.number() as u8),
            ..Self::new(format!("stopped by {}", signal.name()))
        }
    }
}

/// How long the report of a run that is over may take once a signal comes.
const REPORT: Duration = Duration::from_secs(1);

/// Tells `heed` of each signal, in a thread of its own. A second one adds nothing: what the first one asked for is under
/// way. When nobody heeds them any more the run is over, and a signal ends the process, with a moment for its report. A
/// signal that the caller of kamonline ignores (nohup, `kamonline &` in sh) stays ignored.
pub fn on_signal(heed: impl Fn(Signal) -> bool + Send + 'static) -> Result<(), Failure> {
    let failure = |error: io::Error| Failure::new(format!("cannot wait for signals: {error}"));
    let ignored = ignored();
    let is_heeded = |signal: &i32| ignored >> (signal - 1) & 1 == 0;
    let mut signals = Signals::new(ENDING.into_iter().filter(is_heeded)).map_err(failure)?;
    for signal in (SIGRTMIN()..=SIGRTMAX()).filter(is_heeded) {
        // An emulator keeps some of them for itself: valgrind the last.
        let _ = signals.add_signal(signal);
    }
    // A log that reaches its `ulimit -f` ends nothing: the write fails.
    flag::register(SIGXFSZ, Arc::<AtomicBool>::default()).map_err(failure)?;
    let wait = move || {
        for signal in signals.forever() {
            if !heed(Signal(signal)) {
                thread::sleep(REPORT);
                std::process::exit(128 + signal);
            }
        }
    };
    Builder::new()
        .spawn(wait)
        .map(drop)
        .map_err(Failure::no_thread)
}

/// A bit for each signal, from 1 on (proc(5), `SigIgn`); none on a system that does not tell.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or_default()
}

/// Whether a run may go on: shared by the thread of the run and the one that waits for signals.
#[derive(Default)]
pub struct Stop {
    state: Mutex<State>,
    raised: Condvar,
}

#[derive(Default)]
struct State {
    signal: Option<Signal>,
    /// What may be written by now.
    writes: Option<Writes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// Nobody is removed.
    Additions,
    /// Who was removed must be put back.
    Removals,
}

impl Stop {
    /// Asks the run to end. True if it has not begun to write: it never will then, and the caller need not wait.
    pub fn raise(&self, signal: Signal) -> bool {
        let mut state = self.lock();
        state.signal = Some(signal);
        self.raised.notify_all();
        state.writes.is_none()
    }

    /// To be called before the first write, which must not follow when a signal came first.
    pub fn begin_writing(&self, writes: Writes) -> Result<(), Signal> {
        let mut state = self.lock();
        match state.signal {
            Some(signal) => Err(signal),
            None => {
                state.writes = Some(writes);
                Ok(())
            }
        }
    }

    /// What a run that is writing does after a signal.
    pub fn what_follows(&self) -> &'static str {
        match self.lock().writes {
            Some(Writes::Removals) => {
                "the run ends when everyone whom it removed is back or settled, after 5 minutes \
                 at most; SIGKILL would leave them off the board"
            }
            _ => "the run ends when Redis has answered what was sent to it; nobody was removed",
        }
    }

    pub fn signal(&self) -> Option<Signal> {
        self.lock().signal
    }

    /// Fails once a signal came.
    pub fn check(&self) -> Result<(), Signal> {
        self.signal().map_or(Ok(()), Err)
    }

    /// Sleeps, or less long when a signal comes.
    pub fn sleep(&self, time: Duration) {
        let state = self.lock();
        let waiting = |state: &mut State| state.signal.is_none();
        drop(self.raised.wait_timeout_while(state, time, waiting));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked while it held this has ended the process.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_before_the_first_write_forbids_it_and_a_later_one_does_not() {
        let (early, late) = (Stop::default(), Stop::default());
        assert!(early.raise(Signal(SIGTERM)));
        assert_eq!(early.begin_writing(Writes::Removals), Err(Signal(SIGTERM)));
        assert_eq!(late.begin_writing(Writes::Removals), Ok(()));
        assert!(!late.raise(Signal(SIGINT)));
        assert_eq!(late.signal(), Some(Signal(SIGINT)));
        late.sleep(Duration::from_secs(3600));
    }
}
