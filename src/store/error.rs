//! What goes wrong between kamonline and Redis, in kinds that tell what to do next.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, ParsingError, RedisError};

use crate::failure::Failure;
use crate::peer::tls;
use crate::text::{NO_SUCH_NAME, Shown, without_number};

pub type Result<T> = std::result::Result<T, Error>;

/// Why Redis did not do what kamonline asks for.
#[derive(Debug)]
pub enum Error {
    /// Redis answers that it does not run the command, in these words.
    Refused(Refusal, String),
    /// Redis does not accept the user or the password.
    WrongLogin,
    /// No answer comes in time, which is `--timeout` or this, whichever is longer.
    TimedOut(Duration),
    /// Nothing listens at the address.
    NotListening(String),
    /// No route leads to the address.
    Unreachable(String),
    /// The name has no address.
    NoSuchName(String),
    /// The connection breaks.
    Broken(String),
    /// The system does not let this user open the socket.
    Denied(String),
    /// No connection that both sides trust.
    Tls(rustls::Error),
    /// What answers does not speak the protocol of Redis.
    Foreign,
    /// The redis crate has no slots or no connection of a cluster, for a moment.
    NoRoute(String),
    /// The sentinels know no master of this name.
    UnknownMaster,
    /// A node of a cluster answers where a server is asked for.
    ClusterNode,
    /// A sentinel answers where a server is asked for.
    Sentinel,
    /// Our own: a reply takes more memory than any reply to our commands.
    ReplyTooLarge,
    /// Our own: reading all sets takes longer than this.
    SlowReading(Duration),
    /// Our own: a SCAN comes back to where it was, or takes more calls than there are keys.
    EndlessScan,
    /// Our own: there are more keys under the prefix than a site has domains.
    TooManyKeys,
    /// Our own: fewer replies come than commands went.
    ReplyMissing,
    /// Our own: the sets hold more than any site has users.
    TooManyUsers(Failure),
    /// All else.
    Other(String),
}

/// An error, and whom it is about.
#[derive(Debug)]
pub struct PeerError {
    pub error: Error,
    pub peer: Peer,
}

/// Whom kamonline talks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Whom `--redis` names: the server, the nodes, or the sentinels.
    Configured,
    /// A master that those led to, by its address when it is known which.
    Discovered(Option<String>),
}

impl Peer {
    pub fn error(&self, error: Error) -> PeerError {
        PeerError {
            error,
            peer: self.clone(),
        }
    }
}

/// Why Redis does not run a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    WrongType,
    UnknownCommand,
    WantsLogin,
    WrongLogin,
    Forbidden,
    NoSuchDatabase,
    TooManyClients,
    ProtectedMode,
    NoCluster,
    Replica,
    Loading,
    OutOfMemory,
    CannotSave,
    ClusterDown,
    /// The slot of the key is, or is about to be, another node's.
    Moved,
    /// Redis says that the state passes.
    Passing,
    TooFewReplicas,
    Busy,
    Other,
}

impl Error {
    /// What a run that may write gets for a replica, read-only or not.
    pub fn replica() -> Self {
        Self::Refused(Refusal::Replica, "a replica".into())
    }

    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal, _) => Some(*refusal),
            _ => None,
        }
    }

    pub fn is_wrong_type(&self) -> bool {
        self.refusal() == Some(Refusal::WrongType)
    }

    /// The connection is refused or breaks: a new one may do.
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::NotListening(_))
    }

    /// It comes from the connection, so that another node may say more.
    pub fn is_of_the_connection(&self) -> bool {
        matches!(
            self,
            Self::TimedOut(_)
                | Self::NotListening(_)
                | Self::Unreachable(_)
                | Self::NoSuchName(_)
                | Self::Broken(_)
                | Self::Denied(_)
                | Self::Tls(_)
        )
    }

    /// A cluster or its sentinels are putting another master in the place of a dead one.
    pub fn is_failing_over(&self) -> bool {
        use Refusal::{ClusterDown, Loading, Moved, Passing, Replica};
        let passes = [ClusterDown, Loading, Moved, Passing, Replica];
        matches!(self, Self::NoRoute(_)) || self.refusal().is_some_and(|one| passes.contains(&one))
    }
}

impl From<Failure> for Error {
    /// Of the sets, which keep what Redis tells.
    fn from(failure: Failure) -> Self {
        Self::TooManyUsers(failure)
    }
}

impl From<ParsingError> for Error {
    fn from(_: ParsingError) -> Self {
        Self::Foreign
    }
}

impl From<RedisError> for Error {
    /// The only place that reads the kinds and the texts of the redis crate.
    fn from(error: RedisError) -> Self {
        if let Some(error) = error.source().and_then(tls::error_in) {
            return Self::Tls(error.clone());
        }
        let words = words(&error);
        match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => {
                let code = error.code().unwrap_or_default();
                Self::Refused(Refusal::of(code, &words), words)
            }
            ErrorKind::AuthenticationFailed => Self::WrongLogin,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Foreign,
            kind => match io_kind(&error) {
                Some(kind) => of_io(kind, words),
                None => in_words(&words).unwrap_or(match kind {
                    // A connection to a node of a cluster.
                    ErrorKind::Io if error.is_connection_dropped() => Self::Broken(words),
                    ErrorKind::Client | ErrorKind::ClusterConnectionNotFound => {
                        Self::NoRoute(words)
                    }
                    _ => Self::Other(words),
                }),
            },
        }
    }
}

fn of_io(kind: io::ErrorKind, words: String) -> Error {
    use io::ErrorKind::*;
    match kind {
        TimedOut | WouldBlock => Error::TimedOut(Duration::ZERO),
        // A unix socket that is not there.
        ConnectionRefused | NotFound => Error::NotListening(words),
        HostUnreachable | NetworkUnreachable => Error::Unreachable(words),
        BrokenPipe | ConnectionReset | ConnectionAborted | UnexpectedEof | NotConnected => {
            Error::Broken(words)
        }
        PermissionDenied => Error::Denied(words),
        _ => in_words(&words).unwrap_or(Error::Other(words)),
    }
}

/// What the resolver, and a connection to a node of a cluster, say in words only.
fn in_words(words: &str) -> Option<Error> {
    let has = |part: &str| words.contains(part);
    if has("No route to host") || has("unreachable") {
        return Some(Error::Unreachable(words.into()));
    }
    has(NO_SUCH_NAME).then(|| Error::NoSuchName(words.into()))
}

impl Refusal {
    /// Words go before the code: SELECT is part of connecting, and is refused in words only.
    fn of(code: &str, words: &str) -> Self {
        let has = |part: &str| words.contains(part);
        match code {
            _ if has("Authentication required") => Self::WantsLogin,
            _ if has("no permissions") || has("No permissions") => Self::Forbidden,
            _ if has("DB index") => Self::NoSuchDatabase,
            _ if has("max number of clients") => Self::TooManyClients,
            _ if has("cluster support disabled") => Self::NoCluster,
            // Redis does not know the command, or it is renamed.
            "ERR" if has("unknown command") => Self::UnknownCommand,
            "WRONGTYPE" => Self::WrongType,
            "NOAUTH" => Self::WantsLogin,
            "WRONGPASS" => Self::WrongLogin,
            "NOPERM" => Self::Forbidden,
            "DENIED" => Self::ProtectedMode,
            "READONLY" => Self::Replica,
            "LOADING" => Self::Loading,
            "OOM" => Self::OutOfMemory,
            "MISCONF" => Self::CannotSave,
            "CLUSTERDOWN" => Self::ClusterDown,
            "MOVED" | "ASK" => Self::Moved,
            "MASTERDOWN" | "TRYAGAIN" | "UNBLOCKED" => Self::Passing,
            "NOREPLICAS" => Self::TooFewReplicas,
            "BUSY" => Self::Busy,
            _ => Self::Other,
        }
    }
}

/// The redis crate 1.8 keeps an error of the system behind an `Arc`, which is what `source` gives.
fn io_kind(error: &RedisError) -> Option<io::ErrorKind> {
    let kept = error
        .source()?
        .downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    kept.downcast_ref::<io::Error>().map(io::Error::kind)
}

/// What Redis said, or what happened to the connection.
fn words(error: &RedisError) -> String {
    let words = match (error.code(), error.detail()) {
        (Some(code), detail) => format!("{code} {}", detail.unwrap_or_default()),
        (None, Some(detail)) => detail.to_owned(),
        (None, None) => std::iter::successors(error.source(), |cause| (*cause).source())
            .last()
            .map_or_else(|| error.to_string(), without_number),
    };
    let kind = format!(" - {:?}", error.kind());
    Shown(words.trim_end().trim_end_matches(&kind).as_bytes()).to_string()
}
