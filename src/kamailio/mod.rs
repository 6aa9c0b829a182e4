//! A registrar, and its dump: who is registered, from a URL, proved whole or not believed at all.
//!
//! Kamailio carries calls, so it is asked once. Only a connection that was refused, reset or broken off is tried again:
//! up to Kamailio 5.0.4 every dump that overflows leaks a lock, and the second one stops all registrations (measured).

mod answer;
pub mod jsonrpc;
pub mod xhttp_rpc;

use std::io::{self, Read};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::redirect::Policy;
use reqwest::tls::Certificate;

use crate::failure::Failure;
pub use answer::Broken;

/// What a dump tells, in its order.
pub enum Heard<'a> {
    /// The AoRs of this usrloc table follow.
    Table(&'a [u8]),
    Aor(&'a [u8]),
}

/// Who hears a dump out. One that was broken off is dropped, and the next one begins anew.
pub trait Listener {
    /// What it makes of the dump.
    type Told;

    fn hear(&mut self, heard: Heard) -> Result<(), Failure>;

    /// The dump was whole. What it makes of it, or why nobody may act upon it.
    fn end(self) -> Result<Self::Told, Failure>;
}

/// How a registrar is asked (`--rpc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rpc {
    /// `GET {root}/ul/ul.dump?arg=brief`, from Kamailio's module xhttp_rpc.
    XhttpRpc,
    /// `POST` of a JSON-RPC 2.0 request, to Kamailio's module jsonrpcs.
    JsonRpc,
}

/// How long one exchange may take as a whole, and how often a broken connection is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub timeout: Duration,
    pub retries: u32,
}

/// A Kamailio that can be asked.
pub struct Registrar {
    /// Without user and password.
    url: Url,
    login: Option<Login>,
    rpc: Rpc,
    patience: Patience,
    client: Client,
}

/// For HTTP Basic.
struct Login {
    user: String,
    password: Option<String>,
}

/// What one registrar answered.
pub struct Dump<Told> {
    pub told: Told,
    /// The `Server` header, for instance `kamailio (5.6.3 (x86_64/linux))`.
    pub server: Option<String>,
}

impl Registrar {
    /// `url` is what `--kamailio` says; `password` goes before one in the URL; `ca` is a PEM file, the only root of trust.
    pub fn new(
        url: &str,
        password: Option<&str>,
        ca: Option<&Path>,
        rpc: Rpc,
        patience: Patience,
    ) -> Result<Self, Failure> {
        let (url, login) = parsed(url, password)?;
        let client = client(&url, ca)?;
        Ok(Self {
            url,
            login,
            rpc,
            patience,
            client,
        })
    }

    /// The URL as it may be shown: without user and password.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Asks for the dump, and has a listener hear all of it.
    pub fn dump<L: Listener>(&self, begin: impl Fn() -> L) -> Result<Dump<L::Told>, Failure> {
        let mut tries_left = self.patience.retries;
        let mut pause = Duration::from_millis(200);
        loop {
            let started = Instant::now();
            match self.ask(begin()) {
                Ok(dump) => return Ok(dump),
                Err(broken) if tries_left > 0 && broken.worth_another_try(started.elapsed()) => {
                    thread::sleep(pause);
                    tries_left -= 1;
                    pause *= 2;
                }
                Err(broken) => {
                    return Err(broken.explain(self.url(), self.rpc, self.patience.timeout));
                }
            }
        }
    }

    fn ask<L: Listener>(&self, mut listener: L) -> Result<Dump<L::Told>, Broken> {
        let response = self.request().timeout(self.patience.timeout).send()?;
        let server = response
            .headers()
            .get("server")
            .map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
        let status = response.status();
        if status != 200 {
            return Err(Broken::Refused {
                status: status.as_u16(),
                server,
                body: answer::start(response),
            });
        }
        let mut hear = |heard: Heard| listener.hear(heard);
        let whole = match self.rpc {
            Rpc::XhttpRpc => read_page(response, &mut hear),
            Rpc::JsonRpc => jsonrpc::read(response, &mut hear),
        };
        match whole {
            Ok(()) => {
                let told = listener.end()?;
                Ok(Dump { told, server })
            }
            Err(Broken::Refused { status, body, .. }) => Err(Broken::Refused {
                status,
                server,
                body,
            }),
            Err(broken) => Err(broken),
        }
    }

    fn request(&self) -> RequestBuilder {
        let request = match self.rpc {
            Rpc::XhttpRpc => {
                let root = self.url.as_str().trim_end_matches('/');
                self.client.get(format!("{root}/ul/ul.dump?arg=brief"))
            }
            Rpc::JsonRpc => self
                .client
                .post(self.url.clone())
                .header("content-type", "application/json")
                .body(r#"{"jsonrpc":"2.0","method":"ul.dump","params":["brief"],"id":1}"#),
        };
        match &self.login {
            Some(Login { user, password }) => request.basic_auth(user, password.as_ref()),
            None => request,
        }
    }
}

/// Asks every registrar, several of them at the same time; what they say, in the order given.
pub fn dump_all<L: Listener<Told: Send>>(
    registrars: &[Registrar],
    begin: impl Fn() -> L + Sync,
) -> Vec<Result<Dump<L::Told>, Failure>> {
    match registrars {
        [registrar] => vec![registrar.dump(begin)],
        _ => thread::scope(|scope| {
            let asked: Vec<_> = registrars
                .iter()
                .map(|registrar| scope.spawn(|| registrar.dump(&begin)))
                .collect();
            asked
                .into_iter()
                .map(|dump| {
                    dump.join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        }),
    }
}

fn read_page(
    mut body: impl Read,
    hear: &mut impl FnMut(Heard) -> Result<(), Failure>,
) -> Result<(), Broken> {
    let mut page = xhttp_rpc::Page::default();
    let mut chunk = vec![0; 64 << 10];
    loop {
        match body.read(&mut chunk) {
            Ok(0) => return page.end(),
            Ok(length) => page.read(&chunk[..length], hear)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A table's `Records` is counted under the locks under which its AoRs are printed: it is the proof that none is missing.
fn prove(records: u64, aors: u64) -> Result<(), Broken> {
    if records == aors {
        return Ok(());
    }
    Err(Broken::Unknown(format!(
        "a table says that it holds {records} AoRs, but {aors} came"
    )))
}

fn parsed(given: &str, password: Option<&str>) -> Result<(Url, Option<Login>), Failure> {
    let usage = |why: &str| {
        Failure::usage(format!("--kamailio: {why}")).hint("it looks like http://127.0.0.1:5060/rpc: a port on which Kamailio listens for TCP, then its xhttp_rpc_root")
    };
    let mut url = Url::parse(given).map_err(|error| usage(&format!("not a URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(usage("the URL must begin with http:// or https://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(usage("the URL must end with its path, without ? or #"));
    }
    // What follows an unescaped / would be shown, and it may be the rest of a password.
    if url.path().contains('@') {
        return Err(usage("a / or @ in a password must be written %2F %40"));
    }
    let decoded = |text: &str| String::from_utf8_lossy(&percent_decoded(text)).into_owned();
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

fn percent_decoded(text: &str) -> Vec<u8> {
    crate::aor::unescaped(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec())
}

/// The root certificates in the PEM file that an option names, as bytes and as certificates: at least one.
pub fn trusted(option: &str, file: &Path) -> Result<(Vec<u8>, Vec<Certificate>), Failure> {
    let unusable = |why: String| Failure::usage(format!("{option} {}: {why}", file.display()));
    let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let roots = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
    if roots.is_empty() {
        return Err(unusable("holds no certificate in PEM".into()));
    }
    Ok((pem, roots))
}

fn client(url: &Url, ca: Option<&Path>) -> Result<Client, Failure> {
    // An administrator's proxy is no way to a registrar, and a redirect may lead anywhere.
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .referer(false);
    if let Some(file) = ca {
        let (_, roots) = trusted("--kamailio-ca", file)?;
        builder = builder.tls_certs_only(roots);
    } else if url.scheme() == "http" {
        // Spares a run the loading of the system's certificates.
        let none = rustls::RootCertStore::empty();
        let unused = rustls::ClientConfig::builder()
            .with_root_certificates(none)
            .with_no_client_auth();
        builder = builder.tls_backend_preconfigured(unused);
    }
    builder
        .build()
        .map_err(|error| Failure::new(format!("cannot prepare to ask Kamailio: {error}")))
}
