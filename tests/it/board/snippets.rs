//! contrib/board/README.md: its lines for PHP, Python and Node run, and no user name breaks them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::lab::{Redis, Run, program, temp_dir};
use crate::readme::{blocks, document};

const NODE: [&str; 2] = [
    "createClient()",
    "createClient({ url: 'redis://127.0.0.1:PORT' })",
];

/// Its only block in a language, on another port than Redis' own, and what follows.
fn script(redis: &Redis, language: &str, [from, to]: [&str; 2], then: &str) -> TempDir {
    let text = document("contrib/board/README.md");
    let [block] = <[String; 1]>::try_from(blocks(&text, language)).unwrap();
    assert!(block.lines().count() <= 4, "{block}");
    assert_eq!(block.matches(from).count(), 1, "{block}");
    let to = to.replace("PORT", &redis.port().to_string());
    let open = if language == "php" { "<?php " } else { "" };
    let dir = temp_dir();
    let modules = std::env::var("NODE_MODULES").expect("tests/board sets NODE_MODULES");
    symlink(modules, dir.path().join("node_modules")).unwrap();
    fs::write(
        dir.path().join("script.mjs"),
        format!("{open}{}\n{then}\n", block.replace(from, &to)),
    )
    .unwrap();
    dir
}

/// The script prints `users` as JSON.
fn users(interpreter: &str, script: &TempDir) -> Vec<String> {
    let run: Run = Command::new(interpreter)
        .arg(script.path().join("script.mjs"))
        .output()
        .unwrap()
        .into();
    let run = run.expect(0);
    assert_eq!(run.stderr, "");
    serde_json::from_slice(&run.stdout_raw).unwrap()
}

#[test]
#[ignore = "needs PHP, Python, Node and their clients: tests/board"]
fn the_lines_for_php_python_and_node_survive_every_name() {
    let redis = Redis::start();
    let names: [&[u8]; 6] = [
        b"100",
        b"<script>",
        b"\xff\xfe",
        br"\xff\xfe",
        b"\x01\"\\",
        "\u{202e}ü".as_bytes(),
    ];
    redis.add_many("ONLINE:abc.voip.ca", names);
    let same = ["100", "<script>", r"\xff\xfe", "\u{1}\"\\", "\u{202e}ü"];
    let php = program("php", "php-cli");
    // Debian's, which sees Debian's python3-redis.
    let python = "/usr/bin/python3";
    let node = program("node", "nodejs");
    for (language, interpreter, port, then, odd) in [
        (
            "php",
            php.as_str(),
            ["'127.0.0.1'", "'127.0.0.1', PORT"],
            "echo $json;",
            "\u{fffd}\u{fffd}",
        ),
        (
            "python",
            python,
            ["redis.Redis(", "redis.Redis(port=PORT, "],
            "import json; print(json.dumps(users))",
            r"\xff\xfe",
        ),
        (
            "js",
            node.as_str(),
            NODE,
            "console.log(JSON.stringify(users)); process.exit()",
            "\u{fffd}\u{fffd}",
        ),
    ] {
        let mut found = users(interpreter, &script(&redis, language, port, then));
        found.sort();
        let mut expected: Vec<&str> = same.iter().copied().chain([odd]).collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "{language}");
    }
}

#[test]
#[ignore = "needs PHP, Python, Node and their clients: tests/board"]
fn the_lines_for_node_outlive_a_restart_of_redis() {
    let mut redis = Redis::start();
    let then = "console.log(users.length);\n\
                process.stdin.on('data', async () => console.log(await board.sCard('ONLINE:abc.voip.ca')));\n\
                process.stdin.on('end', () => process.exit());";
    let script = script(&redis, "js", NODE, then);
    let mut node = Command::new(program("node", "nodejs"))
        .arg(script.path().join("script.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let mut line = || lines.next().expect("Node lives").unwrap();
    assert_eq!(line(), "0");
    redis.restart();
    redis.add("ONLINE:abc.voip.ca", "100");
    let mut input = node.stdin.take().unwrap();
    input.write_all(b"\n").unwrap();
    assert_eq!(line(), "1");
    drop(input);
    node.wait().unwrap();
}
