//! Commands to Redis, sent ahead of their replies; no wait is longer than its bound.
//!
//! One thread talks to Redis. It ends with the pipeline, or after the reply that it is reading then.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use redis::cluster_routing::Slot;
use redis::{Cmd, Connection, Value};

use super::cluster::{Cluster, Master, Node};
use super::deadline::wait;
use super::error::{Error, Peer, Result};
use crate::peer::limits::SCAN_CALLS;

/// How many batches Redis is given ahead of their replies: it sends the rest of a long reply only after the command
/// that follows. One more waits here.
const IN_FLIGHT: usize = 3;
/// What any command costs Redis, in members.
pub const COMMAND: usize = 5;

/// A connection to one server or to a cluster.
pub struct Pipeline {
    /// Whom an error is about.
    pub peer: Peer,
    /// Whether what is read may be older than what the master holds.
    pub is_replica: bool,
    /// When reading ends, however much is left, and how long it has then taken.
    pub read_until: Option<(Instant, Duration)>,
    timeout: Duration,
    /// Of a cluster; none is the only server.
    masters: Vec<Master>,
    /// The thread that talks to Redis, so that the next replies are read while one is looked at. None once one did not
    /// come in time.
    thread: Option<(Sender<Batch>, Receiver<Replies>)>,
    /// How many batches have no replies yet.
    awaited: usize,
    replies: Replies,
}

/// Commands that are sent together: each by itself costs more than what it asks for.
struct Batch {
    /// None is the only server, or the masters of the keys.
    to: Option<Node>,
    commands: Vec<Cmd>,
}

type Replies = VecDeque<Result<Value>>;

impl Pipeline {
    pub fn to_one(connection: Connection, peer: Peer, timeout: Duration) -> Self {
        Self::new(Vec::new(), peer, timeout, |batches, sender| {
            talk_to_one(connection, batches, sender)
        })
    }

    pub fn to_cluster(mut cluster: Cluster, timeout: Duration) -> Self {
        let masters = std::mem::take(&mut cluster.masters);
        Self::new(
            masters,
            Peer::Discovered(None),
            timeout,
            |batches, sender| talk_to_cluster(cluster, batches, sender),
        )
    }

    fn new(
        masters: Vec<Master>,
        peer: Peer,
        timeout: Duration,
        talk: impl FnOnce(Receiver<Batch>, Sender<Replies>) + Send + 'static,
    ) -> Self {
        let (batches, its_batches) = channel();
        let (its_replies, replies) = channel();
        thread::spawn(move || talk(its_batches, its_replies));
        Self {
            peer,
            is_replica: false,
            read_until: None,
            timeout,
            masters,
            thread: Some((batches, replies)),
            awaited: 0,
            replies: Replies::new(),
        }
    }

    pub fn send(&mut self, commands: Vec<Cmd>) -> Result<()> {
        self.send_to(None, commands)
    }

    fn send_to(&mut self, to: Option<Node>, commands: Vec<Cmd>) -> Result<()> {
        let (batches, _) = self.thread.as_ref().ok_or_else(|| self.late())?;
        self.awaited += 1;
        let sent = batches.send(Batch { to, commands });
        sent.map_err(|_| self.late())
    }

    /// Whether Redis has enough to do.
    pub fn is_busy(&self) -> bool {
        self.awaited > IN_FLIGHT
    }

    /// The reply to the oldest command without one.
    pub fn receive(&mut self) -> Result<Value> {
        if self.replies.is_empty() {
            if let Some((until, longest)) = self.read_until
                && Instant::now() > until
            {
                return Err(Error::SlowReading(longest));
            }
            let started = Instant::now();
            let (batches, replies) = self.thread.take().ok_or_else(|| self.late())?;
            self.replies = wait(self.timeout, &replies)?;
            self.thread = Some((batches, replies));
            self.awaited -= 1;
            for reply in &mut self.replies {
                // The redis crate tries a command of a cluster several times.
                if let Err(Error::TimedOut(waited)) = reply {
                    *waited = started.elapsed();
                }
            }
        }
        let reply = self.replies.pop_front();
        let reply = reply.unwrap_or(Err(Error::ReplyMissing))?;
        Ok(reply.extract_error()?)
    }

    /// What comes of a wait that is over.
    fn late(&self) -> Error {
        Error::TimedOut(self.timeout)
    }

    /// Of keys the first that each master serves, by number.
    pub fn one_of_each_master<'a>(
        &self,
        keys: impl Iterator<Item = &'a [u8]>,
    ) -> impl Iterator<Item = usize> {
        let number = |master: usize, slots: &RangeInclusive<u16>| {
            slots.clone().map(move |slot| (Slot::new(slot), master))
        };
        let masters = self.masters.iter().enumerate();
        let of_slots: HashMap<_, _> = masters
            .flat_map(|(master, Master { slots, .. })| {
                slots.iter().flat_map(move |slots| number(master, slots))
            })
            .collect();
        let mut seen = HashSet::new();
        let mut firsts = Vec::new();
        for (number, key) in keys.enumerate() {
            if seen.insert(of_slots.get(&Some(Slot::for_key(key)))) {
                firsts.push(number);
            }
            if seen.len() == self.masters.len().max(1) {
                break;
            }
        }
        firsts.into_iter()
    }

    /// Runs SCAN on every master until its cursor is back at 0; `read` returns the cursor of a reply.
    pub fn scan(
        &mut self,
        scan: impl Fn(u64) -> Cmd,
        mut read: impl FnMut(Value) -> Result<u64>,
    ) -> Result<()> {
        let peer = self.peer.clone();
        let nodes: Vec<_> = match &self.masters[..] {
            [] => vec![None],
            masters => masters
                .iter()
                .map(|master| Some(master.node.clone()))
                .collect(),
        };
        for master in nodes {
            if let Some(Node { host, port }) = &master {
                self.peer = Peer::Discovered(Some(format!("{host}:{port}")));
            }
            let (mut cursor, mut calls) = (0, 0);
            loop {
                self.send_to(master.clone(), vec![scan(cursor)])?;
                cursor = advanced(cursor, read(self.receive()?)?, &mut calls)?;
                if cursor == 0 {
                    break;
                }
            }
        }
        self.peer = peer;
        Ok(())
    }
}

/// The next cursor of a SCAN, which comes to an end.
pub fn advanced(cursor: u64, next: u64, calls: &mut u64) -> Result<u64> {
    *calls += 1;
    if next != 0 && (next == cursor || *calls > SCAN_CALLS) {
        return Err(Error::EndlessScan);
    }
    Ok(next)
}

fn talk_to_one(mut connection: Connection, batches: Receiver<Batch>, sender: Sender<Replies>) {
    let mut in_flight = VecDeque::new();
    loop {
        // Behind a command that went out in part, Redis would take the next one for the rest of it.
        while in_flight.len() < IN_FLIGHT && in_flight.back().is_none_or(Result::is_ok) {
            let next = match in_flight.is_empty() {
                true => batches.recv().ok(),
                false => batches.try_recv().ok(),
            };
            let Some(Batch { commands, .. }) = next else {
                break;
            };
            let mut packed = Vec::new();
            for command in &commands {
                command.write_packed_command(&mut packed);
            }
            let sent = connection.send_packed_command(&packed);
            in_flight.push_back(sent.map(|()| commands.len()).map_err(Error::from));
        }
        let replies = match in_flight.pop_front() {
            Some(Ok(count)) => received(&mut connection, count),
            Some(Err(error)) => Replies::from([Err(error)]),
            None => return,
        };
        if !go_on(&sender, replies) {
            return;
        }
    }
}

/// Tells the replies, and whether there is to be a next batch: a removal must not go out behind the back of a run that
/// takes this exchange for failed.
fn go_on(sender: &Sender<Replies>, replies: Replies) -> bool {
    let failed = |reply: &Result<Value>| {
        let error = reply.as_ref().err();
        error.is_some_and(|error| error.refusal().is_none())
    };
    let failed = replies.iter().any(failed);
    sender.send(replies).is_ok() && !failed
}

/// As many replies, or up to the error that ends them.
fn received(connection: &mut Connection, count: usize) -> Replies {
    let mut replies = Replies::new();
    while replies.len() < count && replies.back().is_none_or(Result::is_ok) {
        replies.push_back(connection.recv_response().map_err(Error::from));
    }
    replies
}

fn talk_to_cluster(mut cluster: Cluster, batches: Receiver<Batch>, sender: Sender<Replies>) {
    for Batch { to, commands } in batches {
        let replies = match to {
            Some(master) => commands
                .iter()
                .map(|command| cluster.ask(&master, command))
                .collect(),
            None => cluster.replies(&commands),
        };
        if !go_on(&sender, replies) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memchr::memmem;
    use redis::{Client, IntoConnectionInfo, RedisConnectionInfo};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    /// How many commands a server hears of six that wait, of which each names a member of so many bytes. It listens
    /// after a while.
    fn heard(says: &'static [u8], after: Duration, member: usize) -> usize {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let url = format!("unix:{}", socket.display());
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            client.write_all(says).unwrap();
            thread::sleep(after);
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).unwrap();
            memmem::find_iter(&heard, "SREM").count()
        });
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let info = url.into_connection_info().unwrap();
        let client = Client::open(info.set_redis_settings(settings)).unwrap();
        let (connection, timeout) = (client.get_connection().unwrap(), Duration::from_millis(400));
        connection.set_read_timeout(Some(timeout)).unwrap();
        connection.set_write_timeout(Some(timeout)).unwrap();

        let (send, batches) = channel();
        for _ in 0..2 * IN_FLIGHT {
            let mut srem = redis::cmd("SREM");
            srem.arg(vec![b'a'; member]);
            let commands = vec![srem];
            send.send(Batch { to: None, commands }).unwrap();
        }
        drop(send);
        let (sender, receiver) = channel();
        talk_to_one(connection, batches, sender);
        let failed = |replies: Replies| replies.iter().any(Result::is_err);
        assert!(receiver.iter().any(failed));
        server.join().unwrap()
    }

    #[test]
    fn what_waits_is_never_sent_once_an_exchange_has_failed() {
        assert_eq!(heard(b"rubbish\r\n", Duration::ZERO, 3), IN_FLIGHT);
    }

    #[test]
    fn nothing_is_sent_behind_a_command_that_went_out_in_part() {
        // When the last of three would be sent: a time-out ends the write that got some of it out, and the one after it.
        assert_eq!(heard(b"", Duration::from_millis(1_400), 4 << 20), 1);
    }
}
