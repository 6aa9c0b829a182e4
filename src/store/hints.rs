//! What Redis refuses, and a server that does not answer: the words, and the hint. One more error of Redis is a kind of
//! [`Refusal`] and a row here.

use super::error::{Peer, Refusal};
use super::servers::Topology;

/// The server that an error is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The one of `--redis`.
    Server,
    /// The nodes of `--redis`.
    Nodes,
    /// A master that the cluster names.
    Node,
    /// The sentinels of `--redis`.
    Sentinels,
    /// The master that they name.
    Master,
}

use Place::{Master, Node, Nodes, Sentinels, Server};

impl Place {
    pub fn of(peer: &Peer, topology: &Topology) -> Self {
        match (topology, peer) {
            (Topology::One, _) => Server,
            (Topology::Cluster, Peer::Configured) => Nodes,
            (Topology::Cluster, Peer::Discovered(_)) => Node,
            (Topology::Sentinel(_), Peer::Configured) => Sentinels,
            (Topology::Sentinel(_), Peer::Discovered(_)) => Master,
        }
    }
}

pub const A_PART_ONLY: &str = "it is a node of a Redis Cluster, and holds a part of the sets only";
pub const ADD_CLUSTER: &str = "add --redis-cluster";
pub const ADD_NODES: &str =
    "give --redis the nodes, and --redis-cluster instead of --redis-sentinel";
pub const MOVING_SLOTS: &str = "run kamonline again when the resharding is over: redis-cli \
                                --cluster check HOST:PORT shows whether slots are on their way";

/// Each refusal, where, the words, in which `{}` is what Redis `said`, and the hint. None: what Redis said tells enough.
pub fn refused(refusal: Refusal, said: &str, place: Place) -> Option<(&'static str, &'static str)> {
    use Refusal::*;
    Some(match (refusal, place) {
        (WantsLogin, _) => (
            "it wants a password",
            "put the password into --redis-password-file, and the ACL user, if there is one, \
             into the URL (redis://USER@HOST)",
        ),
        (WrongLogin, _) => (
            "it does not accept the user or the password",
            "check --redis-password-file and the user in the URL; ACL LIST in redis-cli shows \
             the users",
        ),
        (NeedlessLogin, _) => (
            "it has no password, and one is given",
            "take the password out of the URL, and leave out --redis-password-file",
        ),
        // The smallest rules under which everything works: tests/it/redis/access.rs and cluster_slots.rs run under them.
        (Forbidden, Nodes | Node) => (
            "the ACL forbids it ({})",
            "give the ACL user, on every node: ~ONLINE:* (the --prefix) +scan +scard +smembers \
             +sscan +srem +sadd +cluster|slots +asking",
        ),
        (Forbidden, _) => (
            "the ACL forbids it ({})",
            "give the ACL user: ~ONLINE:* (the --prefix) +scan +scard +smembers +sscan +srem \
             +sadd, and +select for a database other than 0",
        ),
        (OneDatabase | NoSuchDatabase, Nodes | Node) => (
            "it is a cluster without that database ({})",
            "leave the database out of the URL (in Valkey 9 cluster-databases gives a cluster \
             more)",
        ),
        (NoSuchDatabase, _) => (
            "it has no such database ({})",
            "see databases in redis.conf: by default it has 16, from 0 to 15",
        ),
        (TooManyClients, _) => (
            "it has as many clients as it may have (maxclients)",
            "raise maxclients in redis.conf, or let Redis close idle clients (timeout in \
             redis.conf); CLIENT LIST in redis-cli shows them, once there is room",
        ),
        (NoCluster, _) => (
            "it is no node of a Redis Cluster",
            "leave out --redis-cluster",
        ),
        (Replica, Sentinels | Master) => (
            "it is a replica, and may be behind its master",
            "see with redis-cli -p 26379 SENTINEL MASTERS why the sentinels still call it master",
        ),
        (Replica, _) => (
            "it is a replica, and may be behind its master",
            "give --redis the master (redis-cli role names it), or use --redis-sentinel",
        ),
        (Loading, _) => (
            "it is still loading its data",
            "try again when it is done: nothing is wrong",
        ),
        (OutOfMemory, _) => (
            "it is out of memory (maxmemory), so nothing can be added",
            "raise maxmemory: kamonline removes nobody whom it could not put back",
        ),
        (CannotSave, _) => (
            "{}",
            "see in its log why it cannot save to disk: until it can, it takes no writes",
        ),
        (ClusterDown, _) => (
            "the cluster is down ({})",
            "run redis-cli --cluster check HOST:PORT, which shows the slots without a master",
        ),
        (UnknownCommand, _) if said.contains("SCARD") => (
            "it does not know SCARD ({})",
            "add --redis-sentinel MASTER if it is a sentinel; if not, take SCARD out of \
             rename-command in redis.conf",
        ),
        (UnknownCommand, Sentinels) => (
            "what answers is no sentinel",
            "give --redis the sentinels, whose port is 26379 by default, or leave out \
             --redis-sentinel",
        ),
        (UnknownCommand, _) => (
            "it refuses a command that is needed ({})",
            "let rename-command in redis.conf, and a proxy in between, leave SCAN, SCARD, \
             SMEMBERS, SSCAN, SREM and SADD as they are",
        ),
        (NoScan, _) => (
            "it refuses SCAN ({})",
            "give --redis the Redis itself, if this is a proxy, as twemproxy and Envoy are: where \
             it spreads the keys over several, run kamonline for each of them, and never with \
             --add-missing. If it is none, take SCAN out of rename-command in redis.conf",
        ),
        (TooFewReplicas, _) => (
            "it takes no writes while it has too few replicas",
            "bring its replicas back (INFO replication in redis-cli counts them), or lower \
             min-replicas-to-write in redis.conf",
        ),
        (Busy, _) => (
            "a script keeps it busy",
            "try again when it is done; SCRIPT KILL in redis-cli ends it if it does not",
        ),
        (Moved, Nodes | Node) => (
            "a slot moves again and again ({})",
            "run redis-cli --cluster check HOST:PORT, which shows whether a slot is on its way \
             to another master",
        ),
        (NoHostName, _) => (
            "a node shall announce its host name, and has none",
            "set cluster-announce-hostname NAME in redis.conf of every node, or \
             cluster-preferred-endpoint-type ip",
        ),
        (Moved | OneDatabase, Sentinels | Master) => (A_PART_ONLY, ADD_NODES),
        (Moved | OneDatabase, _) => (A_PART_ONLY, ADD_CLUSTER),
        (WrongType | ProtectedMode | Passing | Other, _) => return None,
    })
}

/// The hint when no answer comes in time.
pub fn no_answer(place: Place, with_tls: bool) -> &'static str {
    match place {
        // Without TLS Redis waits for the rest of what it takes for a command.
        Server | Sentinels if with_tls => {
            "check that this port speaks TLS. If it does, Redis is overloaded, stopped, or \
             behind a firewall; --timeout gives it longer"
        }
        Server | Sentinels => {
            "try redis-cli ping: Redis is overloaded, stopped, or behind a firewall; --timeout \
             gives it longer"
        }
        Nodes | Node => {
            "check that every node can be reached from here, by the address that CLUSTER SLOTS \
             in redis-cli shows (cluster-announce-ip in redis.conf sets it). If it can, a node \
             is overloaded or stopped"
        }
        Master => {
            "check that its address can be reached from here: the sentinels name the one of \
             sentinel monitor in their configuration, or of replica-announce-ip in its \
             redis.conf. If it can, Redis is overloaded or stopped"
        }
    }
}

/// The hint when nothing listens, or no route leads there.
pub fn no_connection(place: Place) -> &'static str {
    match place {
        Server => {
            "check that Redis runs, and that this is its address (bind, port, unixsocket in \
             redis.conf)"
        }
        Nodes => "check that one of these nodes runs, and name several with --redis",
        Node => {
            "run redis-cli --cluster check HOST:PORT: either this node is down and no replica \
             took its place, or the address that it announces cannot be reached from here \
             (cluster-announce-ip in redis.conf)"
        }
        Sentinels => "check that one of these sentinels runs; their port is 26379 by default",
        Master => {
            "run redis-cli -p 26379 SENTINEL MASTERS: either this master is down and no replica \
             took its place, or the address that the sentinels name cannot be reached from here \
             (sentinel monitor in their configuration)"
        }
    }
}
