//! What answers behind a fresh connection: a server, a replica, a node of a cluster or a sentinel.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Cmd, Connection, Value};

use super::deadline::within;
use super::error::{Error, Refusal, Result};

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
    timeout: Duration,
) -> Result<(Connection, Identity)> {
    let mut session = Session {
        connection: None,
        open,
        timeout,
    };
    let mut fields = session.hello()?;
    if !fields.is_whole() {
        let info = session.info()?;
        fields.mode = fields.mode.or(info.mode);
        fields.role = fields.role.or(info.role);
    }
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

/// What a server says to every client when it rejects all: it is full, or in protected mode.
pub fn rejection(mut connection: Connection, timeout: Duration) -> Option<Error> {
    let ping = redis::cmd("PING").get_packed_command();
    let exchange = move || Ok::<_, Error>(exchange(&mut connection, &ping, 1));
    let replies = within(timeout, exchange).ok()?;
    let error = replies.into_iter().next()?.err()?;
    is_rejection(&error).then_some(error)
}

fn is_rejection(error: &Error) -> bool {
    let rejections = [Refusal::TooManyClients, Refusal::ProtectedMode];
    error.refusal().is_some_and(|one| rejections.contains(&one))
}

/// What HELLO and INFO say; None is what they do not say.
#[derive(Default)]
struct Fields {
    mode: Option<String>,
    role: Option<String>,
}

impl Fields {
    /// A sentinel has no role.
    fn is_whole(&self) -> bool {
        let is_sentinel = self.mode.as_deref() == Some("sentinel");
        self.mode.is_some() && (self.role.is_some() || is_sentinel)
    }
}

struct Session<Open> {
    /// None before the first command, and after the server has closed it.
    connection: Option<Connection>,
    open: Open,
    timeout: Duration,
}

impl<Open: Fn() -> Result<Connection>> Session<Open> {
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
        let mut reply: HashMap<String, Value> = redis::from_redis_value(reply)?;
        let mut text = |name| {
            let value = reply.remove(name);
            value.map(redis::from_redis_value).transpose()
        };
        Ok(Fields {
            mode: text("mode")?,
            role: text("role")?,
        })
    }

    fn info(&mut self) -> Result<Fields> {
        let of = |section| redis::cmd("INFO").arg(section).to_owned();
        let replies = self.query(&[of("server"), of("replication")])?;
        let mut fields = Fields::default();
        for reply in replies.into_iter().flatten() {
            let Ok(text) = redis::from_redis_value::<Vec<u8>>(reply) else {
                continue;
            };
            for line in String::from_utf8_lossy(&text).lines() {
                match line.split_once(':') {
                    // Valkey has a name of its own.
                    Some(("redis_mode" | "server_mode", mode)) => fields.mode = Some(mode.into()),
                    Some(("role", role)) => fields.role = Some(role.into()),
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
        let replies = self.query(&(0..KEYS).map(scard).collect::<Vec<_>>())?;
        for error in replies.into_iter().filter_map(Result::err) {
            match error.refusal() {
                Some(Refusal::Moved | Refusal::ClusterDown) => return Ok(true),
                // A sentinel does not know it, nor does a server that has it renamed.
                Some(Refusal::UnknownCommand) | None => return Err(error),
                Some(_) => {}
            }
        }
        Ok(false)
    }

    /// The replies to commands that are sent together; the last is an error when the server closes the connection.
    fn query(&mut self, commands: &[Cmd]) -> Result<Vec<Result<Value>>> {
        let mut connection = self.connection()?;
        let (count, mut packed) = (commands.len(), Vec::new());
        for command in commands {
            command.write_packed_command(&mut packed);
        }
        let (connection, mut replies) = within(self.timeout, move || {
            let replies = exchange(&mut connection, &packed, count);
            Ok::<_, Error>((connection, replies))
        })?;
        let ends = |reply: &Result<Value>| reply.as_ref().err().is_some_and(ends_it);
        if let Some(end) = replies.iter().position(ends) {
            replies.swap_remove(end)?;
        }
        let breaks = |reply: &Result<Value>| reply.as_ref().err().is_some_and(Error::is_broken);
        if !replies.iter().any(breaks) {
            self.connection = Some(connection);
        }
        Ok(replies)
    }
}

fn exchange(connection: &mut Connection, packed: &[u8], count: usize) -> Vec<Result<Value>> {
    if let Err(error) = connection.send_packed_command(packed) {
        let error = Error::from(error);
        // A server that closes the connection may have said why.
        let reply = error.is_broken().then(|| received(connection));
        let said = reply.and_then(Result::err);
        let says_why = |error: &Error| error.refusal().is_some() || matches!(error, Error::Tls(_));
        return vec![Err(said.filter(says_why).unwrap_or(error))];
    }
    let mut replies: Vec<Result<Value>> = Vec::new();
    let goes_on = |reply: &Result<Value>| match reply {
        Ok(_) => true,
        Err(error) => error.refusal().is_some(),
    };
    while replies.len() < count && replies.last().is_none_or(goes_on) {
        replies.push(received(connection));
    }
    replies
}

fn received(connection: &mut Connection) -> Result<Value> {
    let reply = connection.recv_response();
    Ok(reply.and_then(Value::extract_error)?)
}

/// Whether no other question helps: no answer in time, no Redis, or a Redis that serves nobody or not us.
fn ends_it(error: &Error) -> bool {
    let refuses_all = [Refusal::WantsLogin, Refusal::WrongLogin, Refusal::Loading];
    match error.refusal() {
        Some(refusal) => refuses_all.contains(&refusal) || is_rejection(error),
        None => !error.is_broken(),
    }
}
