//! What Redis answers when it will not or cannot: what to tell the administrator, and whether to ask again.

use std::error::Error;
use std::io;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::servers::{Servers, Topology};
use crate::failure::Failure;
use crate::shown::{CHECK_THE_NAME, NO_SUCH_NAME, Shown, without_number};

/// An error, and whom it is about.
pub struct Trouble {
    pub error: RedisError,
    pub with: Peer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Whom `--redis` names: the server, the nodes, or the sentinels.
    Named,
    /// A master that those named led to, by its address when it is known which.
    Member(Option<String>),
}

impl Trouble {
    pub fn with_named(error: RedisError) -> Self {
        Self {
            error,
            with: Peer::Named,
        }
    }
}

pub fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}

/// Redis does not know the command, or it is renamed.
pub fn is_unknown_command(error: &RedisError) -> bool {
    let is_unknown = |words: &str| words.contains("unknown command");
    error.detail().is_some_and(is_unknown)
}

/// What a run that may write gets for a replica, read-only or not.
pub fn replica() -> RedisError {
    (ErrorKind::Server(ServerErrorKind::ReadOnly), "a replica").into()
}

/// What a run that only reads tells of a replica.
pub fn warning_of_replica(peer: &Peer, servers: &Servers) -> String {
    let trouble = Trouble {
        error: replica(),
        with: peer.clone(),
    };
    let Failure { message, hint, .. } = explain(&trouble, servers);
    format!("{message}; {}", hint.unwrap_or_default())
}

/// Redis answered, so the command was not run.
pub fn is_refusal(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}

/// The connection was refused or broke: a new one may do.
pub fn is_broken(error: &RedisError) -> bool {
    !error.is_timeout() && (error.is_connection_dropped() || error.is_connection_refusal())
}

/// A cluster or its sentinels are putting another master in the place of a dead one.
pub fn is_failing_over(error: &RedisError) -> bool {
    let passing = [
        "CLUSTERDOWN",
        "MASTERDOWN",
        "READONLY",
        "TRYAGAIN",
        "MOVED",
        "ASK",
        "LOADING",
        "UNBLOCKED",
    ];
    error.code().is_some_and(|code| passing.contains(&code))
        // The redis crate has no slots, or no connection, for a moment.
        || matches!(error.kind(), ErrorKind::ClusterConnectionNotFound | ErrorKind::Client)
}

/// Hints that fit more than one refusal.
const NO_PASSWORD: &str = "put it into --redis-password-file, and the ACL user, if there is one, into the URL (redis://USER@HOST)";
const WRONG_PASSWORD: &str =
    "see --redis-password-file, and the user in the URL; ACL LIST in redis-cli shows who there is";
const TLS: &str = "rediss:// is with TLS, redis:// is without it";

pub fn explain(Trouble { error, with }: &Trouble, servers: &Servers) -> Failure {
    let failure = |what: &str| Failure::new(format!("{}: {what}", named(with, servers)));
    let said = said(error);
    let wrong_password = || format!("{WRONG_PASSWORD}{}", servers.password_doubt());
    let patience = humantime::format_duration(servers.patience().timeout);
    if error.is_timeout()
        && !matches!(
            (with, &servers.topology),
            (_, Topology::One) | (Peer::Named, Topology::Sentinel(_))
        )
    {
        return failure(&format!("no answer within {patience}")).hint(announced(&servers.topology));
    }
    if error.is_timeout() {
        // Without TLS Redis waits for the rest of what it takes for a command.
        let hint = if servers.with_tls() {
            "does it speak TLS on that port? If so, is it overloaded, stopped, or behind a firewall? --timeout gives it longer"
        } else {
            "is it overloaded, stopped, or behind a firewall? Try redis-cli ping; --timeout gives it longer"
        };
        return failure(&format!("no answer within {patience}")).hint(hint);
    }
    let unreachable = |text: &str| {
        ["No route to host", "unreachable"]
            .iter()
            .any(|part| text.contains(part))
    };
    if error.is_connection_refusal() || unreachable(&said) {
        return failure(&format!("cannot connect ({said})"))
            .hint(where_to_look(with, &servers.topology));
    }
    let has = |text: &str| said.contains(text);
    if has(NO_SUCH_NAME) {
        return failure(&format!("its name does not resolve ({said})")).hint(CHECK_THE_NAME);
    }
    if has("certificate") {
        return Failure::distrust(&named(with, servers), &said, "--redis-ca");
    }
    if has("corrupt message") {
        return failure("what answers does not speak TLS").hint(TLS);
    }
    // SELECT is part of connecting, and is refused in words only.
    if has("Authentication required") {
        return failure("it wants a password").hint(NO_PASSWORD);
    }
    if has("no permissions") || has("No permissions") {
        return failure(&format!("the ACL forbids it ({said})"))
            .hint(smallest_rule(&servers.topology));
    }
    if has("DB index") {
        return failure(&format!("it has no such database ({said})"))
            .hint("databases in redis.conf says how many there are, 16 by default: 0 to 15");
    }
    if has("max number of clients") {
        return failure("it has as many clients as it may have (maxclients)").hint(
            "raise maxclients in redis.conf, or let Redis close idle clients (timeout in redis.conf); CLIENT LIST in redis-cli tells who they are, once there is room",
        );
    }
    if has("cluster support disabled") {
        return failure("it is no node of a Redis Cluster").hint("leave out --redis-cluster");
    }
    match (error.code().unwrap_or_default(), &servers.topology) {
        ("NOAUTH", _) => return failure("it wants a password").hint(NO_PASSWORD),
        ("WRONGPASS", _) => {
            return failure("it does not accept the user or the password").hint(wrong_password());
        }
        ("READONLY", topology) => {
            return failure("it is a replica, and may be behind its master")
                .hint(where_the_master_is(topology));
        }
        ("LOADING", _) => {
            return failure("it is still loading its data")
                .hint("nothing is wrong: try again when it is done");
        }
        ("OOM", _) => {
            return failure("it is out of memory (maxmemory), so nothing can be added")
                .hint("raise maxmemory: without room to add, kamonline removes nobody, since it could not put them back");
        }
        ("MISCONF", _) => {
            return failure(&said)
                .hint("it stopped taking writes because it cannot save to disk: see its log");
        }
        ("CLUSTERDOWN", _) => {
            return failure(&format!("the cluster is down ({said})"))
                .hint("redis-cli --cluster check HOST:PORT tells which slots have no master");
        }
        ("ERR", _) if is_unknown_command(error) && has("SCARD") => {
            return failure(&format!("it does not know SCARD ({said})")).hint(
                "is it a sentinel? Then add --redis-sentinel MASTER. If not, rename-command in redis.conf must leave SCARD as it is",
            );
        }
        ("ERR", Topology::Sentinel(_)) if *with == Peer::Named && is_unknown_command(error) => {
            return failure("what answers is no sentinel").hint(
                "with --redis-sentinel, --redis names the sentinels: their port is 26379 by default",
            );
        }
        ("ERR", _) if is_unknown_command(error) => {
            return failure(&format!("it refuses a command that is needed ({said})")).hint(
                "rename-command in redis.conf, or a proxy in between, must leave SCAN, SCARD, SMEMBERS, SSCAN, SREM and SADD as they are",
            );
        }
        ("NOREPLICAS", _) => {
            return failure("it takes no writes while it has too few replicas").hint(
                "min-replicas-to-write in redis.conf says how many it wants; INFO replication in redis-cli tells how many there are",
            );
        }
        ("BUSY", _) => {
            return failure("a script keeps it busy").hint(
                "try again when it is done; SCRIPT KILL in redis-cli ends it if it does not",
            );
        }
        _ => {}
    }
    match (error.kind(), error.detail()) {
        (ErrorKind::AuthenticationFailed, _) => failure("it does not accept the user or the password").hint(wrong_password()),
        (ErrorKind::MasterNameNotFoundBySentinel, _) => failure("they know no master of the name given with --redis-sentinel")
            .hint("redis-cli -p 26379 SENTINEL MASTERS tells the names"),
        (ErrorKind::InvalidClientConfig, Some("cluster")) | (ErrorKind::Server(ServerErrorKind::Moved), _) => failure("it is a node of a Redis Cluster, and holds a part of the sets only").hint("add --redis-cluster"),
        (ErrorKind::InvalidClientConfig, Some("sentinel")) => failure("it is a sentinel, and holds no sets").hint("add --redis-sentinel MASTER; redis-cli -p 26379 SENTINEL MASTERS tells the names"),
        (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => failure("what answers does not speak the protocol of Redis").hint(format!("is the address right? And {TLS}")),
        (ErrorKind::Client, None) => failure(said.trim_end_matches(" - Client")).hint("is that a Redis? Something in between may change what it says"),
        _ if is_broken(error) => failure(&format!("the connection broke ({said})")).hint(format!("does it run stably? And {TLS}")),
        _ if denied(error) => failure(&said).hint("whoever runs kamonline must be in the group that the socket belongs to (unixsocketperm in redis.conf)"),
        _ => failure(&said),
    }
}

fn named(peer: &Peer, servers: &Servers) -> String {
    let shown = servers.shown();
    match (&servers.topology, peer) {
        (Topology::One, _) => format!("Redis at {shown}"),
        (Topology::Cluster, Peer::Member(Some(address))) => {
            format!(
                "Redis at {}, a master of the cluster",
                Shown(address.as_bytes())
            )
        }
        (Topology::Cluster, _) => format!("the Redis Cluster of {shown}"),
        (Topology::Sentinel(name), Peer::Member(address)) => format!(
            "Redis at {}, which the sentinels call master of {}",
            Shown(address.as_deref().unwrap_or_default().as_bytes()),
            Shown(name.as_bytes())
        ),
        (Topology::Sentinel(_), Peer::Named) => format!("the sentinels at {shown}"),
    }
}

fn where_to_look(peer: &Peer, topology: &Topology) -> &'static str {
    match (topology, peer) {
        (Topology::One, _) => {
            "is Redis running, and is this its address (bind, port, unixsocket in redis.conf)?"
        }
        (Topology::Cluster, Peer::Named) => {
            "does any of these nodes run? Name several with --redis"
        }
        (Topology::Cluster, _) => {
            "either it is down and no replica took its place (redis-cli --cluster check HOST:PORT tells), or the address that it announces cannot be reached from here (cluster-announce-ip in redis.conf)"
        }
        (Topology::Sentinel(_), Peer::Named) => {
            "does any of these sentinels run? Their port is 26379 by default"
        }
        (Topology::Sentinel(_), _) => {
            "either it is down and no replica took its place (redis-cli -p 26379 SENTINEL MASTERS tells), or the address that the sentinels tell cannot be reached from here (sentinel monitor in their configuration)"
        }
    }
}

/// When a master that others named does not answer.
fn announced(topology: &Topology) -> &'static str {
    match topology {
        Topology::Sentinel(_) => {
            "can its address be reached from here? Sentinels tell the address that sentinel monitor in their configuration names, or replica-announce-ip in its redis.conf. If it can: is it overloaded or stopped?"
        }
        _ => {
            "can all its nodes be reached from here, by the addresses that CLUSTER SLOTS in redis-cli shows? cluster-announce-ip in redis.conf sets them. If they can: is one overloaded or stopped?"
        }
    }
}

fn where_the_master_is(topology: &Topology) -> &'static str {
    match topology {
        Topology::Sentinel(_) => {
            "the sentinels still call it master: redis-cli -p 26379 SENTINEL MASTERS tells what they think"
        }
        _ => "give --redis the master (redis-cli role tells which it is), or use --redis-sentinel",
    }
}

/// The smallest rules under which everything works; `tests/it/redis/access.rs` and `cluster_slots.rs` run under them.
fn smallest_rule(topology: &Topology) -> &'static str {
    match topology {
        Topology::Cluster => {
            "the ACL user needs, on every node: ~ONLINE:* (the --prefix) +scan +scard +smembers +sscan +srem +sadd +cluster|slots +ping +asking"
        }
        _ => {
            "the ACL user needs: ~ONLINE:* (the --prefix) +scan +scard +smembers +sscan +srem +sadd, and +select for a database other than 0"
        }
    }
}

/// What Redis said, or what happened to the connection.
fn said(error: &RedisError) -> String {
    let words = match (error.code(), error.detail()) {
        (Some(code), detail) => format!("{code} {}", detail.unwrap_or_default()),
        (None, Some(detail)) => detail.to_owned(),
        (None, None) => std::iter::successors(error.source(), |cause| (*cause).source())
            .last()
            .map_or_else(|| error.to_string(), without_number),
    };
    Shown(words.trim_end().as_bytes()).to_string()
}

fn denied(error: &RedisError) -> bool {
    let io = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied)
}
