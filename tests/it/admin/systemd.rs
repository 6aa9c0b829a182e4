//! The systemd units of README.md: systemd understands every line, and finds little to attack.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::lab::{Run, program, temp_dir};
use crate::readme::readme_blocks;

/// Writes the units of README.md, each a block that begins with its path in a comment, and returns their names.
fn units(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for block in readme_blocks("ini") {
        let first = block.lines().next().unwrap();
        let Some(name) = first.strip_prefix("# /etc/systemd/system/") else {
            continue;
        };
        // verify wants the program to be there. What is left out is tried too.
        let program = concat!("\nExecStart=", env!("CARGO_BIN_EXE_kamonline"), " ");
        let here = block.replace("\nExecStart=kamonline ", program);
        let here = here.replace("\n#Load", "\nLoad").replace("\n#Env", "\nEnv");
        let file = dir.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, here).unwrap();
        names.push(name.to_owned());
    }
    names
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
    let names = units(dir.path());
    for unit in ["kamonline.service", "kamonline.timer"] {
        assert!(names.iter().any(|name| name == unit), "{names:?}");
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
    units(dir.path());
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
