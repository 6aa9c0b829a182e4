//! The ways to the sets: one server, a cluster, a master named by sentinels.

use redis::ConnectionInfo;

use super::error::{Error, Peer, PeerError};
use super::identity::{self, Identity};
use super::pipeline::Pipeline;
use super::servers::{Access, Servers, Topology};
use super::{cluster, sentinel};

/// `prefix` is that of the sets.
pub fn connect(servers: &Servers, prefix: &[u8], access: Access) -> Result<Pipeline, PeerError> {
    match &servers.topology {
        Topology::One => to_one(servers, &servers.infos[0], Peer::Configured, prefix, access),
        Topology::Cluster => {
            let (cluster, timeout) = cluster::connect(servers)?;
            Ok(Pipeline::to_cluster(cluster, timeout))
        }
        Topology::Sentinel(name) => {
            let master = sentinel::master(servers, name);
            let master = master.map_err(|error| Peer::Configured.error(error))?;
            let peer = Peer::Discovered(Some(master.addr().to_string()));
            to_one(servers, &master, peer, prefix, access)
        }
    }
}

/// A server that holds all sets, unless it is a replica and the run may write.
fn to_one(
    servers: &Servers,
    info: &ConnectionInfo,
    peer: Peer,
    prefix: &[u8],
    access: Access,
) -> Result<Pipeline, PeerError> {
    let timeout = servers.deadlines().timeout;
    let (connection, identity) = identity::identify(|| servers.open(info), prefix, timeout)
        .map_err(|error| peer.error(error))?;
    let unsuitable = match identity {
        Identity::ClusterNode => Some(Error::ClusterNode),
        Identity::Sentinel => Some(Error::Sentinel),
        Identity::Replica if access == Access::Change => Some(Error::replica()),
        Identity::Replica | Identity::Server => None,
    };
    if let Some(error) = unsuitable {
        return Err(peer.error(error));
    }
    let mut pipeline = Pipeline::to_one(connection, peer, timeout);
    pipeline.is_replica = identity == Identity::Replica;
    Ok(pipeline)
}
