//! A real Redis Cluster: three masters, a replica of each.

use super::ports::free_port;
use super::process::until;
use super::redis::{Redis, RedisOptions, redis_program};
use super::redis_client::RedisClient;
use ::redis::cluster::{ClusterClient, ClusterConnection};
use std::process::Command;

pub struct RedisCluster {
    /// The first three began as masters. None: killed.
    nodes: Vec<Option<Redis>>,
    urls: Vec<String>,
}

impl RedisCluster {
    pub fn start() -> Self {
        // On a busy machine two nodes may fail to meet, and redis-cli then waits for ever.
        let nodes = std::iter::repeat_with(joined).take(3).flatten().next();
        let nodes = nodes.expect("six nodes join to a cluster");
        let urls = nodes.iter().map(|node| node.url()).collect();
        let cluster = RedisCluster {
            nodes: nodes.into_iter().map(Some).collect(),
            urls,
        };
        cluster.wait_healthy();
        until("every master has its replica", || {
            cluster.alive().all(|node| {
                node.ask::<String>(&["CLUSTER", "NODES"])
                    .matches("slave ")
                    .count()
                    == 3
            })
        });
        until("the replicas are in step", || {
            let replication = |node: &RedisClient| node.ask::<String>(&["INFO", "replication"]);
            let in_step =
                |text: &str| text.contains("link_status:up") || text.contains("state=online");
            cluster.alive().all(|node| in_step(&replication(node)))
        });
        cluster
    }

    /// Of all six, also of those killed meanwhile.
    pub fn urls(&self) -> Vec<String> {
        self.urls.clone()
    }

    pub fn add(&self, key: &str, member: impl AsRef<[u8]>) {
        ::redis::cmd("SADD")
            .arg(key)
            .arg(member.as_ref())
            .exec(&mut self.connection())
            .unwrap();
    }

    /// One member for each key; for many keys.
    pub fn add_all(&self, entries: impl IntoIterator<Item = (String, String)>) {
        let mut connection = self.connection();
        for (key, member) in entries {
            ::redis::cmd("SADD")
                .arg(key)
                .arg(member)
                .exec(&mut connection)
                .unwrap();
        }
    }

    pub fn command(&self, words: &[&str]) {
        ::redis::cmd(words[0])
            .arg(&words[1..])
            .exec(&mut self.connection())
            .unwrap();
    }

    pub fn members(&self, key: &str) -> Vec<String> {
        let found: Vec<Vec<u8>> = ::redis::cmd("SMEMBERS")
            .arg(key)
            .query(&mut self.connection())
            .unwrap();
        let mut members: Vec<String> = found
            .iter()
            .map(|member| String::from_utf8_lossy(member).into_owned())
            .collect();
        members.sort();
        members
    }

    /// The node, of 0 to 5, that a key is written to now.
    pub fn master_of(&self, key: &str) -> usize {
        let owns = |node: &RedisClient| {
            is_master(node) && node.try_command(&["SMEMBERS", key]).is_ok_and(|_| true)
        };
        let owner = |node: &Option<Redis>| node.as_ref().is_some_and(|node| owns(node));
        self.nodes
            .iter()
            .position(owner)
            .expect("the slot has a living master")
    }

    /// The nodes that are masters now.
    pub fn masters(&self) -> Vec<usize> {
        let is_master = |i: &usize| self.nodes[*i].as_ref().is_some_and(|node| is_master(node));
        (0..self.nodes.len()).filter(is_master).collect()
    }

    pub fn node(&self, i: usize) -> &Redis {
        self.nodes[i].as_ref().expect("the node is alive")
    }

    /// Kills node i, and does not wait for its replica to take over: `wait_healthy` does.
    pub fn kill_master(&mut self, i: usize) {
        assert!(self.masters().contains(&i), "node {i} is no master");
        self.node(i).wait_replicated();
        self.nodes[i] = None;
    }

    /// Kills node i and its replica: nobody serves its slots any more.
    pub fn kill_with_replica(&mut self, i: usize) {
        let replica = self.replica_of(i);
        self.nodes[replica] = None;
        self.nodes[i] = None;
    }

    /// Node i and its replica accept connections, and say nothing.
    pub fn pause_with_replica(&self, i: usize) {
        self.node(self.replica_of(i)).pause();
        self.node(i).pause();
    }

    fn replica_of(&self, i: usize) -> usize {
        let state: String = self.node(i).ask(&["INFO", "replication"]);
        let port = state
            .split_once(",port=")
            .and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
        let is_replica = |node: &Option<Redis>| node.as_ref().map(|node| node.port()) == port;
        self.nodes.iter().position(is_replica).expect("a replica")
    }

    /// The slot of a key is on its way to another master, and the key is there already: a client that asks for it is sent on
    /// with ASK.
    pub fn begin_to_move(&self, key: &str) {
        self.move_key(key);
    }

    /// The slot of a key belongs to another master now: a client that asks for it is sent on with MOVED.
    pub fn move_slot(&self, key: &str) {
        let (source, target, slot) = self.move_key(key);
        let id: String = target.ask(&["CLUSTER", "MYID"]);
        for node in [target, source] {
            node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]);
        }
    }

    fn move_key(&self, key: &str) -> (&Redis, &Redis, String) {
        let source = self.master_of(key);
        let masters = self.masters();
        let target = masters.iter().find(|i| **i != source).unwrap();
        let (source, target) = (self.node(source), self.node(*target));
        let id = |node: &Redis| node.ask::<String>(&["CLUSTER", "MYID"]);
        let slot = source.ask::<u64>(&["CLUSTER", "KEYSLOT", key]).to_string();
        target.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(source)]);
        source.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(target)]);
        let port = target.port().to_string();
        source.command(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
        (source, target, slot)
    }

    pub fn on_every_node(&self, words: &[&str]) {
        self.alive().for_each(|node| {
            node.command(words);
        });
    }

    /// Every slot is served by a living master, and every living node knows.
    pub fn wait_healthy(&self) {
        until("the cluster is healthy", || {
            self.masters().len() == 3
                && self.alive().all(|node| {
                    let info: String = node.ask(&["CLUSTER", "INFO"]);
                    info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
                })
        });
    }

    fn alive(&self) -> impl Iterator<Item = &RedisClient> {
        self.nodes.iter().flatten().map(|node| &**node)
    }

    fn connection(&self) -> ClusterConnection {
        let urls = self.nodes.iter().flatten().map(|node| node.url());
        ClusterClient::new(urls).unwrap().get_connection().unwrap()
    }
}

fn joined() -> Option<Vec<Redis>> {
    let nodes: Vec<Redis> = (0..6).map(|_| node()).collect();
    let addresses = nodes
        .iter()
        .map(|node| format!("127.0.0.1:{}", node.port()));
    let create = Command::new("timeout")
        .args(["30", &redis_program("cli"), "--cluster", "create"])
        .args(addresses)
        .args(["--cluster-replicas", "1", "--cluster-yes"])
        .output()
        .unwrap();
    create.status.success().then_some(nodes)
}

fn is_master(node: &RedisClient) -> bool {
    node.ask::<String>(&["INFO", "replication"])
        .contains("role:master")
}

fn node() -> Redis {
    let bus = free_port();
    Redis::with(RedisOptions {
        extra: vec![
            "cluster-enabled yes".into(),
            "cluster-node-timeout 1000".into(),
            format!("cluster-port {bus}"),
            // The replicas' first copy at once, not after waiting for more replicas.
            "repl-diskless-sync-delay 0".into(),
        ],
        ..RedisOptions::default()
    })
}
