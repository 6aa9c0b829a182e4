//! What a person at a terminal sees: errors in red, no more than a few screens, and what a run waits for.

use std::process::Stdio;

use crate::lab::{HttpStub, Lab, Redis, Reply, Run, TcpStub, kamonline, kamonline_by};

/// The output of kamonline under a pseudo-terminal, without the carriage returns that it adds.
fn on_a_terminal(args: &[&str], no_color: &str) -> Run {
    let mut command = kamonline_by("exec script -qec 'exec $RUN' /dev/null", args);
    command.env("NO_COLOR", no_color).stdin(Stdio::null());
    let mut run = Run::from(command.output().unwrap());
    run.stdout.retain(|char| char != '\r');
    run
}

#[test]
fn errors_and_refusals_are_red_on_a_terminal() {
    let lab = Lab::drifted();
    let (kamailio, redis) = (lab.kamailio.rpc_url(), lab.redis.url());
    let args = [
        "--kamailio",
        &kamailio,
        "--redis",
        &redis,
        "--max-removal=0",
    ];
    let red = [
        "\x1b[1;31mrefused, nothing was changed; ",
        "kamonline: \x1b[1;31merror\x1b[0m: ",
    ];
    let run = on_a_terminal(&args, "").expect(3);
    for part in red {
        assert!(run.stdout.contains(part), "{:?}", run.stdout);
    }
    for plain in [
        on_a_terminal(&args, "1").expect(3).stdout,
        on_a_terminal(&[&args[..], &["--color=never"]].concat(), "").stdout,
        kamonline(&args).expect(3).stderr,
    ] {
        assert!(plain.contains("kamonline: error: "), "{plain:?}");
        assert!(!plain.contains('\x1b'), "{plain:?}");
    }
    let always = kamonline(&[&args[..], &["--color=always"]].concat());
    assert!(always.stderr.starts_with(red[1]), "{:?}", always.stderr);
    let wrong = on_a_terminal(&["--timeout=0s"], "").expect(2);
    assert!(wrong.stdout.starts_with(red[1]), "{:?}", wrong.stdout);
}

/// The first line of a domain.
const HEAD: &str = ": 1 user online, 41 members in ";

/// 41 domains, each with 40 stale users, and its lines of output.
fn large(args: &[&str], shown_by: fn(&[&str]) -> Run) -> Vec<String> {
    let redis = Redis::start();
    for domain in 10..51 {
        let users = (100..141).map(|user| user.to_string());
        redis.add_many(&format!("ONLINE:d{domain}.voip.ca"), users);
    }
    let registered: Vec<_> = (10..51).map(|d| format!("100@d{d}.voip.ca")).collect();
    let registered: Vec<_> = registered.iter().map(String::as_str).collect();
    let dump = Reply::Whole(HttpStub::dump(&registered));
    let kamailio = HttpStub::serve(vec![dump.clone(), dump.clone(), dump]);
    let (url, redis_url) = (kamailio.url(), redis.url());
    let servers = ["--kamailio", &url, "--redis", &redis_url];
    let limits = ["--max-removal=100%", "--settle=0s"];
    let run = shown_by(&[&servers[..], &limits, args].concat()).expect(0);
    run.stdout.lines().map(str::to_owned).collect()
}

fn count(lines: &[String], part: &str) -> usize {
    lines.iter().filter(|line| line.contains(part)).count()
}

#[test]
fn a_terminal_shows_some_domains_and_some_users_and_counts_the_rest() {
    let terminal: fn(&[&str]) -> Run = |args| on_a_terminal(args, "1");
    for args in [&["--dry-run"][..], &[]] {
        let lines = large(args, terminal);
        assert_eq!(lines.len(), 62, "{lines:#?}");
        assert_eq!((count(&lines, HEAD), count(&lines, "  - ")), (10, 40));
        assert_eq!(count(&lines, "    and 36 more (-v shows all)"), 10);
        let rest = "and 31 more domains, with 1240 stale users and 0 missing users (-v shows all)";
        assert_eq!(count(&lines, rest), 1, "{lines:#?}");
        let all = large(&[args, &["-v"]].concat(), terminal);
        assert_eq!(count(&all, "  - "), 41 * 40);
    }
}

#[test]
fn what_is_no_terminal_names_everyone_who_was_removed() {
    let lines = large(&[], kamonline);
    assert_eq!((count(&lines, HEAD), count(&lines, "  - ")), (41, 41 * 40));
}

#[test]
fn a_server_that_hangs_is_named_with_the_time_that_passed() {
    let lab = Lab::drifted();
    let (kamailio, redis) = (lab.kamailio.rpc_url(), lab.redis.url());
    let hanging = TcpStub::hangs_after(b"");
    let other_redis = hanging.redis_url().replace("://", "://user:s3cret@");
    lab.kamailio.pause();
    for (redis, waited_for) in [
        (&redis, format!("waiting for Kamailio at {kamailio}: ")),
        (
            &other_redis,
            format!("waiting for Redis at {}: ", hanging.redis_url()),
        ),
    ] {
        let args = ["--kamailio", &kamailio, "--redis", redis];
        let limits = ["--timeout=3s", "--retries=0"];
        let run = on_a_terminal(&[&args[..], &limits].concat(), "1").expect(1);
        for time in ["1s", "2s"] {
            let told = format!("{waited_for}{time} (--timeout 3s)");
            assert!(run.stdout.contains(&told), "no {told} in {:?}", run.stdout);
        }
        assert!(!run.stdout.contains("s3cret"));
    }
    lab.kamailio.resume();
}
