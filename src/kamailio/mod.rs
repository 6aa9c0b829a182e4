//! A registrar, and its dump: who is registered, from a URL, proved whole or not believed at all.
//!
//! Kamailio carries calls, so it is asked once. Only a connection that was refused, reset or error off is tried again:
//! up to Kamailio 5.0.4 every dump that overflows leaks a lock, and the second one stops all registrations (measured).

mod error;
mod explain;
mod http;
pub mod jsonrpc;
mod processes;
mod registrar;
mod uptime;
pub mod xhttp_rpc;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::iter;
use std::sync::Mutex;
use std::thread::{self, Builder, ScopedJoinHandle};

use clap::ValueEnum;

pub use error::Error;
pub use processes::Processes;
pub use registrar::{Dump, NoUptime, Registrar};
pub use uptime::Uptime;

/// How a registrar is asked (`--rpc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rpc {
    /// A page, from the module xhttp_rpc: GET ROOT/ul/ul.dump?arg=brief
    #[value(name = "xhttp_rpc")]
    XhttpRpc,
    /// JSON-RPC 2.0, from the module jsonrpcs: POST
    #[value(name = "jsonrpc")]
    JsonRpc,
}

/// A command of Kamailio's, as it is asked for over either kind of RPC.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Dump,
    Uptime,
    Processes,
}

/// No cache in between has seen a question with this number. Kamailio ignores it.
#[derive(Clone, Copy)]
struct Nonce(u32);

impl Nonce {
    fn new() -> Self {
        // Every state has keys of its own.
        Self(RandomState::new().build_hasher().finish() as u32)
    }
}

impl Command {
    /// Below the root of xhttp_rpc. Without `?arg=` the answer is a page of menus.
    fn path(self, Nonce(nonce): Nonce) -> String {
        match self {
            Command::Dump => format!("ul/ul.dump?arg=brief+{nonce}"),
            Command::Uptime => format!("core/core.uptime?arg={nonce}"),
            Command::Processes => format!("core/core.ps?arg={nonce}"),
        }
    }

    fn json(self, Nonce(nonce): Nonce) -> String {
        match self {
            Command::Dump => {
                format!(r#"{{"jsonrpc":"2.0","method":"ul.dump","params":["brief"],"id":{nonce}}}"#)
            }
            Command::Uptime => {
                format!(r#"{{"jsonrpc":"2.0","method":"core.uptime","id":{nonce}}}"#)
            }
            Command::Processes => {
                format!(r#"{{"jsonrpc":"2.0","method":"core.ps","id":{nonce}}}"#)
            }
        }
    }
}

/// Does something for every registrar, for several of them at the same time as far as the system starts threads; what comes
/// of each, in the order given.
pub fn each<R: Send, T: Send>(
    registrars: impl IntoIterator<Item = R, IntoIter: ExactSizeIterator + Send>,
    ask: impl Fn(R) -> T + Sync,
) -> Vec<T> {
    let registrars = registrars.into_iter();
    let others = 1..registrars.len();
    let waiting = Mutex::new(registrars.enumerate());
    let next = || waiting.lock().expect("a panic ends the process").next();
    let work = || {
        let answers = iter::from_fn(next).map(|(number, registrar)| (number, ask(registrar)));
        answers.collect::<Vec<_>>()
    };
    let mut answers = thread::scope(|scope| {
        let start = |_| Builder::new().spawn_scoped(scope, work).ok();
        let threads: Vec<_> = others.map_while(start).collect();
        let join = |thread: ScopedJoinHandle<_>| thread.join().expect("a panic ends the process");
        let mut answers = work();
        answers.extend(threads.into_iter().flat_map(join));
        answers
    });
    answers.sort_unstable_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// A table's `Records` is counted under the locks under which its AoRs are printed: it is the proof that none is missing.
fn prove(records: u64, aors: u64) -> Result<(), Error> {
    if records == aors {
        return Ok(());
    }
    Err(Error::Unknown(format!(
        "a table says that it holds {records} AoRs, but {aors} came"
    )))
}
