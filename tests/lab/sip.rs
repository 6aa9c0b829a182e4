//! Phones: real REGISTERs over UDP.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many REGISTERs of `register_many` are on their way at once: what Kamailio's UDP receive buffer surely holds.
const WINDOW: usize = 200;

/// A phone of any user. Cheap to clone and free of the lab's lifetime, so that a hook in another thread can own one.
#[derive(Clone)]
pub struct Phone {
    registrar: SocketAddr,
    /// What it asks for: REGISTER sip:...
    request_uri: String,
    contact: String,
    expires_in_contact: bool,
    logs_in: bool,
    table: Option<String>,
}

impl Phone {
    pub fn new(registrar: SocketAddr) -> Self {
        Phone {
            registrar,
            request_uri: registrar.to_string(),
            contact: "phone".into(),
            expires_in_contact: false,
            logs_in: false,
            table: None,
        }
    }

    /// Another phone, that may register the same users: another Contact.
    pub fn named(&self, contact: &str) -> Self {
        Phone {
            contact: contact.into(),
            ..self.clone()
        }
    }

    /// Set up with a domain, not with the address of the registrar.
    pub fn of(&self, domain: &str) -> Self {
        Phone {
            request_uri: domain.into(),
            ..self.clone()
        }
    }

    /// One of the many that say `Contact: <...>;expires=60` and send no Expires header.
    pub fn with_expires_in_contact(&self) -> Self {
        Phone {
            expires_in_contact: true,
            ..self.clone()
        }
    }

    /// It names its user in an Authorization header, too: kamailio.cfg's `$au`.
    pub fn with_login(&self) -> Self {
        Phone {
            logs_in: true,
            ..self.clone()
        }
    }

    /// Its registrations go to another usrloc table (`KamailioOptions::second_table`).
    pub fn in_table(&self, table: &str) -> Self {
        Phone {
            table: Some(table.into()),
            ..self.clone()
        }
    }

    /// Registers for an hour. The AoR is written as a phone sends it after `sip:`: `a%20b@abc.voip.ca`.
    pub fn register(&self, aor: &str) {
        self.register_for(aor, 3600);
    }

    pub fn register_for(&self, aor: &str, seconds: u32) {
        let status = self.send(aor.as_bytes(), seconds);
        assert_eq!(status, 200, "REGISTER {aor}");
    }

    pub fn unregister(&self, aor: &str) {
        self.register_for(aor, 0);
    }

    /// The status of the answer; 408 when there is none.
    pub fn try_register(&self, aor: &str) -> u16 {
        self.send(aor.as_bytes(), 3600)
    }

    /// For a user that is no string: bytes sent as they are.
    pub fn register_raw(&self, user: &[u8], domain: &str) -> u16 {
        self.send(&[user, b"@", domain.as_bytes()].concat(), 3600)
    }

    pub fn unregister_raw(&self, user: &[u8], domain: &str) -> u16 {
        self.send(&[user, b"@", domain.as_bytes()].concat(), 0)
    }

    /// Registers thousands a second.
    pub fn register_many(&self, mut aors: impl Iterator<Item = String>) {
        let socket = self.socket(Duration::from_millis(100));
        loop {
            let requests = aors.by_ref().take(WINDOW);
            let mut waiting: HashMap<u64, Vec<u8>> = requests
                .map(|aor| self.request(&socket, aor.as_bytes(), 3600))
                .collect();
            if waiting.is_empty() {
                return self.wait_until_done();
            }
            let send = |request: &Vec<u8>| assert!(socket.send(request).is_ok());
            waiting.values().for_each(send);
            while !waiting.is_empty() {
                match receive(&socket) {
                    Some((call_id, status)) => {
                        // An answer without a request answers a retransmission.
                        if let Some(request) = waiting.remove(&call_id) {
                            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&request));
                        }
                    }
                    // Soon: Kamailio answers 400 to one that comes again after 20 s.
                    None => waiting.values().for_each(send),
                }
            }
        }
    }

    /// Whether the registrar answers yet.
    pub fn is_answered(&self) -> bool {
        let socket = self.socket(Duration::from_millis(20));
        let (_, request) = self.request(&socket, b"lab@lab", 0);
        let text = String::from_utf8(request).unwrap();
        socket
            .send(text.replace("REGISTER", "OPTIONS").as_bytes())
            .is_ok()
            && receive(&socket).is_some()
    }

    /// save() answers the phone before kamailio.cfg speaks to Redis. The lab's Kamailio has one process for UDP, so that
    /// the next answer from it comes after that.
    fn wait_until_done(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.is_answered() && Instant::now() < deadline {}
    }

    fn send(&self, aor: &[u8], seconds: u32) -> u16 {
        let socket = self.socket(Duration::from_millis(500));
        let (_, request) = self.request(&socket, aor, seconds);
        for _ in 0..10 {
            // Not sent when the registrar has just gone: ICMP says so on the next use of the socket.
            if socket.send(&request).is_ok()
                && let Some((_, status)) = receive(&socket)
            {
                self.wait_until_done();
                return status;
            }
        }
        408
    }

    fn socket(&self, patience: Duration) -> UdpSocket {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.connect(self.registrar).unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        socket
    }

    fn request(&self, socket: &UdpSocket, aor: &[u8], seconds: u32) -> (u64, Vec<u8>) {
        static CALLS: AtomicU64 = AtomicU64::new(1);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let Phone {
            request_uri,
            contact,
            ..
        } = self;
        let here = socket.local_addr().unwrap();
        let (in_contact, header) = match self.expires_in_contact {
            true => (format!(";expires={seconds}"), String::new()),
            false => (String::new(), format!("Expires: {seconds}\r\n")),
        };
        let table = self
            .table
            .iter()
            .map(|table| format!("X-Table: {table}\r\n"))
            .collect::<String>();
        let user =
            String::from_utf8_lossy(aor.split(|byte| *byte == b'@').next().unwrap_or_default());
        let login = match self.logs_in {
            true => format!(
                "Authorization: Digest username=\"{user}\",realm=\"lab\",nonce=\"1\",uri=\"sip:lab\",response=\"1\"\r\n"
            ),
            false => String::new(),
        };
        let before = format!(
            "REGISTER sip:{request_uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{call}\r\n\
             Max-Forwards: 70\r\nCall-ID: {call}\r\nCSeq: 1 REGISTER\r\nContact: <sip:{contact}@127.0.0.1>{in_contact}\r\n\
             {header}{login}{table}Content-Length: 0\r\nFrom: <sip:"
        );
        let request = [
            before.as_bytes(),
            aor,
            b">;tag=1\r\nTo: <sip:",
            aor,
            b">\r\n\r\n",
        ]
        .concat();
        (call, request)
    }
}

/// The Call-ID and the status of the next answer, if one comes in time.
fn receive(socket: &UdpSocket) -> Option<(u64, u16)> {
    let mut buffer = [0; 4096];
    let length = match socket.recv(&mut buffer) {
        Ok(length) => length,
        Err(error) => {
            if error.kind() == ErrorKind::ConnectionRefused {
                std::thread::sleep(Duration::from_millis(10));
            }
            return None;
        }
    };
    let answer = String::from_utf8_lossy(&buffer[..length]);
    let call_id = answer
        .lines()
        .find_map(|line| line.strip_prefix("Call-ID: "))?;
    Some((call_id.parse().ok()?, answer.get(8..11)?.parse().ok()?))
}
