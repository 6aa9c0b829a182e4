//! Servers made by hand, for what a real one cannot be made to do.

use super::listener::{Listener, hang, read_message, swallow};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens after a request has been read.
#[derive(Clone)]
pub enum Reply {
    /// These bytes, and the connection stays open for the next request, as Kamailio does.
    Whole(Vec<u8>),
    /// These bytes, if any, then a clean end.
    Close(Vec<u8>),
    /// These bytes, if any, then "connection reset by peer".
    Reset(Vec<u8>),
    /// These bytes, if any, then silence.
    Hang(Vec<u8>),
    /// One byte in each such time, then a clean end.
    Drip(Vec<u8>, Duration),
    /// The first, and then the second again and again, up to 1 GB.
    Flood(Vec<u8>, Vec<u8>),
}

/// An HTTP server whose n-th request gets the n-th reply; the last reply repeats.
pub struct HttpStub {
    listener: Listener,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl HttpStub {
    pub fn serve(replies: Vec<Reply>) -> Self {
        let requests = Arc::new(Mutex::new(vec![]));
        let seen = requests.clone();
        let listener = Listener::serve(move |mut stream| {
            while let Some(request) = read_message(&mut stream) {
                let reply = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request);
                    replies[seen.len().min(replies.len()) - 1].clone()
                };
                if !reply.send(&mut stream) {
                    return;
                }
            }
        });
        HttpStub { listener, requests }
    }

    /// A 200 with this body, as Kamailio writes its heads.
    pub fn page(body: impl AsRef<[u8]>) -> Vec<u8> {
        HttpStub::answer("200 OK", body)
    }

    pub fn answer(status: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
        let body = body.as_ref();
        let head = format!(
            "HTTP/1.1 {status}\r\nSia: SIP/2.0/TCP 127.0.0.1:5060\r\nContent-Type: text/html\r\n\
             Server: kamailio (5.6.3 (x86_64/linux))\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    /// The reply with these AoRs.
    pub fn dump(aors: &[&str]) -> Vec<u8> {
        let list: String = aors
            .iter()
            .map(|aor| format!("\t\t\tAoR: {aor}<br/>"))
            .collect();
        let records = aors.len();
        HttpStub::page(format!(
            "<td>200: OK</td><pre>Domains: <br/>\tDomain: <br/>\t\tDomain: location<br/>\t\tSize: 512<br/>\t\tAoRs: <br/>{list}\
             \t\tStats: <br/>\t\t\tRecords: {records}<br/>\t\t\tMax-Slots: 1<br/></pre>"
        ))
    }

    pub fn url(&self) -> String {
        format!("http://{}/rpc", self.listener.address)
    }

    /// Each request so far, head and body.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        self.requests.lock().unwrap().clone()
    }
}

impl Reply {
    /// Whether another request may follow on this connection.
    fn send(&self, stream: &mut TcpStream) -> bool {
        // A client that has gone meanwhile is no error of the stub's.
        match self {
            Reply::Whole(bytes) => {
                swallow(stream);
                stream.write_all(bytes).is_ok()
            }
            Reply::Close(bytes) => {
                swallow(stream);
                let _ = stream.write_all(bytes);
                false
            }
            // The kernel resets a connection that is closed with something unread: the request's last byte.
            Reply::Reset(bytes) => {
                let _ = stream.write_all(bytes);
                false
            }
            Reply::Hang(bytes) => {
                let _ = stream.write_all(bytes);
                hang(stream);
                false
            }
            Reply::Drip(bytes, every) => {
                swallow(stream);
                let drip = |byte: &u8| {
                    std::thread::sleep(*every);
                    stream.write_all(&[*byte]).is_ok()
                };
                let _ = bytes.iter().all(drip);
                false
            }
            Reply::Flood(head, unit) => {
                swallow(stream);
                flood(stream, head, unit);
                false
            }
        }
    }
}

/// `head`, and then `unit` again and again, 1 GB in all, or until the other side has enough.
pub fn flood(stream: &mut TcpStream, head: &[u8], unit: &[u8]) {
    let some = unit.repeat((1 << 20) / unit.len());
    let _ = stream.write_all(head);
    let _ = (0..1 << 10).all(|_| stream.write_all(&some).is_ok());
}

/// A server of any protocol, that says `hello` once it has received something.
pub struct TcpStub {
    listener: Listener,
}

impl TcpStub {
    pub fn hangs_after(hello: &[u8]) -> Self {
        TcpStub::serve(hello, hang)
    }

    pub fn closes_after(hello: &[u8]) -> Self {
        TcpStub::serve(hello, |_| {})
    }

    fn serve(hello: &[u8], then: fn(&mut TcpStream)) -> Self {
        let hello = hello.to_vec();
        let listener = Listener::serve(move |mut stream| {
            if stream.read(&mut [0; 65_536]).is_ok() && stream.write_all(&hello).is_ok() {
                then(&mut stream);
            }
        });
        TcpStub { listener }
    }

    pub fn port(&self) -> u16 {
        self.listener.address.port()
    }

    pub fn redis_url(&self) -> String {
        format!("redis://{}/0", self.listener.address)
    }
}
