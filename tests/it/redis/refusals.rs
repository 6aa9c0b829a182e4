//! What kamonline gives up of its own accord: it asks once, of a cluster and behind sentinels too.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::faults::table::{KEY, args, kamailio};
use crate::lab::{
    End, Fault, Listener, Redis, RedisOptions, RedisProxy, Rule, Run, kamonline, until,
};

/// Long enough to be asked many times.
const TIMEOUT: Duration = Duration::from_secs(60);

fn always(command: &'static str, fault: Fault) -> Rule {
    Rule {
        command,
        times: 0..usize::MAX,
        onwards: false,
        fault,
    }
}

fn says(answer: impl Into<Vec<u8>>) -> Fault {
    Fault::Says(answer.into())
}

fn hello(mode: &str) -> String {
    let length = mode.len();
    format!("*4\r\n$4\r\nmode\r\n${length}\r\n{mode}\r\n$4\r\nrole\r\n$6\r\nmaster\r\n")
}

fn port(proxy: &RedisProxy) -> String {
    let url = proxy.url();
    let port = url.trim_end_matches("/0").rsplit(':').next();
    port.unwrap().to_owned()
}

/// A node that has all slots.
fn cluster_of_one() -> Redis {
    let redis = Redis::with(RedisOptions {
        extra: vec!["cluster-enabled yes".into()],
        ..RedisOptions::default()
    });
    redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until("the cluster is up", || {
        redis.try_command(&["SADD", KEY, "100"]).is_ok()
    });
    redis
}

/// A Redis behind a proxy, which is reached as a cluster or by a sentinel.
struct Site {
    redis: Redis,
    proxy: RedisProxy,
    sentinel: Option<RedisProxy>,
    timeout: Duration,
}

impl Site {
    /// A cluster of one node, which announces the proxy.
    fn cluster(rules: Vec<Rule>) -> Self {
        let redis = cluster_of_one();
        let proxy = RedisProxy::new(&redis, rules);
        redis.command(&["CONFIG", "SET", "cluster-announce-port", &port(&proxy)]);
        Site {
            redis,
            proxy,
            sentinel: None,
            timeout: TIMEOUT,
        }
    }

    /// A sentinel that names the proxy.
    fn sentinel(rules: Vec<Rule>) -> Self {
        let redis = Redis::start();
        let proxy = RedisProxy::new(&redis, rules);
        let port = port(&proxy);
        let master = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
        let sentinel = RedisProxy::new(&redis, vec![always("SENTINEL", says(master))]);
        Site {
            redis,
            proxy,
            sentinel: Some(sentinel),
            timeout: TIMEOUT,
        }
    }

    /// The run, and how often the command came.
    fn run(&self, command: &str) -> (Run, usize) {
        let kamailio = kamailio();
        let (url, topology) = match &self.sentinel {
            None => (self.proxy.url(), "--redis-cluster"),
            Some(sentinel) => (sentinel.url(), "--redis-sentinel=mymaster"),
        };
        self.redis.add_many(KEY, ["100", "gone"]);
        let timeout = format!("--timeout={}s", self.timeout.as_secs());
        let kamailio = kamailio.url();
        let args = [&args(&kamailio, &url)[..], &[topology, &timeout]].concat();
        (kamonline(&args), self.proxy.seen(command))
    }
}

#[track_caller]
fn is_asked_once(site: &Site, command: &str, seen: usize, said: &str) {
    let (run, times) = site.run(command);
    let run = run.expect(1);
    assert!(run.stderr.contains(said), "{}", run.stderr);
    assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
    assert_eq!(times, seen, "{}", run.stderr);
}

#[test]
fn a_reply_too_large_to_be_one() {
    let flood = || Fault::Before(End::Flood(b"*1000000000\r\n", b"$1\r\nk\r\n"));
    let said = "its reply is larger than any that kamonline asks for";
    for site in [Site::cluster, Site::sentinel] {
        is_asked_once(
            &site(vec![always("SMEMBERS", flood())]),
            "SMEMBERS",
            1,
            said,
        );
    }
}

#[test]
fn a_scan_that_does_not_end() {
    let scan = "*2\r\n$1\r\n7\r\n*0\r\n";
    for site in [Site::cluster, Site::sentinel] {
        let site = site(vec![always("SCAN", says(scan))]);
        is_asked_once(&site, "SCAN", 2, "its SCAN does not end");
    }
}

#[test]
fn more_keys_than_a_site_has_domains() {
    let keys = 3_000_000;
    let mut scan = format!("*2\r\n$1\r\n0\r\n*{keys}\r\n").into_bytes();
    for key in 0..keys {
        scan.extend(format!("$14\r\nONLINE:{key:07}\r\n").into_bytes());
    }
    let said = "more than a million keys under --prefix";
    for site in [Site::cluster, Site::sentinel] {
        let site = site(vec![always("SCAN", says(scan.clone()))]);
        is_asked_once(&site, "SCAN", 1, said);
    }
}

#[test]
fn a_slot_that_moves_again_and_again_needs_no_option_that_is_given() {
    let redis = cluster_of_one();
    let moved = |to: &str| {
        vec![always(
            "SCARD",
            says(format!("-MOVED 1 127.0.0.1:{to}\r\n")),
        )]
    };
    let mut nodes = vec![RedisProxy::new(&redis, vec![])];
    for _ in 0..20 {
        let to = port(nodes.last().unwrap());
        nodes.push(RedisProxy::new(&redis, moved(&to)));
    }
    let mut site = Site::cluster(moved(&port(nodes.last().unwrap())));
    site.timeout = Duration::from_secs(1);
    let run = site.run("SCARD").0.expect(1);
    assert!(
        run.stderr.contains("a slot moves again and again"),
        "{}",
        run.stderr
    );
    assert!(
        !run.stderr.contains("add --redis-cluster"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_master_that_is_none_is_not_told_as_an_option_that_is_given() {
    for (mode, hint) in [
        ("cluster", "--redis-cluster instead of --redis-sentinel"),
        (
            "sentinel",
            "sentinel monitor, in the configuration of the sentinels",
        ),
    ] {
        let run = Site::sentinel(vec![always("HELLO", says(hello(mode)))])
            .run("HELLO")
            .0
            .expect(1);
        assert!(run.stderr.contains(hint), "{}", run.stderr);
        assert!(!run.stderr.contains("  hint: add"), "{}", run.stderr);
    }
}

#[test]
fn a_hung_master_of_a_cluster_is_told_with_the_time_that_passed() {
    let mut site = Site::cluster(vec![always("SCAN", Fault::Before(End::Hang))]);
    site.timeout = Duration::from_secs(1);
    let started = Instant::now();
    let run = site.run("SCAN").0.expect(1);
    let passed = started.elapsed();
    let told = "no answer within 1s; nothing was changed";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert!(passed < Duration::from_secs(3), "{passed:?}");
}

#[test]
fn sets_that_take_too_long_as_a_whole() {
    // A SCAN with one new cursor after the other, each in time.
    let redis = Listener::serve(|mut client| {
        let mut command = [0; 4_096];
        let mut cursors = 1..;
        while let Ok(length @ 1..) = client.read(&mut command) {
            let is_scan = command[..length].windows(4).any(|word| word == b"SCAN");
            let reply = match is_scan {
                true => {
                    std::thread::sleep(Duration::from_millis(50));
                    let cursor = cursors.next().unwrap().to_string();
                    format!("*2\r\n${}\r\n{cursor}\r\n*0\r\n", cursor.len())
                }
                false => hello("standalone"),
            };
            if client.write_all(reply.as_bytes()).is_err() {
                return;
            }
        }
    });
    let (kamailio, url) = (kamailio().url(), format!("redis://{}", redis.address));
    let started = Instant::now();
    let run = kamonline(&[&args(&kamailio, &url)[..], &["--timeout=300ms"]].concat()).expect(1);
    let (said, hint) = (
        "its sets were not read within 6s",
        "the sets as a whole may take 20 times as long",
    );
    assert!(
        run.stderr.contains(said) && run.stderr.contains(hint),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
    assert!(
        (6..9).contains(&started.elapsed().as_secs()),
        "{:?}",
        started.elapsed()
    );
}
