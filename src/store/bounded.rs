//! Bounds on how long the other side can make us wait, and on how much it can make us keep.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError, RedisResult};

/// Replies to commands like ours take a few MiB.
const MOST_KIB: usize = 256 << 10;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Does a job in a thread of its own, which is left behind when it takes too long or too much. The redis crate's own
/// time-outs begin anew with every byte that comes, and it keeps whatever a reply claims to be.
pub fn within<T: Send + 'static>(
    timeout: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> RedisResult<T> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(job()));
    wait(timeout, &told)
}

/// What another thread tells, unless that takes too long or too much.
pub fn wait<T>(timeout: Duration, told: &Receiver<T>) -> RedisResult<T> {
    let started = Instant::now();
    let mut before = None;
    loop {
        let left = timeout.saturating_sub(started.elapsed());
        match told.recv_timeout(left.min(LOOK_EVERY)) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) if left > LOOK_EVERY => {
                let now = resident_kib();
                if now > *before.get_or_insert(now) + MOST_KIB {
                    return Err((ErrorKind::Client, "its reply is too large to be one").into());
                }
            }
            Err(_) => return Err(late()),
        }
    }
}

pub fn late() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// 0 on a system that does not tell.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse().ok()).unwrap_or_default()
}
