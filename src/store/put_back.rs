//! Puts back members who were removed: in walks through all that is left, whatever one batch meets.

use std::thread;
use std::time::{Duration, Instant};

use super::error::{Error, Peer, PeerError};
use super::explain::explain;
use super::pipeline::{Pipeline, Reach};
use super::servers::{Servers, Topology};
use super::write::{Change, Verb, Write, Written};
use super::{Store, connect};
use crate::peer::limits::{
    FIRST_PAUSE, FIRST_WALK_TIMEOUT, LONGEST_PAUSE, PUT_BACK_LONGEST, PUT_BACK_PATIENCE,
    PUT_BACK_STEP, PUT_BACK_TIMEOUT,
};

impl Store<'_> {
    /// Adds members who were removed, until nothing is left, or nothing was confirmed for a minute; for less than five
    /// minutes in all, since whoever stops this process waits no longer.
    ///
    /// A connection with an unanswered SREM was reset by then. These are opened after that, where the masters are now: what
    /// Redis had received of the old ones is run before.
    pub fn put_back<Id: Copy>(&mut self, changes: &[Change<Id>]) -> Written<Id> {
        let mut write = Write::new(Verb::Add, changes);
        // The connections serve what follows.
        if write.open().is_empty() {
            return write.ended(None);
        }
        let failed = self.walk(&mut write, PUT_BACK_LONGEST).err();
        self.pipeline = None;
        self.warn_of_wrong_types(&write);
        write.ended(failed.map(|error| explain(error, &self.servers.within(PUT_BACK_TIMEOUT))))
    }

    /// Walks until nothing is left to be sent. The error is the last one, also when what it met was done later.
    pub(super) fn walk<Id: Copy>(
        &mut self,
        write: &mut Write<Id>,
        longest: Duration,
    ) -> Result<(), PeerError> {
        let (mut pause, mut failed) = (FIRST_PAUSE, Ok(()));
        // A batch that begins by then is over in time.
        let latest = longest.saturating_sub(PUT_BACK_STEP);
        let servers = self.servers;
        let timeout = servers.deadlines().timeout;
        let mut hurried = servers.hurried(timeout.min(FIRST_WALK_TIMEOUT));
        // Time in which this process ran: when it goes on after a stop, one whole walk is made at least.
        let mut now = self.connect_anew(&hurried);
        let mut confirmed = Duration::ZERO;
        loop {
            let begun = now;
            let mut left = write.least_tried();
            while !left.is_empty() {
                let (before, confirmations) = (left.len(), write.confirmations());
                let started = Instant::now();
                let sent = self.send_batch(write, &mut left, &hurried);
                now += started.elapsed().min(PUT_BACK_STEP);
                let is_confirmed = write.confirmations() > confirmations;
                if is_confirmed {
                    (confirmed, pause) = (now, FIRST_PAUSE);
                }
                let has_no_way = left.len() == before;
                let is_late = now >= latest;
                let is_slow = is_late && (is_confirmed || sent.is_ok());
                if is_slow && !write.open().is_empty() {
                    return Err(Peer::Configured.error(Error::SlowPutBack(latest)));
                }
                if let Err(error) = sent {
                    // One that refuses may lose what it confirmed: the connection breaks then.
                    if error.error.refusal().is_none() || error.error.is_failing_over() {
                        self.pipeline = None;
                    }
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
            if write.open().is_empty() && now < latest {
                now += self.follow_the_masters(write, &hurried);
            }
            if write.open().is_empty() || begun.saturating_sub(confirmed) >= PUT_BACK_PATIENCE {
                return failed;
            }
            thread::sleep(pause);
            now += pause;
            hurried = servers.hurried(timeout);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A master that is demoted while it hangs may still confirm over a connection that is open, unless there is no other.
    fn connect_anew(&mut self, servers: &Servers) -> Duration {
        let begun = Instant::now();
        if let Ok(pipeline) = connect(servers.clone(), self.prefix, self.access, Reach::Any) {
            self.pipeline = Some(pipeline);
        }
        begun.elapsed().min(PUT_BACK_STEP)
    }

    /// What was confirmed by one that is no master any more is to be sent again.
    fn follow_the_masters<Id: Copy>(
        &mut self,
        write: &mut Write<Id>,
        servers: &Servers,
    ) -> Duration {
        if servers.topology == Topology::One {
            return Duration::ZERO;
        }
        self.pipeline = None;
        let took = self.connect_anew(servers);
        if let Some(pipeline) = &self.pipeline {
            write.repeat(|key, confirmed_at| pipeline.master_place(key) != confirmed_at);
        }
        took
    }

    /// Sends the first batch of what is `left` of this walk.
    fn send_batch<Id: Copy>(
        &mut self,
        write: &mut Write<Id>,
        left: &mut Vec<usize>,
        servers: &Servers,
    ) -> Result<(), PeerError> {
        self.try_once(servers, Reach::Any, &mut |pipeline: &mut Pipeline| {
            let batch = write.batch(left, |key| pipeline.master_of(key));
            left.retain(|number| !batch.contains(number));
            let sent = write.exchange(&batch, pipeline);
            if let (Err(error), Some(first)) = (&sent, batch.first()) {
                let master = pipeline.master_of(write.key(*first));
                let is_its = |key: &[u8]| pipeline.master_of(key) == master;
                // It may have died, and have confirmed more than it kept.
                if error.is_of_the_connection() || error.is_failing_over() {
                    write.repeat(|key, _| is_its(key));
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
