//! What both servers share: deadlines and further tries.

use std::thread;
use std::time::{Duration, Instant};

use super::limits::{FIRST_PAUSE, LONGEST_PAUSE};

/// How long a server may take (`--timeout`), and how often it is tried again (`--retries`).
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    pub timeout: Duration,
    pub retries: u32,
}

/// How an attempt failed, and those before it.
pub struct Attempts {
    /// How many further tries there were.
    pub retries: u32,
    /// How long the last attempt took.
    pub last: Duration,
    /// How long all of them took, with the pauses in between.
    pub all: Duration,
}

/// Makes attempts, with longer and longer pauses in between, while an error is worth another one.
pub fn retrying<T, E>(
    mut attempt: impl FnMut() -> Result<T, E>,
    is_worth_another: impl Fn(&E, &Attempts) -> bool,
) -> Result<T, E> {
    let (first, mut pause) = (Instant::now(), FIRST_PAUSE);
    let mut retries = 0;
    loop {
        let started = Instant::now();
        let error = match attempt() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let attempts = Attempts {
            retries,
            last: started.elapsed(),
            all: first.elapsed(),
        };
        if !is_worth_another(&error, &attempts) {
            return Err(error);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
        retries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_is_not_worth_it_ends_the_attempts() {
        let mut made = 0;
        let attempt = || {
            made += 1;
            Err::<(), _>(made)
        };
        let started = Instant::now();
        let ended = retrying(attempt, |error, attempts| {
            assert_eq!(*error, attempts.retries + 1);
            *error < 3
        });
        assert_eq!(ended, Err(3));
        assert!(
            started.elapsed() >= 3 * FIRST_PAUSE,
            "twice as long each time"
        );
    }
}
