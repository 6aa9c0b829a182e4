//! A real Kamailio, with kamailio.cfg and, through it, the kamailio.cfg.example that is delivered.

use super::certificates::Certificates;
use super::kamailio_options::{KamailioOptions, Site};
use super::ports::free_port;
use super::process::{Process, program, run};
use super::redis::Redis;
use super::sip::Phone;
use std::ffi::OsStr;
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Empty tables for db_text.
const DB_TEXT: &str = "/usr/share/kamailio/dbtext/kamailio";

pub struct Kamailio {
    process: Process,
    phone: Phone,
    options: KamailioOptions,
    site: Site,
}

impl Kamailio {
    /// Without a Redis, the one in its configuration refuses connections.
    pub fn start(options: &KamailioOptions, redis: Option<&Redis>) -> Self {
        let mut site = Site {
            dir: super::temp_dir(),
            port: free_port(),
            tls_port: free_port(),
            certificates: options.tls.then(Certificates::new),
            redis: redis.map_or("addr=127.0.0.1;port=1".into(), |redis| redis.for_kamailio()),
        };
        if options.db_mode_3 {
            // A copy, as it is written to.
            run(Command::new("cp")
                .args(["-r", DB_TEXT])
                .arg(site.dir.path().join("dbtext")));
        }
        loop {
            let phone = Phone::new(([127, 0, 0, 1], site.port).into());
            if let Some(process) = start(options, &site, || is_ready(&site, &phone)) {
                wait_for_age();
                return Kamailio {
                    process,
                    phone,
                    options: options.clone(),
                    site,
                };
            }
            let log = std::fs::read_to_string(site.dir.path().join("log")).unwrap();
            assert!(
                log.contains("Address already in use"),
                "Kamailio does not start:\n{log}"
            );
            (site.port, site.tls_port) = (free_port(), free_port());
        }
    }

    /// The root of xhttp_rpc.
    pub fn rpc_url(&self) -> String {
        match &self.options.basic_auth {
            None => format!("http://127.0.0.1:{}/rpc", self.site.port),
            Some((user, password)) => {
                format!("http://{user}:{password}@127.0.0.1:{}/rpc", self.site.port)
            }
        }
    }

    /// The same without the user and password of `basic_auth`.
    pub fn bare_rpc_url(&self) -> String {
        format!("http://127.0.0.1:{}/rpc", self.site.port)
    }

    pub fn tls_rpc_url(&self) -> String {
        format!("https://127.0.0.1:{}/rpc", self.site.tls_port)
    }

    pub fn jsonrpc_url(&self) -> String {
        format!("http://127.0.0.1:{}/jsonrpc", self.site.port)
    }

    /// SIP over UDP and TCP, and HTTP.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.site.port).into()
    }

    /// The CA of its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.site
            .certificates
            .as_ref()
            .expect("KamailioOptions::tls")
            .ca()
    }

    pub fn phone(&self) -> Phone {
        self.phone.clone()
    }

    pub fn register_in_table(&self, table: &str, aor: &str) {
        self.phone.in_table(table).register(aor);
    }

    /// Makes the user's contacts vanish without the event that tells kamailio.cfg, so that Redis does not hear of it.
    pub fn drop_contact(&self, aor: impl AsRef<[u8]>) {
        let argument = [b"s:", self.stored(aor.as_ref()).as_slice()].concat();
        run(Command::new(program("kamcmd", "kamailio"))
            .args([
                "-s",
                &format!("unixs:{}", self.site.dir.path().join("control").display()),
                "ul.rm",
                "location",
            ])
            .arg(OsStr::from_bytes(&argument)));
    }

    /// The AoR as the registrar keeps it, of one as a phone sends it.
    fn stored(&self, aor: &[u8]) -> Vec<u8> {
        let at = aor
            .iter()
            .rposition(|byte| *byte == b'@')
            .expect("an AoR has a domain");
        let mut user = unescaped(&aor[..at]);
        if !self.options.case_sensitive {
            user.make_ascii_lowercase();
        }
        match self.options.use_domain {
            true => [&user, &aor[at..].to_ascii_lowercase()[..]].concat(),
            false => user,
        }
    }

    /// It listens, but answers neither SIP nor HTTP.
    pub fn pause(&self) {
        self.process.pause();
    }

    pub fn resume(&self) {
        self.process.resume();
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// On the same port; every registration is forgotten that is in no database.
    pub fn restart(&mut self) {
        self.restart_until(is_ready);
        wait_for_age();
    }

    /// Returns as soon as its port is open: it has loaded nothing yet from `KamailioOptions::database`.
    pub fn restart_unloaded(&mut self) {
        self.restart_until(|site, _| listens(site));
    }

    fn restart_until(&mut self, answers: fn(&Site, &Phone) -> bool) {
        self.kill();
        let answers = || answers(&self.site, &self.phone);
        self.process = std::iter::repeat_with(|| start(&self.options, &self.site, answers))
            .take(100)
            .flatten()
            .next()
            .expect("Kamailio gets its port back");
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// A Kamailio can be used as its plainest phone: `kamailio.register("100@abc.voip.ca")`.
impl Deref for Kamailio {
    type Target = Phone;

    fn deref(&self) -> &Phone {
        &self.phone
    }
}

fn start(options: &KamailioOptions, site: &Site, answers: impl FnMut() -> bool) -> Option<Process> {
    Process::start(&options.command(site), site.dir.path(), answers)
}

fn is_ready(site: &Site, phone: &Phone) -> bool {
    listens(site) && phone.is_answered()
}

/// Until a Kamailio that answers tells an uptime of a second: younger ones are believed by no option. It counts whole
/// seconds of the clock.
fn wait_for_age() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let of_second = Duration::from_nanos(now.subsec_nanos().into());
    std::thread::sleep(Duration::from_millis(1_005) - of_second);
}

fn listens(site: &Site) -> bool {
    TcpStream::connect(("127.0.0.1", site.port)).is_ok()
}

fn unescaped(user: &[u8]) -> Vec<u8> {
    let mut parts = user.split(|byte| *byte == b'%');
    let mut plain = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        let digits = std::str::from_utf8(digits).unwrap();
        plain.push(u8::from_str_radix(digits, 16).unwrap());
        plain.extend(rest);
    }
    plain
}
