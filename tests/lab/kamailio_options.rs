//! What a test may want its Kamailio to be, and the command line that says so.

use super::certificates::Certificates;
use super::process::program;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

#[derive(Clone)]
pub struct KamailioOptions {
    /// Another kamailio.cfg than the lab's.
    pub config: Option<PathBuf>,
    /// The naive fragment (naive.cfg) fills the sets, not ours.
    pub naive: bool,
    pub use_domain: bool,
    pub case_sensitive: bool,
    /// A second usrloc table, `location2`: see `Phone::in_table`.
    pub second_table: bool,
    /// usrloc keeps nothing in memory.
    pub db_mode_3: bool,
    /// A directory of db_text tables, from which usrloc fills its memory at each start (db_mode 1).
    pub database: Option<PathBuf>,
    /// `-M`
    pub private_memory_mb: u32,
    /// `-m`
    pub shared_memory_mb: u32,
    /// `xhttp_rpc_buf_size`
    pub buf_size: Option<u32>,
    /// Of a large site: the queue sizes that kamailio.cfg.example recommends, and a larger usrloc table.
    pub big_queues: bool,
    pub jsonrpc: bool,
    pub tls: bool,
    /// User and password that HTTP Basic demands.
    pub basic_auth: Option<(String, String)>,
    /// The port of a registrar to which it replicates its users (dmq_usrloc).
    pub dmq_peer: Option<u16>,
    /// Seconds until usrloc purges what has expired.
    pub timer_interval: u32,
    /// Further #!define's: `ONLINE_DOMAIN="voip.ca"`.
    pub defines: Vec<String>,
}

impl Default for KamailioOptions {
    fn default() -> Self {
        KamailioOptions {
            config: None,
            naive: false,
            use_domain: true,
            case_sensitive: false,
            second_table: false,
            db_mode_3: false,
            database: None,
            private_memory_mb: 8,
            shared_memory_mb: 64,
            buf_size: None,
            big_queues: false,
            jsonrpc: false,
            tls: false,
            basic_auth: None,
            dmq_peer: None,
            timer_interval: 1,
            defines: vec![],
        }
    }
}

/// Where it runs, chosen anew at each try to start it.
pub struct Site {
    pub dir: TempDir,
    pub port: u16,
    pub tls_port: u16,
    pub certificates: Option<Certificates>,
    /// As ndb_redis wants it.
    pub redis: String,
}

impl KamailioOptions {
    pub fn command(&self, site: &Site) -> Vec<String> {
        let Site {
            port,
            tls_port,
            redis,
            ..
        } = site;
        let dir = site.dir.path().display();
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/kamailio.cfg");
        let cfg = self.config.as_deref().unwrap_or(Path::new(ours)).display();
        let mut command = vec![program("kamailio", "kamailio")];
        let mut arguments = |text: String| command.extend(text.split(' ').map(String::from));
        // One process for UDP: an answered OPTIONS then means that the REGISTER before it is done, to the last line of its route.
        arguments(format!(
            "-DD -E -n 1 -f {cfg} -Y {dir} -l udp:127.0.0.1:{port} -l tcp:127.0.0.1:{port}"
        ));
        arguments(format!(
            "-M {} -m {}",
            self.private_memory_mb, self.shared_memory_mb
        ));

        let mut define = |wanted: bool, define: String| {
            if wanted {
                command.extend(["-A".into(), define]);
            }
        };
        define(true, format!("LAB_CONTROL=\"unixs:{dir}/control\""));
        define(
            true,
            format!("LAB_USE_DOMAIN={}", u8::from(self.use_domain)),
        );
        define(true, format!("LAB_TIMER_INTERVAL={}", self.timer_interval));
        // The naive fragment has no event route: ours, which is still there, must not help it.
        let ours = if self.naive {
            "addr=127.0.0.1;port=1"
        } else {
            redis
        };
        define(true, format!("ONLINE_REDIS=\"name=online;{ours}\""));
        define(self.naive, format!("LAB_NAIVE=\"name=srvN;{redis}\""));
        define(self.case_sensitive, "LAB_CASE_SENSITIVE".into());
        define(self.second_table, "LAB_SECOND_TABLE".into());
        let database = match &self.database {
            Some(loaded) => Some((1, loaded.display().to_string())),
            None => self.db_mode_3.then(|| (3, format!("{dir}/dbtext"))),
        };
        if let Some((mode, tables)) = database {
            define(true, format!("LAB_DB_MODE={mode}"));
            define(true, format!("LAB_DATABASE=\"text://{tables}\""));
        }
        if let Some(peer) = self.dmq_peer {
            let [own, peer] = [*port, peer].map(dmq_address);
            define(true, format!("LAB_DMQ=\"sip:{own}\""));
            define(true, format!("LAB_DMQ_LISTEN=udp:{own}"));
            define(true, format!("LAB_DMQ_PEER=\"sip:{peer}\""));
        }
        define(self.big_queues, "LAB_BIG_QUEUES".into());
        define(self.jsonrpc, "WITH_ONLINE_JSONRPC".into());
        if let Some(size) = self.buf_size {
            define(true, format!("LAB_BUFFER_SIZE={size}"));
        }
        if let Some((user, password)) = &self.basic_auth {
            define(true, format!("ONLINE_RPC_LOGIN=\"{user}:{password}\""));
        }
        if let Some(certificates) = &site.certificates {
            let (certificate, key) = (certificates.certificate(), certificates.key());
            define(true, "WITH_ONLINE_TLS".into());
            define(true, format!("ONLINE_TLS_LISTEN=tls:127.0.0.1:{tls_port}"));
            define(
                true,
                format!("ONLINE_TLS_CERTIFICATE=\"{}\"", certificate.display()),
            );
            define(true, format!("ONLINE_TLS_KEY=\"{}\"", key.display()));
        }
        self.defines
            .iter()
            .for_each(|further| define(true, further.clone()));
        command
    }
}

/// From Kamailio 5.8 on, dmq takes two nodes with the same IP address for one, whatever their ports.
fn dmq_address(port: u16) -> SocketAddrV4 {
    let [high, low] = port.to_be_bytes();
    SocketAddrV4::new([127, 1, high, low].into(), port)
}
