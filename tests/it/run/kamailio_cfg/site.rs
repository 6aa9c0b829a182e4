//! A site: the stock kamailio.cfg with a patch of contrib/ and the site's own changes, running.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::{NamedTempFile, TempDir};

use crate::lab::{Kamailio, KamailioOptions, Lab, free_port, program, read_message, swallow};

/// What the lab needs: a log that it can read, one process for UDP, phones that die within seconds.
const OF_THE_LAB: [(&str, &str); 4] = [
    ("log_stderror=no", "log_stderror=yes"),
    ("\nchildren=8", "\nchildren=1"),
    (
        "modparam(\"registrar\", \"max_expires\", 3600)",
        "modparam(\"registrar\", \"max_expires\", 3600)\nmodparam(\"registrar\", \"min_expires\", 1)",
    ),
    (
        "modparam(\"usrloc\", \"timer_interval\", 60)",
        "modparam(\"usrloc\", \"timer_interval\", 1)",
    ),
];

/// A kamailio.cfg, the kamonline.cfg that it includes, and what else it names, in `@DIR@`.
#[derive(Clone)]
pub struct KamailioCfg {
    pub text: String,
    pub fragment: String,
    pub files: Vec<(&'static str, String)>,
}

impl KamailioCfg {
    /// For users who all have the domain voip.ca.
    pub fn one_domain() -> Self {
        KamailioCfg::patched("one-domain.patch")
    }

    /// With `use_domain` 1.
    pub fn many_domains() -> Self {
        KamailioCfg::patched("several-domains.patch")
    }

    fn patched(patch: &str) -> Self {
        let cfg = KamailioCfg {
            text: fs::read_to_string(patched(&stock(None), patch, &[]).path()).unwrap(),
            fragment: include_str!("../../../../kamailio.cfg.example").into(),
            files: vec![],
        };
        OF_THE_LAB
            .iter()
            .fold(cfg, |cfg, (old, new)| cfg.replace(old, new))
    }

    /// What stands there exactly once.
    pub fn replace(mut self, old: &str, new: &str) -> Self {
        assert_eq!(self.text.matches(old).count(), 1, "{old}");
        self.text = self.text.replace(old, new);
        self
    }

    /// The same in the fragment.
    pub fn replace_in_fragment(mut self, old: &str, new: &str) -> Self {
        assert_eq!(self.fragment.matches(old).count(), 1, "{old}");
        self.fragment = self.fragment.replace(old, new);
        self
    }

    /// Lines instead of those that save and call the fragment.
    pub fn saving(mut self, lines: &str) -> Self {
        let (before, rest) = self
            .text
            .split_once("\tif (!save(\"location\")) {\n")
            .unwrap();
        let (_, after) = rest.split_once("\troute(ONLINE);\n").unwrap();
        self.text = [before, lines, "\n", after].concat();
        self
    }

    /// Lines at the top of the file.
    pub fn first(mut self, lines: &str) -> Self {
        self.text = self
            .text
            .replacen("#!KAMAILIO\n", &format!("#!KAMAILIO\n{lines}\n"), 1);
        self
    }

    /// Lines directly ahead of `include_file`.
    pub fn ahead(self, lines: &str) -> Self {
        let include = "include_file \"kamonline.cfg\"";
        self.replace(include, &format!("{lines}\n{include}"))
    }

    /// Routes at the end of the file.
    pub fn last(mut self, routes: &str) -> Self {
        self.text = format!("{}\n{routes}\n", self.text);
        self
    }

    pub fn file(mut self, name: &'static str, text: String) -> Self {
        self.files.push((name, text));
        self
    }

    fn write(&self, dir: &Path) {
        let text = self.text.replace("@DIR@", dir.to_str().unwrap());
        fs::write(dir.join("kamailio.cfg"), text).unwrap();
        fs::write(dir.join("kamonline.cfg"), &self.fragment).unwrap();
        for (name, text) in &self.files {
            fs::write(dir.join(name), text).unwrap();
        }
    }

    /// What `kamailio -c` says against it.
    pub fn is_refused(&self) -> String {
        let (success, says) = self.run(&["-c"]);
        assert!(!success, "{says}");
        says
    }

    /// What Kamailio says that ends at once, though `kamailio -c` is content.
    pub fn ends(&self) -> String {
        self.is_accepted();
        let (success, says) = self.run(&["-DDE", "-l", &format!("127.0.0.1:{}", free_port())]);
        assert!(!success, "{says}");
        says
    }

    /// `kamailio -c` is content.
    pub fn is_accepted(&self) {
        let (success, says) = self.run(&["-c"]);
        assert!(success, "{says}");
    }

    fn run(&self, args: &[&str]) -> (bool, String) {
        let dir = tempfile::tempdir().unwrap();
        self.write(dir.path());
        let output = Command::new("timeout")
            .args(["10", &program("kamailio", "kamailio")])
            .args(args)
            .arg("-Y")
            .arg(dir.path())
            .arg("-f")
            .arg(dir.path().join("kamailio.cfg"))
            .output()
            .unwrap();
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), says)
    }

    /// `kamailio -c`, then the servers.
    pub fn start(&self) -> Site {
        self.is_accepted();
        let dir = tempfile::tempdir().unwrap();
        self.write(dir.path());
        Site {
            lab: Lab::with(in_dir(&dir)),
            has_errors: false,
            _dir: dir,
        }
    }

    pub fn start_without_redis(&self) -> (Kamailio, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        self.write(dir.path());
        (Kamailio::start(&in_dir(&dir), None), dir)
    }
}

/// Fails the test when Kamailio logged an error.
pub struct Site {
    lab: Lab,
    has_errors: bool,
    _dir: TempDir,
}

impl Site {
    /// For a site that does something wrong.
    pub fn log_of_errors(mut self) -> String {
        self.has_errors = true;
        self.kamailio.log()
    }

    /// How many contacts usrloc holds, in all tables.
    pub fn contacts(&self) -> u32 {
        let page = self.get("/rpc/stats/stats.get_statistics?arg=usrloc:");
        let counts = page.split("_contacts = ").skip(1);
        let counts = counts.map(|count| count.split('<').next().unwrap().trim());
        counts.map(|count| count.parse::<u32>().unwrap()).sum()
    }

    /// The whole answer to a GET.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.kamailio.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: lab\r\n\r\n").unwrap();
        let answer = read_message(&mut stream).unwrap();
        swallow(&mut stream);
        String::from_utf8(answer).unwrap()
    }
}

impl Deref for Site {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let log = self.lab.kamailio.log();
        let errors = errors(&log);
        let is_expected = errors.is_empty() != self.has_errors;
        assert!(is_expected || std::thread::panicking(), "{errors:#?}");
    }
}

pub fn errors(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains("ERROR: ") || line.contains("CRITICAL: "))
        .collect()
}

fn in_dir(dir: &TempDir) -> KamailioOptions {
    KamailioOptions {
        config: Some(dir.path().join("kamailio.cfg")),
        ..KamailioOptions::default()
    }
}

/// Of Debian's package: of this machine's Debian, or of another.
pub fn stock(suite: Option<&str>) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stock");
    let output = Command::new(script).args(suite).output().unwrap();
    let path = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    path.trim_end().into()
}

/// A copy of a file, changed by a patch of contrib/ without any fuzz.
pub fn patched(file: &Path, patch: &str, args: &[&str]) -> NamedTempFile {
    let copy = NamedTempFile::new().unwrap();
    let patch = format!("{}/contrib/{patch}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("patch")
        .args(["--fuzz=0", "--output"])
        .arg(copy.path())
        .args(args)
        .arg(file)
        .arg(patch)
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{says}");
    copy
}
