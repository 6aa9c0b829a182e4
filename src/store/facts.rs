//! What a Redis is and allows, for `--dry-run -v`: questions that no other run asks. One that is refused is told as such. The
//! sets stay as they are.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use super::connection::Connection;
use super::error::{Error, Peer, Result};
use super::explain::{explain, named};
use super::identity::{Fields, Session};
use super::pipeline::Pipeline;
use super::read::{self, command};
use super::reply::Reply;
use super::server::Server;
use super::servers::Servers;
use crate::matching::Rules;
use crate::text::Escaped;

/// What is told, or why it is not.
type Told<T> = std::result::Result<T, String>;

pub struct Facts {
    /// As an error names it.
    pub name: String,
    pub prefix: String,
    pub database: i64,
    /// The one that holds the sets, or the masters of a cluster.
    pub servers: Vec<ServerFacts>,
    pub board: Told<Board>,
    /// In how many sets the next two were tried: an ACL may allow some only.
    pub tried: usize,
    pub sadd: Trial,
    pub srem: Trial,
}

pub struct ServerFacts {
    pub address: String,
    /// `redis 7.0.15`
    pub version: Option<String>,
    /// `standalone`, `cluster`
    pub mode: Option<String>,
    pub role: Option<String>,
    /// The user as whom kamonline logs in.
    pub login: String,
    /// The one that ACL WHOAMI names.
    pub user: Told<String>,
    /// Of each database, as INFO has them.
    pub keys: Told<Vec<String>>,
}

/// What is under the prefix, in scope.
#[derive(Default)]
pub struct Board {
    pub sets: usize,
    pub members: usize,
    /// Keys that hold no set.
    pub wrong_types: usize,
}

/// Whether a command is allowed, by one that changes nothing. Of several masters the last of these counts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub enum Trial {
    Allowed,
    /// It was not tried, or not answered.
    Untold(String),
    Refused(String),
}

/// A warning is for a set that did change.
pub fn gather(
    pipeline: &mut Pipeline,
    servers: &Servers,
    rules: &Rules,
    warnings: &mut Vec<String>,
) -> Facts {
    let (board, mut keys) = match board(pipeline, rules) {
        Ok((board, keys)) => (Ok(board), keys),
        Err(error) => (Err(words(error, pipeline.peer(), servers)), Vec::new()),
    };
    // One of each master: an ACL is each node's own.
    let mut masters = HashSet::new();
    keys.retain(|key| masters.insert(pipeline.master_of(key)));
    let (mut sadd, mut srem) = (Vec::new(), Vec::new());
    for key in &keys {
        let added = add_present(pipeline, key, warnings);
        sadd.push(Trial::of(added, pipeline.peer(), servers));
        let removed = written(pipeline, "SREM", key, &absent_member());
        srem.push(Trial::of(removed.map(Some), pipeline.peer(), servers));
    }
    let worst = |trials: Vec<Trial>| match trials.into_iter().max() {
        Some(trial) => trial,
        None if board.is_err() => Trial::Untold("the sets cannot be read".into()),
        None => Trial::nobody(),
    };
    let (sadd, srem) = (worst(sadd), worst(srem));
    Facts {
        name: named(&Peer::Configured, servers),
        prefix: Escaped(&rules.prefix).to_string(),
        database: servers.given[0].login.database,
        servers: pipeline
            .servers()
            .map(|server| ServerFacts::ask(servers, server))
            .collect(),
        board,
        tried: keys.len(),
        sadd,
        srem,
    }
}

/// And the keys whose sets have members.
fn board(pipeline: &mut Pipeline, rules: &Rules) -> Result<(Board, Vec<Arc<[u8]>>)> {
    let mut keys = read::keys(pipeline, rules)?;
    // The run leaves them alone, too.
    keys.retain(|key| !rules.is_other(&key[rules.prefix.len()..]));
    let (mut board, mut with_members) = (Board::default(), Vec::new());
    read::sizes(pipeline, &keys, |key, members| {
        match members {
            None => board.wrong_types += 1,
            Some(members) => {
                board.sets += 1;
                board.members += members;
                with_members.extend((members > 0).then(|| key.clone()));
            }
        }
        Ok(())
    })?;
    Ok((board, with_members))
}

/// Adds a member who is there. They are asked for right before, so that they have hardly time to leave.
fn add_present(
    pipeline: &mut Pipeline,
    key: &[u8],
    warnings: &mut Vec<String>,
) -> Result<Option<u64>> {
    let mut first = None;
    let mut sscan = command("SSCAN", key);
    sscan.arg(0).arg("COUNT").arg(100);
    pipeline.send(vec![sscan])?;
    pipeline.receive(|connection| {
        connection.page(&mut |member| {
            first.get_or_insert_with(|| member.to_vec());
            Ok(())
        })
    })?;
    let Some(member) = first else {
        return Ok(None);
    };
    let added = written(pipeline, "SADD", key, &member)?;
    if added > 0 {
        warnings.push(format!(
            "{} left {} in the instant in which SADD was tried, and is in it again: see whether they belong there",
            Escaped(&member),
            Escaped(key)
        ));
    }
    Ok(Some(added))
}

/// A name that no phone has.
fn absent_member() -> Vec<u8> {
    let number = RandomState::new().build_hasher().finish();
    format!("kamonline {number:016x}").into()
}

/// For how many members it made a difference.
fn written(pipeline: &mut Pipeline, name: &str, key: &[u8], member: &[u8]) -> Result<u64> {
    let mut write = command(name, key);
    write.arg(member);
    pipeline.send(vec![write])?;
    pipeline.receive(|connection: &mut Connection| connection.reply()?.into_number())
}

/// Redis' own words, where it has some; and where `--redis` names another server, whose they are.
fn words(error: Error, peer: &Peer, servers: &Servers) -> String {
    let words = match error {
        Error::Refused(_, words) => servers.discreet(words),
        error => {
            let failure = explain(peer.error(error), servers);
            failure.cause.root_cause().to_string()
        }
    };
    match peer {
        Peer::Discovered(Some(address)) => format!("{}: {words}", Escaped(address.as_bytes())),
        _ => words,
    }
}

impl Trial {
    fn nobody() -> Self {
        Self::Untold("there is no member to try it with".into())
    }

    /// None is one that found nobody.
    fn of(answer: Result<Option<u64>>, peer: &Peer, servers: &Servers) -> Self {
        match answer {
            Ok(Some(_)) => Self::Allowed,
            Ok(None) => Self::nobody(),
            Err(error @ Error::Refused(..)) => Self::Refused(words(error, peer, servers)),
            Err(error) => Self::Untold(words(error, peer, servers)),
        }
    }
}

impl ServerFacts {
    fn ask(servers: &Servers, server: &Server) -> Self {
        let told = servers.ask(server, |open| {
            let mut session = Session::new(open);
            let fields = session.fields()?;
            let mut whoami = session.query(&[redis::cmd("ACL").arg("WHOAMI").to_owned()])?;
            let mut info = session.query(&[redis::cmd("INFO").arg("keyspace").to_owned()])?;
            Ok((fields, whoami.pop(), info.pop()))
        });
        let peer = Peer::Configured;
        let words = |error| words(error, &peer, servers);
        let text = |reply: Option<Result<Reply>>| {
            let text = reply
                .unwrap_or(Err(Error::Foreign))
                .and_then(Reply::into_text);
            text.map_err(words)
        };
        let (fields, user, info) = match told {
            Ok((fields, whoami, info)) => (fields, text(whoami), text(info)),
            Err(error) => {
                let words = words(error);
                (Fields::default(), Err(words.clone()), Err(words))
            }
        };
        let escaped = |text: Option<String>| text.map(|text| Escaped(text.as_bytes()).to_string());
        Self {
            address: Escaped(server.shown().as_bytes()).to_string(),
            version: escaped(fields.version),
            mode: escaped(fields.mode),
            role: escaped(fields.role),
            login: match &server.login.user {
                Some(user) => Escaped(user.as_bytes()).to_string(),
                None => "default".into(),
            },
            user: user.map(|user| Escaped(&user).to_string()),
            keys: info.map(|info| keys_by_database(&String::from_utf8_lossy(&info))),
        }
    }
}

/// `2 in db0` of `db0:keys=2,expires=0,avg_ttl=0`.
fn keys_by_database(info: &str) -> Vec<String> {
    let database = |line: &str| {
        let (name, rest) = line.split_once(":keys=")?;
        let line = format!("{} in {name}", rest.split(',').next()?);
        Some(Escaped(line.as_bytes()).to_string())
    };
    info.lines().filter_map(database).collect()
}
