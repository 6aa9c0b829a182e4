//! A registrar that has just started may know a part of its users only: nobody is removed by what it says.

use serde_json::json;

use crate::faults::table::{AFTER, BEFORE, KEY, args, first_dump, later_dump, redis, reset};
use crate::lab::{
    HttpStub, KamailioOptions, Lab, Redis, Reply, Run, capture, kamonline, kamonline_command,
};

const RELEASES: [&str; 5] = ["4.0.7", "4.4.7", "5.0.8", "5.4.9", "5.6.3"];

/// How often one look asks for it.
const QUESTIONS: usize = 6;

/// The two dumps of a Kamailio that answers so for its uptime, and how often it was asked for that.
fn run(redis: &Redis, uptimes: Vec<Reply>, further: &[&str]) -> (Run, usize) {
    let dumps = [first_dump(), later_dump()].map(Reply::Whole);
    let stub = HttpStub::with_uptimes(dumps.into(), uptimes);
    let (url, at) = (stub.url(), redis.url());
    let mut args = args(&url, &at);
    args.retain(|arg| !further.contains(&"--min-uptime=0s") || !arg.starts_with("--min-uptime"));
    let run = kamonline(&[&args[..], further].concat());
    (run, stub.uptimes_asked())
}

fn whole(reply: Vec<u8>) -> Vec<Reply> {
    vec![Reply::Whole(reply)]
}

#[test]
fn until_it_is_over_min_uptime_nobody_is_removed() {
    let redis = redis();
    let no_option_helps = "set it right, or restart Kamailio";
    for (seconds, wait, end) in [
        ("0", "wait 1", no_option_helps),
        ("-30", "wait 120 s", no_option_helps),
        ("soon", "wait 120 s", no_option_helps),
        ("", "wait 120 s", no_option_helps),
        // Since its dump was asked for, a moment has passed.
        ("120", "wait 1 s", ": --min-uptime 0s"),
    ] {
        for dry in [&[][..], &["--dry-run"]] {
            let (refused, _) = run(&redis, whole(HttpStub::up_for(seconds)), dry);
            let refused = refused.expect(3);
            let hint = format!("hint: {wait}");
            assert!(refused.stderr.contains(&hint), "{}", refused.stderr);
            assert!(
                refused.stderr.contains("the next run does it"),
                "{}",
                refused.stderr
            );
            assert!(
                refused.stderr.trim_end().ends_with(end),
                "{}",
                refused.stderr
            );
            assert_eq!(redis.members(KEY), BEFORE, "{seconds}");
        }
    }
    let (done, asked) = run(&redis, whole(HttpStub::up_for("122")), &["--format=json"]);
    let report = done.expect(0).json();
    assert_eq!(report["registrars"][0]["uptime_seconds"], 122);
    assert_eq!(
        report["registrars"][0]["up_since"],
        "Wed Nov 25 08:17:15 2026"
    );
    assert_eq!(
        (redis.members(KEY), asked),
        (AFTER.map(String::from).into(), 3 * QUESTIONS)
    );
    reset(&redis);
    // It has started since its dump was asked for.
    let (refused, _) = run(&redis, whole(HttpStub::up_for("0")), &["--min-uptime=0s"]);
    let refused = refused.expect(3);
    assert!(
        refused
            .stderr
            .contains("has just started, or tells an uptime that makes no sense: it may not"),
        "{}",
        refused.stderr
    );
    assert_eq!(redis.members(KEY), BEFORE);
    let (_, asked) = run(&redis, whole(HttpStub::up_for("1")), &["--min-uptime=0s"]);
    assert_eq!(
        (redis.members(KEY), asked),
        (AFTER.map(String::from).into(), 3 * QUESTIONS)
    );
}

#[test]
fn in_sync_or_only_adding_it_is_not_asked() {
    let redis = Redis::start();
    redis.add(KEY, "100");
    let young = || whole(HttpStub::up_for("0"));
    let (added, asked) = run(&redis, young(), &["--format=json"]);
    assert_eq!(added.expect(0).json()["totals"]["added"], 1);
    let (in_sync, asked_again) = run(&redis, young(), &["--format=json"]);
    let report = in_sync.expect(0).json();
    assert_eq!(report["outcome"], "in_sync");
    assert_eq!(report["registrars"][0]["up_since"], json!(null));
    assert_eq!((asked, asked_again), (0, 0));
}

#[test]
fn one_that_cannot_tell_fails_the_run_and_is_not_asked_again() {
    let redis = redis();
    let forbidden = HttpStub::answer("403 Forbidden", "no");
    let menu = capture("5.6.3/uptime-noarg");
    let unknown = capture("5.6.3/core-nothing");
    for reply in [forbidden, menu, unknown, HttpStub::page("")] {
        let (failed, asked) = run(&redis, whole(reply), &[]);
        let failed = failed.expect(1);
        for part in [
            "asked for its uptime: it answered ",
            "nothing was changed",
            "hint: allow core.uptime in kamailio.cfg",
            "core/core.uptime",
            "--min-uptime 0s",
        ] {
            assert!(failed.stderr.contains(part), "{part}: {}", failed.stderr);
        }
        assert_eq!(
            (asked, redis.members(KEY)),
            (1, BEFORE.map(String::from).into())
        );
    }
    // A connection that breaks is tried again.
    let broken = vec![Reply::Close(vec![]), Reply::Whole(HttpStub::up_for("500"))];
    let (done, asked) = run(&redis, broken, &[]);
    done.expect(0);
    assert_eq!(asked, 1 + 3 * QUESTIONS);
    // Any age is believed, also one that is not told: each look asks as often, to keep out of step with a balancer.
    reset(&redis);
    let forbidden = HttpStub::answer("403 Forbidden", "no");
    let (done, asked) = run(
        &redis,
        whole(forbidden),
        &["--min-uptime=0s", "--format=json"],
    );
    let report = done.expect(0).json();
    assert_eq!(report["notices"][0]["kind"], "untold_uptime");
    assert_eq!(
        (redis.members(KEY), asked),
        (AFTER.map(String::from).into(), 3 * QUESTIONS)
    );
}

#[test]
fn what_real_releases_answered_is_read() {
    let redis = redis();
    let mut read = 0;
    for release in RELEASES {
        for (name, rpc) in [("uptime", "xhttp_rpc"), ("uptime.json", "jsonrpc")] {
            let path = format!("tests/captures/{release}/{name}");
            if !std::path::Path::new(&path).exists() {
                continue;
            }
            let dump = match rpc {
                "jsonrpc" => capture("5.6.3/three.brief.json"),
                _ => capture("5.6.3/three.brief"),
            };
            let uptime = whole(capture(&format!("{release}/{name}")));
            let stub = HttpStub::with_uptimes(whole(dump), uptime);
            let (url, at) = (stub.url(), redis.url());
            let args = ["--kamailio", &url, "--redis", &at, "--rpc", rpc];
            let further = ["--min-uptime=2m", "--dry-run", "--format=json"];
            let report = kamonline(&[&args[..], &further].concat()).expect(3).json();
            let registrar = &report["registrars"][0];
            let since = registrar["up_since"].as_str().unwrap();
            assert!(since.starts_with("Wed Nov 25 09:0") && since.ends_with("2026"));
            let seconds = registrar["uptime_seconds"].as_i64().unwrap();
            assert!((0..10).contains(&seconds), "{path}: {seconds}");
            read += 1;
        }
    }
    assert_eq!(read, 9);
}

#[test]
fn a_real_kamailio_tells_it_over_both_kinds_of_rpc() {
    let lab = Lab::with(KamailioOptions {
        jsonrpc: true,
        ..KamailioOptions::default()
    });
    lab.register("100@abc.voip.ca");
    lab.redis.add("ONLINE:abc.voip.ca", "gone");
    let redis = lab.redis.url();
    for (url, rpc) in [
        (lab.kamailio.rpc_url(), "xhttp_rpc"),
        (lab.kamailio.jsonrpc_url(), "jsonrpc"),
    ] {
        let args = ["--kamailio", &url, "--redis", &redis, "--rpc", rpc];
        // Not what the lab sets, but the default: 2m.
        let mut command = kamonline_command(&[&args[..], &["--format=json"]].concat());
        let refused: Run = command.env_clear().output().unwrap().into();
        let report = refused.expect(3).json();
        let seconds = report["registrars"][0]["uptime_seconds"].as_i64().unwrap();
        assert!((0..60).contains(&seconds), "{report}");
        assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "gone"]);
    }
    crate::lab::until("it is up for a second", || {
        let run = lab.run(&["--min-uptime=1s", "--settle=0s"]);
        run.code == 0
    });
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100"]);
}
