//! The report as JSON: the same fields, of the same types, whatever came of the run. Programs read it.

use serde_json::{Value, json};

use crate::lab::{Lab, Run, kamonline, temp_dir};

const MAN: &str = include_str!("../../../man/kamonline.1");

/// Panics unless a report is what the man page promises of format_version 1, field for field.
pub fn assert_is_report(report: &Value) {
    fields(
        report,
        "the report",
        &[
            ("format_version", |value| *value == json!(1)),
            ("program", |value| {
                *value == json!(concat!("kamonline ", env!("CARGO_PKG_VERSION")))
            }),
            ("outcome", |value| {
                let known = ["in_sync", "changed", "discrepancies", "refused", "failed"];
                known.iter().any(|outcome| value == outcome)
            }),
            ("dry_run", Value::is_boolean),
            ("started_at", is_time),
            ("duration_seconds", Value::is_f64),
            ("registrars", Value::is_array),
            ("redis", Value::is_object),
            ("totals", Value::is_object),
            ("domains", Value::is_array),
            ("notices", Value::is_array),
            ("warnings", is_texts),
            ("error", |value| value.is_null() || value.is_object()),
        ],
    );
    for registrar in report["registrars"].as_array().unwrap() {
        let known: [(_, Check); 5] = [
            ("url", is_url),
            ("server", |value| value.is_null() || value.is_string()),
            ("aors", |value| value.is_null() || value.is_u64()),
            ("uptime_seconds", |value| value.is_null() || value.is_i64()),
            ("up_since", |value| value.is_null() || value.is_string()),
        ];
        fields(registrar, "a registrar", &known);
    }
    fields(
        &report["redis"],
        "redis",
        &[("url", is_url), ("keys", Value::is_u64)],
    );
    let totals = [
        "online",
        "members",
        "stale",
        "missing",
        "removed",
        "added",
        "restored",
        "rolled_back",
        "off",
        "other_forms",
    ];
    fields(
        &report["totals"],
        "totals",
        &totals.map(|total| (total, Value::is_u64 as Check)),
    );
    for domain in report["domains"].as_array().unwrap() {
        let known: [(_, Check); 13] = [
            ("domain", Value::is_string),
            ("key", Value::is_string),
            ("keys", Value::is_array),
            ("online", Value::is_u64),
            ("members", Value::is_u64),
            ("stale", is_texts),
            ("missing", is_texts),
            ("restored", is_texts),
            ("rolled_back", is_texts),
            ("returned", is_texts),
            ("off", is_texts),
            ("other_forms", is_texts),
            ("bytes", Value::is_array),
        ];
        fields(domain, "a domain", &known);
    }
    for notice in report["notices"].as_array().unwrap() {
        let known: [(_, Check); 2] = [("kind", Value::is_string), ("message", Value::is_string)];
        fields(notice, "a notice", &known);
    }
    let failed = report["outcome"] == "failed" || report["outcome"] == "refused";
    assert_eq!(report["error"].is_object(), failed, "{report}");
    if failed {
        let known: [(_, Check); 2] = [
            ("message", Value::is_string),
            ("hint", |value| value.is_null() || value.is_string()),
        ];
        fields(&report["error"], "error", &known);
    }
}

type Check = fn(&Value) -> bool;

fn fields(object: &Value, what: &str, known: &[(&str, Check)]) {
    let object = object
        .as_object()
        .unwrap_or_else(|| panic!("{what} is no object"));
    for (name, check) in known {
        let value = object
            .get(*name)
            .unwrap_or_else(|| panic!("{what} has no {name}"));
        assert!(check(value), "{name} of {what}: {value}");
        assert!(MAN.contains(name), "the man page does not name {name}");
    }
    assert_eq!(
        object.len(),
        known.len(),
        "{what} has other fields: {object:?}"
    );
}

fn is_texts(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|texts| texts.iter().all(Value::is_string))
}

fn is_url(value: &Value) -> bool {
    value.as_str().is_some_and(|url| url.contains("://"))
}

/// `2026-01-02T03:04:05Z`
fn is_time(value: &Value) -> bool {
    let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
    value
        .as_str()
        .is_some_and(|time| time.chars().map(shape).eq("0000-00-00T00:00:00Z".chars()))
}

/// The only line on standard output, held to the schema.
fn report(run: &Run) -> Value {
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    let report = run.json();
    assert_is_report(&report);
    report
}

#[test]
fn every_outcome_has_the_same_fields() {
    let mut lab = Lab::drifted();
    lab.redis.add("ONLINE:xyz.voip.ca", "200");
    lab.register("200@xyz.voip.ca");
    let run = |lab: &Lab, args: &[&str], code, outcome| {
        let run = lab.run(&[args, &["--format=json", "--settle=0s"]].concat());
        let report = report(&run.expect(code));
        assert_eq!(report["outcome"], outcome, "{report}");
        assert_eq!(report["dry_run"], args.contains(&"--dry-run"));
        report
    };

    let dry = run(&lab, &["--dry-run"], 0, "discrepancies");
    assert_eq!(
        dry["totals"],
        json!({"online": 3, "members": 3, "stale": 1, "missing": 1, "removed": 0, "added": 0, "restored": 0,
               "rolled_back": 0, "off": 0, "other_forms": 0})
    );
    assert_eq!(
        dry["domains"],
        json!([{"domain": "abc.voip.ca", "key": "ONLINE:abc.voip.ca", "keys": [], "online": 2, "members": 2,
                "stale": ["101"], "missing": ["102"], "returned": [], "restored": [],
                "rolled_back": [], "off": [], "other_forms": [], "bytes": []}])
    );
    assert_eq!(dry["redis"]["keys"], 2);
    assert_eq!(dry["registrars"][0]["aors"], 3);
    assert!(
        dry["registrars"][0]["server"]
            .as_str()
            .unwrap()
            .starts_with("kamailio (")
    );
    run(&lab, &["--dry-run", "--exit-code"], 4, "discrepancies");
    let refused = run(&lab, &["--max-removal=0"], 3, "refused");
    assert!(
        refused["error"]["hint"]
            .as_str()
            .unwrap()
            .contains("--max-removal 1")
    );
    let left = run(&lab, &[], 0, "discrepancies");
    assert_eq!(
        (&left["totals"]["removed"], &left["totals"]["added"]),
        (&json!(1), &json!(0))
    );
    let changed = run(&lab, &["--add-missing"], 0, "changed");
    assert_eq!(changed["totals"]["added"], 1);
    let in_sync = run(&lab, &[], 0, "in_sync");
    assert_eq!(
        (&in_sync["domains"], &in_sync["warnings"]),
        (&json!([]), &json!([]))
    );
    let all = run(&lab, &["-v"], 0, "in_sync");
    assert_eq!(all["domains"].as_array().unwrap().len(), 2);

    lab.kamailio.kill();
    let failed = run(&lab, &["--retries=0"], 1, "failed");
    assert_eq!(
        (&failed["registrars"][0]["aors"], &failed["domains"]),
        (&Value::Null, &json!([]))
    );
    lab.redis.kill();
    let failed = run(&lab, &["--retries=0"], 1, "failed");
    assert!(
        failed["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("Redis at ")
    );
}

#[test]
fn one_registrar_of_two_that_answered_is_told_though_the_run_failed() {
    let lab = Lab::drifted();
    let run = lab.run(&[
        "--kamailio=http://127.0.0.1:1/rpc",
        "--retries=0",
        "--format=json",
    ]);
    let report = report(&run.expect(1));
    assert_eq!(report["registrars"][0]["aors"], 2);
    assert_eq!(report["registrars"][1]["aors"], Value::Null);
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_with_a_warning() {
    let lab = Lab::drifted();
    lab.redis.add("ONLINE:abc.voip.ca", b"a\xffb");
    let report = report(&lab.run(&["--dry-run", "--format=json"]).expect(0));
    assert_eq!(report["domains"][0]["stale"], json!(["101", "a\u{fffd}b"]));
    assert!(report["warnings"][0].as_str().unwrap().contains("U+FFFD"));
}

#[test]
fn a_quiet_run_in_sync_prints_no_report_and_wrong_usage_none_either() {
    let lab = Lab::drifted();
    lab.run(&["--add-missing", "--settle=0s"]).expect(0);
    let run = lab.run(&["--quiet", "--format=json"]).expect(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let run = kamonline(&["--format=json", "--max-removal=many"]).expect(2);
    assert_eq!(run.stdout, "");
    let nowhere = format!("--metrics-file={}/none/k.prom", temp_dir().path().display());
    let run = lab.run(&["--quiet", "--format=json", &nowhere]).expect(1);
    assert_eq!(report(&run)["outcome"], "failed");
}
