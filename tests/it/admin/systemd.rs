//! The systemd units of contrib/: systemd understands every line, and finds little to attack. How they run: package.rs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::lab::{Run, program, temp_dir};

const SERVICE: &str = include_str!("../../../contrib/systemd/kamonline.service");
const TIMER: &str = include_str!("../../../contrib/systemd/kamonline.timer");

/// Writes the units into a directory. What the service has commented out is tried too.
fn write_units(dir: &Path) {
    let service = SERVICE
        .replace("\n#Load", "\nLoad")
        .replace("\n#Env", "\nEnv");
    fs::write(dir.join("kamonline.service"), service).unwrap();
    fs::write(dir.join("kamonline.timer"), TIMER).unwrap();
}

fn analyze(dir: &Path, args: &[&str]) -> Run {
    Command::new(program("systemd-analyze", "systemd"))
        .args(args)
        .current_dir(dir)
        .env("SYSTEMD_UNIT_PATH", format!("{}:", dir.display()))
        .output()
        .unwrap()
        .into()
}

#[test]
#[ignore = "needs systemd: tests/admin"]
fn the_units_are_understood() {
    let dir = temp_dir();
    write_units(dir.path());
    for unit in ["kamonline.service", "kamonline.timer"] {
        let path = format!("./{unit}");
        let run = analyze(dir.path(), &["verify", "--man=no", &path]).expect(0);
        // What it says of other units of this machine is not ours.
        let ours: Vec<_> = run
            .stderr
            .lines()
            .filter(|line| line.contains("kamonline"))
            .collect();
        assert!(ours.is_empty(), "{ours:?}");
    }
}

#[test]
#[ignore = "needs systemd: tests/admin"]
fn the_service_is_exposed_to_little() {
    let dir = temp_dir();
    write_units(dir.path());
    // In tenths of its scale from 0 (safe) to 10 (unsafe).
    let args = [
        "security",
        "--offline=true",
        "--threshold=15",
        "--no-pager",
        "./kamonline.service",
    ];
    let run = analyze(dir.path(), &args);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}
