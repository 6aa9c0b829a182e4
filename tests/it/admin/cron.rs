//! crontab.example in a real cron: it runs as it stands, but every minute, and on the servers of a test.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::lab::{Lab, Process, kamonline_for_everybody, program};

/// A file in /etc/cron.d, gone when the test ends, however it ends.
struct Crontab(PathBuf);

impl Crontab {
    fn install(text: &str) -> Self {
        // cron ignores names with a dot.
        let file = Crontab(format!("/etc/cron.d/kamonline-test-{}", std::process::id()).into());
        fs::write(&file.0, text).expect("this test must be run as root: it writes to /etc/cron.d");
        file
    }
}

impl Drop for Crontab {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The machine's own cron does as well as one of ours, and there cannot be two.
fn cron(dir: &Path) -> Option<Process> {
    let program_of = |pid: String| fs::read_link(format!("/proc/{}/exe", pid.trim())).ok();
    let runs = || {
        let pid = fs::read_to_string("/run/crond.pid").ok();
        pid.and_then(program_of)
            .is_some_and(|program| program.ends_with("cron"))
    };
    if runs() {
        return None;
    }
    let command = [program("cron", "cron"), "-f".into()];
    Some(Process::start(&command, dir, runs).expect("cron starts"))
}

#[test]
#[ignore = "needs cron, root, and a minute or two: tests/admin"]
fn the_example_puts_a_set_right() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.register("102@abc.voip.ca");
    lab.redis.command(&["SREM", "ONLINE:abc.voip.ca", "102"]);
    lab.redis.add("ONLINE:abc.voip.ca", "101");

    // Nobody has an account that every machine has; they must reach the program and read their settings.
    let (dir, _) = kamonline_for_everybody();
    let settings = dir.path().join("kamonline.env");
    let (kamailio, redis) = (lab.kamailio.rpc_url(), lab.redis.url());
    // This Kamailio has just started.
    let text = format!(
        "KAMONLINE_KAMAILIO='{kamailio}'\nKAMONLINE_REDIS='{redis}'\nKAMONLINE_MIN_UPTIME='0s'\n"
    );
    fs::write(&settings, text).unwrap();
    fs::set_permissions(&settings, Permissions::from_mode(0o640)).unwrap();
    let nogroup = 65534;
    chown(&settings, None, Some(nogroup)).expect("this test must be run as root");

    let mut crontab = include_str!("../../../crontab.example").to_owned();
    let here = dir.path().display();
    for (as_it_stands, here) in [
        (
            "\n*/10 * * * * kamonline ",
            "\n* * * * * nobody ".to_owned(),
        ),
        ("/etc/kamonline.env", settings.display().to_string()),
        (
            "\nPATH=",
            format!("\nKAMONLINE_SETTINGS={}\nPATH={here}:", settings.display()),
        ),
    ] {
        assert!(
            crontab.contains(as_it_stands),
            "crontab.example has no {as_it_stands:?}"
        );
        crontab = crontab.replace(as_it_stands, &here);
    }
    let _crontab = Crontab::install(&crontab);
    let cron = cron(dir.path());

    let deadline = Instant::now() + Duration::from_secs(150);
    while lab.redis.members("ONLINE:abc.voip.ca") != ["100", "102"] {
        let log = cron.as_ref().map_or_else(String::new, Process::log);
        assert!(
            Instant::now() < deadline,
            "cron did not put it right\n{crontab}\n{log}"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}
