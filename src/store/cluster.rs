//! Redis Cluster: its masters, all of them or none, and commands sent to the masters of their keys.
//!
//! The `ClusterConnection` of the redis crate 1.8 follows MOVED and ASK.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterConnection, cluster_pipe};
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, ConnectionAddr, ConnectionInfo, ConnectionLike, Value};

use super::deadline::within;
use super::error::{Error, Peer, PeerError, Refusal, Result};
use super::servers::Servers;
use crate::peer::limits::CLUSTER_RETRIES;

const SLOTS: usize = 16_384;

/// A connection to every node, and the masters it had when it was made.
pub struct Cluster {
    connection: ClusterConnection,
    pub masters: Vec<Master>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub host: String,
    pub port: u16,
}

/// A master, and the slots that it had when the cluster was asked.
#[derive(Debug)]
pub struct Master {
    pub node: Node,
    pub slots: Vec<RangeInclusive<u16>>,
}

/// A cluster, and how long a reply of it may take.
pub fn connect(servers: &Servers) -> std::result::Result<(Cluster, Duration), PeerError> {
    let (seed, slots) = slots(servers).map_err(|error| Peer::Configured.error(error))?;
    let cluster = masters(&servers.infos[seed], slots).and_then(|masters| {
        let timeout = servers.deadlines().timeout;
        // The one that just answered goes first.
        let mut infos = servers.infos.clone();
        infos.swap(0, seed);
        let mut client = ClusterClient::builder(infos)
            .retries(CLUSTER_RETRIES)
            .min_retry_wait(10)
            .max_retry_wait(200)
            .connection_timeout(timeout)
            .response_timeout(timeout);
        if let Some(certificates) = servers.certificates() {
            client = client.certs(certificates);
        }
        let client = client.build()?;
        let connection = within(timeout, move || client.get_connection())?;
        connection.set_write_timeout(Some(timeout))?;
        Ok(Cluster {
            connection,
            masters,
        })
    });
    // Longer than the redis crate tries: it would send a removal again behind the back of the second look.
    let timeout = servers.deadlines().timeout;
    let longest = timeout.saturating_mul(CLUSTER_RETRIES + 2);
    match cluster {
        Ok(cluster) => Ok((cluster, longest)),
        Err(error) => Err(Peer::Discovered(None).error(error)),
    }
}

/// CLUSTER SLOTS, from the first node that answers. The redis crate asks too, but takes a refusal for a cluster that
/// holds nothing.
fn slots(servers: &Servers) -> Result<(usize, Vec<Vec<Value>>)> {
    let mut failed: Option<Error> = None;
    for (number, node) in servers.infos.iter().enumerate() {
        match ask(servers, node) {
            Ok(slots) => return Ok((number, slots)),
            Err(error) if failed.as_ref().is_none_or(Error::is_of_the_connection) => {
                failed = Some(error)
            }
            Err(_) => {}
        }
    }
    Err(failed.unwrap_or_else(|| Error::Other("no node was asked".into())))
}

fn ask(servers: &Servers, node: &ConnectionInfo) -> Result<Vec<Vec<Value>>> {
    let mut connection = servers.open(node)?;
    within(servers.deadlines().timeout, move || {
        // The redis crate will, and take a refusal for a connection that broke.
        redis::cmd("PING").exec(&mut connection)?;
        redis::cmd("CLUSTER").arg("SLOTS").query(&mut connection)
    })
}

/// The masters of all slots. While one is missing, the sets it holds cannot be known.
fn masters(seed: &ConnectionInfo, slots: Vec<Vec<Value>>) -> Result<Vec<Master>> {
    let (ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. }) = seed.addr() else {
        return Err(Error::Other("a node is reached over TCP".into()));
    };
    let mut masters: Vec<Master> = Vec::new();
    let mut covered = 0;
    for range in slots {
        let [start, end, master, ..] = range.as_slice() else {
            continue;
        };
        let (start, end): (u16, u16) = (
            redis::from_redis_value_ref(start)?,
            redis::from_redis_value_ref(end)?,
        );
        let (name, port) = address(master)?;
        // A node that does not know how it is called means itself; `?` is one whose name nobody knows.
        let host = match name.as_deref() {
            Some("?") => continue,
            None | Some("") => host.clone(),
            Some(name) => name.to_owned(),
        };
        let slots = start..=end;
        covered += slots.len();
        let node = Node { host, port };
        match masters.iter_mut().find(|master| master.node == node) {
            Some(master) => master.slots.push(slots),
            None => masters.push(Master {
                node,
                slots: vec![slots],
            }),
        }
    }
    if covered < SLOTS {
        let words = format!(
            "CLUSTERDOWN {} of {SLOTS} slots have no master",
            SLOTS - covered
        );
        return Err(Error::Refused(Refusal::ClusterDown, words));
    }
    Ok(masters)
}

/// Host and port, which ids and host names may follow.
fn address(node: &Value) -> Result<(Option<String>, u16)> {
    let mut parts = redis::from_redis_value_ref::<Vec<Value>>(node)?.into_iter();
    match (parts.next(), parts.next()) {
        (Some(host), Some(port)) => Ok((
            redis::from_redis_value(host)?,
            redis::from_redis_value(port)?,
        )),
        _ => Err(Error::Foreign),
    }
}

impl Cluster {
    /// Sends commands together, each to the master of its key.
    pub fn replies(&mut self, commands: &[Cmd]) -> VecDeque<Result<Value>> {
        let replies = self.send_together(commands);
        replies.unwrap_or_else(|error| VecDeque::from([Err(error)]))
    }

    /// When one of them is refused the pipeline tells the replies to none, so they are sent one by one: each may be
    /// run twice.
    fn send_together(&mut self, commands: &[Cmd]) -> Result<VecDeque<Result<Value>>> {
        let mut pipeline = cluster_pipe();
        for command in commands {
            pipeline.add_command(command.clone());
        }
        match pipeline.query::<Vec<Value>>(&mut self.connection) {
            Ok(replies) => return Ok(replies.into_iter().map(Ok).collect()),
            Err(error) => match Error::from(error) {
                Error::Refused(..) => {}
                error => return Err(error),
            },
        }
        let mut reply = |command| Ok(self.connection.req_command(command)?);
        Ok(commands.iter().map(&mut reply).collect())
    }

    pub fn ask(&mut self, node: &Node, command: &Cmd) -> Result<Value> {
        let route = SingleNodeRoutingInfo::ByAddress {
            host: node.host.clone(),
            port: node.port,
        };
        let route = RoutingInfo::SingleNode(route);
        Ok(self.connection.route_command(command, route)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: i64, end: i64, host: Value, port: i64) -> Vec<Value> {
        let node = Value::Array(vec![host, Value::Int(port), Value::Nil]);
        vec![Value::Int(start), Value::Int(end), node]
    }

    fn host(name: &str) -> Value {
        Value::BulkString(name.into())
    }

    #[test]
    fn a_cluster_with_a_slot_that_nobody_serves_is_down() {
        let seed: ConnectionInfo =
            redis::IntoConnectionInfo::into_connection_info("redis://seed:1").unwrap();
        let whole = vec![
            range(0, 9_999, Value::Nil, 1),
            range(10_000, 16_000, host(""), 2),
            range(16_001, 16_383, host("other"), 1),
        ];
        let found: Vec<_> = masters(&seed, whole.clone())
            .unwrap()
            .into_iter()
            .map(|Master { node, slots }| format!("{}:{} {slots:?}", node.host, node.port))
            .collect();
        let expected = [
            "seed:1 [0..=9999]",
            "seed:2 [10000..=16000]",
            "other:1 [16001..=16383]",
        ];
        assert_eq!(found, expected);
        for without in [
            vec![],
            whole[1..].to_vec(),
            [&whole[..2], &[range(16_001, 16_383, host("?"), 1)]].concat(),
        ] {
            let error = masters(&seed, without).unwrap_err();
            assert_eq!(error.refusal(), Some(Refusal::ClusterDown));
        }
    }
}
