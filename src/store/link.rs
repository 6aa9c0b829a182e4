//! The ways to Redis: one server, a cluster, a master named by sentinels; each with a bound on every wait.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterConnection, cluster_pipe};
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{
    Client, Cmd, Connection, ConnectionAddr, ConnectionInfo, ConnectionLike, ErrorKind,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, Value,
};

use super::trouble;
use crate::failure::Failure;
use crate::kamailio::Patience;

/// What the URLs of `--redis` are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    One,
    /// Some nodes of a Redis Cluster.
    Cluster,
    /// Sentinels that know a master by this name.
    Sentinel(String),
}

/// Where the sets are.
pub struct Servers {
    topology: Topology,
    infos: Vec<ConnectionInfo>,
    shown: String,
    ca: Option<Vec<u8>>,
    patience: Patience,
}

impl Servers {
    /// `urls` is what `--redis` says; `password` goes before one in a URL; `ca` is a PEM file, the only root of trust.
    pub fn new(
        urls: &[String],
        topology: Topology,
        password: Option<&str>,
        ca: Option<&Path>,
        patience: Patience,
    ) -> Result<Self, Failure> {
        if topology == Topology::One && urls.len() > 1 {
            return Err(Failure::usage(
                "--redis is given several times, which is for clusters and sentinels only",
            )
            .hint("add --redis-cluster or --redis-sentinel MASTER"));
        }
        let ca = ca.map(|file| {
            let unusable =
                |why: String| Failure::usage(format!("--redis-ca {}: {why}", file.display()));
            let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|error| unusable(error.to_string()))?;
            if certificates.is_empty() {
                Err(unusable("holds no certificate in PEM".into()))
            } else {
                Ok(pem)
            }
        });
        let infos = urls
            .iter()
            .map(|url| info(url, password, &topology))
            .collect::<Result<Vec<_>, _>>()?;
        let shown = urls
            .iter()
            .map(|url| without_secrets(url))
            .collect::<Vec<_>>()
            .join(", ");
        Ok(Self {
            topology,
            infos,
            shown,
            ca: ca.transpose()?,
            patience,
        })
    }

    /// The URLs as they may be shown: without user and password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// A broken connection is tried again `--retries` times. A cluster or a sentinel needs seconds to put another
    /// master in the place of a dead one: that is waited for, as long as `--timeout`.
    pub fn worth_another_try(&self, error: &RedisError, tried: u32, elapsed: Duration) -> bool {
        match self.topology {
            Topology::One => tried < self.patience.retries && trouble::is_broken(error),
            _ => {
                let may_pass = trouble::is_broken(error) || trouble::is_failing_over(error);
                self.patience.retries > 0 && elapsed < self.patience.timeout && may_pass
            }
        }
    }

    pub fn connect(&self) -> RedisResult<Link> {
        Ok(match &self.topology {
            Topology::One => Link::One(self.open(self.infos[0].clone())?),
            Topology::Cluster => Link::Cluster(Box::new(self.open_cluster()?), Queue::default()),
            Topology::Sentinel(master) => Link::One(self.open(self.master(master)?)?),
        })
    }

    fn open(&self, info: ConnectionInfo) -> RedisResult<Connection> {
        let client = match &self.ca {
            Some(_) => Client::build_with_tls(info, self.certificates())?,
            None => Client::open(info)?,
        };
        let connection = client.get_connection_with_timeout(self.patience.timeout)?;
        connection.set_read_timeout(Some(self.patience.timeout))?;
        connection.set_write_timeout(Some(self.patience.timeout))?;
        Ok(connection)
    }

    fn open_cluster(&self) -> RedisResult<ClusterConnection> {
        let mut client = ClusterClient::builder(self.infos.clone())
            .retries(3)
            .min_retry_wait(10)
            .max_retry_wait(200)
            .connection_timeout(self.patience.timeout)
            .response_timeout(self.patience.timeout);
        if self.ca.is_some() {
            client = client.certs(self.certificates());
        }
        client.build()?.get_connection()
    }

    fn certificates(&self) -> TlsCertificates {
        TlsCertificates {
            client_tls: None,
            root_cert: self.ca.clone(),
        }
    }

    /// The address of the master, from the first sentinel that knows it. Sentinels often have no password of their own.
    fn master(&self, name: &str) -> RedisResult<ConnectionInfo> {
        let mut last = RedisError::from((
            ErrorKind::MasterNameNotFoundBySentinel,
            "no sentinel was asked",
        ));
        for sentinel in &self.infos {
            let bare = RedisConnectionInfo::default().set_skip_set_lib_name();
            let login = sentinel.redis_settings().clone().set_db(0);
            for settings in [bare, login] {
                let asked = self
                    .open(sentinel.clone().set_redis_settings(settings))
                    .and_then(|mut connection| {
                        redis::cmd("SENTINEL")
                            .arg("GET-MASTER-ADDR-BY-NAME")
                            .arg(name)
                            .query(&mut connection)
                    });
                match asked {
                    Ok(Some((host, port))) => {
                        let address = match sentinel.addr() {
                            ConnectionAddr::TcpTls {
                                insecure,
                                tls_params,
                                ..
                            } => ConnectionAddr::TcpTls {
                                host,
                                port,
                                insecure: *insecure,
                                tls_params: tls_params.clone(),
                            },
                            _ => ConnectionAddr::Tcp(host, port),
                        };
                        return Ok(sentinel.clone().set_addr(address));
                    }
                    Ok(None) => {
                        last = (
                            ErrorKind::MasterNameNotFoundBySentinel,
                            "the sentinels know no such master",
                        )
                            .into();
                        break;
                    }
                    Err(error) => {
                        let wants_login = error.code() == Some("NOAUTH");
                        last = error;
                        if !wants_login {
                            break;
                        }
                    }
                }
            }
        }
        Err(last)
    }
}

/// A connection on which commands can be sent ahead of their replies.
pub enum Link {
    One(Connection),
    Cluster(Box<ClusterConnection>, Queue),
}

/// A cluster's commands are sent together, when the first of their replies is asked for.
#[derive(Default)]
pub struct Queue {
    unsent: Vec<Cmd>,
    replies: VecDeque<RedisResult<Value>>,
}

impl Link {
    pub fn send(&mut self, command: Cmd) -> RedisResult<()> {
        match self {
            Link::One(connection) => connection.send_packed_command(&command.get_packed_command()),
            Link::Cluster(_, queue) => {
                queue.unsent.push(command);
                Ok(())
            }
        }
    }

    /// The reply to the oldest command without one.
    pub fn receive(&mut self) -> RedisResult<Value> {
        let reply = match self {
            Link::One(connection) => connection.recv_response()?,
            Link::Cluster(connection, queue) => {
                if queue.replies.is_empty() {
                    queue.replies = send_together(connection, &std::mem::take(&mut queue.unsent))?;
                }
                queue
                    .replies
                    .pop_front()
                    .ok_or((ErrorKind::Client, "a reply is missing"))??
            }
        };
        reply.extract_error()
    }

    /// Runs SCAN on every master until its cursor is back at 0; `read` returns the cursor of a reply.
    pub fn scan(
        &mut self,
        scan: impl Fn(u64) -> Cmd,
        mut read: impl FnMut(Value) -> RedisResult<u64>,
    ) -> RedisResult<()> {
        let mut unfinished = match self {
            Link::One(_) => vec![(None, 0)],
            Link::Cluster(connection, _) => {
                let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let replies = redis::from_redis_value::<Vec<(String, Value)>>(
                    connection.route_command(&scan(0), masters)?,
                )?;
                let first = replies
                    .into_iter()
                    .map(|(master, reply)| Ok((Some(master), read(reply)?)));
                first
                    .filter(|cursor| !matches!(cursor, Ok((_, 0))))
                    .collect::<RedisResult<Vec<_>>>()?
            }
        };
        while let Some((master, cursor)) = unfinished.pop() {
            let reply = match (&mut *self, &master) {
                (Link::Cluster(connection, _), Some(address)) => {
                    let (host, port) = address.rsplit_once(':').unwrap_or_default();
                    let route = SingleNodeRoutingInfo::ByAddress {
                        host: host.into(),
                        port: port.parse().unwrap_or_default(),
                    };
                    connection.route_command(&scan(cursor), RoutingInfo::SingleNode(route))?
                }
                _ => {
                    self.send(scan(cursor))?;
                    self.receive()?
                }
            };
            match read(reply)? {
                0 => {}
                cursor => unfinished.push((master, cursor)),
            }
        }
        Ok(())
    }
}

/// Sends commands to the masters of their keys. When one of them is refused the pipeline tells the replies to none, so
/// they are sent one by one: each may be run twice.
fn send_together(
    connection: &mut ClusterConnection,
    commands: &[Cmd],
) -> RedisResult<VecDeque<RedisResult<Value>>> {
    let mut pipeline = cluster_pipe();
    for command in commands {
        pipeline.add_command(command.clone());
    }
    match pipeline.query::<Vec<Value>>(connection) {
        Ok(replies) => Ok(replies.into_iter().map(Ok).collect()),
        Err(error) if trouble::is_refusal(&error) => Ok(commands
            .iter()
            .map(|command| connection.req_command(command))
            .collect()),
        Err(error) => Err(error),
    }
}

fn info(url: &str, password: Option<&str>, topology: &Topology) -> Result<ConnectionInfo, Failure> {
    let usage = |why: String| {
        Failure::usage(format!("--redis: {why}"))
            .hint("it looks like redis://127.0.0.1:6379/0, rediss://USER@HOST:PORT, or unix:///run/redis/redis.sock?db=0")
    };
    let parsed = redis::parse_redis_url(url)
        .ok_or_else(|| usage("not a URL that begins with redis://, rediss:// or unix://".into()))?;
    let info = parsed
        .into_connection_info()
        .map_err(|error| usage(error.detail().unwrap_or("not a Redis URL").to_owned()))?;
    let mut settings = info.redis_settings().clone().set_skip_set_lib_name();
    if let Some(password) = password {
        settings = settings.set_password(password);
    }
    if *topology == Topology::Cluster && settings.db() != 0 {
        return Err(usage("a Redis Cluster has database 0 only".into()));
    }
    Ok(info.set_redis_settings(settings))
}

/// A URL without its user, password and query, where `unix://` may have a password too.
fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "redis".into();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{host}")
}
