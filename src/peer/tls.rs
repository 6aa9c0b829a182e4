//! TLS, as both servers have it: which servers kamonline trusts, the certificate it shows, and what goes wrong.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, ConfigBuilder, RootCertStore};

use super::password::warning_of_readers;
use crate::failure::Failure;
use crate::text::{Escaped, without_secrets};

/// What the options of a server say of TLS.
pub struct Options<'a> {
    /// How they begin: `redis` of `--redis-ca`.
    pub server: &'static str,
    pub ca: Option<&'a Path>,
    pub cert: Option<&'a Path>,
    pub key: Option<&'a Path>,
}

/// How a server is trusted, and what is shown to it: one configuration for both kinds of server.
#[derive(Clone)]
pub struct Tls {
    server: &'static str,
    config: Arc<ClientConfig>,
    shows_own: bool,
}

type Chain = Vec<CertificateDer<'static>>;

impl Options<'_> {
    /// Reads the files, and what to warn of. `scheme` is that of a URL with TLS; `is_used` is whether there is such a URL.
    pub fn read(&self, scheme: &str, is_used: bool) -> Result<(Tls, Option<String>), Failure> {
        let server = self.server;
        let given = [("ca", self.ca), ("cert", self.cert), ("key", self.key)];
        if let Some((option, _)) = given.iter().find(|(_, file)| file.is_some() && !is_used) {
            return Err(Failure::usage(format!(
                "--{server}-{option} is given, and no URL of --{server} is with TLS"
            ))
            .hint(format!(
                "use {scheme} for TLS, or leave out --{server}-{option}"
            )));
        }
        let roots = match (self.ca, is_used) {
            (Some(file), _) => self.roots(file)?,
            (None, true) => self.roots_of_the_system()?,
            (None, false) => RootCertStore::empty(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusting = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new(format!("TLS: {error}")))?
            .with_root_certificates(roots);
        let (config, warning) = match (self.cert, self.key) {
            (Some(cert), Some(key)) => (
                self.showing_own(trusting, cert, key)?,
                warning_of_readers(&format!("--{server}-key"), key),
            ),
            (None, None) => (trusting.with_no_client_auth(), None),
            (cert, _) => {
                let (one, other) = match cert {
                    Some(_) => ("cert", "key"),
                    None => ("key", "cert"),
                };
                return Err(Failure::usage(format!(
                    "--{server}-{one} is given without --{server}-{other}"
                ))
                .hint("give both: two PEM files, or one that holds the certificate and its key"));
            }
        };
        let tls = Tls {
            server,
            config: Arc::new(config),
            shows_own: self.cert.is_some(),
        };
        Ok((tls, warning))
    }

    fn unusable(&self, option: &str, file: &Path, why: &str) -> Failure {
        Failure::usage(format!(
            "--{}-{option} {}: {why}",
            self.server,
            without_secrets(&file.to_string_lossy())
        ))
    }

    fn pem(&self, option: &str, file: &Path) -> Result<Vec<u8>, Failure> {
        super::file::read(file).map_err(|error| self.unusable(option, file, &error.to_string()))
    }

    /// At least one. The errors of the PEM reader may quote the file, so they are not shown.
    fn certificates(&self, option: &str, file: &Path) -> Result<Chain, Failure> {
        let pem = self.pem(option, file)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match read {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => Err(self.unusable(option, file, "holds no certificate in PEM")),
        }
    }

    fn roots(&self, file: &Path) -> Result<RootCertStore, Failure> {
        let mut store = RootCertStore::empty();
        for root in self.certificates("ca", file)? {
            store
                .add(root)
                .map_err(|error| self.unusable("ca", file, &error.to_string()))?;
        }
        Ok(store)
    }

    fn showing_own(
        &self,
        trusting: ConfigBuilder<ClientConfig, WantsClientCert>,
        cert: &Path,
        key: &Path,
    ) -> Result<ClientConfig, Failure> {
        let chain = self.certificates("cert", cert)?;
        let no_key = |_| {
            self.unusable("key", key, "holds no private key in PEM")
                .hint("take its passphrase off, if it has one: openssl pkey -in KEY -out FILE")
        };
        let parsed = PrivateKeyDer::from_pem_slice(&self.pem("key", key)?).map_err(no_key)?;
        trusting
            .with_client_auth_cert(chain, parsed)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    let why = format!("is not the key of the certificate in {}", cert.display());
                    self.unusable("key", key, &why)
                }
                rustls::Error::InvalidCertificate(why) if is_of_version_1(&why) => self
                    .unusable("cert", cert, "is of version 1, and must be of version 3")
                    .hint(VERSION_3),
                rustls::Error::InvalidCertificate(why) => {
                    self.unusable("cert", cert, &why.to_string())
                }
                _ => self.unusable("key", key, "is of a kind that cannot be used"),
            })
    }

    /// A slim container has none, and then every certificate looks like a stranger's.
    fn roots_of_the_system(&self) -> Result<RootCertStore, Failure> {
        let server = self.server;
        let system = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(system.certs);
        if !store.is_empty() {
            return Ok(store);
        }
        let give_a_root =
            format!("give the root that signed its certificate with --{server}-ca FILE");
        Err(match system.errors.first() {
            Some(error) => Failure::usage(format!(
                "--{server}: the root certificates of this system cannot be read ({error})"
            ))
            .hint(format!(
                "let SSL_CERT_FILE and SSL_CERT_DIR in the environment name a file and a \
                 directory that can be read, or unset them: then it is /etc/ssl/certs or the \
                 like; or {give_a_root}"
            )),
            None => Failure::usage(format!(
                "--{server}: this system has no root certificates, so no server can be trusted \
                 over TLS"
            ))
            .hint(format!(
                "{give_a_root}, or install the package ca-certificates"
            )),
        })
    }
}

impl Tls {
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    /// Whether kamonline has a certificate of its own for a server that demands one.
    pub fn shows_own(&self) -> bool {
        self.shows_own
    }

    /// An error of the TLS library; `peer` names the server.
    pub fn explain(&self, error: &rustls::Error, peer: &str) -> Failure {
        let failure = |what: &str| Failure::new(what).context(peer);
        match error {
            rustls::Error::InvalidCertificate(why) => self.untrusted(why, peer),
            rustls::Error::AlertReceived(alert) => self.rejected(*alert, peer),
            rustls::Error::InvalidMessage(_) => failure("what answers does not speak TLS")
                .hint("use redis:// or http:// for a port without TLS"),
            other => failure(&format!(
                "TLS failed ({})",
                Escaped(other.to_string().as_bytes())
            )),
        }
    }

    fn untrusted(&self, why: &CertificateError, peer: &str) -> Failure {
        let server = self.server;
        let failure = |why: &str| {
            Failure::new(format!("its certificate is not trusted ({why})")).context(peer)
        };
        let words = why.to_string();
        if words.contains("CaUsedAsEndEntity") {
            return failure("it is that of an authority, CA:TRUE").hint(format!(
                "give the server a certificate that is CA:FALSE (openssl req -x509 -addext \
                 basicConstraints=CA:FALSE ...), and --{server}-ca FILE the root that signed \
                 it, or itself"
            ));
        }
        if is_of_version_1(why) {
            return failure("it is of version 1, and must be of version 3").hint(VERSION_3);
        }
        let words = match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "no authority that is trusted has signed it"
            }
            _ => &Escaped(words.as_bytes()).to_string(),
        };
        failure(words).hint(format!(
            "give the root that signed it with --{server}-ca FILE, and use the name that the \
             certificate is for"
        ))
    }

    /// The server ends the handshake: mostly over the certificate of kamonline, or for want of one.
    fn rejected(&self, alert: AlertDescription, peer: &str) -> Failure {
        let server = self.server;
        let failure = |what: &str| Failure::new(what).context(peer);
        if self.shows_own {
            return failure(&format!(
                "it does not accept the certificate of --{server}-cert ({alert:?})"
            ))
            .hint(
                "give one that is valid, and signed by an authority that the server trusts: \
                 tls-ca-cert-file in redis.conf, ca_list of Kamailio's module tls",
            );
        }
        let demands = failure("it demands a certificate of its clients");
        match alert {
            AlertDescription::CertificateRequired => demands,
            _ => failure(&format!("it ended the TLS handshake ({alert:?})")),
        }
        .hint(self.how_to_show_one())
    }

    /// What helps when a server demands a certificate.
    pub fn how_to_show_one(&self) -> String {
        let server = self.server;
        format!(
            "give a certificate that it trusts with --{server}-cert FILE and --{server}-key \
             FILE, if it demands one of its clients"
        )
    }
}

/// What `openssl x509 -req` of OpenSSL 3.0 makes unless told otherwise.
fn is_of_version_1(why: &CertificateError) -> bool {
    why.to_string().contains("UnsupportedCertVersion")
}

const VERSION_3: &str =
    "make it with openssl x509 -req -extfile FILE, where the file says basicConstraints=CA:FALSE";

/// The error of the TLS library behind another one. An `io::Error` and an `Arc` hold it where `source` does not lead.
pub fn error_in<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return error_in(io.get_ref()?);
    }
    match error.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>() {
        Some(kept) => error_in(&**kept),
        None => error_in(error.source()?),
    }
}
