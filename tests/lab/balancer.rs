//! Several registrars behind one address: each connection goes to the next of them, as a balancer over TCP has it.

use super::kamailio::Kamailio;
use super::listener::Listener;
use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub struct Balancer {
    listener: Listener,
}

impl Balancer {
    pub fn before(registrars: &[Kamailio]) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), registrars)
    }

    pub fn at(address: SocketAddr, registrars: &[Kamailio]) -> Self {
        let addresses: Vec<_> = registrars.iter().map(Kamailio::address).collect();
        let turn = AtomicUsize::new(0);
        let listener = Listener::at(address, move |client| {
            let turn = turn.fetch_add(1, Ordering::SeqCst);
            if let Ok(server) = TcpStream::connect(addresses[turn % addresses.len()]) {
                thread::scope(|threads| {
                    threads.spawn(|| pass(&client, &server));
                    pass(&server, &client);
                });
            }
        });
        Balancer { listener }
    }

    pub fn url(&self) -> String {
        format!("http://{}/rpc", self.listener.address)
    }
}

/// Either side may go whenever it likes.
fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
