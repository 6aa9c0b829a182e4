//! A certificate authority of our own, and a certificate of it for 127.0.0.1.

use super::process::{program, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

pub struct Certificates {
    dir: TempDir,
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30";
const SERVER: &str =
    "-addext subjectAltName=IP:127.0.0.1,DNS:localhost -addext basicConstraints=CA:FALSE";

impl Certificates {
    pub fn new() -> Self {
        let dir = super::temp_dir();
        openssl(
            dir.path(),
            &format!(
                "req -x509 {KEY} -keyout ca.key -out ca.pem -subj /CN=lab-CA -addext keyUsage=keyCertSign"
            ),
        );
        openssl(
            dir.path(),
            &format!(
                "req -x509 {KEY} -keyout server.key -out server.pem -subj /CN=lab -CA ca.pem -CAkey ca.key {SERVER}"
            ),
        );
        Certificates { dir }
    }

    /// Only a certificate and its key: no authority signed it but its own key.
    pub fn self_signed() -> Self {
        let dir = super::temp_dir();
        openssl(
            dir.path(),
            &format!("req -x509 {KEY} -keyout server.key -out server.pem -subj /CN=lab {SERVER}"),
        );
        Certificates { dir }
    }

    /// Its certificate, anew, of version 1, as `openssl x509 -req` makes it unless told otherwise.
    pub fn into_version_1(self) -> Self {
        let dir = self.dir.path();
        openssl(
            dir,
            "req -new -key server.key -subj /CN=lab -out server.csr",
        );
        openssl(
            dir,
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 30 -out server.pem",
        );
        self
    }

    /// What a client must trust.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    pub fn ca_key(&self) -> PathBuf {
        self.dir.path().join("ca.key")
    }

    pub fn certificate(&self) -> PathBuf {
        self.dir.path().join("server.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.dir.path().join("server.key")
    }
}

fn openssl(dir: &Path, arguments: &str) {
    run(Command::new(program("openssl", "openssl"))
        .args(arguments.split_whitespace())
        .current_dir(dir));
}
