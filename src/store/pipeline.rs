//! Commands to Redis, sent ahead of their replies: to the one server, or each to the master of its key. MOVED and
//! ASK are followed here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use redis::{Arg, Cmd};

use super::cluster::{self, Slots};
use super::connection::Connection;
use super::error::{Error, Peer, PeerError, Refusal, Result};
use super::identity::answering;
use super::server::{Place, Server};
use super::servers::Servers;
use crate::peer::limits::{REDIRECTIONS, SCAN_CALLS};

/// How many batches Redis is given ahead of their replies: it sends the rest of a long reply only after the command
/// that follows.
const IN_FLIGHT: usize = 3;
/// What any command costs Redis, in members.
pub const COMMAND: usize = 5;

/// Connections to one server, or to the masters of a cluster.
pub struct Pipeline {
    servers: Servers,
    /// Whether what is read may be older than what the master holds.
    pub is_replica: bool,
    /// When reading ends, however much is left, and how long it has then taken.
    pub read_until: Option<(Instant, Duration)>,
    links: Vec<Link>,
    /// Of a cluster: the masters, and the link to each of them that has one.
    slots: Option<(Slots, Vec<Option<usize>>)>,
    /// The commands without a reply, oldest first.
    awaited: VecDeque<Awaited>,
    /// The link that was used last.
    at: usize,
    /// The link to the master that has the key of the command that was answered last; None after MOVED, when the slots are
    /// learnt anew.
    owner: Option<usize>,
    /// A node to which no connection came about.
    unreached: Option<Peer>,
}

/// Which masters of a cluster must answer at the start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    EveryMaster,
    /// Each when it is needed.
    Any,
}

struct Link {
    server: Server,
    peer: Peer,
    connection: Connection,
    awaited: usize,
}

/// Commands on their way, with the link that each goes over.
pub struct Batch(Vec<Awaited>);

struct Awaited {
    link: usize,
    command: Cmd,
    ends_batch: bool,
}

impl Pipeline {
    pub fn to_one(servers: Servers, server: Server, peer: Peer, connection: Connection) -> Self {
        let mut pipeline = Self::new(servers);
        pipeline.add(server, peer, connection);
        pipeline
    }

    pub fn to_cluster(servers: Servers, reach: Reach) -> std::result::Result<Self, PeerError> {
        let slots = cluster::slots(&servers).map_err(|error| match error.is_failing_over() {
            // They answer: it is the cluster as a whole that is waited for.
            true => Peer::Discovered(None).error(error),
            false => Peer::Configured.error(error),
        })?;
        let mut pipeline = Self::new(servers);
        let masters = slots.masters.len();
        pipeline.slots = Some((slots, vec![None; masters]));
        if reach == Reach::EveryMaster {
            for master in 0..masters {
                let linked = pipeline.link_to_master(master);
                linked.map_err(|error| pipeline.peer().error(error))?;
            }
        }
        Ok(pipeline)
    }

    fn new(servers: Servers) -> Self {
        Self {
            servers,
            is_replica: false,
            read_until: None,
            links: Vec::new(),
            slots: None,
            awaited: VecDeque::new(),
            at: 0,
            owner: None,
            unreached: None,
        }
    }

    fn add(&mut self, server: Server, peer: Peer, mut connection: Connection) -> usize {
        connection.set_timeout(self.servers.deadlines().timeout);
        connection.end_by(self.servers.until);
        self.links.push(Link {
            server,
            peer,
            connection,
            awaited: 0,
        });
        self.links.len() - 1
    }

    /// The same connections, with the time-outs of these servers.
    pub fn timed_by(mut self, servers: Servers) -> Self {
        for link in &mut self.links {
            link.connection.set_timeout(servers.deadlines().timeout);
            link.connection.end_by(servers.until);
        }
        self.servers = servers;
        self
    }

    /// The server that an error is about.
    pub fn peer(&self) -> &Peer {
        let last = self.links.get(self.at).map(|link| &link.peer);
        self.unreached
            .as_ref()
            .or(last)
            .unwrap_or(&Peer::Configured)
    }

    /// Where the last reply came from.
    pub fn answered_by(&self) -> &Place {
        &self.links[self.at].server.place
    }

    /// Where the master is that answered for this key: of a slot that is being moved, the one that still has it.
    pub fn answered_for(&self, key: &[u8]) -> Option<&Place> {
        match self.owner {
            Some(link) => Some(&self.links[link].server.place),
            None => self.master_place(key),
        }
    }

    /// Those to which there is a connection: the one server, or the masters.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.links.iter().map(|link| &link.server)
    }

    pub fn send(&mut self, commands: Vec<Cmd>) -> Result<()> {
        let batch = self.batch(commands)?;
        self.send_batch(batch)
    }

    /// Connects to those who have the keys of the commands. Nothing is sent yet.
    pub fn batch(&mut self, commands: Vec<Cmd>) -> Result<Batch> {
        self.servers.begin();
        for link in &mut self.links {
            link.connection.end_by(self.servers.until);
        }
        let mut batch = Vec::with_capacity(commands.len());
        for command in commands {
            batch.push(Awaited {
                link: self.link_for(&command)?,
                command,
                ends_batch: false,
            });
        }
        Ok(Batch(batch))
    }

    pub fn send_batch(&mut self, Batch(mut batch): Batch) -> Result<()> {
        if let Some(last) = batch.last_mut() {
            last.ends_batch = true;
        }
        for (number, link) in self.links.iter_mut().enumerate() {
            let its = batch.iter().filter(|awaited| awaited.link == number);
            let its: Vec<_> = its.map(|awaited| &awaited.command).collect();
            if !its.is_empty() {
                self.at = number;
                link.awaited += its.len();
                link.connection.send(its)?;
            }
        }
        self.awaited.extend(batch);
        Ok(())
    }

    /// Whether Redis has enough to do.
    pub fn is_busy(&self) -> bool {
        let batches = self.awaited.iter().filter(|awaited| awaited.ends_batch);
        batches.count() >= IN_FLIGHT
    }

    /// What `read` makes of the reply to the oldest command without one. A node that has the key no more says who has it.
    pub fn receive<T>(&mut self, mut read: impl FnMut(&mut Connection) -> Result<T>) -> Result<T> {
        if let Some((until, longest)) = self.read_until
            && Instant::now() > until
        {
            return Err(Error::SlowReading(longest));
        }
        let Some(Awaited { link, command, .. }) = self.awaited.pop_front() else {
            return Err(Error::Foreign);
        };
        (self.at, self.owner) = (link, Some(link));
        self.links[link].awaited -= 1;
        let mut reply = read(&mut self.links[link].connection);
        for _ in 0..REDIRECTIONS {
            match &reply {
                Err(Error::Refused(Refusal::Moved, words)) if self.slots.is_some() => {
                    let words = words.clone();
                    reply = self.follow(&words, &command, &mut read);
                }
                _ => break,
            }
        }
        reply
    }

    /// Sends a command where the error of a node says (MOVED for good, ASK this once).
    fn follow<T>(
        &mut self,
        words: &str,
        command: &Cmd,
        read: &mut impl FnMut(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        let node = &self.links[self.at].server;
        let server = cluster::redirected(words, node)?;
        let is_known = |link: &Link| link.server.place == server.place && link.awaited == 0;
        let link = match self.links.iter().position(is_known) {
            Some(idle) => idle,
            None => self.connect(server)?,
        };
        let refused_by = std::mem::replace(&mut self.at, link);
        if words.starts_with("ASK") {
            let asking = redis::cmd("ASKING");
            let connection = &mut self.links[link].connection;
            connection.send([&asking, command])?;
            connection.reply()?;
            return read(connection);
        }
        self.owner = None;
        if self.link_for(command)? == refused_by {
            let Link {
                server, connection, ..
            } = &mut self.links[link];
            let slots = Slots::ask(server, connection)?;
            let masters = slots.masters.len();
            self.slots = Some((slots, vec![None; masters]));
            self.at = link;
        }
        let connection = &mut self.links[link].connection;
        connection.send([command])?;
        read(connection)
    }

    /// The link for the key of a command.
    fn link_for(&mut self, command: &Cmd) -> Result<usize> {
        let Some((slots, _)) = &self.slots else {
            return Ok(0);
        };
        let key = match command.args_iter().nth(1) {
            Some(Arg::Simple(key)) => key,
            _ => b"",
        };
        self.link_to_master(slots.master_of(key))
    }

    fn link_to_master(&mut self, master: usize) -> Result<usize> {
        let Some((slots, links)) = &mut self.slots else {
            return Ok(0);
        };
        if let Some(link) = links[master] {
            return Ok(link);
        }
        let server = slots.masters[master].clone();
        let known = self
            .links
            .iter()
            .position(|link| link.server.place == server.place);
        let link = match known {
            Some(link) => link,
            None => self.connect(server)?,
        };
        if let Some((_, links)) = &mut self.slots {
            links[master] = Some(link);
        }
        Ok(link)
    }

    fn connect(&mut self, server: Server) -> Result<usize> {
        let peer = Peer::Discovered(Some(server.shown()));
        match self.servers.ask(&server, |open| answering(open)) {
            Ok(connection) => Ok(self.add(server, peer, connection)),
            Err(error) => {
                self.unreached = Some(peer);
                Err(error)
            }
        }
    }

    /// The number of the master that has a key.
    pub fn master_of(&self, key: &[u8]) -> usize {
        let slots = self.slots.as_ref();
        slots.map_or(0, |(slots, _)| slots.master_of(key))
    }

    /// Where the master that has a key is.
    pub fn master_place(&self, key: &[u8]) -> Option<&Place> {
        match &self.slots {
            Some((slots, _)) => slots.masters.get(slots.master_of(key)),
            None => self.links.first().map(|link| &link.server),
        }
        .map(|server| &server.place)
    }

    /// Runs SCAN on every master until its cursor is back at 0; `read` returns the cursor of a reply.
    ///
    /// A key may move from a master that comes later to one that was scanned: so all are scanned there and back.
    pub fn scan(
        &mut self,
        scan: impl Fn(u64) -> Cmd,
        mut read: impl FnMut(&mut Connection) -> Result<u64>,
    ) -> Result<()> {
        let masters = 0..self.links.len();
        for link in masters.clone().chain(masters.rev().skip(1)) {
            let (mut cursor, mut calls) = (0, 0);
            loop {
                self.send_batch(Batch(vec![Awaited {
                    link,
                    command: scan(cursor),
                    ends_batch: true,
                }]))?;
                cursor = advanced(cursor, self.receive(&mut read)?, &mut calls)?;
                if cursor == 0 {
                    break;
                }
            }
        }
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
