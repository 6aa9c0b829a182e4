//! One server, as a URL of `--redis` says it: nothing that nobody obeys.

use std::net::ToSocketAddrs;
use std::path::PathBuf;

use redis::{ConnectionAddr, IntoConnectionInfo};

use super::connection::Connection;
use super::error::{Error, Refusal, Result};
use super::socket::Address;
use crate::failure::Failure;
use crate::peer::check_url;

/// One server, and how to log in there.
#[derive(Clone)]
pub struct Server {
    pub place: Place,
    pub with_tls: bool,
    pub login: Login,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Host { name: String, port: u16 },
    Socket(PathBuf),
}

/// Never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    pub user: Option<String>,
    pub password: Option<String>,
    pub database: i64,
}

/// The parameters that a URL of a unix socket may have, where a TCP one has its path and its user.
const OF_A_SOCKET: [&str; 3] = ["db", "user", "pass"];

/// `password` takes precedence over one in the URL. No error quotes the URL, which may hold one.
pub fn parse(url: &str, password: Option<&str>) -> std::result::Result<Server, Failure> {
    let usage = |why: &str| {
        Failure::usage(format!("--redis: {why}"))
            .hint("write it as redis://127.0.0.1:6379/0, rediss://USER@HOST:PORT, or unix:///run/redis/redis.sock?db=0")
    };
    check_url("--redis", url)?;
    let mut parsed = redis::parse_redis_url(url)
        .ok_or_else(|| usage("not a URL that begins with redis://, rediss:// or unix://"))?;
    let mut parameters: Vec<_> = parsed
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    let given = parameters.len();
    parameters.sort_unstable();
    parameters.dedup();
    let known = |name: &String| !parsed.has_host() && OF_A_SOCKET.contains(&name.as_str());
    if parameters.len() < given || !parameters.iter().all(known) {
        let refused = usage("the URL has a parameter behind its ? that nobody obeys");
        return Err(match parsed.has_host() {
            true if parameters.contains(&"db".into()) => {
                refused.hint("write the number of the database as the path: redis://HOST:PORT/3")
            }
            true => refused,
            false => refused.hint(
                "give a unix socket db, user and pass, each at most once; write an & in a password as %26",
            ),
        });
    }
    if parsed.fragment() == Some("insecure") {
        return Err(
            usage("#insecure is not supported: a certificate that nobody checks is none")
                .hint("give the root that signed it with --redis-ca FILE"),
        );
    }
    if parsed.fragment().is_some() {
        return Err(usage("the URL has a # that nobody obeys"));
    }
    let with_tls = matches!(parsed.scheme(), "rediss" | "valkeys");
    if with_tls {
        // The redis crate reads the other scheme only when it is built with TLS of its own. It cannot fail.
        let _ = parsed.set_scheme("redis");
    }
    let info = parsed
        .into_connection_info()
        .map_err(|error| usage(error.detail().unwrap_or("not a Redis URL")))?;
    let place = match info.addr() {
        ConnectionAddr::Tcp(name, port) => Place::Host {
            name: name.clone(),
            port: *port,
        },
        ConnectionAddr::Unix(path) => Place::Socket(path.clone()),
        _ => return Err(usage("not a Redis URL")),
    };
    let settings = info.redis_settings();
    let login = Login {
        user: settings.username().map(str::to_owned),
        password: password.or(settings.password()).map(str::to_owned),
        database: settings.db(),
    };
    if login.user.is_some() && login.password.is_none() {
        return Err(
            usage("the URL has a user, and there is no password for them")
                .hint("put it into --redis-password-file"),
        );
    }
    Ok(Server {
        place,
        with_tls,
        login,
    })
}

/// Whether the URLs can be those of one cluster.
pub fn check_cluster(given: &[Server]) -> std::result::Result<(), Failure> {
    let usage = |why: &str| Err(Failure::usage(format!("--redis-cluster: {why}")));
    if given
        .iter()
        .any(|server| matches!(server.place, Place::Socket(_)))
    {
        return usage("a cluster is reached over TCP, not over a unix socket");
    }
    let first = &given[0];
    let same = |server: &Server| (server.with_tls, &server.login) == (first.with_tls, &first.login);
    if !given.iter().all(same) {
        return usage(
            "every URL must have the same scheme, user and password, and the same database",
        );
    }
    Ok(())
}

impl Place {
    pub fn addresses(&self) -> Result<Vec<Address>> {
        match self {
            Place::Host { name, port } => {
                let found = (&**name, *port).to_socket_addrs()?;
                Ok(found.map(Address::Ip).collect())
            }
            Place::Socket(path) => Ok(vec![Address::Socket(path.clone())]),
        }
    }
}

impl Server {
    /// The server at another place, which is reached in the same way.
    pub fn at(&self, name: String, port: u16) -> Self {
        Self {
            place: Place::Host { name, port },
            ..self.clone()
        }
    }

    pub fn in_database(&self, database: i64) -> Self {
        let mut server = self.clone();
        server.login.database = database;
        server
    }

    pub fn shown(&self) -> String {
        match &self.place {
            Place::Host { name, port } => format!("{name}:{port}"),
            Place::Socket(path) => path.display().to_string(),
        }
    }
}

impl Login {
    pub fn log_in(&self, connection: &mut Connection) -> Result<()> {
        if let Some(password) = &self.password {
            let auth =
                |user: &Option<String>| redis::cmd("AUTH").arg(user).arg(password).to_owned();
            let mut answer = connection.query(&auth(&self.user));
            if let Err(Error::Refused(_, words)) = &answer
                && words.contains("wrong number of arguments")
            {
                // Before Redis 6 there are no users.
                answer = connection.query(&auth(&None));
            }
            answer.map_err(|error| match error.refusal() {
                Some(Refusal::TooManyClients | Refusal::ProtectedMode | Refusal::NeedlessLogin)
                | None => error,
                Some(_) => Error::Refused(Refusal::WrongLogin, String::new()),
            })?;
        }
        if self.database != 0 {
            connection.query(redis::cmd("SELECT").arg(self.database))?;
        }
        Ok(())
    }
}
