//! A real Redis with a replica, and three Sentinels that watch it as `mymaster`.

use super::ports::free_port;
use super::process::{Process, program, until};
use super::redis::{Redis, RedisOptions};
use super::redis_client::RedisClient;
use tempfile::TempDir;

pub struct Sentinels {
    servers: Vec<Redis>,
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    process: Process,
    client: RedisClient,
    port: u16,
    _dir: TempDir,
}

impl Sentinels {
    pub fn start() -> Self {
        let quick = || vec!["repl-diskless-sync-delay 0".into()];
        let master = Redis::with(RedisOptions {
            extra: quick(),
            ..RedisOptions::default()
        });
        let replica_of = Some(master.port());
        let replica = Redis::with(RedisOptions {
            replica_of,
            extra: quick(),
            ..RedisOptions::default()
        });
        let sentinels = (0..3).map(|_| Sentinel::start(master.port())).collect();
        let group = Sentinels {
            servers: vec![master, replica],
            sentinels,
        };
        until("the sentinels know each other and the replica", || {
            group.sentinels.iter().all(|sentinel| {
                let state = sentinel.state();
                state.contains("num-slaves 1 ") && state.contains("num-other-sentinels 2 ")
            })
        });
        group
    }

    /// Of the sentinels, not of the servers.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels
            .iter()
            .map(|sentinel| format!("redis://127.0.0.1:{}", sentinel.port))
            .collect()
    }

    /// The server that every sentinel calls master.
    pub fn master(&self) -> &Redis {
        self.servers
            .iter()
            .find(|server| self.is_master(server))
            .expect("the sentinels agree on a master")
    }

    pub fn replica(&self) -> &Redis {
        self.servers
            .iter()
            .find(|server| !self.is_master(server))
            .expect("a server that is no master")
    }

    /// Kills the master, and waits until the replica has taken its place.
    pub fn kill_master(&mut self) {
        self.kill_master_now();
        until("the replica has become the master", || {
            let Some(server) = self.servers.first() else {
                return false;
            };
            self.is_master(server)
                && server
                    .ask::<String>(&["INFO", "replication"])
                    .contains("role:master")
        });
    }

    /// Kills the master; the sentinels have yet to notice.
    pub fn kill_master_now(&mut self) {
        let master = self.master().port();
        self.servers.retain(|server| server.port() != master);
    }

    /// Kills one of the three.
    pub fn kill_sentinel(&mut self, i: usize) {
        self.sentinels[i].process.kill();
    }

    fn is_master(&self, server: &Redis) -> bool {
        let port = server.port().to_string();
        self.sentinels.iter().all(|sentinel| {
            let address = sentinel.client.ask::<Vec<String>>(&[
                "SENTINEL",
                "GET-MASTER-ADDR-BY-NAME",
                "mymaster",
            ]);
            address[1] == port
        })
    }
}

impl Sentinel {
    fn start(master: u16) -> Self {
        let dir = super::temp_dir();
        loop {
            let port = free_port();
            let conf = format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {master} 2\n\
                 sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 2000\n"
            );
            std::fs::write(dir.path().join("sentinel.conf"), conf).unwrap();
            let client = RedisClient {
                url: format!("redis://127.0.0.1:{port}"),
            };
            let command = [
                program("redis-server", "redis-server"),
                "sentinel.conf".into(),
                "--sentinel".into(),
            ];
            let ready = || client.try_command(&["PING"]).is_ok();
            if let Some(process) = Process::start(&command, dir.path(), ready) {
                return Sentinel {
                    process,
                    client,
                    port,
                    _dir: dir,
                };
            }
        }
    }

    fn state(&self) -> String {
        self.client
            .ask::<Vec<String>>(&["SENTINEL", "MASTER", "mymaster"])
            .join(" ")
    }
}
