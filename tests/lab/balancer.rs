//! Several registrars behind one address: each connection goes to one of them, as a balancer has it.

use super::kamailio::Kamailio;
use super::listener::{Listener, read_message, swallow};
use super::stub::HttpStub;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

pub struct Balancer {
    listener: Listener,
}

#[derive(Clone, Copy)]
pub struct Balancing {
    /// Which of them gets the n-th connection (from 0), by their number.
    pub turn: fn(usize, usize) -> usize,
    /// How long the way there is.
    pub delay: Duration,
    /// It answers these commands with 403 for those of them, by their number.
    pub forbids: &'static [&'static str],
    pub forbids_at: fn(usize) -> bool,
}

impl Default for Balancing {
    /// Round robin.
    fn default() -> Self {
        Balancing {
            turn: |connection, registrars| connection % registrars,
            delay: Duration::ZERO,
            forbids: &[],
            forbids_at: |_| true,
        }
    }
}

impl Balancer {
    pub fn before(registrars: &[Kamailio]) -> Self {
        Balancer::with(Balancing::default(), registrars)
    }

    pub fn with(balancing: Balancing, registrars: &[Kamailio]) -> Self {
        Balancer::at(([127, 0, 0, 1], 0).into(), balancing, registrars)
    }

    pub fn at(address: SocketAddr, balancing: Balancing, registrars: &[Kamailio]) -> Self {
        let addresses: Vec<_> = registrars.iter().map(Kamailio::address).collect();
        let connections = AtomicUsize::new(0);
        let listener = Listener::at(address, move |mut client| {
            let connection = connections.fetch_add(1, Ordering::SeqCst);
            let registrar = (balancing.turn)(connection, addresses.len());
            let address = addresses[registrar];
            let Some(request) = read_message(&mut client) else {
                return;
            };
            swallow(&mut client);
            thread::sleep(balancing.delay);
            let asked = String::from_utf8_lossy(&request);
            let mut forbidden = balancing.forbids.iter();
            let is_forbidden = forbidden.any(|command| asked.contains(command));
            let reply = if is_forbidden && (balancing.forbids_at)(registrar) {
                Some(HttpStub::answer("403 Forbidden", "no"))
            } else {
                TcpStream::connect(address).ok().and_then(|mut server| {
                    server.write_all(&request).ok()?;
                    read_message(&mut server)
                })
            };
            // Either side may go whenever it likes.
            let _ = client.write_all(&reply.unwrap_or_default());
        });
        Balancer { listener }
    }

    pub fn url(&self) -> String {
        format!("http://{}/rpc", self.listener.address)
    }

    pub fn jsonrpc_url(&self) -> String {
        format!("http://{}/jsonrpc", self.listener.address)
    }
}
