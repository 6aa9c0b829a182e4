//! A connection on which commands can be sent ahead of their replies, and on which no wait is longer than its bound.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use redis::{Cmd, Connection, ErrorKind, RedisError, RedisResult, Value};

use super::bounded::{late, within};
use super::cluster::{Cluster, Node};
use super::trouble::Peer;

/// A Redis holds 2^32 keys, and a set as many members: a SCAN that takes more calls than these does not end.
const MOST_CALLS: u64 = (1 << 32) / super::read::SSCAN_COUNT as u64;

pub struct Link {
    /// None once a reply did not come in time.
    to: Option<To>,
    /// Whom an error is about.
    pub peer: Peer,
    timeout: Duration,
    /// What was sent together, and is to be answered.
    portions: VecDeque<Vec<Cmd>>,
    /// To the portion before them.
    replies: VecDeque<RedisResult<Value>>,
}

enum To {
    One(Connection),
    Cluster(Box<Cluster>),
}

impl Link {
    /// One server, unless it is a node of a cluster, which holds a part of the sets only, or a sentinel.
    pub fn to_one(mut connection: Connection, peer: Peer, timeout: Duration) -> RedisResult<Self> {
        // HELLO without arguments changes nothing, and no ACL forbids it. Redis 5 does not know it.
        let (connection, hello) = within(timeout, move || {
            let hello = redis::cmd("HELLO").query::<HashMap<String, Value>>(&mut connection);
            (connection, hello)
        })?;
        let mode = match hello {
            Ok(mut server) => server.remove("mode"),
            Err(error) if error.code() == Some("ERR") => None,
            Err(error) => return Err(error),
        };
        let other = |mode: &str| {
            let kind = ErrorKind::InvalidClientConfig;
            Err(RedisError::from((kind, "not a server", mode.to_owned())))
        };
        match mode
            .map(redis::from_redis_value::<String>)
            .transpose()?
            .as_deref()
        {
            Some(mode @ ("cluster" | "sentinel")) => other(mode),
            _ => Ok(Self::new(To::One(connection), peer, timeout)),
        }
    }

    pub fn to_cluster(cluster: Cluster, timeout: Duration) -> Self {
        Self::new(To::Cluster(Box::new(cluster)), Peer::Member(None), timeout)
    }

    fn new(to: To, peer: Peer, timeout: Duration) -> Self {
        Self {
            to: Some(to),
            peer,
            timeout,
            portions: VecDeque::new(),
            replies: VecDeque::new(),
        }
    }

    /// Sends commands in one packet: each by itself costs more than what it asks for.
    pub fn send(&mut self, portion: Vec<Cmd>) -> RedisResult<()> {
        if let To::One(connection) = self.to.as_mut().ok_or_else(late)? {
            let mut packed = Vec::new();
            for command in &portion {
                command.write_packed_command(&mut packed);
            }
            connection.send_packed_command(&packed)?;
        }
        self.portions.push_back(portion);
        Ok(())
    }

    /// Whether Redis has enough to do: a portion whose replies are awaited, and two more, since it sends the rest of a
    /// long reply only after the command that follows.
    pub fn is_busy(&self) -> bool {
        self.portions.len() >= 3
    }

    /// The reply to the oldest command without one.
    pub fn receive(&mut self) -> RedisResult<Value> {
        if self.replies.is_empty() {
            let portion = self.portions.pop_front().unwrap_or_default();
            self.replies = self.exchange(move |to| to.replies(&portion))?;
        }
        let reply = self.replies.pop_front();
        reply
            .unwrap_or_else(|| Err((ErrorKind::Client, "a reply is missing").into()))?
            .extract_error()
    }

    /// Runs SCAN on every master until its cursor is back at 0; `read` returns the cursor of a reply.
    pub fn scan(
        &mut self,
        scan: impl Fn(u64) -> Cmd,
        mut read: impl FnMut(Value) -> RedisResult<u64>,
    ) -> RedisResult<()> {
        let masters = match &self.to {
            Some(To::Cluster(cluster)) => cluster.masters.iter().cloned().map(Some).collect(),
            _ => vec![None],
        };
        let peer = self.peer.clone();
        for master in masters {
            if let Some(Node { host, port }) = &master {
                self.peer = Peer::Member(Some(format!("{host}:{port}")));
            }
            let (mut cursor, mut calls) = (0, 0);
            loop {
                let (master, command) = (master.clone(), scan(cursor));
                let reply = self.exchange(move |to| to.ask(master.as_ref(), &command))??;
                cursor = advanced(cursor, read(reply)?, &mut calls)?;
                if cursor == 0 {
                    break;
                }
            }
        }
        self.peer = peer;
        Ok(())
    }

    fn exchange<T: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut To) -> T + Send + 'static,
    ) -> RedisResult<T> {
        let mut to = self.to.take().ok_or_else(late)?;
        let (to, done) = within(self.timeout, move || {
            let done = job(&mut to);
            (to, done)
        })?;
        self.to = Some(to);
        Ok(done)
    }
}

/// The next cursor of a SCAN, which comes to an end.
pub fn advanced(cursor: u64, next: u64, calls: &mut u64) -> RedisResult<u64> {
    *calls += 1;
    if next != 0 && (next == cursor || *calls > MOST_CALLS) {
        return Err((ErrorKind::Client, "a SCAN does not end").into());
    }
    Ok(next)
}

impl To {
    fn replies(&mut self, portion: &[Cmd]) -> VecDeque<RedisResult<Value>> {
        match self {
            To::Cluster(cluster) => cluster.replies(portion),
            To::One(connection) => {
                let mut replies = VecDeque::new();
                while replies.len() < portion.len() && replies.back().is_none_or(RedisResult::is_ok)
                {
                    replies.push_back(connection.recv_response());
                }
                replies
            }
        }
    }

    fn ask(&mut self, master: Option<&Node>, command: &Cmd) -> RedisResult<Value> {
        match (self, master) {
            (To::Cluster(cluster), Some(master)) => cluster.ask(master, command),
            (To::One(connection), _) => command.query(connection),
            (To::Cluster(_), None) => Err((ErrorKind::Client, "no node was asked").into()),
        }
    }
}
