//! Whatever the other side sends, and however much of it: an error in time, and memory within bounds.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::faults::table::{BEFORE, KEY, args, kamailio, redis};
use crate::lab::{
    End, Fault, HttpStub, Redis, RedisProxy, Reply, Rule, Run, kamonline, kamonline_command,
};

/// The run, and the most memory that it had resident, in MiB.
fn measured(args: &[&str]) -> (Run, usize) {
    let mut command = kamonline_command(args);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, started) = (command.spawn().unwrap(), Instant::now());
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        peak = kib.map_or(peak, |kib| kib.parse().unwrap());
        assert!(started.elapsed() < Duration::from_secs(30), "it ends");
        std::thread::sleep(Duration::from_millis(1));
    }
    (child.wait_with_output().unwrap().into(), peak / 1024)
}

#[track_caller]
fn fails(name: &str, args: &[&str], within: usize, said: &str) {
    let (run, peak) = measured(args);
    println!("{name}: {peak} MiB");
    let run = run.expect(1);
    assert!(run.stderr.contains(said), "{name}: {}", run.stderr);
    assert!(
        run.stderr.contains("nothing was changed"),
        "{name}: {}",
        run.stderr
    );
    assert!(peak < within, "{name}: {peak} MiB");
}

#[test]
fn kamailio_sends_a_gigabyte_of_rubbish() {
    let redis = redis();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1 << 30);
    let after = |text: &str| format!("{head}{text}").into_bytes();
    let table = "<td>200: OK</td><pre>Domains: <br/>\tDomain: <br/>\t\tDomain: location<br/>\t\tSize: 512<br/>\t\tAoRs: <br/>";
    let aor = format!("{table}\t\t\tAoR: ");
    let json = r#"{"result":{"Domains":[{"Domain":{"Domain":"location","AoRs":[{"AoR":""#;
    let rows = [
        (
            "headers",
            b"HTTP/1.1 200 OK\r\n".to_vec(),
            "X-Rubbish: rubbish\r\n",
            "does not speak HTTP",
        ),
        (
            "one header",
            b"HTTP/1.1 200 OK\r\nX-Rubbish: ".to_vec(),
            "rubbish",
            "does not speak HTTP",
        ),
        (
            "a page",
            after("<td>200: OK</td>"),
            "rubbish",
            "it answered 200",
        ),
        (
            "an error page",
            b"HTTP/1.1 500 Oh\r\nContent-Length: 1073741824\r\n\r\n".to_vec(),
            "rubbish",
            "it answered 500",
        ),
        (
            "one AoR",
            after(&aor),
            "rubbish",
            "no known Kamailio prints",
        ),
        ("tabs", after(table), "\t", "no known Kamailio prints"),
        (
            "tables",
            after("<td>200: OK</td><pre>Domain: "),
            "Domain: ",
            "no known Kamailio prints",
        ),
        (
            "ever more tables",
            after("<td>200: OK</td><pre>"),
            "Domain: a<br/>Size: 1<br/>AoRs: <br/>Stats: <br/>\tRecords: 0<br/>\tMax-Slots: 0<br/>",
            "it has more than 100 usrloc tables",
        ),
        (
            "one user again and again",
            after(table),
            "\t\t\tAoR: 1@abc.voip.ca<br/>",
            "",
        ),
    ];
    for (name, head, unit, said) in rows {
        let stub = HttpStub::serve(vec![Reply::Flood(head, unit.into())]);
        fails(name, &args(&stub.url(), &redis.url()), 64, said);
    }
    // An AoR ends with a quotation mark, and is kept until then.
    for (name, head, unit, within) in [
        ("JSON: one AoR", after(json), "rubbish", 300),
        (
            "JSON: one user again and again",
            after(json),
            r#"1@abc.voip.ca"},{"AoR":""#,
            64,
        ),
        ("JSON: lists in lists", after(r#"{"id":"#), "[", 300),
    ] {
        let stub = HttpStub::serve(vec![Reply::Flood(head, unit.into())]);
        let (url, redis) = (stub.url(), redis.url());
        fails(
            name,
            &[&args(&url, &redis)[..], &["--rpc=jsonrpc"]].concat(),
            within,
            "",
        );
    }
    assert_eq!(redis.members(KEY), BEFORE);
}

#[test]
fn redis_sends_a_gigabyte_of_rubbish() {
    let redis = redis();
    let (foreign, large) = (
        "does not speak the protocol of Redis",
        "its reply is larger than any that kamonline asks for",
    );
    // What is said of it in answer to HELLO, and to SMEMBERS.
    type Row = (
        &'static str,
        &'static [u8],
        &'static [u8],
        [&'static str; 2],
    );
    let rows: [Row; 8] = [
        ("rubbish", b"", b"rubbish", [foreign, foreign]),
        ("a line", b"+", b"rubbish", [large, ""]),
        ("an error", b"-ERR ", b"rubbish", [large, ""]),
        (
            "a bulk string",
            b"$1073741824\r\n",
            b"rubbish",
            [large, foreign],
        ),
        ("numbers", b"*1000000000\r\n", b":1\r\n", [large, large]),
        ("lists in lists", b"*1\r\n", b"*1\r\n", [foreign, foreign]),
        (
            "keys",
            b"*2\r\n$1\r\n1\r\n*1000000000\r\n",
            b"$1\r\nk\r\n",
            [large, foreign],
        ),
        (
            "an impossible number",
            b"*9223372036854775807\r\n",
            b"_\r\n",
            [large, large],
        ),
    ];
    for (name, head, unit, said) in rows {
        for (command, said) in ["HELLO", "SMEMBERS"].into_iter().zip(said) {
            let fault = Fault::Before(End::Flood(head, unit));
            let rule = Rule {
                command,
                times: 0..1,
                onwards: false,
                fault,
            };
            let (kamailio, proxy) = (kamailio(), RedisProxy::new(&redis, vec![rule]));
            let name = format!("Redis: {name} to {command}");
            // What comes takes longer to read on a busy machine than a reply to come.
            let (url, at) = (kamailio.url(), proxy.url());
            let args = [&args(&url, &at)[..], &["--timeout=20s"]].concat();
            let within = if command == "HELLO" { 16 } else { 64 };
            fails(&name, &args, within, said);
        }
    }
    assert_eq!(redis.members(KEY), BEFORE);
}

/// Where nothing else tells whether it is a node of a cluster, 256 keys are asked for together.
#[test]
fn redis_sends_lists_in_place_of_sizes() {
    let redis = redis();
    let text = format!("$65536\r\n{}\r\n", "x".repeat(1 << 16));
    let list = format!("*15\r\n{}", text.repeat(15));
    let says = |command, said: &str| Rule::always(command, Fault::Says(said.into()));
    let no = "-ERR no\r\n";
    let rules = vec![says("HELLO", no), says("INFO", no), says("SCARD", &list)];
    let (kamailio, proxy) = (kamailio(), RedisProxy::new(&redis, rules));
    let (url, at) = (kamailio.url(), proxy.url());
    let args = [&args(&url, &at)[..], &["--timeout=20s"]].concat();
    fails(
        "lists to SCARD",
        &args,
        64,
        "its reply is not a valid number",
    );
}

#[test]
fn a_scan_that_does_not_end_is_ended() {
    let redis = redis();
    for (command, reply) in [
        ("SCAN", "*2\r\n$1\r\n7\r\n*0\r\n"),
        ("SSCAN", "*2\r\n$1\r\n7\r\n*1\r\n$3\r\n100\r\n"),
    ] {
        let always = |command, reply: &str| Rule::always(command, Fault::Says(reply.into()));
        // So large a set is read by SSCAN.
        let rules = vec![always(command, reply), always("SCARD", ":1000000\r\n")];
        let (kamailio, proxy) = (kamailio(), RedisProxy::new(&redis, rules));
        fails(
            command,
            &args(&kamailio.url(), &proxy.url()),
            64,
            "its SCAN does not end",
        );
        assert_eq!(proxy.seen(command), 2);
    }
}

/// As a proxy does that hides a fail-over: the cursor of one server means something else to the next.
#[test]
fn a_scan_that_repeats_members_in_place_of_others_is_begun_again() {
    const USERS: usize = 12_000;
    let redis = Redis::start();
    let user = |number: usize| format!("{number:05}");
    redis.add_many(KEY, (0..USERS).map(user));
    let page = format!(
        "*2\r\n$1\r\n0\r\n*{USERS}\r\n{}",
        "$5\r\n00000\r\n".repeat(USERS)
    );
    let rule = Rule {
        command: "SSCAN",
        times: 0..1,
        onwards: false,
        fault: Fault::Says(page.into_bytes()),
    };
    let proxy = RedisProxy::new(&redis, vec![rule]);
    let aors: Vec<_> = (0..USERS)
        .map(|number| format!("{}@abc.voip.ca", user(number)))
        .collect();
    let aors: Vec<_> = aors.iter().map(String::as_str).collect();
    let kamailio = HttpStub::serve(vec![Reply::Whole(HttpStub::dump(&aors))]);
    let run = kamonline(&args(&kamailio.url(), &proxy.url())).expect(0);
    assert!(
        run.stdout.starts_with("in sync: 12000 users"),
        "{}",
        run.stdout
    );
    assert!(proxy.seen("SSCAN") > 1);
}
