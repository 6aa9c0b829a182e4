//! `--generate`: the man page and the completions, which come from the command line itself.
//!
//! They lie in man/ and completions/, so that building kamonline needs no generator and packagers find them:
//! `KAMONLINE_GENERATE=1 cargo test --test it generate` writes them anew.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use clap_complete::Shell;
use kamonline::settings::Cli;

use crate::lab::{Run, kamonline, kamonline_command, program, temp_dir};

fn man_page() -> Vec<u8> {
    // Else the synopsis is every option there is.
    let command = Cli::command().override_usage("kamonline [OPTIONS]");
    let man = clap_mangen::Man::new(command)
        .title("KAMONLINE")
        // Without the version, which stands in Cargo.toml.
        .source("kamonline")
        .manual("Kamailio and Redis");
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    let mut options = Vec::new();
    man.render_options_section(&mut options).unwrap();
    for line in String::from_utf8(options).unwrap().lines() {
        // The headings of the help are parts of the options.
        let part = line.strip_prefix(".SH ").filter(|part| *part != "OPTIONS");
        let line = part.map_or(line.to_owned(), |part| format!(".SS {}", sentence(part)));
        page.extend_from_slice(line.as_bytes());
        page.push(b'\n');
    }
    page.extend_from_slice(include_bytes!("../../../man/sections.roff"));
    page
}

/// `WHICH USERS` to `Which users`.
fn sentence(capitals: &str) -> String {
    let mut letters = capitals.chars();
    let first = letters.find(|letter| *letter != '"');
    first
        .into_iter()
        .chain(
            letters
                .flat_map(char::to_lowercase)
                .filter(|letter| *letter != '"'),
        )
        .collect()
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kamonline", &mut text);
    text
}

#[test]
fn what_it_prints_is_what_the_command_line_says() {
    for (what, path, text) in [
        ("man", "man/kamonline.1", man_page()),
        (
            "bash",
            "completions/kamonline.bash",
            completions(Shell::Bash),
        ),
        ("zsh", "completions/_kamonline", completions(Shell::Zsh)),
        (
            "fish",
            "completions/kamonline.fish",
            completions(Shell::Fish),
        ),
    ] {
        if std::env::var_os("KAMONLINE_GENERATE").is_some() {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), text).unwrap();
            continue;
        }
        let run = kamonline(&["--generate", what]).expect(0);
        assert!(
            run.stdout_raw == text,
            "{path} is out of date: KAMONLINE_GENERATE=1 cargo test --test it generate"
        );
    }
}

#[test]
fn a_full_disk_is_an_error_and_a_reader_who_goes_is_none() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let run: Run = kamonline_command(&["--generate=man"])
        .stdout(full)
        .output()
        .unwrap()
        .into();
    assert!(run.expect(1).stderr.contains("No space left"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run: Run = kamonline_command(&["--generate=man"])
        .stdout(writer)
        .output()
        .unwrap()
        .into();
    assert_eq!(run.expect(0).stderr, "");
}

#[test]
#[ignore = "needs man-db: tests/admin"]
fn man_has_nothing_to_say_about_the_man_page() {
    let dir = temp_dir();
    let file = dir.path().join("kamonline.1");
    fs::write(&file, kamonline(&["--generate=man"]).expect(0).stdout).unwrap();
    let run: Run = Command::new(program("man", "man-db"))
        .args(["--warnings", "--local-file"])
        .arg(&file)
        .env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "80")
        .output()
        .unwrap()
        .into();
    assert_eq!(run.stderr, "");
    for section in ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"] {
        assert!(
            run.stdout.contains(&format!("\n{section}\n")),
            "{}",
            run.stdout
        );
    }
    assert!(run.stdout.contains("\n   Which users\n"), "{}", run.stdout);
    run.expect(0);
}

/// What a person sees who types this, Tab keys and all, into an interactive shell on a terminal.
fn typed(shell: &str, home: &Path, keys: &str) -> String {
    use std::io::Write;
    let mut child = Command::new(program("script", "bsdutils"))
        .args(["--quiet", "--return", "--command", shell, "/dev/null"])
        .env_clear()
        .envs([("HOME", home.as_os_str()), ("TERM", "dumb".as_ref())])
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(keys.as_bytes()).unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    run.stdout
}

/// Stands for kamonline: says how it was called.
const ECHO: &str = "kamonline() { echo \"called: $*\"; }\n";
const KEYS: &str = "kamonline --add-m\t --rpc js\t --redis-cl\t --format j\t\nexit\n";
const CALLED: &str = "called: --add-missing --rpc jsonrpc --redis-cluster --format json";

#[test]
#[ignore = "needs bash-completion: tests/admin"]
fn bash_completes() {
    let home = temp_dir();
    let rc = format!(
        "source /usr/share/bash-completion/bash_completion\nsource <({} --generate bash)\n{ECHO}",
        env!("CARGO_BIN_EXE_kamonline")
    );
    fs::write(home.path().join(".bashrc"), rc).unwrap();
    let seen = typed("bash -i", home.path(), KEYS);
    assert!(seen.contains(CALLED), "{seen}");
}

#[test]
#[ignore = "needs zsh: tests/admin"]
fn zsh_completes() {
    let home = temp_dir();
    fs::write(
        home.path().join("_kamonline"),
        kamonline(&["--generate=zsh"]).stdout,
    )
    .unwrap();
    let rc = format!("fpath=(~ $fpath)\nautoload -U compinit && compinit -u\n{ECHO}");
    fs::write(home.path().join(".zshrc"), rc).unwrap();
    let seen = typed("zsh -i", home.path(), KEYS);
    assert!(seen.contains(CALLED), "{seen}");
}

#[test]
#[ignore = "needs fish: tests/admin"]
fn fish_completes() {
    let home = temp_dir();
    let file = home.path().join("kamonline.fish");
    fs::write(&file, kamonline(&["--generate=fish"]).stdout).unwrap();
    for (begun, completed) in [
        ("kamonline --add-m", "--add-missing"),
        ("kamonline --rpc js", "jsonrpc"),
        ("kamonline --generate=f", "--generate=fish"),
        ("kamonline --metrics-file /etc/pass", "/etc/passwd"),
    ] {
        let run: Run = Command::new(program("fish", "fish"))
            .args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"])
            .arg(&file)
            .arg(begun)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap()
            .into();
        let offered: Vec<_> = run
            .stdout
            .lines()
            .filter_map(|line| line.split('\t').next())
            .collect();
        assert!(
            offered.contains(&completed),
            "{begun}: {offered:?}\n{}",
            run.stderr
        );
    }
}
