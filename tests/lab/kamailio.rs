//! A real Kamailio, with kamailio.cfg and, through it, the kamailio.cfg.example that is delivered.

use super::certificates::Certificates;
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
use tempfile::TempDir;

#[derive(Clone)]
pub struct KamailioOptions {
    /// The naive fragment (naive.cfg) fills the sets, not ours.
    pub naive: bool,
    pub use_domain: bool,
    pub case_sensitive: bool,
    /// A second usrloc table, `location2`: see `Phone::in_table`.
    pub second_table: bool,
    /// usrloc keeps nothing in memory.
    pub db_mode_3: bool,
    /// `-M`
    pub private_memory_mb: u32,
    /// `-m`
    pub shared_memory_mb: u32,
    /// `xhttp_rpc_buf_size`
    pub buf_size: Option<u32>,
    /// The queue sizes that kamailio.cfg.example recommends.
    pub big_queues: bool,
    pub jsonrpc: bool,
    pub tls: bool,
    /// User and password that HTTP Basic demands.
    pub basic_auth: Option<(String, String)>,
    /// Seconds until usrloc purges what has expired.
    pub timer_interval: u32,
    /// Further #!define's: `ONLINE_DOMAIN="voip.ca"`.
    pub defines: Vec<String>,
}

impl Default for KamailioOptions {
    fn default() -> Self {
        KamailioOptions {
            naive: false,
            use_domain: true,
            case_sensitive: false,
            second_table: false,
            db_mode_3: false,
            private_memory_mb: 8,
            shared_memory_mb: 64,
            buf_size: None,
            big_queues: false,
            jsonrpc: false,
            tls: false,
            basic_auth: None,
            timer_interval: 1,
            defines: vec![],
        }
    }
}

pub struct Kamailio {
    process: Process,
    phone: Phone,
    port: u16,
    tls_port: u16,
    certificates: Option<Certificates>,
    options: KamailioOptions,
    redis: String,
    dir: TempDir,
}

impl Kamailio {
    /// Without a Redis, the one in its configuration refuses connections.
    pub fn start(options: &KamailioOptions, redis: Option<&Redis>) -> Self {
        let redis = redis.map_or("addr=127.0.0.1;port=1".into(), |redis| redis.for_kamailio());
        let certificates = options.tls.then(Certificates::new);
        let dir = super::temp_dir();
        loop {
            let (port, tls_port) = (free_port(), free_port());
            let phone = Phone::new(([127, 0, 0, 1], port).into());
            let command = command(options, port, tls_port, certificates.as_ref(), &redis, &dir);
            if let Some(process) = Process::start(&command, dir.path(), || answers(port, &phone)) {
                let options = options.clone();
                return Kamailio {
                    process,
                    phone,
                    port,
                    tls_port,
                    certificates,
                    options,
                    redis,
                    dir,
                };
            }
            let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
            assert!(
                log.contains("Address already in use"),
                "Kamailio does not start:\n{log}"
            );
        }
    }

    /// The root of xhttp_rpc.
    pub fn rpc_url(&self) -> String {
        match &self.options.basic_auth {
            None => format!("http://127.0.0.1:{}/rpc", self.port),
            Some((user, password)) => {
                format!("http://{user}:{password}@127.0.0.1:{}/rpc", self.port)
            }
        }
    }

    /// The same without the user and password of `basic_auth`.
    pub fn bare_rpc_url(&self) -> String {
        format!("http://127.0.0.1:{}/rpc", self.port)
    }

    pub fn tls_rpc_url(&self) -> String {
        format!("https://127.0.0.1:{}/rpc", self.tls_port)
    }

    pub fn jsonrpc_url(&self) -> String {
        format!("http://127.0.0.1:{}/jsonrpc", self.port)
    }

    /// SIP over UDP and TCP, and HTTP.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The CA of its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.certificates
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
                &format!("unixs:{}", self.dir.path().join("control").display()),
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

    /// On the same port; every registration is forgotten.
    pub fn restart(&mut self) {
        self.kill();
        let Kamailio {
            port,
            tls_port,
            phone,
            options,
            certificates,
            redis,
            dir,
            ..
        } = self;
        let command = command(options, *port, *tls_port, certificates.as_ref(), redis, dir);
        self.process = std::iter::repeat_with(|| {
            Process::start(&command, dir.path(), || answers(*port, phone))
        })
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

fn answers(port: u16, phone: &Phone) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok() && phone.is_answered()
}

fn command(
    options: &KamailioOptions,
    port: u16,
    tls_port: u16,
    certificates: Option<&Certificates>,
    redis: &str,
    dir: &TempDir,
) -> Vec<String> {
    let dir = dir.path().display();
    let cfg = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/kamailio.cfg");
    let mut command: Vec<String> = [
        program("kamailio", "kamailio"),
        format!("-DD -E -f {cfg} -Y {dir} -l udp:127.0.0.1:{port} -l tcp:127.0.0.1:{port}"),
        format!(
            "-M {} -m {}",
            options.private_memory_mb, options.shared_memory_mb
        ),
    ]
    .iter()
    .flat_map(|words| words.split(' ').map(String::from))
    .collect();

    let mut define = |wanted: bool, define: String| {
        if wanted {
            command.extend(["-A".into(), define]);
        }
    };
    define(true, format!("LAB_CONTROL=\"unixs:{dir}/control\""));
    define(
        true,
        format!("LAB_USE_DOMAIN={}", u8::from(options.use_domain)),
    );
    define(
        true,
        format!("LAB_CASE_SENSITIVE={}", u8::from(options.case_sensitive)),
    );
    define(
        true,
        format!("LAB_TIMER_INTERVAL={}", options.timer_interval),
    );
    define(true, format!("ONLINE_REDIS=\"name=online;{redis}\""));
    define(options.naive, format!("LAB_NAIVE=\"name=srvN;{redis}\""));
    define(options.case_sensitive, "WITH_ONLINE_CASE_SENSITIVE".into());
    define(options.second_table, "LAB_SECOND_TABLE".into());
    define(
        options.db_mode_3,
        "LAB_DB_ONLY=\"text:///usr/share/kamailio/dbtext/kamailio\"".into(),
    );
    define(options.big_queues, "LAB_BIG_QUEUES".into());
    define(options.jsonrpc, "WITH_ONLINE_JSONRPC".into());
    if let Some(size) = options.buf_size {
        define(true, format!("LAB_BUFFER_SIZE={size}"));
    }
    if let Some((user, password)) = &options.basic_auth {
        define(true, format!("ONLINE_RPC_LOGIN=\"{user}:{password}\""));
    }
    if let Some(certificates) = certificates {
        define(true, "WITH_ONLINE_TLS".into());
        define(true, format!("ONLINE_TLS_LISTEN=tls:127.0.0.1:{tls_port}"));
        define(
            true,
            format!(
                "ONLINE_TLS_CERTIFICATE=\"{}\"",
                certificates.certificate().display()
            ),
        );
        define(
            true,
            format!("ONLINE_TLS_KEY=\"{}\"", certificates.key().display()),
        );
    }
    options
        .defines
        .iter()
        .for_each(|further| define(true, further.clone()));
    command
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
