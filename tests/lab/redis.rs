//! A real Redis.

use super::certificates::Certificates;
use super::ports::free_port;
use super::process::{Process, program};
use super::redis_client::RedisClient;
use std::fmt::Write;
use std::net::TcpStream;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

#[derive(Clone, Default)]
pub struct RedisOptions {
    pub password: Option<String>,
    /// As in redis.conf after `user`: `reader on >secret ~ONLINE:* +smembers`.
    pub acl: Vec<String>,
    /// TLS only, no plain TCP.
    pub tls: bool,
    pub replica_of: Option<u16>,
    /// As in redis.conf: `2mb`.
    pub maxmemory: Option<String>,
    /// Further lines of redis.conf.
    pub extra: Vec<String>,
}

pub struct Redis {
    process: Process,
    client: RedisClient,
    port: u16,
    certificates: Option<Certificates>,
    options: RedisOptions,
    dir: TempDir,
}

impl Redis {
    pub fn start() -> Self {
        Redis::with(RedisOptions::default())
    }

    pub fn with(options: RedisOptions) -> Self {
        let certificates = options.tls.then(Certificates::new);
        let dir = super::temp_dir();
        // The lab's own connections use the unix socket: they work whatever the options forbid over TCP.
        let mut url = format!("unix://{}", dir.path().join("socket").display());
        if let Some(password) = &options.password {
            write!(url, "?pass={password}").unwrap();
        }
        let client = RedisClient { url };
        loop {
            let port = free_port();
            let conf = conf(&options, port, certificates.as_ref(), dir.path());
            std::fs::write(dir.path().join("redis.conf"), conf).unwrap();
            if let Some(process) = start(dir.path(), &client, port) {
                return Redis {
                    process,
                    client,
                    port,
                    certificates,
                    options,
                    dir,
                };
            }
            let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
            assert!(
                log.contains("Address already in use"),
                "Redis does not start:\n{log}"
            );
        }
    }

    pub fn url(&self) -> String {
        let scheme = if self.options.tls { "rediss" } else { "redis" };
        let login = self
            .options
            .password
            .iter()
            .map(|password| format!(":{password}@"))
            .collect::<String>();
        format!("{scheme}://{login}127.0.0.1:{}/0", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// The CA of its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.certificates().ca()
    }

    /// Its own. As it trusts their authority, a client may show them too.
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("RedisOptions::tls")
    }

    /// How ndb_redis finds it: by the unix socket, as it knows no TLS in 5.6.
    pub fn for_kamailio(&self) -> String {
        let password = self
            .options
            .password
            .iter()
            .map(|password| format!(";pass={password}"));
        format!(
            "unix={}{}",
            self.socket().display(),
            password.collect::<String>()
        )
    }

    /// A client that a hook in another thread can own.
    pub fn client(&self) -> RedisClient {
        self.client.clone()
    }

    /// It accepts connections, and then says nothing.
    pub fn pause(&self) {
        self.process.pause();
    }

    pub fn resume(&self) {
        self.process.resume();
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// On the same port, with what it has saved.
    pub fn restart(&mut self) {
        self.kill();
        self.process = std::iter::repeat_with(|| start(self.dir.path(), &self.client, self.port))
            .take(100)
            .flatten()
            .next()
            .expect("Redis gets its port back");
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}

impl Deref for Redis {
    type Target = RedisClient;

    fn deref(&self) -> &RedisClient {
        &self.client
    }
}

/// `server` or `cli` of Redis; of Valkey with LAB_REDIS=valkey.
pub fn redis_program(role: &str) -> String {
    let name = std::env::var("LAB_REDIS").unwrap_or_else(|_| "redis".into());
    let package = if role == "cli" { "tools" } else { role };
    program(&format!("{name}-{role}"), &format!("{name}-{package}"))
}

fn start(dir: &Path, client: &RedisClient, port: u16) -> Option<Process> {
    let command = [redis_program("server"), "redis.conf".into()];
    Process::start(&command, dir, || {
        TcpStream::connect(("127.0.0.1", port)).is_ok() && client.is_ready()
    })
}

fn conf(
    options: &RedisOptions,
    port: u16,
    certificates: Option<&Certificates>,
    dir: &Path,
) -> String {
    let mut conf = format!(
        "bind 127.0.0.1\nsave \"\"\nunixsocket {}\n",
        dir.join("socket").display()
    );
    let mut line = |text: String| writeln!(conf, "{text}").unwrap();
    match certificates {
        None => line(format!("port {port}")),
        Some(tls) => line(format!(
            "port 0\ntls-port {port}\ntls-auth-clients no\ntls-ca-cert-file {}\ntls-cert-file {}\ntls-key-file {}",
            tls.ca().display(),
            tls.certificate().display(),
            tls.key().display()
        )),
    }
    options
        .password
        .iter()
        .for_each(|password| line(format!("requirepass {password}")));
    options
        .acl
        .iter()
        .for_each(|user| line(format!("user {user}")));
    options
        .replica_of
        .iter()
        .for_each(|port| line(format!("replicaof 127.0.0.1 {port}")));
    options
        .maxmemory
        .iter()
        .for_each(|limit| line(format!("maxmemory {limit}")));
    options
        .extra
        .iter()
        .for_each(|further| line(further.clone()));
    conf
}
