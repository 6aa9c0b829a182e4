//! Redis Cluster: which master has which slot. `pipeline.rs` follows MOVED and ASK.

use std::ops::RangeInclusive;

use super::connection::Connection;
use super::error::{Error, Refusal, Result};
use super::reply::Reply;
use super::server::{Place, Server};
use super::servers::Servers;

const SLOTS: usize = 16_384;

/// The masters of all slots.
pub struct Slots {
    pub masters: Vec<Server>,
    /// The number of each slot's master.
    owners: Vec<u16>,
}

/// From the first of the nodes that answers.
pub fn slots(servers: &Servers) -> Result<Slots> {
    servers.ask_given(|servers, node| servers.ask(node, |open| Slots::ask(node, &mut open()?)))
}

impl Slots {
    pub fn ask(node: &Server, connection: &mut Connection) -> Result<Self> {
        connection.send([&*redis::cmd("CLUSTER").arg("SLOTS")])?;
        Self::of(node, connection.slots()?.into_list()?)
    }

    /// While one slot has no master, the sets that it holds cannot be known.
    fn of(node: &Server, ranges: Vec<Reply>) -> Result<Self> {
        let mut slots = Self {
            masters: Vec::new(),
            owners: vec![u16::MAX; SLOTS],
        };
        for range in ranges {
            let mut parts = range.into_list()?.into_iter();
            let (Some(start), Some(end), Some(master)) = (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let range: RangeInclusive<usize> = start.into_number()?..=end.into_number()?;
            let owners = slots.owners.get_mut(range).ok_or(Error::Foreign)?;
            owners.fill(number_of(&mut slots.masters, node, place(node, master)?));
        }
        let without = slots.owners.iter().filter(|owner| **owner == u16::MAX);
        match without.count() {
            0 => Ok(slots),
            without => {
                let words = format!("CLUSTERDOWN {without} of {SLOTS} slots have no master");
                Err(Error::Refused(Refusal::ClusterDown, words))
            }
        }
    }

    /// The number of the master that has a key.
    pub fn master_of(&self, key: &[u8]) -> usize {
        self.owners[slot(key)].into()
    }
}

fn number_of(masters: &mut Vec<Server>, node: &Server, (name, port): (String, u16)) -> u16 {
    let server = node.at(name, port);
    let known = masters
        .iter()
        .position(|master| master.place == server.place);
    let number = known.unwrap_or_else(|| {
        masters.push(server);
        masters.len() - 1
    });
    // There are fewer masters than slots.
    number as u16
}

/// Host and port of a master, which its id and more host names may follow.
fn place(node: &Server, master: Reply) -> Result<(String, u16)> {
    let mut parts = master.into_list()?.into_iter();
    let (Some(host), Some(port)) = (parts.next(), parts.next()) else {
        return Err(Error::Foreign);
    };
    let host = match host {
        Reply::Nil => String::new(),
        host => host.into_utf8()?,
    };
    Ok((named(node, &host)?, port.into_number()?))
}

/// No host is that of the node which was asked (`cluster-preferred-endpoint-type unknown-endpoint`). `?` is that of a node
/// without the host name that it shall announce: not necessarily the same host (CLUSTER SLOTS, redis.io).
fn named(node: &Server, host: &str) -> Result<String> {
    match (host, &node.place) {
        ("?", _) => Err(Error::Refused(Refusal::NoHostName, host.to_owned())),
        ("", Place::Host { name, .. }) => Ok(name.clone()),
        _ => Ok(host.to_owned()),
    }
}

/// Who has a key, as an error says: `MOVED 3999 127.0.0.1:6381`.
pub fn redirected(words: &str, node: &Server) -> Result<Server> {
    let address = words.split(' ').nth(2).and_then(|to| to.rsplit_once(':'));
    let address = address.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match address {
        Some((host, port)) => Ok(node.at(named(node, host)?, port)),
        None => Err(Error::Refused(Refusal::Moved, words.to_owned())),
    }
}

/// The slot of a key, by its part in braces where it has one (Redis Cluster specification, hash tags).
fn slot(key: &[u8]) -> usize {
    let in_braces = || {
        let start = key.iter().position(|byte| *byte == b'{')? + 1;
        let length = key[start..].iter().position(|byte| *byte == b'}')?;
        (length > 0).then(|| &key[start..start + length])
    };
    let hash = crc16::State::<crc16::XMODEM>::calculate(in_braces().unwrap_or(key));
    usize::from(hash) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::server::Login;

    fn seed() -> Server {
        Server {
            place: Place::Host {
                name: "seed".into(),
                port: 1,
            },
            with_tls: false,
            login: Login::default(),
        }
    }

    fn range(start: i64, end: i64, host: Reply, port: i64) -> Reply {
        let node = Reply::List(vec![host, Reply::Number(port), Reply::Nil]);
        Reply::List(vec![Reply::Number(start), Reply::Number(end), node])
    }

    fn host(name: &str) -> Reply {
        Reply::Text(name.into())
    }

    #[test]
    fn a_cluster_with_a_slot_that_nobody_serves_is_down() {
        let whole = vec![
            range(0, 9_999, Reply::Nil, 1),
            range(10_000, 16_000, host(""), 2),
            range(16_001, 16_383, host("other"), 1),
        ];
        let slots = Slots::of(&seed(), whole.clone()).unwrap();
        let found: Vec<_> = slots.masters.iter().map(Server::shown).collect();
        assert_eq!(found, ["seed:1", "seed:2", "other:1"]);
        let edges = [0, 9_999, 10_000, 16_000, 16_001, 16_383];
        assert_eq!(edges.map(|slot| slots.owners[slot]), [0, 0, 1, 1, 2, 2]);
        for without in [vec![], whole[1..].to_vec()] {
            let error = Slots::of(&seed(), without).err().unwrap();
            assert_eq!(error.refusal(), Some(Refusal::ClusterDown));
        }
        let unnamed = [&whole[..2], &[range(16_001, 16_383, host("?"), 1)]].concat();
        let error = Slots::of(&seed(), unnamed).err().unwrap();
        assert_eq!(error.refusal(), Some(Refusal::NoHostName));
        for (start, end) in [(0, 16_384), (5, 4), (-1, 5)] {
            let wrong = Slots::of(&seed(), vec![range(start, end, host("a"), 1)]);
            assert!(wrong.is_err(), "{start} {end}");
        }
    }

    #[test]
    fn keys_have_the_slots_that_redis_gives_them() {
        // The specification's own example.
        assert_eq!(slot(b"123456789"), 12_739);
        assert_eq!(slot(b"{a}b"), slot(b"a"));
        assert_ne!(slot(b"{}b"), slot(b""));
        assert_eq!(slot(b"x{a}{b}"), slot(b"a"));
    }

    #[test]
    fn a_redirection_names_a_node() {
        let to = |words| redirected(words, &seed()).map(|server| server.shown());
        assert_eq!(to("MOVED 3999 127.0.0.1:6381").unwrap(), "127.0.0.1:6381");
        assert_eq!(to("ASK 3999 ::1:6381").unwrap(), "::1:6381");
        assert_eq!(to("MOVED 3999 :6381").unwrap(), "seed:6381");
        for (words, refusal) in [
            ("MOVED 3999", Refusal::Moved),
            ("MOVED 3999 a:b", Refusal::Moved),
            ("MOVED 3999 ?:6381", Refusal::NoHostName),
        ] {
            assert_eq!(to(words).unwrap_err().refusal(), Some(refusal), "{words}");
        }
    }
}
