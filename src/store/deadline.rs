//! Waits for Redis with a bound on the time they take, and on the memory.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{Error, Result};
use crate::peer::limits::{LOOK_EVERY, REPLY_KIB};

/// Does a job in a thread of its own, and gives it up when it takes too long or too much.
///
/// The time-outs of the redis crate 1.8 begin anew with every byte that comes, and it keeps whatever a reply claims to be.
/// It hands out neither its socket nor a way to shut it down, and its pipeline for a cluster takes no connection but its
/// own: so the thread of a job that is given up reads on until the server stops sending or the process ends. What gives a
/// job up for its size is never tried again.
pub fn within<T, E>(
    timeout: Duration,
    job: impl FnOnce() -> std::result::Result<T, E> + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
    E: Send + 'static,
    Error: From<E>,
{
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let done = job();
        // Who gave the job up listens no more.
        let _ = sender.send(());
        done
    });
    wait(timeout, &receiver)?;
    Ok(thread.join().expect("a panic ends the process")?)
}

/// What another thread sends, unless that takes too long or too much.
pub fn wait<T>(timeout: Duration, receiver: &Receiver<T>) -> Result<T> {
    let started = Instant::now();
    let mut before = None;
    loop {
        let left = timeout.saturating_sub(started.elapsed());
        match receiver.recv_timeout(left.min(LOOK_EVERY)) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) if left > LOOK_EVERY => {
                let now = resident_kib();
                if now > *before.get_or_insert(now) + REPLY_KIB {
                    return Err(Error::ReplyTooLarge);
                }
            }
            Err(_) => return Err(Error::TimedOut(timeout)),
        }
    }
}

/// 0 on a system that does not tell.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse().ok()).unwrap_or_default()
}
