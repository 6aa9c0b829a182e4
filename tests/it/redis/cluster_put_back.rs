//! A master of a cluster hangs when users are put back: those of the others do not wait for it.

use std::thread;
use std::time::{Duration, Instant};

use super::cluster::{Site, key, run};
use crate::lab::{HttpStub, Proxy, RedisCluster, until};

/// The first one that is written to.
const HANGS: usize = 0;
/// Eight batches: asked for each of them, or once for as long as the time-out, one that hangs would take so long that the
/// cluster goes down, and nobody of the others could be put back.
const ITS_KEYS: usize = 16;
const IN_A_KEY: usize = 1_000;
const TIMEOUT: Duration = Duration::from_secs(10);

#[test]
fn a_master_that_hangs_keeps_nobody_of_the_others_off() {
    let site = Site::with(1);
    let cluster = site.cluster();
    cluster.on_every_node(&["CONFIG", "SET", "cluster-node-timeout", "5000"]);
    cluster.on_every_node(&["CONFIG", "SET", "cluster-allow-reads-when-down", "yes"]);
    let is_its = |key: &String| cluster.master_of(key) == HANGS;
    let its = (0..).map(|n| format!("ONLINE:a{n}.ca")).filter(is_its);
    let its: Vec<_> = its.take(ITS_KEYS).collect();
    let others = (0..).map(|n| format!("ONLINE:b{n}.ca"));
    let others = others.filter(|key| !is_its(key)).take(2);
    let others: Vec<_> = others.map(|key| (cluster.master_of(&key), key)).collect();
    for key in its.iter().chain(others.iter().map(|(_, key)| key)) {
        cluster.add_all((0..IN_A_KEY).map(|user| (key.clone(), user.to_string())));
    }
    let removed = (ITS_KEYS + others.len()) * IN_A_KEY + 1;
    let urls: Vec<_> = site.urls[1..3].to_vec();
    drop(cluster);
    let hangs = site.cluster.clone();
    let proxy = Proxy::before(&site.kamailio, 3, move || {
        hangs.lock().unwrap().pause_with_replica(HANGS);
    });
    let proxy = proxy.replace(3, HttpStub::answer("500 Server Error", ""));
    let begun = Instant::now();
    let run = thread::scope(|threads| {
        threads.spawn(|| {
            until("the last look", || proxy.looks().len() == 3);
            let are_back = |cluster: &RedisCluster| {
                others
                    .iter()
                    .all(|(node, key)| cluster.node(*node).members(key).len() == IN_A_KEY)
            };
            until("the others are back", || are_back(&site.cluster()));
            site.cluster().node(HANGS).resume();
        });
        let timeout = format!("--timeout={}s", TIMEOUT.as_secs());
        run(&proxy.url(), &urls, &["--max-removal=100%", &timeout])
    });
    let run = run.expect(1);
    let said = format!("everyone who was removed is back: {removed} users");
    assert!(run.stderr.contains(&said), "{}", run.stderr);
    assert!(begun.elapsed() < 5 * TIMEOUT, "{:?}", begun.elapsed());
    let cluster = site.cluster();
    assert!(its.iter().all(|key| cluster.members(key).len() == IN_A_KEY));
    assert_eq!(cluster.members(&key(0)), ["100", "ghost"]);
}
