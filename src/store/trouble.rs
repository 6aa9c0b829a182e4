//! What Redis answers when it will not or cannot: what to tell the administrator, and whether to ask again.

use std::error::Error;

use redis::{ErrorKind, RedisError};

use super::Servers;
use crate::failure::Failure;
use crate::shown::Shown;

pub fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
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
        || error.kind() == ErrorKind::ClusterConnectionNotFound
}

pub fn explain(error: &RedisError, servers: &Servers) -> Failure {
    let failure = |what: &str| Failure::new(format!("Redis at {}: {what}", servers.shown()));
    let said = Shown(error.to_string().as_bytes()).to_string();
    let timeout = humantime::format_duration(servers.patience().timeout);
    if error.is_timeout() {
        return failure(&format!("no answer within {timeout}"))
            .hint("is it overloaded, stopped, or behind a firewall? Try redis-cli ping; --timeout gives it longer");
    }
    if error.is_connection_refusal() {
        return failure(&format!("cannot connect ({said})")).hint(
            "is Redis running, and is this its address (bind, port, unixsocket in redis.conf)?",
        );
    }
    if said.contains("certificate") {
        return failure(&format!("its certificate is not trusted ({said})"))
            .hint("give the root that signed it with --redis-ca FILE, and use the name that the certificate is for");
    }
    match error.code().unwrap_or_default() {
        "NOAUTH" => return failure("it wants a password").hint("put it into --redis-password-file, and the ACL user, if there is one, into the URL (redis://USER@HOST)"),
        "WRONGPASS" => return failure("it does not accept the user or the password").hint("see --redis-password-file, and the user in the URL; ACL LIST in redis-cli shows who there is"),
        "NOPERM" => return failure(&said).hint("the ACL user needs: ~ONLINE:* (the prefix) +scan +sscan +srem +sadd, and in a cluster +cluster|slots +ping"),
        "READONLY" => return failure("it is a read-only replica").hint("give --redis the master (redis-cli role tells which it is), or use --redis-sentinel"),
        "LOADING" => return failure("it is still loading its data").hint("nothing is wrong: try again when it is done"),
        "OOM" => return failure("it is out of memory (maxmemory), so nothing can be added").hint("raise maxmemory, or leave out --add-missing: removing works all the same"),
        "MISCONF" => return failure(&said).hint("it stopped taking writes because it cannot save to disk: see its log"),
        "CLUSTERDOWN" => return failure("the cluster is down").hint("redis-cli --cluster check HOST:PORT tells which slots have no master"),
        "MOVED" => return failure("it is a node of a Redis Cluster").hint("add --redis-cluster"),
        _ => {}
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => failure(&format!("it does not accept the user or the password ({said})"))
            .hint("see --redis-password-file, and the user in the URL; ACL LIST in redis-cli shows who there is"),
        ErrorKind::MasterNameNotFoundBySentinel => failure("the sentinels know no master of the name given with --redis-sentinel")
            .hint("redis-cli -p 26379 SENTINEL MASTERS tells the names"),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => failure("what answers does not speak the protocol of Redis").hint("is the address right? With TLS the URL begins with rediss://"),
        ErrorKind::Io if is_broken(error) => failure(&format!("the connection broke ({})", root_cause(error))).hint("does it run stably? With TLS the URL begins with rediss://, without it with redis://"),
        _ => failure(&said),
    }
}

fn root_cause(error: &RedisError) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    Shown(
        causes
            .last()
            .map_or_else(|| error.to_string(), ToString::to_string)
            .as_bytes(),
    )
    .to_string()
}
