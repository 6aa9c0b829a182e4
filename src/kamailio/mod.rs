//! A registrar, and its dump: who is registered, from a URL, proved whole or not believed at all.
//!
//! Kamailio carries calls, so it is asked once. Only a connection that was refused, reset or broken off is tried again:
//! up to Kamailio 5.0.4 every dump that overflows leaks a lock, and the second one stops all registrations (measured).

mod answer;
mod http;
pub mod jsonrpc;
mod registrar;
pub mod uptime;
pub mod xhttp_rpc;

use std::thread;

use crate::failure::Failure;
pub use answer::Broken;
pub use registrar::{Dump, Registrar};
pub use uptime::Uptime;

/// What a dump tells, in its order.
pub enum Heard<'a> {
    /// The AoRs of this usrloc table follow.
    Table(&'a [u8]),
    Aor(&'a [u8]),
}

/// Who hears a dump out. One that was broken off is dropped, and the next one begins anew.
pub trait Listener {
    /// What it makes of the dump.
    type Told;

    fn hear(&mut self, heard: Heard) -> Result<(), Failure>;

    /// The dump was whole. What it makes of it, or why nobody may act upon it.
    fn end(self) -> Result<Self::Told, Failure>;
}

/// How a registrar is asked (`--rpc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rpc {
    /// `GET {root}/ul/ul.dump?arg=brief`, from Kamailio's module xhttp_rpc.
    XhttpRpc,
    /// `POST` of a JSON-RPC 2.0 request, to Kamailio's module jsonrpcs.
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
pub fn each<T: Send>(registrars: &[Registrar], ask: impl Fn(&Registrar) -> T + Sync) -> Vec<T> {
    match registrars {
        [registrar] => vec![ask(registrar)],
        _ => thread::scope(|scope| {
            let asked: Vec<_> = registrars
                .iter()
                .map(|registrar| scope.spawn(|| ask(registrar)))
                .collect();
            asked
                .into_iter()
                .map(|answer| {
                    answer
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        }),
    }
}

/// A table's `Records` is counted under the locks under which its AoRs are printed: it is the proof that none is missing.
fn prove(records: u64, aors: u64) -> Result<(), Broken> {
    if records == aors {
        return Ok(());
    }
    Err(Broken::Unknown(format!(
        "a table says that it holds {records} AoRs, but {aors} came"
    )))
}
