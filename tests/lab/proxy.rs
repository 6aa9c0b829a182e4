//! Between kamonline and a real Kamailio: does something at the right moment, delays, or falsifies one reply. Questions for
//! the uptime and the processes pass, and so do those for another dump of the same look: only looks are counted.

use super::kamailio::Kamailio;
use super::listener::{Listener, read_message, swallow};
use super::stub::{Asked, Looks};
use std::collections::HashMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Proxy {
    listener: Listener,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    looks: Looks,
    hooks: HashMap<usize, Box<dyn FnMut() + Send>>,
    replacements: HashMap<usize, Vec<u8>>,
    /// What this look was answered instead of Kamailio's reply.
    replaced: Option<Vec<u8>>,
    delay: Duration,
    repeats: bool,
    first: Option<Vec<u8>>,
    /// Replies by their requests' first lines, up to this byte, as a cache keeps them.
    cache: Option<HashMap<Vec<u8>, Vec<u8>>>,
    /// The requests with these words only.
    cached: &'static str,
    cached_up_to: u8,
}

impl Proxy {
    pub fn new(kamailio: &Kamailio) -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let (shared, kamailio) = (script.clone(), kamailio.address());
        let listener = Listener::serve(move |mut client| {
            while let Some(request) = read_message(&mut client) {
                swallow(&mut client);
                let reply = shared.lock().unwrap().reply(request, kamailio);
                // A reply that cannot be had, or is cut short by a replacement, ends the connection.
                if client.write_all(&reply.bytes).is_err() || reply.is_last {
                    return;
                }
            }
        });
        Proxy { listener, script }
    }

    /// Runs `hook` before the n-th look (from 1) is passed on. A `Phone` and a `RedisClient` can move into it.
    pub fn before(kamailio: &Kamailio, n: usize, hook: impl FnMut() + Send + 'static) -> Self {
        Proxy::new(kamailio).and_before(n, hook)
    }

    pub fn and_before(self, n: usize, hook: impl FnMut() + Send + 'static) -> Self {
        self.script.lock().unwrap().hooks.insert(n, Box::new(hook));
        self
    }

    /// The first reply of each look is had at once, and delivered so much later.
    pub fn delay(self, delay: Duration) -> Self {
        self.script.lock().unwrap().delay = delay;
        self
    }

    /// Every look gets the reply to the first one, without the header that would give it away.
    pub fn repeat_first(self) -> Self {
        self.script.lock().unwrap().repeats = true;
        self
    }

    /// A request that has come before gets the reply of that time; a question for the uptime does, too.
    pub fn caching(self) -> Self {
        self.caching_by("", b'\r')
    }

    /// The same for requests that hold these words, but what stands behind the `?` makes no difference.
    pub fn caching_by_path(self, words: &'static str) -> Self {
        self.caching_by(words, b'?')
    }

    fn caching_by(self, words: &'static str, end: u8) -> Self {
        let mut script = self.script.lock().unwrap();
        script.cache = Some(HashMap::new());
        (script.cached, script.cached_up_to) = (words, end);
        drop(script);
        self
    }

    /// The n-th look gets these bytes and a closed connection, and Kamailio does not hear of it.
    pub fn replace(self, n: usize, reply: Vec<u8>) -> Self {
        self.script.lock().unwrap().replacements.insert(n, reply);
        self
    }

    pub fn url(&self) -> String {
        format!("http://{}/rpc", self.listener.address)
    }

    pub fn jsonrpc_url(&self) -> String {
        format!("http://{}/jsonrpc", self.listener.address)
    }

    /// The first request of each look.
    pub fn looks(&self) -> Vec<Vec<u8>> {
        self.script.lock().unwrap().looks.requests.clone()
    }
}

struct Forwarded {
    bytes: Vec<u8>,
    is_last: bool,
}

impl Script {
    fn reply(&mut self, request: Vec<u8>, kamailio: SocketAddr) -> Forwarded {
        let mut delay = Duration::ZERO;
        match self.looks.of(&request) {
            Asked::Uptime | Asked::Processes => {
                let bytes = self.forward(&request, kamailio).unwrap_or_default();
                return Forwarded {
                    is_last: bytes.is_empty(),
                    bytes,
                };
            }
            Asked::Again => {}
            Asked::Look(n) => {
                delay = self.delay;
                if let Some(hook) = self.hooks.get_mut(&n) {
                    hook();
                }
                self.replaced = self.replacements.remove(&n);
            }
        }
        let is_replaced = self.replaced.is_some();
        let bytes = self
            .replaced
            .clone()
            .or_else(|| self.first.clone())
            .or_else(|| self.forward(&request, kamailio))
            .unwrap_or_default();
        if self.repeats {
            self.first = Some(anonymous(bytes.clone()));
        }
        std::thread::sleep(delay);
        Forwarded {
            is_last: is_replaced || bytes.is_empty(),
            bytes,
        }
    }

    fn forward(&mut self, request: &[u8], kamailio: SocketAddr) -> Option<Vec<u8>> {
        let Some(cache) = &mut self.cache else {
            return forward(request, kamailio);
        };
        if !String::from_utf8_lossy(request).contains(self.cached) {
            return forward(request, kamailio);
        }
        let line = request.split(|byte| *byte == self.cached_up_to).next()?;
        if let Some(kept) = cache.get(line) {
            return Some(kept.clone());
        }
        let reply = forward(request, kamailio)?;
        cache.insert(line.to_vec(), reply.clone());
        Some(reply)
    }
}

/// Without what tells over which connection Kamailio was asked.
fn anonymous(mut reply: Vec<u8>) -> Vec<u8> {
    let header = b"\r\nSia:";
    let at = reply.windows(header.len()).position(|seen| seen == header);
    if let Some(at) = at {
        reply[at + 2] = b'X';
    }
    reply
}

fn forward(request: &[u8], kamailio: SocketAddr) -> Option<Vec<u8>> {
    let mut server = TcpStream::connect(kamailio).ok()?;
    server.write_all(request).ok()?;
    read_message(&mut server)
}
