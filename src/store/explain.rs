//! What to tell the administrator when Redis will not or cannot, and the hint that helps.

use rustls::CertificateError;

use super::error::{Error, Peer, PeerError, Refusal};
use super::servers::{Servers, Topology};
use crate::failure::Failure;
use crate::text::{CHECK_THE_NAME, Escaped};

/// Hints that fit more than one error.
const NO_PASSWORD: &str = "put the password into --redis-password-file, and the ACL user, if there is one, into the URL (redis://USER@HOST)";
const WRONG_PASSWORD: &str =
    "check --redis-password-file and the user in the URL; ACL LIST in redis-cli shows the users";
const TLS: &str = "use rediss:// with TLS, and redis:// without it";
const SOMETHING_ELSE: &str =
    "check that this is a Redis, and that nothing in between changes its replies";
const BEHIND_A_PROXY: &str = "give --redis the Redis itself; where the proxy spreads the keys over several, run kamonline for each of them, and never with --add-missing";
const NO_BOARD: &str = "look at what the sets under --prefix hold: no presence board is so large";

pub fn explain(PeerError { error, peer }: PeerError, servers: &Servers) -> Failure {
    let topology = &servers.topology;
    let failure = |what: &str| Failure::new(what).context(named(&peer, servers));
    match error {
        Error::Refused(refusal, words) => refused(refusal, &words, &peer, servers),
        Error::WrongLogin => wrong_login(&peer, servers),
        Error::TimedOut => {
            let timeout = humantime::format_duration(servers.deadlines().timeout);
            let failure = failure(&format!("no answer within {timeout}"));
            match (&peer, topology) {
                (_, Topology::One) | (Peer::Configured, Topology::Sentinel(_)) => {
                    failure.hint(overloaded(servers))
                }
                _ => failure.hint(announced(topology)),
            }
        }
        Error::NotListening(words) | Error::Unreachable(words) => {
            failure(&format!("cannot connect ({words})")).hint(where_to_look(&peer, topology))
        }
        Error::NoSuchName(words) => {
            failure(&format!("its name does not resolve ({words})")).hint(CHECK_THE_NAME)
        }
        Error::Broken(words) => {
            let may_demand = servers.with_tls() && !servers.tls().shows_own();
            let what_else = match may_demand {
                true => servers.tls().how_to_show_one(),
                false => TLS.to_owned(),
            };
            let proxy = match topology {
                Topology::One => format!(". A proxy that does not know SCAN, as twemproxy, closes it, too: {BEHIND_A_PROXY}"),
                _ => String::new(),
            };
            failure(&format!("the connection broke ({words})"))
                .hint(format!("see in its log why it closed the connection; {what_else}{proxy}"))
        }
        Error::Denied(words) => failure(&format!("cannot connect ({words})")).hint("add the user who runs kamonline to the group of the socket (unixsocketperm in redis.conf)"),
        Error::Tls(error) => over_tls(&error, &peer, servers),
        Error::Foreign => failure("what answers does not speak the protocol of Redis")
            .hint(format!("check the address, and that no proxy is in between; {TLS}")),
        Error::UnknownMaster => {
            failure("they know no master of the name given with --redis-sentinel")
                .hint("list the names with redis-cli -p 26379 SENTINEL MASTERS")
        }
        Error::ClusterNode => failure("it is a node of a Redis Cluster, and holds a part of the sets only")
            .hint(instead_of_one(topology)),
        Error::Sentinel => {
            failure("it is a sentinel, and holds no sets").hint(instead_of_a_sentinel(topology))
        }
        Error::ReplyTooLarge => failure("its reply is larger than any that kamonline asks for").hint(SOMETHING_ELSE),
        Error::SlowReading(longest) => {
            let longest = humantime::format_duration(longest);
            failure(&format!("its sets were not read within {longest}")).hint("raise --timeout, if Redis or the way to it is slow: the sets as a whole may take 20 times as long")
        }
        Error::EndlessScan => failure("its SCAN does not end").hint(SOMETHING_ELSE),
        Error::TooManyKeys => {
            failure("it has more than a million keys under --prefix").hint(SOMETHING_ELSE)
        }
        Error::TooManyUsers(failure) => failure.hint(NO_BOARD),
        Error::Other(words) => failure(&words),
    }
}

fn over_tls(error: &rustls::Error, peer: &Peer, servers: &Servers) -> Failure {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    let failure = servers.tls().explain(error, &named(peer, servers));
    let is_named_otherwise = matches!(
        error,
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })
    );
    match (is_named_otherwise, &servers.topology, peer) {
        (true, Topology::Cluster, Peer::Discovered(_)) => failure.hint(
            "let every node announce the name that its certificate is for, with cluster-announce-hostname NAME and cluster-preferred-endpoint-type hostname in redis.conf (7.0 or newer), or put the addresses that the cluster announces into the certificates",
        ),
        _ => failure,
    }
}

/// Redis answers, and refuses.
fn refused(refusal: Refusal, words: &str, peer: &Peer, servers: &Servers) -> Failure {
    let topology = &servers.topology;
    let failure = |what: &str| Failure::new(what).context(named(peer, servers));
    match refusal {
        Refusal::WantsLogin => failure("it wants a password").hint(NO_PASSWORD),
        Refusal::WrongLogin => wrong_login(peer, servers),
        Refusal::Forbidden => failure(&format!("the ACL forbids it ({words})"))
            .hint(smallest_rule(topology)),
        Refusal::OneDatabase | Refusal::NoSuchDatabase if *topology == Topology::Cluster => {
            failure(&format!("it is a cluster without that database ({words})"))
                .hint("leave the database out of the URL (in Valkey 9 cluster-databases gives a cluster more)")
        }
        Refusal::NoSuchDatabase => failure(&format!("it has no such database ({words})"))
            .hint("see databases in redis.conf: by default it has 16, from 0 to 15"),
        Refusal::TooManyClients => failure("it has as many clients as it may have (maxclients)").hint(
            "raise maxclients in redis.conf, or let Redis close idle clients (timeout in redis.conf); CLIENT LIST in redis-cli shows them, once there is room",
        ),
        Refusal::NoCluster => {
            failure("it is no node of a Redis Cluster").hint("leave out --redis-cluster")
        }
        Refusal::Replica => failure("it is a replica, and may be behind its master")
            .hint(where_the_master_is(topology)),
        Refusal::Loading => failure("it is still loading its data")
            .hint("try again when it is done: nothing is wrong"),
        Refusal::OutOfMemory => failure("it is out of memory (maxmemory), so nothing can be added")
            .hint("raise maxmemory: kamonline removes nobody whom it could not put back"),
        Refusal::CannotSave => failure(words)
            .hint("see in its log why it cannot save to disk: until it can, it takes no writes"),
        Refusal::ClusterDown => failure(&format!("the cluster is down ({words})"))
            .hint("run redis-cli --cluster check HOST:PORT, which shows the slots without a master"),
        Refusal::UnknownCommand => unknown_command(words, peer, servers),
        Refusal::NoScan => failure(&format!("it refuses SCAN ({words})"))
            .hint(format!("if this is a proxy, as twemproxy and Envoy are, {BEHIND_A_PROXY}. If it is none, take SCAN out of rename-command in redis.conf")),
        Refusal::TooFewReplicas => failure("it takes no writes while it has too few replicas").hint(
            "bring its replicas back (INFO replication in redis-cli counts them), or lower min-replicas-to-write in redis.conf",
        ),
        Refusal::Busy => failure("a script keeps it busy")
            .hint("try again when it is done; SCRIPT KILL in redis-cli ends it if it does not"),
        Refusal::Moved if *topology == Topology::Cluster => {
            failure(&format!("a slot moves again and again ({words})"))
                .hint("run redis-cli --cluster check HOST:PORT, which shows whether a slot is on its way to another master")
        }
        Refusal::Moved | Refusal::OneDatabase => {
            failure("it is a node of a Redis Cluster, and holds a part of the sets only")
                .hint(instead_of_one(topology))
        }
        Refusal::WrongType | Refusal::ProtectedMode | Refusal::Passing | Refusal::Other => failure(words),
    }
}

fn wrong_login(peer: &Peer, servers: &Servers) -> Failure {
    Failure::new(format!(
        "{}: it does not accept the user or the password",
        named(peer, servers)
    ))
    .hint(format!("{WRONG_PASSWORD}{}", servers.password_doubt()))
}

fn unknown_command(words: &str, peer: &Peer, servers: &Servers) -> Failure {
    let failure = |what: &str| Failure::new(what).context(named(peer, servers));
    let is_sentinel_asked =
        matches!(servers.topology, Topology::Sentinel(_)) && *peer == Peer::Configured;
    if words.contains("SCARD") {
        return failure(&format!("it does not know SCARD ({words})"))
            .hint("add --redis-sentinel MASTER if it is a sentinel; if not, take SCARD out of rename-command in redis.conf");
    }
    if is_sentinel_asked {
        return failure("what answers is no sentinel").hint(
            "give --redis the sentinels, whose port is 26379 by default, or leave out --redis-sentinel",
        );
    }
    failure(&format!("it refuses a command that is needed ({words})"))
        .hint("let rename-command in redis.conf, and a proxy in between, leave SCAN, SCARD, SMEMBERS, SSCAN, SREM and SADD as they are")
}

/// When whom `--redis` names does not answer.
fn overloaded(servers: &Servers) -> &'static str {
    // Without TLS Redis waits for the rest of what it takes for a command.
    match servers.with_tls() {
        true => {
            "check that this port speaks TLS. If it does, Redis is overloaded, stopped, or behind a firewall; --timeout gives it longer"
        }
        false => {
            "try redis-cli ping: Redis is overloaded, stopped, or behind a firewall; --timeout gives it longer"
        }
    }
}

fn instead_of_one(topology: &Topology) -> &'static str {
    match topology {
        Topology::Sentinel(_) => {
            "give --redis the nodes, and --redis-cluster instead of --redis-sentinel"
        }
        _ => "add --redis-cluster",
    }
}

fn instead_of_a_sentinel(topology: &Topology) -> &'static str {
    match topology {
        Topology::Sentinel(_) => {
            "name the port of a server in sentinel monitor, in the configuration of the sentinels"
        }
        _ => "add --redis-sentinel MASTER; redis-cli -p 26379 SENTINEL MASTERS lists the names",
    }
}

/// What a run that only reads tells of a replica.
pub fn warning_of_replica(peer: &Peer, servers: &Servers) -> String {
    let replica = explain(peer.error(Error::replica()), servers);
    format!("{replica}; {}", replica.hint.as_deref().unwrap_or_default())
}

/// As errors and reports name it.
pub fn named(peer: &Peer, servers: &Servers) -> String {
    let shown = servers.shown();
    match (&servers.topology, peer) {
        (Topology::One, _) => format!("Redis at {shown}"),
        (Topology::Cluster, Peer::Discovered(Some(address))) => {
            format!(
                "Redis at {}, a master of the cluster",
                Escaped(address.as_bytes())
            )
        }
        (Topology::Cluster, _) => format!("the Redis Cluster of {shown}"),
        (Topology::Sentinel(name), Peer::Discovered(address)) => format!(
            "Redis at {}, which the sentinels call master of {}",
            Escaped(address.as_deref().unwrap_or_default().as_bytes()),
            Escaped(name.as_bytes())
        ),
        (Topology::Sentinel(_), Peer::Configured) => format!("the sentinels at {shown}"),
    }
}

fn where_to_look(peer: &Peer, topology: &Topology) -> &'static str {
    match (topology, peer) {
        (Topology::One, _) => {
            "check that Redis runs, and that this is its address (bind, port, unixsocket in redis.conf)"
        }
        (Topology::Cluster, Peer::Configured) => {
            "check that one of these nodes runs, and name several with --redis"
        }
        (Topology::Cluster, _) => {
            "run redis-cli --cluster check HOST:PORT: either this node is down and no replica took its place, or the address that it announces cannot be reached from here (cluster-announce-ip in redis.conf)"
        }
        (Topology::Sentinel(_), Peer::Configured) => {
            "check that one of these sentinels runs; their port is 26379 by default"
        }
        (Topology::Sentinel(_), _) => {
            "run redis-cli -p 26379 SENTINEL MASTERS: either this master is down and no replica took its place, or the address that the sentinels name cannot be reached from here (sentinel monitor in their configuration)"
        }
    }
}

/// When a master that others named does not answer.
fn announced(topology: &Topology) -> &'static str {
    match topology {
        Topology::Sentinel(_) => {
            "check that its address can be reached from here: the sentinels name the one of sentinel monitor in their configuration, or of replica-announce-ip in its redis.conf. If it can, Redis is overloaded or stopped"
        }
        _ => {
            "check that every node can be reached from here, by the address that CLUSTER SLOTS in redis-cli shows (cluster-announce-ip in redis.conf sets it). If it can, a node is overloaded or stopped"
        }
    }
}

fn where_the_master_is(topology: &Topology) -> &'static str {
    match topology {
        Topology::Sentinel(_) => {
            "see with redis-cli -p 26379 SENTINEL MASTERS why the sentinels still call it master"
        }
        _ => "give --redis the master (redis-cli role names it), or use --redis-sentinel",
    }
}

/// The smallest rules under which everything works; `tests/it/redis/access.rs` and `cluster_slots.rs` run under them.
fn smallest_rule(topology: &Topology) -> &'static str {
    match topology {
        Topology::Cluster => {
            "give the ACL user, on every node: ~ONLINE:* (the --prefix) +scan +scard +smembers +sscan +srem +sadd +cluster|slots +asking"
        }
        _ => {
            "give the ACL user: ~ONLINE:* (the --prefix) +scan +scard +smembers +sscan +srem +sadd, and +select for a database other than 0"
        }
    }
}
