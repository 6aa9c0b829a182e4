//! Those who look at the board: the page of contrib/board in a real browser, and what its README.md tells who writes another.

mod access;
mod names;
mod page;
mod polls;
mod snippets;

use std::net::TcpStream;

use crate::lab::{Process, free_port, program, temp_dir};

const KEY: &str = "kamonline:checked";

/// The page, served by PHP itself.
struct Board {
    _server: Process,
    url: String,
    _dir: tempfile::TempDir,
}

impl Board {
    fn start(redis: &str) -> Self {
        Board::with(&[
            format!("KAMONLINE_REDIS={redis}"),
            format!("KAMONLINE_CHECKED_KEY={KEY}"),
        ])
    }

    /// With this environment and nothing else.
    fn with(environment: &[String]) -> Self {
        let dir = temp_dir();
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/board/index.php");
        let (server, address) = std::iter::repeat_with(|| {
            let address = format!("127.0.0.1:{}", free_port());
            let mut command = vec![program("env", "coreutils"), "-i".into()];
            command.extend_from_slice(environment);
            // As much as php-fpm gives a page.
            command.extend([program("php", "php-cli"), "-dmemory_limit=128M".into()]);
            command.extend(["-S".into(), address.clone()]);
            command.push(page.into());
            let answers = || TcpStream::connect(&address).is_ok();
            Process::start(&command, dir.path(), answers).map(|server| (server, address.clone()))
        })
        .flatten()
        .next()
        .unwrap();
        Board {
            _server: server,
            url: format!("http://{address}/"),
            _dir: dir,
        }
    }

    fn domain(&self, domain: &str) -> String {
        format!("{}?domain={domain}", self.url)
    }
}

/// What kamonline would have written into the checked key some seconds ago.
fn checked_ago(seconds: i64) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    format!(r#"{{"checked_at_seconds":{}}}"#, now - seconds)
}
