//! README.md, "A run": what it shows is what kamonline says.

use crate::lab::{Lab, Run};
use crate::readme::{document, readme_blocks};

/// 101 of abc.voip.ca is stale, 201 of xyz.voip.ca missing.
fn drifted() -> Lab {
    let lab = Lab::start();
    for aor in [
        "100@abc.voip.ca",
        "102@abc.voip.ca",
        "200@xyz.voip.ca",
        "201@xyz.voip.ca",
    ] {
        lab.register(aor);
    }
    lab.redis.add("ONLINE:abc.voip.ca", "101");
    lab.redis.command(&["SREM", "ONLINE:xyz.voip.ca", "201"]);
    lab
}

/// A command of README.md, and what it says on a terminal.
fn says(lab: &Lab, command: &str) -> String {
    let args: Vec<&str> = command.split(' ').skip(1).collect();
    let Run { stdout, stderr, .. } = lab.run(&args);
    stdout + &stderr
}

#[test]
fn each_run_says_what_readme_shows() {
    let refused = Lab::start();
    refused.redis.add("ONLINE:abc.voip.ca", "100");
    refused.redis.add("ONLINE:abc.voip.ca", "102");
    let stories = readme_blocks("console");
    assert_eq!(stories.len(), 2);
    for (lab, story) in [drifted(), refused].iter().zip(stories) {
        for shown in story.split("$ ").skip(1) {
            let (command, said) = shown.split_once('\n').unwrap();
            assert_eq!(says(lab, command), said, "{command}");
        }
    }
}

/// tests/picture breaks long lines.
#[test]
fn the_picture_shows_a_dry_run() {
    let picture = document("tests/dry-run.svg");
    let lines = picture.lines().filter(|line| line.starts_with("<text "));
    let lines = lines.map(|line| line.split(['<', '>']).nth(2).unwrap());
    let command = "$ kamonline --dry-run";
    let run = format!("{command}\n{}", says(&drifted(), &command[2..]));
    let words = |text: &str| {
        text.split_whitespace()
            .map(String::from)
            .collect::<Vec<_>>()
    };
    assert_eq!(words(&lines.collect::<Vec<_>>().join("\n")), words(&run));
}
