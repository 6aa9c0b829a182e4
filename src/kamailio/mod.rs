//! A registrar, and its dump: who is registered, from a URL, proved whole or not believed at all.
//!
//! Kamailio carries calls, so it is asked once. Only a connection that was refused, reset or error off is tried again:
//! up to Kamailio 5.0.4 every dump that overflows leaks a lock, and the second one stops all registrations (measured).

mod error;
mod explain;
mod http;
pub mod jsonrpc;
mod registrar;
mod uptime;
pub mod xhttp_rpc;

use std::thread;

use clap::ValueEnum;

pub use error::Error;
pub use registrar::{Dump, Registrar};
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
}

impl Command {
    /// Below the root of xhttp_rpc. Without `?arg=` the answer is a page of menus.
    fn path(self) -> &'static str {
        match self {
            Command::Dump => "ul/ul.dump?arg=brief",
            Command::Uptime => "core/core.uptime?arg=",
        }
    }

    fn json(self) -> &'static str {
        match self {
            Command::Dump => r#"{"jsonrpc":"2.0","method":"ul.dump","params":["brief"],"id":1}"#,
            Command::Uptime => r#"{"jsonrpc":"2.0","method":"core.uptime","id":1}"#,
        }
    }
}

/// Asks every registrar, several of them at the same time; what each answers, in the order given.
pub fn each<R: Sync, T: Send>(registrars: &[R], ask: impl Fn(&R) -> T + Sync) -> Vec<T> {
    match registrars {
        [registrar] => vec![ask(registrar)],
        _ => thread::scope(|scope| {
            let asked: Vec<_> = registrars
                .iter()
                .map(|registrar| scope.spawn(|| ask(registrar)))
                .collect();
            asked
                .into_iter()
                .map(|answer| answer.join().expect("a panic ends the process"))
                .collect()
        }),
    }
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
