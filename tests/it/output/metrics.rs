//! `--metrics-file`: what node_exporter reads is whole, true and current, and a run that cannot write it says so.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::lab::{Lab, Run, kamonline, kamonline_command, program, temp_dir};

const MAN: &str = include_str!("../../../man/kamonline.1");

/// A file's values, by name and labels, once promtool has found nothing to say about it.
fn metrics(file: &Path) -> BTreeMap<String, f64> {
    let text = fs::read_to_string(file).unwrap();
    promtool(&["check", "metrics"], &text);
    let values = text.lines().filter(|line| !line.starts_with('#'));
    values
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let bare = name.split('{').next().unwrap();
            assert!(MAN.contains(bare), "the man page does not name {bare}");
            let name = name.strip_prefix("kamonline_").unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

fn promtool(args: &[&str], input: &str) {
    let mut child = Command::new(program("promtool", "prometheus"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let Run {
        code,
        stdout,
        stderr,
        ..
    } = child.wait_with_output().unwrap().into();
    // Its complaints about style come with exit code 3.
    assert_eq!(code, 0, "promtool {args:?}\n{stdout}{stderr}\n{input}");
}

/// The one outcome that is 1.
fn outcome(metrics: &BTreeMap<String, f64>) -> &str {
    let is = |(name, value): (&'_ String, &f64)| (*value == 1.0).then_some(name.clone());
    let named: Vec<_> = metrics
        .range("last_run_outcome".to_owned().."last_run_outcome~".to_owned())
        .filter_map(is)
        .collect();
    assert_eq!(named.len(), 1, "{metrics:?}");
    ["in_sync", "changed", "discrepancies", "refused", "failed"]
        .into_iter()
        .find(|outcome| named[0] == format!("last_run_outcome{{outcome=\"{outcome}\"}}"))
        .unwrap()
}

/// A place for the file, and the option that names it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Place { dir: temp_dir() }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("kamonline.prom")
    }

    fn option(&self) -> String {
        format!("--metrics-file={}", self.file().display())
    }

    /// Nothing but the file: what a run writes on the way is gone.
    fn holds_only_the_file(&self) {
        let names: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["kamonline.prom"]);
    }
}

#[test]
fn every_outcome_is_told_and_promtool_finds_nothing_to_say() {
    let lab = Lab::drifted();
    let place = Place::new();
    let run = |args: &[&str], code| {
        let option = place.option();
        lab.run(&[args, &["--settle=0s", &option]].concat())
            .expect(code);
        place.holds_only_the_file();
        metrics(&place.file())
    };

    let dry = run(&["--dry-run"], 0);
    assert_eq!(outcome(&dry), "discrepancies");
    assert_eq!(
        (dry["last_run_dry_run"], dry["members_removed"]),
        (1.0, 0.0)
    );
    assert_eq!((dry["users_online"], dry["members"]), (2.0, 2.0));
    assert_eq!((dry["members_stale"], dry["users_missing"]), (1.0, 1.0));
    assert_eq!((dry["registrars"], dry["registrars_answered"]), (1.0, 1.0));

    let changed = run(&["--add-missing"], 0);
    assert_eq!(outcome(&changed), "changed");
    assert_eq!(
        (changed["members_removed"], changed["users_added"]),
        (1.0, 1.0)
    );
    assert_eq!(
        (changed["members_restored"], changed["last_run_dry_run"]),
        (0.0, 0.0)
    );

    let in_sync = run(&[], 0);
    assert_eq!(outcome(&in_sync), "in_sync");
    assert_eq!(
        (in_sync["members_stale"], in_sync["users_missing"]),
        (0.0, 0.0)
    );
    assert!(in_sync["last_run_timestamp_seconds"] > changed["last_run_timestamp_seconds"]);
    assert!((0.0..30.0).contains(&in_sync["last_run_duration_seconds"]));

    lab.redis.add("ONLINE:abc.voip.ca", "103");
    let refused = run(&["--max-removal=0"], 3);
    assert_eq!(outcome(&refused), "refused");
    assert_eq!(refused["members_stale"], 1.0);
}

#[test]
fn a_failure_keeps_the_last_success() {
    let mut lab = Lab::drifted();
    let place = Place::new();
    let option = place.option();
    lab.kamailio.pause();
    let args = [option.as_str(), "--timeout=500ms", "--retries=0"];
    lab.run(&args).expect(1);
    let never = metrics(&place.file());
    assert_eq!(outcome(&never), "failed");
    assert_eq!(never["last_success_timestamp_seconds"], 0.0);
    assert_eq!(never["registrars_answered"], 0.0);
    assert!(!never.contains_key("users_online"), "unknown is not 0");

    lab.kamailio.resume();
    lab.run(&args).expect(0);
    let success = metrics(&place.file());
    assert_eq!(
        success["last_success_timestamp_seconds"],
        success["last_run_timestamp_seconds"]
    );

    lab.kamailio.kill();
    lab.run(&args).expect(1);
    lab.run(&args).expect(1);
    let failed = metrics(&place.file());
    assert_eq!(outcome(&failed), "failed");
    assert_eq!(
        failed["last_success_timestamp_seconds"],
        success["last_success_timestamp_seconds"]
    );
    assert!(failed["last_run_timestamp_seconds"] > success["last_run_timestamp_seconds"]);
}

#[test]
fn the_registrars_that_answered_are_counted_when_another_did_not() {
    let (lab, place) = (Lab::drifted(), Place::new());
    lab.run(&[
        "--kamailio=http://127.0.0.1:1/rpc",
        "--retries=0",
        &place.option(),
    ])
    .expect(1);
    let metrics = metrics(&place.file());
    assert_eq!(
        (metrics["registrars"], metrics["registrars_answered"]),
        (2.0, 1.0)
    );
}

#[test]
fn node_exporter_can_read_it_whatever_the_umask() {
    let place = Place::new();
    let unreachable = ["--redis=redis://127.0.0.1:1/0", "--retries=0"];
    limited(
        "umask 077",
        &[&unreachable[..], &[&place.option()]].concat(),
    )
    .expect(1);
    let mode = fs::metadata(place.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn a_disk_that_takes_no_more_leaves_the_old_file_whole() {
    let (lab, place) = (Lab::drifted(), Place::new());
    let option = place.option();
    lab.run(&["--dry-run", &option]).expect(0);
    let old = fs::read(place.file()).unwrap();
    let (kamailio, redis) = (lab.kamailio.rpc_url(), lab.redis.url());
    let args = [
        "--kamailio",
        &kamailio,
        "--redis",
        &redis,
        "--settle=0s",
        &option,
    ];
    let run = limited("trap '' XFSZ; ulimit -f 0", &args).expect(1);
    assert!(
        run.stderr.contains("; the run itself is done"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("File too large"), "{}", run.stderr);
    assert!(
        run.stdout.contains("removed 1 stale user"),
        "{}",
        run.stdout
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100"]);
    assert_eq!(fs::read(place.file()).unwrap(), old);
    place.holds_only_the_file();
}

/// kamonline under what a shell can forbid.
fn limited(limit: &str, args: &[&str]) -> Run {
    let kamonline = kamonline_command(args);
    Command::new("sh")
        .args(["-c", &format!(r#"{limit}; exec "$@""#), "sh"])
        .arg(kamonline.get_program())
        .args(kamonline.get_args())
        .env_clear()
        .envs(
            kamonline
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .output()
        .unwrap()
        .into()
}

#[test]
fn a_place_that_cannot_be_written_is_an_error_and_the_run_is_done_all_the_same() {
    let (lab, place) = (Lab::drifted(), Place::new());
    let nowhere = format!(
        "--metrics-file={}/none/kamonline.prom",
        place.dir.path().display()
    );
    let run = lab
        .run(&["--settle=0s", "--format=json", &nowhere])
        .expect(1);
    let report = run.json();
    assert_eq!(
        (&report["outcome"], &report["totals"]["removed"]),
        (&"failed".into(), &1.into())
    );
    assert!(
        run.stderr.contains("No such file or directory"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("hint: see that the directory exists"),
        "{}",
        run.stderr
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100"]);

    let unreachable = ["--redis=redis://127.0.0.1:1/0", "--retries=0"];
    let run = kamonline(&[&unreachable[..], &[&nowhere]].concat()).expect(1);
    assert!(run.stderr.contains("error: Redis at"), "{}", run.stderr);
    assert!(
        run.stderr.contains("warning: cannot write the metrics to "),
        "{}",
        run.stderr
    );
}

#[test]
fn wrong_usage_writes_no_metrics() {
    let place = Place::new();
    kamonline(&["--max-removal=many", &place.option()]).expect(2);
    assert!(!place.file().exists());
    let run = kamonline(&["--metrics-file=/tmp/kamonline.txt"]).expect(2);
    assert!(
        run.stderr.contains("does not end with .prom"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_alert_rules_are_right_and_fire() {
    let dir = temp_dir();
    let file = dir.path().join("rules.yml");
    fs::write(&file, include_str!("../../../contrib/alerts.yml")).unwrap();
    promtool(&["check", "rules", &file.display().to_string()], "");
    let tests = dir.path().join("tests.yml");
    fs::write(&tests, include_str!("alerts.yml")).unwrap();
    promtool(&["test", "rules", &tests.display().to_string()], "");
}

#[test]
fn what_is_no_regular_file_is_refused_before_the_run() {
    let (lab, place) = (Lab::drifted(), Place::new());
    let file = place.file();
    let link = |to: &str| std::os::unix::fs::symlink(to, &file).unwrap();
    let makes: [(&str, &dyn Fn()); 4] = [
        ("a FIFO", &|| {
            let made = Command::new("mkfifo").arg(&file).status().unwrap();
            assert!(made.success());
        }),
        ("a directory", &|| fs::create_dir(&file).unwrap()),
        ("a link to a device", &|| link("/dev/null")),
        ("a link to a directory", &|| link("/tmp")),
    ];
    for (what, make) in makes {
        make();
        let run = lab.run(&["--settle=0s", &place.option()]).expect(2);
        let said = run.stderr.contains("that is no regular file");
        assert!(said, "{what}: {}", run.stderr);
        assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);
        let remove: fn(&Path) -> std::io::Result<()> = match what {
            "a directory" => |path| fs::remove_dir(path),
            _ => |path| fs::remove_file(path),
        };
        remove(&file).unwrap();
    }
}

#[test]
fn several_kamonlines_do_not_meet_in_one_directory() {
    let (lab, place) = (Lab::drifted(), Place::new());
    let own = |number: usize| place.option().replace(".prom", &format!("{number}.prom"));
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (lab, own, shared) = (&lab, own(number), place.option());
            scope.spawn(move || {
                for option in [&own, &shared, &shared, &own] {
                    lab.run(&["--dry-run", option]).expect(0);
                }
            });
        }
    });
    let names = fs::read_dir(place.dir.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let expected = (0..8).map(|number| format!("kamonline{number}.prom"));
    let mut expected: Vec<_> = expected.chain(["kamonline.prom".into()]).collect();
    expected.sort();
    assert_eq!(
        names,
        expected
            .iter()
            .map(std::ffi::OsString::from)
            .collect::<Vec<_>>()
    );
    assert_eq!(metrics(&place.file())["last_run_dry_run"], 1.0);
}
