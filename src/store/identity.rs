//! What answers behind a fresh connection: a server, a replica, a node of a cluster or a sentinel.

use redis::Cmd;

use super::connection::Connection;
use super::error::{Error, Refusal, Result};
use super::reply::Reply;

/// A node of a cluster holds so many keys together only when it holds nearly all slots.
const KEYS: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A master, or a server that does not tell its role.
    Server,
    Replica,
    ClusterNode,
    Sentinel,
}

/// Finds out what answers on a connection that `open` makes, and returns both.
///
/// HELLO tells all since Redis 6.2. A server that refuses it, or closes the connection, is asked in older ways, of which
/// it may refuse each one: a server that tells nothing counts as a master.
pub fn identify(
    open: impl Fn() -> Result<Connection>,
    prefix: &[u8],
) -> Result<(Connection, Identity)> {
    let mut session = Session::new(open);
    let fields = session.fields()?;
    let identity = match (fields.mode.as_deref(), fields.role.as_deref()) {
        (Some("cluster"), _) => Identity::ClusterNode,
        (Some("sentinel"), _) => Identity::Sentinel,
        (None, _) if session.lacks_slots(prefix)? => Identity::ClusterNode,
        // KeyDB's `active-replica` takes writes as a master does.
        (_, Some("slave" | "replica")) => Identity::Replica,
        _ => Identity::Server,
    };
    Ok((session.connection()?, identity))
}

/// A connection to a server that answers: an address that accepts connections may be silent all the same.
pub fn answering(open: impl Fn() -> Result<Connection>) -> Result<Connection> {
    let mut session = Session::new(open);
    session.query(&[redis::cmd("HELLO")])?;
    session.connection()
}

fn is_rejection(error: &Error) -> bool {
    let rejections = [Refusal::TooManyClients, Refusal::ProtectedMode];
    error.refusal().is_some_and(|one| rejections.contains(&one))
}

/// What HELLO and INFO say; None is what they do not say.
#[derive(Default)]
pub struct Fields {
    pub mode: Option<String>,
    pub role: Option<String>,
    /// `redis 7.0.15`
    pub version: Option<String>,
}

impl Fields {
    /// A sentinel has no role.
    fn is_whole(&self) -> bool {
        let is_sentinel = self.mode.as_deref() == Some("sentinel");
        self.mode.is_some() && (self.role.is_some() || is_sentinel)
    }
}

/// Questions that a server may refuse, or close the connection at, one by one.
pub struct Session<Open> {
    /// None before the first command, and after the server has closed it.
    connection: Option<Connection>,
    open: Open,
}

impl<Open: Fn() -> Result<Connection>> Session<Open> {
    pub fn new(open: Open) -> Self {
        Self {
            connection: None,
            open,
        }
    }

    pub fn fields(&mut self) -> Result<Fields> {
        let fields = self.hello()?;
        if fields.is_whole() {
            return Ok(fields);
        }
        let info = self.info()?;
        Ok(Fields {
            mode: fields.mode.or(info.mode),
            role: fields.role.or(info.role),
            version: fields.version.or(info.version),
        })
    }

    fn connection(&mut self) -> Result<Connection> {
        self.connection.take().map_or_else(&self.open, Ok)
    }

    /// HELLO changes nothing, and no ACL forbids it. Redis 6.0 wants a version with it.
    fn hello(&mut self) -> Result<Fields> {
        let mut hello = redis::cmd("HELLO");
        let mut reply = self.query(&[hello.clone()])?.pop();
        let is_refused = matches!(reply, Some(Err(_))) && self.connection.is_some();
        if is_refused {
            hello.arg(2);
            reply = self.query(&[hello])?.pop();
        }
        let Some(Ok(reply)) = reply else {
            return Ok(Fields::default());
        };
        let mut fields = Fields::default();
        let (mut name, mut version) = (None, None);
        let mut reply = reply.into_list()?.into_iter();
        while let (Some(field), Some(value)) = (reply.next(), reply.next()) {
            match &*field.into_text()? {
                b"mode" => fields.mode = Some(value.into_utf8()?),
                b"role" => fields.role = Some(value.into_utf8()?),
                b"server" => name = value.into_utf8().ok(),
                b"version" => version = value.into_utf8().ok(),
                _ => {}
            }
        }
        fields.version = name
            .zip(version)
            .map(|(name, version)| format!("{name} {version}"));
        Ok(fields)
    }

    fn info(&mut self) -> Result<Fields> {
        let of = |section| redis::cmd("INFO").arg(section).to_owned();
        let replies = self.query(&[of("server"), of("replication")])?;
        let mut fields = Fields::default();
        for reply in replies.into_iter().flatten() {
            let Ok(text) = reply.into_text() else {
                continue;
            };
            for line in String::from_utf8_lossy(&text).lines() {
                match line.split_once(':') {
                    // Valkey has a name of its own.
                    Some(("redis_mode" | "server_mode", mode)) => fields.mode = Some(mode.into()),
                    Some(("role", role)) => fields.role = Some(role.into()),
                    Some((name @ ("redis_version" | "valkey_version"), version)) => {
                        let name = name.trim_end_matches("_version");
                        fields.version = Some(format!("{name} {version}"));
                    }
                    _ => {}
                }
            }
        }
        Ok(fields)
    }

    /// Whether it leaves some keys under the prefix to other nodes. The prefix is what an ACL allows.
    fn lacks_slots(&mut self, prefix: &[u8]) -> Result<bool> {
        let scard = |number: usize| {
            let key = [prefix, number.to_string().as_bytes()].concat();
            redis::cmd("SCARD").arg(key).to_owned()
        };
        let scards: Vec<_> = (0..KEYS).map(scard).collect();
        let size = |connection: &mut Connection| connection.reply()?.into_number::<usize>();
        for error in self.ask(&scards, size)?.into_iter().filter_map(Result::err) {
            match error.refusal() {
                Some(Refusal::Moved | Refusal::ClusterDown) => return Ok(true),
                // A sentinel does not know it, nor does a server that has it renamed.
                Some(Refusal::UnknownCommand) | None => return Err(error),
                Some(_) => {}
            }
        }
        Ok(false)
    }

    pub fn query(&mut self, commands: &[Cmd]) -> Result<Vec<Result<Reply>>> {
        self.ask(commands, Connection::reply)
    }

    /// What `read` makes of the replies to commands that are sent together; the last is an error when the server closes
    /// the connection.
    fn ask<T>(
        &mut self,
        commands: &[Cmd],
        read: impl Fn(&mut Connection) -> Result<T>,
    ) -> Result<Vec<Result<T>>> {
        let mut connection = self.connection()?;
        let mut replies = Vec::new();
        if let Err(error) = connection.send(commands) {
            replies.push(Err(error));
        }
        let goes_on = |reply: &Result<T>| match reply {
            Ok(_) => true,
            Err(error) => error.refusal().is_some(),
        };
        while replies.len() < commands.len() && replies.last().is_none_or(goes_on) {
            replies.push(read(&mut connection));
        }
        let ends = |reply: &Result<T>| reply.as_ref().err().is_some_and(ends_it);
        if let Some(end) = replies.iter().position(ends) {
            replies.swap_remove(end)?;
        }
        let breaks = |reply: &Result<T>| reply.as_ref().err().is_some_and(Error::is_broken);
        if !replies.iter().any(breaks) {
            self.connection = Some(connection);
        }
        Ok(replies)
    }
}

/// Whether no other question helps: no answer in time, no Redis, or a Redis that serves nobody or not us.
fn ends_it(error: &Error) -> bool {
    let refuses_all = [
        Refusal::WantsLogin,
        Refusal::WrongLogin,
        Refusal::NeedlessLogin,
        Refusal::Loading,
    ];
    match error.refusal() {
        Some(refusal) => refuses_all.contains(&refusal) || is_rejection(error),
        None => !error.is_broken(),
    }
}
