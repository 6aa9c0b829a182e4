//! What to tell the administrator when Redis will not or cannot, and the hint that helps.

use std::borrow::Cow;

use humantime::format_duration;
use rustls::CertificateError;

use super::error::{Error, Peer, PeerError, Refusal};
use super::hints::{
    A_PART_ONLY, ADD_CLUSTER, ADD_NODES, MOVING_SLOTS, Place, no_answer, no_connection, refused,
};
use super::servers::{Servers, Topology};
use crate::failure::Failure;
use crate::text::{CHECK_THE_NAME, Escaped};

const TLS: &str = "use rediss:// with TLS, and redis:// without it";
const A_SENTINEL: &str = "it is a sentinel, and holds no sets";
const SOMETHING_ELSE: &str =
    "check that this is a Redis, and that nothing in between changes its replies";
const CLOSED_BY_A_PROXY: &str = ". A proxy that does not know SCAN, as twemproxy, closes it, too: \
                                 give --redis the Redis itself";
const NO_BOARD: &str = "look at what the sets under --prefix hold: no presence board is so large";

/// Each error, its words, and the hint.
pub fn explain(PeerError { error, peer }: PeerError, servers: &Servers) -> Failure {
    let place = Place::of(&peer, &servers.topology);
    let named = named(&peer, servers);
    let (words, hint): (String, Cow<str>) = match error {
        Error::Refused(refusal, said) => {
            let said = servers.discreet(said);
            match refused(refusal, &said, place) {
                Some((words, hint)) if refusal == Refusal::WrongLogin => (
                    words.into(),
                    format!("{hint}{}", servers.password_doubt()).into(),
                ),
                Some((words, hint)) => (words.replace("{}", &said), hint.into()),
                None => return Failure::new(said).context(named),
            }
        }
        Error::TimedOut => (
            format!(
                "no answer within {}",
                format_duration(servers.deadlines().timeout)
            ),
            no_answer(place, servers.with_tls()).into(),
        ),
        Error::NotListening(said) | Error::Unreachable(said) => (
            format!("cannot connect ({said})"),
            no_connection(place).into(),
        ),
        Error::NoSuchName(said) => (
            format!("its name does not resolve ({said})"),
            CHECK_THE_NAME.into(),
        ),
        Error::Denied(said) => (
            format!("cannot connect ({said})"),
            "add the user who runs kamonline to the group of the socket (unixsocketperm in \
             redis.conf)"
                .into(),
        ),
        Error::Broken(said) => {
            let may_demand = servers.with_tls() && !servers.tls().shows_own();
            let what_else = match may_demand {
                true => servers.tls().how_to_show_one(),
                false => TLS.into(),
            };
            let proxy = match place {
                Place::Server => CLOSED_BY_A_PROXY,
                _ => "",
            };
            (
                format!("the connection broke ({said})"),
                format!("see in its log why it closed the connection; {what_else}{proxy}").into(),
            )
        }
        Error::Tls(error) => return over_tls(&error, place, &named, servers),
        Error::Foreign => (
            "what answers does not speak the protocol of Redis".into(),
            format!("check the address, and that no proxy is in between; {TLS}").into(),
        ),
        Error::NoNumber => (
            "its reply is not a valid number".into(),
            SOMETHING_ELSE.into(),
        ),
        Error::NoAddress => (
            "they name no address of the master".into(),
            "see with redis-cli -p 26379 SENTINEL MASTERS which ip and port it has there".into(),
        ),
        Error::UnknownMaster => (
            "they know no master of the name given with --redis-sentinel".into(),
            "list the names with redis-cli -p 26379 SENTINEL MASTERS".into(),
        ),
        Error::ClusterNode if place == Place::Master => (A_PART_ONLY.into(), ADD_NODES.into()),
        Error::ClusterNode => (A_PART_ONLY.into(), ADD_CLUSTER.into()),
        Error::Sentinel if place == Place::Master => (
            A_SENTINEL.into(),
            "name the port of a server in sentinel monitor, in the configuration of the \
             sentinels"
                .into(),
        ),
        Error::Sentinel => (
            A_SENTINEL.into(),
            "add --redis-sentinel MASTER; redis-cli -p 26379 SENTINEL MASTERS lists the names"
                .into(),
        ),
        Error::ReplyTooLarge => (
            "its reply is larger than any that kamonline asks for".into(),
            SOMETHING_ELSE.into(),
        ),
        Error::SlowReading(longest) => (
            format!("its sets were not read within {}", format_duration(longest)),
            "raise --timeout, if Redis or the way to it is slow: the sets as a whole may take \
             20 times as long"
                .into(),
        ),
        Error::SlowPutBack(longest) => (
            format!(
                "it is too slow: not everyone was put back within {}",
                format_duration(longest)
            ),
            "see what keeps Redis, or the way to it, busy: redis-cli SLOWLOG GET".into(),
        ),
        Error::EndlessScan => ("its SCAN does not end".into(), SOMETHING_ELSE.into()),
        Error::MovingSlots => (
            "a slot moves to another master again and again while its set is read".into(),
            MOVING_SLOTS.into(),
        ),
        Error::TooManyKeys => (
            "it has more than a million keys under --prefix".into(),
            SOMETHING_ELSE.into(),
        ),
        Error::TooManyUsers(failure) => return failure.hint(NO_BOARD),
        Error::Other(said) => return Failure::new(said).context(named),
    };
    Failure::new(words).context(named).hint(hint)
}

fn over_tls(error: &rustls::Error, place: Place, peer: &str, servers: &Servers) -> Failure {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    let failure = servers.tls().explain(error, peer);
    let is_named_otherwise = matches!(
        error,
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })
    );
    match is_named_otherwise && place == Place::Node {
        true => failure.hint(
            "let every node announce the name that its certificate is for, with \
             cluster-announce-hostname NAME and cluster-preferred-endpoint-type hostname in \
             redis.conf (7.0 or newer), or put the addresses that the cluster announces into \
             the certificates",
        ),
        false => failure,
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
