//! `--keep-stale`, for the first weeks of a careful owner: nobody is removed, whatever Kamailio says.

use serde_json::json;

use crate::lab::{HttpStub, Lab, Proxy, Redis, Reply, Run, kamonline, kamonline_env, temp_dir};

#[test]
fn the_missing_are_added_and_the_stale_are_shown_and_stay() {
    let lab = Lab::drifted();
    let proxy = Proxy::new(&lab.kamailio);
    let (kamailio, redis) = (proxy.url(), lab.redis.url());
    let folder = temp_dir();
    let metrics = folder.path().join("kamonline.prom");
    let servers = ["--kamailio", &kamailio, "--redis", &redis];
    // Neither the limit nor the uptime of a Kamailio that has just started matters.
    let args = [
        "--add-missing",
        "--keep-stale",
        "--max-removal=0",
        "--min-uptime=1h",
        "--metrics-file",
        metrics.to_str().unwrap(),
    ];
    let run = |further: &[&str]| kamonline(&[&servers[..], &args, further].concat()).expect(0);

    let shown = "abc.voip.ca: 2 users online, 2 members in ONLINE:abc.voip.ca\n  - 101\n  + 102\n";
    let dry = "dry run, nothing was changed: 1 stale user to keep, 1 missing user to add; 2 users online in 1 domain\n";
    assert_eq!(run(&["--dry-run"]).stdout, format!("{shown}{dry}"));
    let done = "added 1 missing user; 1 stale user kept; 2 users online in 1 domain\n";
    assert_eq!(run(&[]).stdout, format!("{shown}{done}"));
    assert_eq!(
        lab.redis.members("ONLINE:abc.voip.ca"),
        ["100", "101", "102"]
    );
    assert_eq!(proxy.looks().len(), 2, "one dump each");
    assert_eq!(lab.redis.calls("srem"), 1, "that of the lab");

    let report = run(&["--format=json"]).json();
    assert_eq!(report["outcome"], "discrepancies");
    assert!(
        report["registrars"][0]["uptime_seconds"].is_null(),
        "not asked"
    );
    assert_eq!(report["domains"][0]["stale"], json!(["101"]));
    assert_eq!(
        report["totals"],
        json!({"online": 2, "members": 3, "stale": 1, "missing": 0, "removed": 0, "added": 0, "restored": 0, "rolled_back": 0, "off": 0, "other_forms": 0})
    );
    let metrics = std::fs::read_to_string(&metrics).unwrap();
    for line in [
        "kamonline_members_stale 1\n",
        "kamonline_members_removed 0\n",
        "kamonline_last_run_outcome{outcome=\"discrepancies\"} 1\n",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    assert!(
        run(&["--quiet"])
            .stdout
            .ends_with("added 0 missing users; 1 stale user kept; 2 users online in 1 domain\n")
    );
}

#[test]
fn a_dry_run_counts_the_stale_as_a_discrepancy() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    let args = ["--keep-stale", "--dry-run", "--exit-code"];
    assert_eq!(
        lab.run(&args).expect(0).stdout,
        "in sync: 1 user online in 1 domain\n"
    );
    lab.redis.add("ONLINE:abc.voip.ca", "dead");
    lab.run(&args).expect(4);
}

/// What two dumps, if it asks for two, of these AoRs lead to.
fn run(redis: &Redis, aors: &[&str], further: &[&str]) -> Run {
    let dump = || Reply::Whole(HttpStub::dump(aors));
    let kamailio = HttpStub::serve(vec![dump(), dump()]);
    let (url, at) = (kamailio.url(), redis.url());
    let args = ["--kamailio", &url, "--redis", &at, "--add-missing"];
    kamonline(&[&args[..], further].concat())
}

#[test]
fn a_registrar_that_reports_nobody_is_no_reason_to_refuse() {
    let redis = Redis::start();
    redis.add_many("ONLINE:abc.voip.ca", ["100", "101"]);
    run(&redis, &[], &[]).expect(3);
    let kept = run(&redis, &[], &["--keep-stale"]).expect(0);
    let done = "added 0 missing users; 2 stale users kept; 0 users online in 1 domain\n";
    assert!(kept.stdout.ends_with(done), "{}", kept.stdout);
    assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);
}

#[test]
fn nobody_in_common_is_still_refused_since_it_would_add_others() {
    let redis = Redis::start();
    redis.add_many("ONLINE:abc.voip.ca", ["sip:100", "sip:101"]);
    for dry_run in [&[][..], &["--dry-run"]] {
        let args = [&["--keep-stale"], dry_run].concat();
        let refused = run(&redis, &["100@abc.voip.ca"], &args).expect(3);
        for said in ["nobody in common", ": --allow-empty\n"] {
            assert!(refused.stderr.contains(said), "{}", refused.stderr);
        }
    }
    assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["sip:100", "sip:101"]);
    run(
        &redis,
        &["100@abc.voip.ca"],
        &["--keep-stale", "--allow-empty"],
    )
    .expect(0);
    assert_eq!(
        redis.members("ONLINE:abc.voip.ca"),
        ["100", "sip:100", "sip:101"]
    );
}

/// As the timer and cron start it.
#[test]
fn with_ignore_domain_and_add_missing_it_is_a_report() {
    let redis = Redis::start();
    redis.add_many("ONLINE:abc.voip.ca", ["100", "101"]);
    let args = ["--keep-stale", "--ignore-domain", "--quiet"];
    let report = run(&redis, &["100", "102"], &args).expect(0);
    for part in [
        "ONLINE:abc.voip.ca\n  - 101\n",
        "note: --add-missing adds nobody",
        "added 0 missing users; 1 stale user kept;",
    ] {
        assert!(report.stdout.contains(part), "{}", report.stdout);
    }
    assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);
}

#[test]
fn a_run_that_would_neither_remove_nor_add_is_wrong_usage() {
    let said =
        "--keep-stale is given, so nobody would be removed or added\n  hint: add --add-missing";
    let run = kamonline(&["--keep-stale"]).expect(2);
    assert!(run.stderr.contains(said), "{}", run.stderr);
    let hint =
        "hint: leave it out, or look with --dry-run: with --ignore-domain nobody can be added";
    let run = kamonline(&["--keep-stale", "--ignore-domain"]).expect(2);
    assert!(run.stderr.contains(hint), "{}", run.stderr);
    let run = kamonline_env(&[], &[("KAMONLINE_KEEP_STALE", "1")]).expect(2);
    assert!(run.stderr.contains(said), "{}", run.stderr);
}
