//! How a registrar is reached: what its URL may be, and the HTTP client.

use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::blocking::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use crate::failure::Failure;
use crate::peer::check_url;
use crate::peer::limits::{CONNECT_TENTHS, SMALL_ANSWER};
use crate::peer::tls::Tls;

/// For HTTP Basic.
#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: Option<String>,
}

/// The URL without user and password, and these; `password` takes precedence over one in the URL.
pub fn parsed(given: &str, password: Option<&str>) -> Result<(Url, Option<Login>), Failure> {
    let usage = |why: &str| {
        Failure::usage(format!("--kamailio: {why}")).hint(
            "write it as http://127.0.0.1:5060/rpc: a port on which Kamailio listens for TCP, \
             then its xhttp_rpc_root",
        )
    };
    check_url("--kamailio", given)?;
    let mut url = Url::parse(given).map_err(|error| usage(&format!("not a URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(usage("the URL must begin with http:// or https://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(usage("the URL must end with its path, without ? or #"));
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let password = password
        .map(str::to_owned)
        .or_else(|| url.password().map(decoded));
    let user = (!url.username().is_empty()).then(|| decoded(url.username()));
    if user.is_none() && password.is_some() {
        return Err(usage("a password needs a user: http://USER@HOST:PORT/rpc"));
    }
    // These two cannot fail: an http URL has a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok((url, user.map(|user| Login { user, password })))
}

/// How long a connect may take where the whole exchange may take `timeout`.
pub fn connect_timeout(timeout: Duration) -> Duration {
    timeout / 10 * CONNECT_TENTHS
}

/// One that is reset at once was taken. The system has no error for one that ends before it is looked at.
pub fn takes_connections(address: &SocketAddr) -> bool {
    match TcpStream::connect_timeout(address, SMALL_ANSWER) {
        Ok(_) => true,
        Err(error) => match error.raw_os_error() {
            Some(_) => error.kind() == io::ErrorKind::ConnectionReset,
            None => error.kind() != io::ErrorKind::TimedOut,
        },
    }
}

/// Clients for the addresses of one name, each of which is asked in its turn.
pub struct Turns {
    clients: Vec<Client>,
    taken: AtomicUsize,
    /// An address has no turn, and may be another registrar's.
    pub leave_one_out: bool,
}

/// What there is at an address of a name.
pub enum Found {
    Registrar(Client),
    /// It takes connections, and tells no uptime.
    Mute,
    Nothing,
}

impl Turns {
    pub fn new(addresses: Vec<(SocketAddr, Found)>) -> Self {
        let is_like = |one: &SocketAddr, other: &SocketAddr| one.is_ipv4() == other.is_ipv4();
        let has_like = |one: &SocketAddr| {
            addresses
                .iter()
                .filter(|(other, _)| is_like(one, other))
                .count()
                > 1
        };
        // At the only one of a family this is no wonder: Kamailio may listen for the other family only.
        let is_left_out = |(address, found): &(SocketAddr, Found)| match found {
            Found::Registrar(_) => false,
            Found::Mute => true,
            Found::Nothing => has_like(address),
        };
        Self {
            leave_one_out: addresses.iter().any(is_left_out),
            clients: addresses
                .into_iter()
                .filter_map(|(_, found)| match found {
                    Found::Registrar(client) => Some(client),
                    Found::Mute | Found::Nothing => None,
                })
                .collect(),
            taken: AtomicUsize::new(0),
        }
    }

    pub fn next(&self) -> Option<&Client> {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed);
        self.clients.get(taken.checked_rem(self.clients.len())?)
    }
}

/// `address` is the only one to be asked of those that the URL's name has.
pub fn client(
    url: &Url,
    tls: &Tls,
    timeout: Duration,
    address: Option<SocketAddr>,
) -> Result<Client, Failure> {
    // An administrator's proxy is no way to a registrar, and a redirect may lead anywhere.
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        // Each question over a connection of its own: behind one address there may be several registrars.
        .pool_max_idle_per_host(0)
        .dns_resolver(Arc::new(Resolver))
        .tls_backend_preconfigured((*tls.config()).clone());
    let failure =
        |error: reqwest::Error| Failure::new(format!("cannot prepare to ask Kamailio: {error}"));
    if url.scheme() == "http" {
        // With TLS it would bound the handshake too, and a plain port that hangs in it is told in another way.
        builder = builder.connect_timeout(connect_timeout(timeout));
    }
    if let (Some(name), Some(address)) = (url.host_str(), address) {
        builder = builder.resolve(name, address);
    }
    builder.build().map_err(failure)
}

/// In reqwest's thread. Its own resolver starts another one, and panics where the system starts none.
struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (name.as_str(), 0).to_socket_addrs();
        let addresses = found.map(|addresses| Box::new(addresses) as Addrs);
        Box::pin(ready(addresses.map_err(Into::into)))
    }
}
