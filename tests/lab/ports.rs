//! Free ports on loopback.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the kernel's ephemeral ports, so that no client's connection takes one between here and the server's bind.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// A port that is free for TCP and UDP. No two tests of a process get the same one; test processes begin far apart.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(101);
    loop {
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + begin.wrapping_add(taken) % COUNT) as u16;
        let address = ("127.0.0.1", port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
}
