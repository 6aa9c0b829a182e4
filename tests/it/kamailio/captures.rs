//! Every real reply of tests/captures: read right, or refused with the hint that helps.

use crate::lab::{HttpStub, Redis, Reply, Run, capture, kamonline};
use std::collections::BTreeSet;

const RELEASES: [&str; 5] = ["4.0.7", "4.4.7", "5.0.8", "5.4.9", "5.6.3"];

/// kamonline on one real reply and a Redis with one user, who is in none of them.
fn run(redis: &Redis, name: &str, args: &[&str]) -> Run {
    let kamailio = HttpStub::serve(vec![Reply::Whole(capture(name))]);
    let run = kamonline(
        &[
            &["--kamailio", &kamailio.url(), "--redis", &redis.url()][..],
            &["--dry-run", "--format=json", "-v"][..],
            args,
        ]
        .concat(),
    );
    assert_eq!(kamailio.looks().len(), 1, "{name}: asked once");
    run
}

fn redis() -> Redis {
    let redis = Redis::start();
    redis.add("ONLINE:abc.voip.ca", "ghost");
    redis
}

/// The users that the reply was read to hold, as `user@domain`.
fn users(run: Run) -> BTreeSet<String> {
    let report = run.expect(0).json();
    let domains = report["domains"].as_array().unwrap();
    let user = |domain: &serde_json::Value, user: &serde_json::Value| {
        format!(
            "{}@{}",
            user.as_str().unwrap(),
            domain["domain"].as_str().unwrap()
        )
    };
    domains
        .iter()
        .flat_map(|domain| {
            domain["missing"]
                .as_array()
                .unwrap()
                .iter()
                .map(move |missing| user(domain, missing))
        })
        .collect()
}

fn set(users: &[&str]) -> BTreeSet<String> {
    users.iter().map(ToString::to_string).collect()
}

#[test]
fn healthy_dumps_of_every_release_are_read() {
    let redis = redis();
    let three = ["100@abc.voip.ca", "101@abc.voip.ca", "102@xyz.voip.ca"];
    let second = ["200@abc.voip.ca", "201@abc.voip.ca", "202@xyz.voip.ca"];
    for release in RELEASES {
        let users = |file: &str, args: &[&str]| {
            let args = [&["--allow-empty"], args].concat();
            users(run(&redis, &format!("{release}/{file}"), &args))
        };
        assert_eq!(users("three.brief", &[]), set(&three), "{release}");
        assert_eq!(
            users("two-tables.brief", &[]),
            set(&[three, second].concat()),
            "{release}"
        );
        assert_eq!(
            users("two-tables.brief", &["--table=location2"]),
            set(&second),
            "{release}"
        );
        assert_eq!(
            users("nodomain.brief", &["--default-domain=d.ca"]).len(),
            3,
            "{release}"
        );
        assert_eq!(users("expired.brief", &[]).len(), 2, "{release}");
    }
}

#[test]
fn hostile_user_names_are_read_as_they_were_registered() {
    let redis = redis();
    let files = ["nasty", "forge", "forge-casesens"];
    let there = |name: &str| std::path::Path::new("tests/captures").join(name).exists();
    let names = RELEASES
        .iter()
        .flat_map(|release| files.map(|file| format!("{release}/{file}")));
    for name in names.filter(|name| there(&format!("{name}.brief"))) {
        let ignores_case = !name.ends_with("casesens");
        let mut args = vec!["--allow-empty"];
        args.extend((!ignores_case).then_some("--case-sensitive"));
        let read = users(run(&redis, &format!("{name}.brief"), &args));
        let registered = registered(&name, ignores_case);
        if name.ends_with("nasty") {
            assert_eq!(read, registered, "{name}");
            continue;
        }
        // Some hosts and control characters were answered 200 and not kept.
        assert!(read.is_subset(&registered), "{name}: {read:#?}");
        for forger in [
            "st<br/>stats: <br/>records: 0",
            "do<br/>domain: location9",
            "sp<br/>aor: 660",
        ] {
            let kept = |aor: &String| aor.eq_ignore_ascii_case(&format!("{forger}@abc.voip.ca"));
            assert!(read.iter().any(kept), "{name} without {forger}: {read:#?}");
        }
    }
}

/// Whom the registrar answered 200, as it stores them: unescaped, in lower case, without password and port.
fn registered(name: &str, lower: bool) -> BTreeSet<String> {
    let text = String::from_utf8(capture(&format!("{name}.registrations.txt"))).unwrap();
    let accepted = text
        .lines()
        .filter_map(|line| line.strip_suffix("\tSIP/2.0 200 OK"));
    accepted
        // A line feed ends the To header before its user's domain.
        .filter(|literal| !literal.contains("\\n"))
        .filter_map(|literal| stored(&python_bytes(literal), lower))
        .collect()
}

fn stored(to: &[u8], lower: bool) -> Option<String> {
    let at = to.iter().rposition(|byte| *byte == b'@')?;
    let user = to[..at].split(|byte| *byte == b':').next()?;
    let mut user = kamonline::matching::unescaped(user).unwrap_or_else(|| user.to_vec());
    if lower {
        user.make_ascii_lowercase();
    }
    let host = String::from_utf8_lossy(&to[at + 1..]).to_ascii_lowercase();
    let host = match host.split_once(':') {
        Some((host, _)) if !host.starts_with('[') => host,
        _ => &host,
    };
    Some(format!("{}@{host}", String::from_utf8_lossy(&user)))
}

/// The bytes of a Python literal: `'a%20b'`, `b'raw\xff'`.
fn python_bytes(literal: &str) -> Vec<u8> {
    let inner = literal.trim_start_matches('b').trim_matches('\'');
    let mut bytes = Vec::new();
    let mut rest = inner;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        let digits = escape
            .strip_prefix('x')
            .unwrap_or_else(|| panic!("{literal}"));
        bytes.push(u8::from_str_radix(&digits[..2], 16).unwrap());
        rest = &digits[2..];
    }
    bytes.extend(rest.as_bytes());
    bytes
}

#[test]
fn an_empty_dump_is_refused_and_tells_the_flag() {
    let redis = redis();
    for release in RELEASES {
        let refused = run(&redis, &format!("{release}/empty.brief"), &[]).expect(3);
        assert!(refused.stderr.contains("db_mode 3"), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("--allow-empty"),
            "{}",
            refused.stderr
        );
        run(
            &redis,
            &format!("{release}/empty.brief"),
            &["--allow-empty"],
        )
        .expect(0);
    }
}

#[test]
fn everything_else_is_refused_with_the_hint_that_helps() {
    let redis = redis();
    let memory = "more private memory (-M 64";
    let cases = [
        ("nodomain.brief", "--default-domain"),
        ("root", "root of xhttp_rpc"),
        ("noarg", "let a proxy in between keep ?arg=brief"),
        ("badurl", "root of xhttp_rpc"),
        ("overflow.500-Internal-Server-Error", memory),
        ("overflow.500-Internal-error-adding-stats", memory),
        ("overflow.500-Internal-error-creating-aor-struct", memory),
        ("overflow.500-Internal-error-creating-stats-struct", memory),
        // Never asked for, but what answers may be anything.
        ("three.full", ""),
        ("injected.full", ""),
        ("lookup-hit", ""),
        ("lookup-miss", ""),
    ];
    let there = |name: &str| std::path::Path::new("tests/captures").join(name).exists();
    for release in RELEASES {
        for (file, hint) in cases {
            let name = format!("{release}/{file}");
            if !there(&name) {
                assert!(file.contains("stats-struct"), "{name} is missing");
                continue;
            }
            let failed = run(&redis, &name, &[]).expect(1);
            assert!(failed.stderr.contains(hint), "{name}: {}", failed.stderr);
            assert!(
                failed.stderr.contains("nothing was changed"),
                "{name}: {}",
                failed.stderr
            );
            assert_eq!(failed.json()["outcome"], "failed", "{name}");
        }
    }
}
