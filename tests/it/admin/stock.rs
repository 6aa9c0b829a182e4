//! README.md's change to the stock kamailio.cfg of the Debian package: it starts, serves, and is undone.

use std::fs;
use std::process::Command;

use crate::lab::{KamailioOptions, Lab, program};
use crate::readme::readme_blocks;

const STOCK: &str = "/etc/kamailio/kamailio.cfg";

/// Replaces the lines of each hunk that begin with `-` or a space by those with `+` or a space; `undo`: the other way round.
fn changed(config: &str, undo: bool) -> String {
    let (from, to) = if undo { ('+', '-') } else { ('-', '+') };
    let mut config = config.to_owned();
    let diffs = readme_blocks("diff");
    assert_eq!(diffs.len(), 1);
    for hunk in diffs[0].split("@@\n").filter(|hunk| !hunk.is_empty()) {
        let side = |sign| {
            let lines = hunk
                .lines()
                .filter(move |line| line.starts_with([sign, ' ']));
            lines
                .map(|line| format!("{}\n", &line[1..]))
                .collect::<String>()
        };
        let (old, new) = (side(from), side(to));
        assert_eq!(config.matches(&old).count(), 1, "{old}");
        config = config.replace(&old, &new);
    }
    config
}

#[test]
fn the_stock_kamailio_cfg_with_the_change_of_readme_serves_and_is_undone() {
    let stock = fs::read_to_string(STOCK).unwrap();
    let ours = changed(&stock, false);
    assert_eq!(changed(&ours, true), stock);

    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("kamailio.cfg");
    // Every site names its domains.
    fs::write(&config, ours.replacen('\n', "\nalias=\"lab\"\n", 1)).unwrap();
    fs::copy(
        concat!(env!("CARGO_MANIFEST_DIR"), "/kamailio.cfg.example"),
        dir.path().join("kamonline.cfg"),
    )
    .unwrap();
    let kamailio = program("kamailio", "kamailio");
    let checked = Command::new(kamailio)
        .arg("-cf")
        .arg(&config)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let lab = Lab::with(KamailioOptions {
        config: Some(config),
        ..KamailioOptions::default()
    });
    lab.register("100@voip.ca");
    assert_eq!(lab.redis.members("ONLINE:voip.ca"), ["100"]);
    lab.redis.add("ONLINE:voip.ca", "gone");
    lab.run(&["--settle=0s", "--default-domain=voip.ca"])
        .expect(0);
    assert_eq!(lab.redis.members("ONLINE:voip.ca"), ["100"]);
    lab.kamailio.phone().unregister("100@voip.ca");
    assert_eq!(lab.redis.members("ONLINE:voip.ca"), [""; 0]);
}
