//! A Kamailio that can be asked: for its dump, and for how long it has been up.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Instant;

use reqwest::Url;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, SERVER};

use super::error::{self, Error};
use super::explain::explain;
use super::http::{self, Found, Login, Turns};
use super::processes::Processes;
use super::uptime::Uptime;
use super::{Command, Nonce, Rpc, jsonrpc, xhttp_rpc};
use crate::failure::Failure;
use crate::matching::{DumpItem, DumpVisitor};
use crate::peer::limits::SMALL_ANSWER;
use crate::peer::tls::Tls;
use crate::peer::{self, Deadlines};

pub struct Registrar {
    /// Without user and password.
    url: Url,
    login: Option<Login>,
    tls: Tls,
    rpc: Rpc,
    deadlines: Deadlines,
    client: Client,
    /// Of several addresses of its name, once they are asked in turn.
    turns: OnceLock<Turns>,
}

/// What one registrar answered.
pub struct Dump<Output> {
    pub output: Output,
    pub head: Head,
    /// When it was asked for.
    pub asked: Instant,
}

/// The headers of an answer that tell something.
pub struct Head {
    /// `Server`, for instance `kamailio (5.6.3 (x86_64/linux))`.
    pub server: Option<String>,
    /// `Sia`: from which address and port Kamailio was asked, so over which connection. Kamailio 4.0 has none.
    pub asked_from: Option<String>,
}

/// Why it does not tell for how long it has been up.
pub struct NoUptime {
    /// It answers, and not with that.
    pub is_forbidden: bool,
    pub failure: Failure,
}

impl Registrar {
    /// `url` is what `--kamailio` says; `password` takes precedence over one in the URL.
    pub fn new(
        url: &str,
        password: Option<&str>,
        tls: &Tls,
        rpc: Rpc,
        deadlines: Deadlines,
    ) -> Result<Self, Failure> {
        let (url, login) = http::parsed(url, password)?;
        let client = http::client(&url, tls, deadlines.timeout, None)?;
        Ok(Self {
            url,
            login,
            tls: tls.clone(),
            rpc,
            deadlines,
            client,
            turns: OnceLock::new(),
        })
    }

    /// The URL as it may be shown: without user and password.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Asks for the dump, and shows all of it to a visitor.
    pub fn dump<V: DumpVisitor>(&self, begin: impl Fn() -> V) -> Result<Dump<V::Output>, Failure> {
        let dump = self.retrying(|| {
            let asked = Instant::now();
            // Before Kamailio is asked: a visitor has something to do while Kamailio prints.
            let mut visitor = begin();
            let (output, head) = self.exchange(Command::Dump, |response| {
                let mut visit = |item: DumpItem| visitor.visit(item);
                match self.rpc {
                    Rpc::XhttpRpc => read_page(response, &mut visit),
                    Rpc::JsonRpc => jsonrpc::read(response, &mut visit),
                }?;
                Ok(visitor.finish()?)
            })?;
            Ok(Dump {
                output,
                head,
                asked,
            })
        });
        dump.map_err(|error| {
            let error = match error {
                Error::TooSlow if self.hangs() => Error::Hangs,
                error => error,
            };
            self.explained(error, Command::Dump)
        })
    }

    /// Asks how long it has been up.
    pub fn uptime(&self) -> Result<(Uptime, Head), NoUptime> {
        let uptime = self.retrying(|| {
            let read = |response| Uptime::read(self.rpc, response);
            self.exchange(Command::Uptime, read)
        });
        uptime.map_err(|error| NoUptime {
            is_forbidden: matches!(error, Error::Refused { .. } | Error::Silent),
            failure: self.explained(error, Command::Uptime),
        })
    }

    /// Of which processes it consists, if it tells that at once.
    pub fn processes(&self) -> Option<(Processes, Head)> {
        let read = |response| Ok(Processes::read(self.rpc, response));
        let (processes, head) = self.exchange(Command::Processes, read).ok()?;
        Some((processes?, head))
    }

    /// What answers there calls itself: its `Server` header, whatever the answer is.
    pub fn server(&self) -> Option<String> {
        match self.send(Command::Uptime) {
            Ok((_, Head { server, .. })) | Err(Error::Refused { server, .. }) => server,
            Err(_) => None,
        }
    }

    /// Whether it leaves a small question unanswered, too.
    fn hangs(&self) -> bool {
        let timeout = self.deadlines.timeout.min(SMALL_ANSWER);
        let answer = self.request(Command::Uptime).timeout(timeout).send();
        answer.is_err_and(|error| error.is_timeout())
    }

    /// Whether every address of it refuses a connection: nothing listens there.
    pub fn refuses_connections(&self) -> bool {
        let timeout = http::connect_timeout(self.deadlines.timeout);
        let refuses = |address: &SocketAddr| {
            TcpStream::connect_timeout(address, timeout)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        let addresses = self.addresses();
        !addresses.is_empty() && addresses.iter().all(refuses)
    }

    /// From now on asks the addresses of its name in turn, those that tell an uptime now: several registrars must not pass
    /// for one.
    pub fn ask_in_turn(&self) {
        let addresses = self.addresses();
        if addresses.len() < 2 {
            return;
        }
        let found = super::each(addresses, |address| (address, self.found_at(address)));
        self.turns.get_or_init(|| Turns::new(found));
    }

    fn found_at(&self, address: SocketAddr) -> Found {
        let Some(one) = self.at(address) else {
            return Found::Nothing;
        };
        match one.uptime() {
            Ok(_) => Found::Registrar(one.client),
            Err(_) if http::takes_connections(&address) => Found::Mute,
            Err(_) => Found::Nothing,
        }
    }

    /// Whether its name has several addresses of one family, or one that takes connections, and not all of them are asked.
    pub fn has_several_addresses(&self) -> bool {
        let none_asked = || {
            let addresses = self.addresses().into_iter();
            let nothing = addresses.map(|address| (address, Found::Nothing));
            Turns::new(nothing.collect()).leave_one_out
        };
        let turns = self.turns.get();
        turns.map_or_else(none_asked, |turns| turns.leave_one_out)
    }

    /// Of its name, once each.
    fn addresses(&self) -> Vec<SocketAddr> {
        let mut addresses = self.url.socket_addrs(|| None).unwrap_or_default();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// The one at this address of its name, for a small question.
    fn at(&self, address: SocketAddr) -> Option<Self> {
        let timeout = self.deadlines.timeout;
        Some(Self {
            url: self.url.clone(),
            login: self.login.clone(),
            tls: self.tls.clone(),
            rpc: self.rpc,
            deadlines: Deadlines {
                timeout: timeout.min(SMALL_ANSWER),
                retries: 0,
            },
            client: http::client(&self.url, &self.tls, timeout, Some(address)).ok()?,
            turns: OnceLock::new(),
        })
    }

    fn retrying<T>(&self, ask: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        peer::retrying(ask, |error, attempts| {
            attempts.retries < self.deadlines.retries
                && error.worth_another_try(self.rpc, attempts.last)
        })
    }

    fn explained(&self, error: Error, command: Command) -> Failure {
        let password = self
            .login
            .as_ref()
            .and_then(|login| login.password.as_deref());
        let timeout = self.deadlines.timeout;
        explain(
            error,
            self.url(),
            &self.tls,
            self.rpc,
            command,
            timeout,
            password,
        )
    }

    /// One question: what `read` makes of an answer with status 200, and its head.
    fn exchange<T>(
        &self,
        command: Command,
        read: impl FnOnce(Response) -> Result<T, Error>,
    ) -> Result<(T, Head), Error> {
        let (response, head) = self.send(command)?;
        match read(response) {
            Ok(answer) => Ok((answer, head)),
            Err(Error::Refused { status, body, .. }) => Err(Error::Refused {
                status,
                server: head.server,
                body,
            }),
            Err(error) => Err(error),
        }
    }

    /// An answer with status 200, of now, and its head.
    fn send(&self, command: Command) -> Result<(Response, Head), Error> {
        let timeout = match command {
            Command::Processes => self.deadlines.timeout.min(SMALL_ANSWER),
            _ => self.deadlines.timeout,
        };
        let response = self.request(command).timeout(timeout).send()?;
        let header = |name| {
            let value = response.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let head = Head {
            server: header(SERVER),
            asked_from: header(HeaderName::from_static("sia")),
        };
        let age = header(AGE).and_then(|age| age.trim().parse().ok());
        let status = response.status();
        if status != 200 {
            return Err(Error::Refused {
                status: status.as_u16(),
                server: head.server,
                body: error::start(response),
            });
        }
        if let Some(age @ 1..) = age {
            return Err(Error::Old(age));
        }
        Ok((response, head))
    }

    fn request(&self, command: Command) -> RequestBuilder {
        let nonce = Nonce::new();
        let client = self
            .turns
            .get()
            .and_then(Turns::next)
            .unwrap_or(&self.client);
        let request = match self.rpc {
            Rpc::XhttpRpc => {
                let root = self.url.as_str().trim_end_matches('/');
                // A Kamailio without tcp_accept_no_cl closes the connection at a request without it.
                let request = client.get(format!("{root}/{}", command.path(nonce)));
                request.header(CONTENT_LENGTH, 0)
            }
            Rpc::JsonRpc => client
                .post(self.url.clone())
                .header(CONTENT_TYPE, "application/json")
                .body(command.json(nonce)),
        };
        let request = request.header(CACHE_CONTROL, "no-cache");
        match &self.login {
            Some(Login { user, password }) => request.basic_auth(user, password.as_ref()),
            None => request,
        }
    }
}

fn read_page(
    mut body: impl Read,
    visit: &mut impl FnMut(DumpItem) -> Result<(), Failure>,
) -> Result<(), Error> {
    let mut page = xhttp_rpc::Page::default();
    let mut chunk = vec![0; 64 << 10];
    loop {
        match body.read(&mut chunk) {
            Ok(0) => return page.finish(),
            Ok(length) => page.read(&chunk[..length], visit)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
