//! A certificate authority of our own, and a certificate of it for this machine's own addresses.

use super::process::{program, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

pub struct Certificates {
    dir: TempDir,
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30";
const SERVER: &str =
    "-addext subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost -addext basicConstraints=CA:FALSE";

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
        std::fs::write(
            dir.join("plain.cnf"),
            "[req]\ndistinguished_name=name\n[name]\n",
        )
        .unwrap();
        // Without extensions OpenSSL 3.0 makes version 1 by itself, 3.5 when it is told to.
        let help = Command::new("openssl").args(["req", "-help"]).output();
        let knows = String::from_utf8_lossy(&help.unwrap().stderr).contains("-x509v1");
        let version = if knows { "-x509v1" } else { "" };
        openssl(
            dir,
            &format!(
                "req -config plain.cnf -x509 {version} -key server.key -subj /CN=lab -CA ca.pem -CAkey ca.key -days 30 -out server.pem"
            ),
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
