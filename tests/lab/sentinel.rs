//! A real Redis with a replica, and three Sentinels that watch it as `mymaster`.

use super::ports::free_port;
use super::process::{Process, until};
use super::redis::{Redis, RedisOptions, redis_program};
use super::redis_client::RedisClient;
use std::path::Path;
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
        Sentinels::with_passwords(None, None)
    }

    /// What the servers demand, and what the sentinels.
    pub fn with_passwords(servers: Option<&str>, sentinels: Option<&str>) -> Self {
        let server = |replica_of| {
            let mut extra = vec!["repl-diskless-sync-delay 0".into()];
            extra.extend(servers.map(|password| format!("masterauth {password}")));
            Redis::with(RedisOptions {
                password: servers.map(String::from),
                replica_of,
                extra,
                ..RedisOptions::default()
            })
        };
        let master = server(None);
        let replica = server(Some(master.port()));
        let sentinels = (0..3)
            .map(|_| Sentinel::start(master.port(), servers, sentinels))
            .collect();
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
            .map(|sentinel| sentinel.client.url.clone())
            .collect()
    }

    /// The server that every sentinel calls master, once they agree.
    pub fn master(&self) -> &Redis {
        let master = || self.servers.iter().find(|server| self.is_master(server));
        until("the sentinels agree on a master", || master().is_some());
        master().expect("they agreed just now")
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
        for server in self.servers.iter().filter(|server| server.port() == master) {
            server.wait_replicated();
        }
        self.servers.retain(|server| server.port() != master);
    }

    /// Kills the master and its replica.
    pub fn kill_servers(&mut self) {
        self.servers.clear();
    }

    /// One of the three accepts connections, and says nothing.
    pub fn pause_sentinel(&self, i: usize) {
        self.sentinels[i].process.pause();
    }

    /// Kills one of the three; then `master()` cannot be asked any more.
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

/// One sentinel that watches `master` as `mymaster`, over TLS only, and demands a certificate of its clients.
pub struct TlsSentinel {
    _process: Process,
    port: u16,
    _dir: TempDir,
}

impl TlsSentinel {
    pub fn start(master: &Redis) -> Self {
        let (dir, tls) = (super::temp_dir(), master.certificates());
        let socket = dir.path().join("socket");
        let client = RedisClient {
            url: format!("unix://{}", socket.display()),
        };
        loop {
            let port = free_port();
            let conf = format!(
                "port 0\ntls-port {port}\nbind 127.0.0.1\nunixsocket {}\ntls-replication yes\ntls-auth-clients yes\n\
                 tls-ca-cert-file {}\ntls-cert-file {}\ntls-key-file {}\n\
                 sentinel monitor mymaster 127.0.0.1 {} 1\nsentinel down-after-milliseconds mymaster 500\n",
                socket.display(),
                tls.ca().display(),
                tls.certificate().display(),
                tls.key().display(),
                master.port(),
            );
            std::fs::write(dir.path().join("sentinel.conf"), conf).unwrap();
            if let Some(process) = sentinel(dir.path(), &client) {
                return TlsSentinel {
                    _process: process,
                    port,
                    _dir: dir,
                };
            }
        }
    }

    pub fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }
}

impl Sentinel {
    fn start(master: u16, of_servers: Option<&str>, own: Option<&str>) -> Self {
        let dir = super::temp_dir();
        loop {
            let port = free_port();
            let mut conf = format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor mymaster 127.0.0.1 {master} 2\n\
                 sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 2000\n"
            );
            if let Some(password) = of_servers {
                conf += &format!("sentinel auth-pass mymaster {password}\n");
            }
            let mut login = String::new();
            if let Some(password) = own {
                conf += &format!("requirepass {password}\n");
                login = format!(":{password}@");
            }
            std::fs::write(dir.path().join("sentinel.conf"), conf).unwrap();
            let client = RedisClient {
                url: format!("redis://{login}127.0.0.1:{port}"),
            };
            if let Some(process) = sentinel(dir.path(), &client) {
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

/// Started with the `sentinel.conf` in a directory; None when its port was taken meanwhile.
fn sentinel(dir: &Path, client: &RedisClient) -> Option<Process> {
    let server = redis_program("server");
    let command = [server, "sentinel.conf".into(), "--sentinel".into()];
    Process::start(&command, dir, || client.try_command(&["PING"]).is_ok())
}
