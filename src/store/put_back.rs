//! Puts back members who were removed: in walks through all that is left, whatever one batch meets.

use std::thread;
use std::time::{Duration, Instant};

use super::Store;
use super::error::{Error, Peer, PeerError};
use super::explain::explain;
use super::pipeline::{Pipeline, Reach};
use super::write::{Change, Verb, Write, Written};
use crate::peer::limits::{
    FIRST_PAUSE, LONGEST_PAUSE, PUT_BACK_LONGEST, PUT_BACK_PATIENCE, PUT_BACK_STEP,
    PUT_BACK_TIMEOUT,
};

impl Store<'_> {
    /// Adds members who were removed, until nothing is left, or nothing was confirmed for a minute; for five minutes in
    /// all, since whoever stops this process waits no longer.
    ///
    /// A connection with an unanswered SREM was reset by then. This one is opened after that, on every master: what Redis
    /// had received of the old one is run before.
    pub fn put_back<Id: Copy>(&mut self, changes: &[Change<Id>]) -> Written<Id> {
        let servers = self.servers.within(PUT_BACK_TIMEOUT);
        let pipeline = self.pipeline.take();
        let mut store = Store {
            pipeline: pipeline.map(|pipeline| pipeline.timed_by(&servers)),
            ..Store::new(&servers, self.prefix, self.access)
        };
        let mut write = Write::new(Verb::Add, changes);
        let failed = store.walk(&mut write, PUT_BACK_LONGEST).err();
        store.warn_of_wrong_types(&write);
        self.warnings.append(&mut store.warnings);
        write.ended(failed.map(|error| explain(error, &servers)))
    }

    /// Walks until nothing is left to be sent. The error is the last one, also when what it met was done later.
    fn walk<Id: Copy>(
        &mut self,
        write: &mut Write<Id>,
        longest: Duration,
    ) -> Result<(), PeerError> {
        // Time in which this process ran: when it goes on after a stop, one whole walk is made at least.
        let (mut now, mut confirmed) = (Duration::ZERO, Duration::ZERO);
        let (mut pause, mut failed) = (FIRST_PAUSE, Ok(()));
        loop {
            let begun = now;
            let mut left = write.least_tried();
            while !left.is_empty() {
                let (before, confirmations) = (left.len(), write.confirmations());
                let started = Instant::now();
                let sent = self.send_batch(write, &mut left);
                now += started.elapsed().min(PUT_BACK_STEP);
                if write.confirmations() > confirmations {
                    (confirmed, pause) = (now, FIRST_PAUSE);
                }
                let has_no_way = left.len() == before;
                let is_late = now + PUT_BACK_STEP >= longest;
                match sent {
                    Ok(()) if is_late && !write.open().is_empty() => {
                        return Err(Peer::Configured.error(Error::SlowPutBack(longest)));
                    }
                    Ok(()) => {}
                    Err(error) => {
                        self.pipeline = None;
                        let is_for_good = has_no_way && error.error.is_for_good();
                        failed = Err(error);
                        if is_late || is_for_good {
                            return failed;
                        }
                        if has_no_way {
                            break;
                        }
                    }
                }
            }
            if write.open().is_empty() || begun.saturating_sub(confirmed) >= PUT_BACK_PATIENCE {
                return failed;
            }
            thread::sleep(pause);
            now += pause;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Sends the first batch of what is `left` of this walk.
    fn send_batch<Id: Copy>(
        &mut self,
        write: &mut Write<Id>,
        left: &mut Vec<usize>,
    ) -> Result<(), PeerError> {
        self.try_once(Reach::Any, &mut |pipeline: &mut Pipeline| {
            let batch = write.batch(left, |key| pipeline.master_of(key));
            left.retain(|number| !batch.contains(number));
            let sent = write.exchange(&batch, pipeline);
            if let (Err(error), Some(first)) = (&sent, batch.first()) {
                let master = pipeline.master_of(write.key(*first));
                let is_its = |key: &[u8]| pipeline.master_of(key) == master;
                // It may have died, and have confirmed more than it kept.
                if error.is_of_the_connection() || error.is_failing_over() {
                    write.repeat(is_its);
                }
                // Who hangs once takes no more of the time of the others: the next walk begins with what is left of it.
                if matches!(error, Error::TimedOut) {
                    left.retain(|number| !is_its(write.key(*number)));
                }
            }
            sent
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::servers::{Access, Servers};
    use crate::store::socket::Address;
    use crate::store::{Connection, Fate};
    use std::io::{Read, Write as _};
    use std::net::{SocketAddr, TcpListener};

    /// A server that takes so long for each SADD.
    fn slow(by: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let (mut heard, mut buffer, mut answered) = (Vec::new(), [0; 4_096], 0);
            while let Ok(length @ 1..) = client.read(&mut buffer) {
                heard.extend_from_slice(&buffer[..length]);
                let commands = heard.windows(4).filter(|word| word == b"SADD").count();
                while answered < commands {
                    thread::sleep(by);
                    client.write_all(b":1\r\n").unwrap();
                    answered += 1;
                }
            }
        });
        address
    }

    #[test]
    fn one_that_is_too_slow_ends() {
        let timeout = Duration::from_secs(20);
        let address = slow(Duration::from_millis(400));
        let servers = Servers::at(&format!("redis://{address}"), timeout);
        let connection = Connection::open(&Address::Ip(address), None, timeout).unwrap();
        let server = servers.given[0].clone();
        let names: Vec<_> = (0..6_000).map(|user| user.to_string()).collect();
        let members = names.iter().map(|name| ((), name.as_bytes()));
        let changes = [Change {
            key: b"ONLINE:a",
            members: members.collect(),
        }];
        let mut store = Store::new(&servers, b"ONLINE:", Access::Change);
        let pipeline = Pipeline::to_one(&servers, server, Peer::Configured, connection);
        store.pipeline = Some(pipeline);
        let mut write = Write::new(Verb::Add, &changes);
        // The second of three batches is over after 1.6 s.
        let longest = PUT_BACK_STEP + Duration::from_secs(1);
        let error = store.walk(&mut write, longest).unwrap_err();
        let failure = explain(error, &servers).to_string();
        let said = "it is too slow: not everyone was put back within 1m 1s";
        assert!(failure.ends_with(said), "{failure}");
        let written = write.ended(None);
        assert_eq!(written.with(&[Fate::Done]).len(), 4_000);
        assert_eq!(written.with(&[Fate::Untouched]).len(), 2_000);
    }
}
