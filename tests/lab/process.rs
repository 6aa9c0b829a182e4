//! A server as our child: started in the foreground, waited for until it answers, and gone when we are.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Becomes the server, in a process group of its own with a watchdog that kills the group once our end of the pipe is
/// closed. A test run stopped with Ctrl-C or SIGKILL runs no destructor, and still leaves no server behind.
const GUARDED: &str =
    r#"exec 3<&0; { cat <&3 >/dev/null; kill -s KILL 0; } & exec "$@" </dev/null 3<&-"#;

pub struct Process {
    child: Child,
    _lifeline: ChildStdin,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, and returns it once `answers` says true: None when it ended before, which a port that was
    /// taken meanwhile explains, so that the caller tries another.
    pub fn start(
        command: &[String],
        dir: &Path,
        mut answers: impl FnMut() -> bool,
    ) -> Option<Self> {
        let log = dir.join("log");
        let output = File::create(&log).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", GUARDED, "sh"])
            .args(command)
            .current_dir(dir)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let lifeline = child.stdin.take().unwrap();
        let mut process = Process {
            child,
            _lifeline: lifeline,
            log,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !answers() {
            if process.child.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(
                Instant::now() < deadline,
                "{command:?} does not answer:\n{}",
                process.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(process)
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Alive, but it answers nobody: connections are accepted by the kernel and then nothing comes.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }

    pub fn kill(&mut self) {
        self.signal("KILL");
        self.child.wait().unwrap();
    }

    fn signal(&self, signal: &str) {
        // The group is gone already after kill(); then there is nothing to say.
        Command::new("sh")
            .args([
                "-c",
                &format!("kill -s {signal} -- -{} 2>/dev/null", self.child.id()),
            ])
            .status()
            .unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The full path of a program; without it, the panic names the Debian package.
pub fn program(name: &str, package: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/usr/bin"])
        .map(|dir| format!("{dir}/{name}"))
        .find(|candidate| Path::new(candidate).is_file())
        .unwrap_or_else(|| panic!("{name} is missing: tests/install {package} installs it"))
}

/// Runs a helper program to its end and returns what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} failed:\n{text}{errors}"
    );
    text
}

/// Waits until `condition` holds, and panics with `what` when it does not within 30 s.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
