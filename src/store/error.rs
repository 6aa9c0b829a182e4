//! What goes wrong between kamonline and Redis, in kinds that tell what to do next.

use std::io;
use std::time::Duration;

use crate::failure::Failure;
use crate::peer::limits::WORDS_BYTES;
use crate::peer::tls;
use crate::text::{Escaped, NO_SUCH_NAME, without_number};

pub type Result<T> = std::result::Result<T, Error>;

/// Why Redis did not do what kamonline asks for.
#[derive(Debug)]
pub enum Error {
    /// Redis answers that it does not run the command, in these words.
    Refused(Refusal, String),
    /// No answer comes within `--timeout`.
    TimedOut,
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
    /// A reply is not the number that it must be.
    NoNumber,
    /// The sentinels name no host for the master, or port 0.
    NoAddress,
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
    /// Our own: putting back takes longer than this, though each batch is confirmed.
    SlowPutBack(Duration),
    /// Our own: a SCAN comes back to where it was, or takes more calls than there are keys.
    EndlessScan,
    /// Our own: the slot of a set moves to another master again and again before the set is read.
    MovingSlots,
    /// Our own: there are more keys under the prefix than a site has domains.
    TooManyKeys,
    /// Our own: the sets hold more than any site has users.
    TooManyUsers(Failure),
    /// All else.
    Other(String),
}

/// An error, and the server that it is about.
#[derive(Debug)]
pub struct PeerError {
    pub error: Error,
    pub peer: Peer,
}

/// The server that kamonline talks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// What `--redis` names: the server, the nodes, or the sentinels.
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
    /// SCAN has no key by which a proxy could choose a server.
    NoScan,
    WantsLogin,
    WrongLogin,
    /// It has no password, and one is given.
    NeedlessLogin,
    Forbidden,
    NoSuchDatabase,
    /// A node of a cluster that has no databases but 0.
    OneDatabase,
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
    /// A node of a cluster shall announce its host name, and has none.
    NoHostName,
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

    /// The end of a connection, where a reply must come.
    pub fn closed() -> Self {
        Self::Broken("it closed the connection".into())
    }

    /// What Redis says in an error: a code, and words.
    pub fn refused(said: &[u8]) -> Self {
        let said = &said[..said.len().min(WORDS_BYTES)];
        let words = Escaped(said.trim_ascii_end()).to_string();
        let code = words.split(' ').next().unwrap_or_default();
        Self::Refused(Refusal::of(code, &words), words)
    }

    /// What it means as the answer to SCAN: another command was answered before.
    pub fn at_scan(self) -> Self {
        match self {
            Self::Refused(Refusal::UnknownCommand | Refusal::Other, words) => {
                Self::Refused(Refusal::NoScan, words)
            }
            other => other,
        }
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

    /// No further try changes it.
    pub fn is_for_good(&self) -> bool {
        use Refusal::{
            Forbidden, NeedlessLogin, UnknownCommand, WantsLogin, WrongLogin, WrongType,
        };
        let for_good = [
            Forbidden,
            NeedlessLogin,
            UnknownCommand,
            WantsLogin,
            WrongLogin,
            WrongType,
        ];
        self.refusal().is_some_and(|one| for_good.contains(&one))
    }

    /// The connection is refused or breaks: a new one may do.
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::NotListening(_))
    }

    /// It comes from the connection, so that another node may say more.
    pub fn is_of_the_connection(&self) -> bool {
        matches!(
            self,
            Self::TimedOut
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
        self.refusal().is_some_and(|one| passes.contains(&one))
    }
}

impl From<Failure> for Error {
    /// Of the sets, which keep what Redis tells.
    fn from(failure: Failure) -> Self {
        Self::TooManyUsers(failure)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::*;
        if let Some(error) = tls::error_in(&error) {
            return Self::Tls(error.clone());
        }
        let words = without_number(&error);
        match error.kind() {
            TimedOut | WouldBlock => Self::TimedOut,
            // A unix socket that is not there.
            ConnectionRefused | NotFound => Self::NotListening(words),
            HostUnreachable | NetworkUnreachable => Self::Unreachable(words),
            // The words of rustls, when no close_notify comes, are for programmers.
            UnexpectedEof => Self::closed(),
            BrokenPipe | ConnectionReset | ConnectionAborted | NotConnected | Interrupted => {
                Self::Broken(words)
            }
            PermissionDenied => Self::Denied(words),
            _ if words.contains(NO_SUCH_NAME) => Self::NoSuchName(words),
            _ => Self::Other(words),
        }
    }
}

impl Refusal {
    /// By the words first, where the code says less.
    fn of(code: &str, words: &str) -> Self {
        let has = |part: &str| words.contains(part);
        match code {
            _ if has("Authentication required") => Self::WantsLogin,
            _ if has("no permissions") || has("No permissions") => Self::Forbidden,
            _ if has("not allowed in cluster mode") => Self::OneDatabase,
            _ if has("DB index") => Self::NoSuchDatabase,
            _ if has("max number of clients") => Self::TooManyClients,
            _ if has("cluster support disabled") => Self::NoCluster,
            // From Redis 6 on, and before.
            _ if has("without any password configured") || has("no password is set") => {
                Self::NeedlessLogin
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_of_tls_without_close_notify_is_told_as_any_other() {
        let words = "peer closed connection without sending TLS close_notify: https://docs.rs/";
        let error = io::Error::new(io::ErrorKind::UnexpectedEof, words);
        assert!(
            matches!(Error::from(error), Error::Broken(words) if words == "it closed the connection")
        );
    }
}
