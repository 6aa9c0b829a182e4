//! How a registrar is reached: what its URL may be, and the HTTP client.

use std::future::ready;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::blocking::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use crate::failure::Failure;
use crate::peer::check_url;
use crate::peer::limits::CONNECT_TENTHS;
use crate::peer::tls::Tls;

/// For HTTP Basic.
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

pub fn client(url: &Url, tls: &Tls, timeout: Duration) -> Result<Client, Failure> {
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
