//! contrib/board/README.md: its lines for PHP, Python and Node run, and no user name breaks them.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::lab::{Redis, Run, program, temp_dir};
use crate::readme::{blocks, document};

/// Its only block in a language, on another port than Redis' own; then it prints `users` as JSON.
fn users(
    redis: &Redis,
    language: &str,
    interpreter: &str,
    [from, to]: [&str; 2],
    then: &str,
) -> Vec<String> {
    let text = document("contrib/board/README.md");
    let [block] = <[String; 1]>::try_from(blocks(&text, language)).unwrap();
    assert_eq!(block.lines().count(), 3, "{block}");
    assert_eq!(block.matches(from).count(), 1, "{block}");
    let to = to.replace("PORT", &redis.port().to_string());
    let open = if language == "php" { "<?php " } else { "" };
    let dir = temp_dir();
    let modules = std::env::var("NODE_MODULES").expect("tests/board sets NODE_MODULES");
    symlink(modules, dir.path().join("node_modules")).unwrap();
    let script = dir.path().join("script.mjs");
    fs::write(
        &script,
        format!("{open}{}\n{then}\n", block.replace(from, &to)),
    )
    .unwrap();
    let run: Run = Command::new(interpreter)
        .arg(&script)
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
    let names: [&[u8]; 5] = [
        b"100",
        b"<script>",
        b"\xff\xfe",
        b"\x01\"\\",
        "\u{202e}ü".as_bytes(),
    ];
    redis.add_many("ONLINE:abc.voip.ca", names);
    let same = ["100", "<script>", "\u{1}\"\\", "\u{202e}ü"];
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
            [
                "createClient()",
                "createClient({ url: 'redis://127.0.0.1:PORT' })",
            ],
            "console.log(JSON.stringify(users)); process.exit()",
            "\u{fffd}\u{fffd}",
        ),
    ] {
        let mut found = users(&redis, language, interpreter, port, then);
        found.sort();
        let mut expected: Vec<&str> = same.iter().copied().chain([odd]).collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "{language}");
    }
}
