//! The masters that are wrong: of a cluster, or of sentinels.

use super::Site;
use crate::lab::{End, Fault, Redis, RedisOptions, RedisProxy, Rule, TcpStub, free_port, until};

/// Nobody asks it: Redis is read first.
const NO_KAMAILIO: &str = "http://127.0.0.1:1/rpc";
const KEY: &str = "ONLINE:abc.voip.ca";
const NOW: &[&str] = &["--timeout=1s", "--retries=0"];
/// Long enough to be asked many times, and for a debug build on a busy machine to read what it needs.
const LATER: &[&str] = &["--timeout=10m"];
const OF_CLUSTER: &[&str] = &["--redis-cluster"];
const OF_SENTINEL: &[&str] = &["--redis-sentinel=mymaster"];

fn says(answer: impl Into<Vec<u8>>) -> Fault {
    Fault::Says(answer.into())
}

pub fn hello(mode: &str) -> String {
    let length = mode.len();
    format!("*4\r\n$4\r\nmode\r\n${length}\r\n{mode}\r\n$4\r\nrole\r\n$6\r\nmaster\r\n")
}

/// What a sentinel says of its master.
fn named_at(host: &str, port: &str) -> String {
    let text = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    format!("*2\r\n{}{}", text(host), text(port))
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

/// A cluster of one node, behind a proxy that it announces; and the sites, with how often a command comes to the proxy.
pub fn of_cluster(rules: Vec<Rule>, asked: (&'static str, usize)) -> Site {
    let redis = cluster_of_one();
    let proxy = RedisProxy::new(&redis, rules);
    redis.command(&["CONFIG", "SET", "cluster-announce-port", &port(&proxy)]);
    let site = Site::new(NO_KAMAILIO, proxy.url(), redis).with(OF_CLUSTER);
    Site {
        asked: Some((proxy, asked.0, asked.1)),
        ..site
    }
}

/// A sentinel that names a Redis behind a proxy.
pub fn of_sentinel(rules: Vec<Rule>, asked: (&'static str, usize)) -> Site {
    let redis = Redis::start();
    redis.add_many(KEY, ["100", "gone"]);
    let proxy = RedisProxy::new(&redis, rules);
    let master = says(named_at("127.0.0.1", &port(&proxy)));
    let sentinel = RedisProxy::new(&redis, vec![Rule::always("SENTINEL", master)]);
    let site = Site::new(NO_KAMAILIO, sentinel.url(), (redis, sentinel)).with(OF_SENTINEL);
    Site {
        asked: Some((proxy, asked.0, asked.1)),
        ..site
    }
}

type Of = fn(Vec<Rule>, (&'static str, usize)) -> Site;

pub fn flooding(of: Of) -> Site {
    let flood = Fault::Before(End::Flood(b"*1000000000\r\n", b"$1\r\nk\r\n"));
    of(vec![Rule::always("SMEMBERS", flood)], ("SMEMBERS", 1)).with(LATER)
}

pub fn scanning_without_end(of: Of) -> Site {
    let scan = says("*2\r\n$1\r\n7\r\n*0\r\n");
    of(vec![Rule::always("SCAN", scan)], ("SCAN", 2)).with(LATER)
}

pub fn with_too_many_keys(of: Of) -> Site {
    // 256 MB, with what is kept of each.
    let keys = 2_400_000;
    let mut scan = format!("*2\r\n$1\r\n0\r\n*{keys}\r\n").into_bytes();
    for key in 0..keys {
        scan.extend(format!("$14\r\nONLINE:{key:07}\r\n").into_bytes());
    }
    of(vec![Rule::always("SCAN", says(scan))], ("SCAN", 1)).with(LATER)
}

fn announced_at(port: u16, hanging: Option<TcpStub>) -> Site {
    let redis = Redis::with(RedisOptions {
        extra: vec![
            "cluster-enabled yes".into(),
            format!("cluster-announce-port {port}"),
        ],
        ..RedisOptions::default()
    });
    redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let site = Site::new(NO_KAMAILIO, redis.url(), (redis, hanging));
    site.with(OF_CLUSTER).with(NOW)
}

pub fn announced_and_hanging() -> Site {
    let hanging = TcpStub::hangs_after(b"");
    announced_at(hanging.port(), Some(hanging))
}

pub fn announced_and_down() -> Site {
    announced_at(free_port(), None)
}

pub fn named(host: &str, port: u16, hanging: Option<TcpStub>) -> Site {
    let sentinel = TcpStub::hangs_after(named_at(host, &port.to_string()).as_bytes());
    let site = Site::new(NO_KAMAILIO, sentinel.redis_url(), (sentinel, hanging));
    site.with(OF_SENTINEL).with(NOW)
}

pub fn named_and_hanging() -> Site {
    let hanging = TcpStub::hangs_after(b"");
    named("127.0.0.1", hanging.port(), Some(hanging))
}

pub fn named_and_down() -> Site {
    named("127.0.0.1", free_port(), None)
}

/// From one node to the next, and round again.
pub fn whose_slot_moves_on() -> Site {
    let redis = cluster_of_one();
    let moved = |to: &str| {
        let moved = says(format!("-MOVED 1 127.0.0.1:{to}\r\n"));
        vec![Rule::always("SCARD", moved)]
    };
    let mut nodes = vec![RedisProxy::new(&redis, vec![])];
    for _ in 0..20 {
        let to = port(nodes.last().unwrap());
        nodes.push(RedisProxy::new(&redis, moved(&to)));
    }
    let first = RedisProxy::new(&redis, moved(&port(nodes.last().unwrap())));
    redis.command(&["CONFIG", "SET", "cluster-announce-port", &port(&first)]);
    let site = Site::new(NO_KAMAILIO, first.url(), (redis, nodes, first));
    site.with(OF_CLUSTER).with(&["--timeout=1s"])
}

pub fn that_says_it_is(mode: &str) -> Site {
    of_sentinel(vec![Rule::always("HELLO", says(hello(mode)))], ("HELLO", 1)).with(LATER)
}

pub fn hung_in_a_cluster() -> Site {
    let hang = Fault::Before(End::Hang);
    let site = of_cluster(vec![Rule::always("SCAN", hang)], ("SCAN", 1)).with(&["--timeout=1s"]);
    Site {
        takes: 1..3,
        ..site
    }
}
