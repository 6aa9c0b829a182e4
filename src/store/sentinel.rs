//! Redis Sentinel: which server is the master now.

use super::error::{Error, Refusal, Result};
use super::reply::Reply;
use super::server::{Login, Server};
use super::servers::Servers;

/// The master, from the first sentinel that knows it. It is reached as the sentinel is: TLS, user, password, database.
pub fn master(servers: &Servers, name: &str) -> Result<Server> {
    servers.ask_given(|servers, sentinel| {
        let (host, port) = ask(servers, sentinel, name)?.ok_or(Error::UnknownMaster)?;
        Ok(sentinel.at(host, port))
    })
}

/// Most sentinels have no password of their own, and refuse one.
fn ask(servers: &Servers, sentinel: &Server, name: &str) -> Result<Option<(String, u16)>> {
    let asked = |login: Login| {
        let sentinel = Server {
            login,
            ..sentinel.clone()
        };
        servers.ask(&sentinel, |open| {
            let mut question = redis::cmd("SENTINEL");
            question.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
            address(open()?.query(&question)?)
        })
    };
    let login = Login {
        database: 0,
        ..sentinel.login.clone()
    };
    match asked(Login::default()) {
        Err(error) if login.password.is_some() && wants_login(&error) => asked(login),
        answer => answer,
    }
}

/// Nil for a master that it does not know.
fn address(reply: Reply) -> Result<Option<(String, u16)>> {
    if reply == Reply::Nil {
        return Ok(None);
    }
    let [host, port] = <[Reply; 2]>::try_from(reply.into_list()?).map_err(|_| Error::Foreign)?;
    let (host, port) = (host.into_utf8()?, port.into_utf8()?);
    let port = port.parse().map_err(|_| Error::Foreign)?;
    match host.is_empty() || port == 0 {
        true => Err(Error::NoAddress),
        false => Ok(Some((host, port))),
    }
}

fn wants_login(error: &Error) -> bool {
    matches!(
        error.refusal(),
        Some(Refusal::WantsLogin | Refusal::Forbidden)
    )
}
