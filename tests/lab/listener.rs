//! What the stubs and the proxy share: accept, hand each connection to a thread of its own, read a request whole.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

/// Accepts until it is dropped; its address is free then. The threads end with their connections.
pub struct Listener {
    pub address: SocketAddr,
    closing: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Listener {
    pub fn serve(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), serve)
    }

    pub fn at(address: SocketAddr, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        // For a moment another test's connection may have a port that was free at another address.
        let bound = (0..100).find_map(|_| {
            let bound = TcpListener::bind(address);
            bound.map_err(|_| sleep(Duration::from_millis(100))).ok()
        });
        let listener = bound.expect("the port stays taken");
        let address = listener.local_addr().unwrap();
        let closing = Arc::new(AtomicBool::new(false));
        let (closed, serve) = (closing.clone(), Arc::new(serve));
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                let serve = serve.clone();
                std::thread::spawn(move || serve(stream));
            }
        });
        Listener {
            address,
            closing,
            accepting: Some(accepting),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes it from accept().
        if TcpStream::connect(self.address).is_ok() {
            let _ = self.accepting.take().map(JoinHandle::join);
        }
    }
}

/// An HTTP request or reply that has a Content-Length or no body: None once the other side is gone.
/// The last byte stays in the kernel, as `close_with_reset` needs it there: `swallow` takes it.
pub fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = vec![];
    loop {
        let mut buffer = [0; 65_536];
        let peeked = match stream.peek(&mut buffer) {
            Ok(0) => return None,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return None,
        };
        let seen = [&message, &buffer[..peeked]].concat();
        let end = length_of(&seen).filter(|end| *end <= seen.len());
        let taken = end.map_or(peeked, |end| end - message.len() - 1);
        stream.read_exact(&mut buffer[..taken]).ok()?;
        if let Some(end) = end {
            return Some(seen[..end].to_vec());
        }
        message = seen;
    }
}

pub fn swallow(stream: &mut TcpStream) {
    let _ = stream.read_exact(&mut [0]);
}

/// Until the other side closes.
pub fn hang(stream: &mut TcpStream) {
    while stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
}

/// Head and body, as far as the head says.
fn length_of(message: &[u8]) -> Option<usize> {
    let head = message.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&message[..head]).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    Some(head + length.map_or(0, |digits| digits.trim().parse().unwrap()))
}
