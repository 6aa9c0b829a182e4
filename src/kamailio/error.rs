//! What goes wrong between kamonline and Kamailio, and whether to ask again.

use std::error::Error as _;
use std::io::{self, Read};
use std::time::Duration;

use reqwest::blocking::Response;

use super::Rpc;
use crate::failure::Failure;
use crate::peer::limits::{CLOSED_SOON, NO_WORK_YET, REFUSAL_BYTES};
use crate::peer::tls;
use crate::text::without_number;

/// Why there is no dump.
#[derive(Debug)]
pub enum Error {
    /// No connection.
    Unreachable { soon_again: bool, why: String },
    /// No connection that both sides trust.
    Tls(rustls::Error),
    /// No connection comes about in time.
    ConnectTooSlow,
    /// Not all of the answer came in time.
    TooSlow,
    /// The same, and a small question is not answered either.
    Hangs,
    /// Closed without a word.
    Silent,
    /// What answers does not speak HTTP.
    NotHttp(String),
    /// An HTTP answer that is no dump.
    Refused {
        status: u16,
        server: Option<String>,
        body: Vec<u8>,
    },
    /// A cache's, of so many seconds ago (RFC 9111, 5.1).
    Old(u64),
    /// The dump began and did not end.
    CutOff,
    /// The dump ended, but is not one that Kamailio prints.
    Unknown(String),
    /// JSON-RPC of a Kamailio that loses users.
    OneTable,
    /// The visitor's own: it takes in no more.
    Visitor(Failure),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error::Visitor(failure)
    }
}

impl From<reqwest::Error> for Error {
    /// Before the answer's head was here.
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            // The system gives a connect up after some two minutes, which it says itself.
            match (error.is_connect(), is_of_the_system(&error)) {
                (true, false) => return Error::ConnectTooSlow,
                (false, _) => return Error::TooSlow,
                (true, true) => {}
            }
        }
        if let Some(error) = tls::error_in(&error) {
            return Error::Tls(error.clone());
        }
        let root = root_cause(&error);
        let io = io_kind(&error);
        if error.is_connect() {
            return Error::Unreachable {
                soon_again: matches!(
                    io,
                    Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
                ),
                why: root,
            };
        }
        let closed = matches!(
            io,
            Some(
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::UnexpectedEof
            )
        );
        match closed || root.contains("closed before message completed") {
            true => Error::Silent,
            false => Error::NotHttp(root),
        }
    }
}

impl From<io::Error> for Error {
    /// In the middle of the body.
    fn from(error: io::Error) -> Self {
        let timed_out = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<reqwest::Error>());
        match timed_out.is_some_and(reqwest::Error::is_timeout) {
            true => Error::TooSlow,
            false => Error::CutOff,
        }
    }
}

impl Error {
    /// Status 200 without what was asked for, by how the body begins.
    pub fn no_answer(body: Vec<u8>) -> Self {
        Error::Refused {
            status: 200,
            server: None,
            body,
        }
    }

    /// `elapsed` is how long the question took.
    pub fn worth_another_try(&self, rpc: Rpc, elapsed: Duration) -> bool {
        match self {
            Error::Silent | Error::CutOff if rpc == Rpc::JsonRpc => elapsed < NO_WORK_YET,
            Error::Unreachable { soon_again, .. } => *soon_again,
            Error::Silent => elapsed < CLOSED_SOON,
            Error::CutOff => true,
            _ => false,
        }
    }
}

/// As much of a refusal's body as tells its cause.
pub fn start(response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    // What cannot be read any more cannot be told: the status stands for itself.
    let _ = response.take(REFUSAL_BYTES).read_to_end(&mut body);
    body
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

fn root_cause(error: &reqwest::Error) -> String {
    causes(error)
        .last()
        .map_or_else(|| "unknown cause".into(), without_number)
}

fn is_of_the_system(error: &reqwest::Error) -> bool {
    let has_number = |io: &io::Error| io.raw_os_error().is_some();
    causes(error).any(|cause| cause.downcast_ref().is_some_and(has_number))
}

fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .last()
        .map(io::Error::kind)
}
