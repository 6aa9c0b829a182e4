//! Servers made by hand, for what a real one cannot be made to do.

use super::listener::{Listener, hang, read_message, swallow};
use super::process::until;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

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

/// An HTTP server whose n-th look gets the n-th reply, each of its dumps; the last reply repeats. Asked for its uptime, it
/// had been up for a day when it started, unless it is told otherwise.
pub struct HttpStub {
    listener: Listener,
    script: Arc<Mutex<Script>>,
}

struct Script {
    looks: Looks,
    started: Instant,
    /// The n-th question for the uptime gets the n-th of these; the last one repeats. Without any, it was up for a day.
    uptimes: Vec<Reply>,
}

impl HttpStub {
    pub fn serve(replies: Vec<Reply>) -> Self {
        HttpStub::with_uptimes(replies, vec![])
    }

    pub fn with_uptimes(replies: Vec<Reply>, uptimes: Vec<Reply>) -> Self {
        let script = Arc::new(Mutex::new(Script {
            looks: Looks::default(),
            started: Instant::now(),
            uptimes,
        }));
        let shared = script.clone();
        let listener = Listener::serve(move |mut stream| {
            while let Some(request) = read_message(&mut stream) {
                let reply = shared.lock().unwrap().reply(request, &replies);
                if !reply.send(&mut stream) {
                    return;
                }
            }
        });
        HttpStub { listener, script }
    }

    /// The answer to core.uptime, as 5.6.3 gives it.
    pub fn up_for(seconds: &str) -> Vec<u8> {
        HttpStub::up_since("Wed Nov 25 08:17:15 2026", seconds)
    }

    pub fn up_since(since: &str, seconds: &str) -> Vec<u8> {
        HttpStub::page(format!(
            "<td>200: OK</td><pre>now: Wed Nov 25 08:17:15 2026<br/>up_since: {since}<br/>uptime: {seconds}<br/></pre>"
        ))
    }

    /// The answer to core.ps, over either kind of RPC.
    pub fn processes(request: &[u8]) -> Vec<u8> {
        HttpStub::page(match request.starts_with(b"POST") {
            true => r#"{"jsonrpc":"2.0","result":[7,"main process - attendant"],"id":1}"#,
            false => "<td>200: OK</td><pre>7<br/>main process - attendant<br/></pre>",
        })
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

    /// The first request of each look, head and body.
    pub fn looks(&self) -> Vec<Vec<u8>> {
        self.script.lock().unwrap().looks.requests.clone()
    }

    pub fn uptimes_asked(&self) -> usize {
        self.script.lock().unwrap().looks.uptimes
    }

    /// Once a first look has had all its answers.
    pub fn until_looked_at(&self) {
        let dumps = || self.script.lock().unwrap().looks.dumps;
        until("the first look is over", || dumps() == 5);
        thread::sleep(Duration::from_millis(200));
    }
}

impl Script {
    fn reply(&mut self, request: Vec<u8>, replies: &[Reply]) -> Reply {
        let nth = |count: usize, replies: &[Reply]| replies[count.min(replies.len()) - 1].clone();
        match self.looks.of(&request) {
            Asked::Uptime if self.uptimes.is_empty() => {
                let seconds = 86_400 + self.started.elapsed().as_secs();
                Reply::Whole(match request.starts_with(b"POST") {
                    true => HttpStub::page(format!(
                        r#"{{"jsonrpc":"2.0","result":{{"now":"b","up_since":"a","uptime":{seconds}}},"id":1}}"#
                    )),
                    false => HttpStub::up_for(&seconds.to_string()),
                })
            }
            Asked::Uptime => nth(self.looks.uptimes, &self.uptimes),
            Asked::Processes => Reply::Whole(HttpStub::processes(&request)),
            Asked::Look(_) | Asked::Again => nth(self.looks.requests.len(), replies),
        }
    }
}

/// Counts what a registrar is asked. One look asks for the dump, and then six times for the uptime and the processes; if the
/// dump was cheap, it asks for another one after one or two of these each.
#[derive(Default)]
pub struct Looks {
    /// The first of each look.
    pub requests: Vec<Vec<u8>>,
    /// How often the uptime was asked for, and the dump.
    pub uptimes: usize,
    dumps: usize,
    uptimes_since_dump: usize,
}

pub enum Asked {
    Uptime,
    Processes,
    /// The n-th look begins, from 1.
    Look(usize),
    /// For another dump of the same look.
    Again,
}

impl Looks {
    pub fn of(&mut self, request: &[u8]) -> Asked {
        let asked = String::from_utf8_lossy(request);
        if asked.contains("core.ps") {
            return Asked::Processes;
        }
        if asked.contains("core.uptime") {
            self.uptimes += 1;
            self.uptimes_since_dump += 1;
            return Asked::Uptime;
        }
        self.dumps += 1;
        if matches!(std::mem::take(&mut self.uptimes_since_dump), 1 | 2) {
            return Asked::Again;
        }
        self.requests.push(request.to_vec());
        Asked::Look(self.requests.len())
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
                    thread::sleep(*every);
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
