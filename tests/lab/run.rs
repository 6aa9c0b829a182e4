//! The built kamonline, run as cron would: with the environment it is given and nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub stdout_raw: Vec<u8>,
}

pub fn kamonline_command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kamonline"));
    command.args(args).env_clear().stdin(Stdio::null());
    // A Kamailio of the lab has always just started.
    command.env("KAMONLINE_MIN_UPTIME", "0s");
    // What this machine's own board needs is none of the lab's.
    command.env("KAMONLINE_SETTINGS", "none");
    command
}

/// Started by a line of sh, which calls it `$RUN`: `exec nohup $RUN`.
pub fn kamonline_by(line: &str, args: &[&str]) -> Command {
    let run = [&[env!("CARGO_BIN_EXE_kamonline")], args]
        .concat()
        .join(" ");
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("RUN", run);
    command.env("KAMONLINE_MIN_UPTIME", "0s");
    command
}

/// A copy of the program in a directory that every account can reach, which they may not do with the built one.
pub fn kamonline_for_everybody() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("kamonline");
    // By another process: a file that this one has open for writing cannot be run, and a fork of another test keeps it open.
    let mut copy = Command::new("cp");
    copy.args([env!("CARGO_BIN_EXE_kamonline").as_ref(), program.as_path()]);
    assert!(copy.status().unwrap().success());
    (dir, program)
}

pub fn kamonline(args: &[&str]) -> Run {
    kamonline_env(args, &[])
}

pub fn kamonline_env(args: &[&str], env: &[(&str, &str)]) -> Run {
    kamonline_command(args)
        .envs(env.iter().copied())
        .output()
        .unwrap()
        .into()
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Run {
            // A signal ended it: no exit code of ours.
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            stdout_raw: output.stdout,
        }
    }
}

impl Run {
    /// Panics, and shows everything, unless it exited with `code`.
    pub fn expect(self, code: i32) -> Self {
        let Run { stdout, stderr, .. } = &self;
        assert_eq!(
            self.code, code,
            "exit code\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        );
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout_raw)
            .unwrap_or_else(|error| panic!("{error} in:\n{}", self.stdout))
    }
}
