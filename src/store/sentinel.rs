//! Redis Sentinel: which server is the master now.

use redis::{ConnectionAddr, ConnectionInfo, RedisConnectionInfo};

use super::deadline::within;
use super::error::{Error, Refusal, Result};
use super::servers::Servers;

/// The master, from the first sentinel that knows it. It is reached as the sentinel is: TLS, user, password, database.
pub fn master(servers: &Servers, name: &str) -> Result<ConnectionInfo> {
    let mut failed: Option<Error> = None;
    for sentinel in &servers.infos {
        let error = match ask(servers, sentinel, name) {
            Ok(Some(address)) => return Ok(sentinel.clone().set_addr(at(sentinel, address))),
            Ok(None) => Error::UnknownMaster,
            Err(error) => error,
        };
        // What one that answers says is the better explanation.
        if failed.as_ref().is_none_or(Error::is_of_the_connection) {
            failed = Some(error);
        }
    }
    Err(failed.unwrap_or(Error::UnknownMaster))
}

/// Most sentinels have no password of their own, and refuse one.
fn ask(servers: &Servers, sentinel: &ConnectionInfo, name: &str) -> Result<Option<(String, u16)>> {
    let mut question = redis::cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let asked = |settings| {
        let sentinel = sentinel.clone().set_redis_settings(settings);
        let (mut connection, question) = (servers.open(&sentinel)?, question.clone());
        within(servers.deadlines().timeout, move || {
            question.query(&mut connection)
        })
    };
    let bare = RedisConnectionInfo::default().set_skip_set_lib_name();
    let login = sentinel.redis_settings().clone().set_db(0);
    match asked(bare) {
        Err(error) if login.password().is_some() && wants_login(&error) => asked(login),
        answer => answer,
    }
}

fn wants_login(error: &Error) -> bool {
    matches!(
        error.refusal(),
        Some(Refusal::WantsLogin | Refusal::Forbidden)
    )
}

fn at(sentinel: &ConnectionInfo, (host, port): (String, u16)) -> ConnectionAddr {
    match sentinel.addr() {
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
    }
}
