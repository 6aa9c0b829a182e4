//! Redis Cluster: every master's sets, written to their own master, and a master that dies is no harm.

use crate::lab::{Kamailio, KamailioOptions, Proxy, RedisCluster, Run, free_port, kamonline};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub fn run(kamailio: &str, nodes: &[String], args: &[&str]) -> Run {
    let mut all = vec!["--kamailio", kamailio, "--redis-cluster", "--settle=0s"];
    all.extend(nodes.iter().flat_map(|url| ["--redis", url]));
    all.extend(args);
    kamonline(&all)
}

/// So many domains; in each, 100 is registered and in the set, and so is a ghost who is not registered.
pub struct Site {
    pub cluster: Arc<Mutex<RedisCluster>>,
    pub urls: Vec<String>,
    pub kamailio: Kamailio,
    domains: usize,
}

impl Site {
    pub fn with(domains: usize) -> Self {
        let kamailio = Kamailio::start(&KamailioOptions::default(), None);
        kamailio.register_many((0..domains).map(|n| format!("100@d{n}.ca")));
        let cluster = RedisCluster::start();
        let members = |n| ["100", "ghost"].map(|user| (key(n), user.to_string()));
        cluster.add_all((0..domains).flat_map(members));
        Site {
            urls: cluster.urls(),
            cluster: Arc::new(Mutex::new(cluster)),
            kamailio,
            domains,
        }
    }

    pub fn cluster(&self) -> MutexGuard<'_, RedisCluster> {
        self.cluster.lock().unwrap()
    }

    pub fn run(&self, args: &[&str]) -> Run {
        run(&self.kamailio.rpc_url(), &self.urls, args)
    }

    /// The domains where a ghost is.
    pub fn haunted(&self) -> usize {
        let cluster = self.cluster();
        let all = (0..self.domains).map(|n| cluster.members(&key(n)));
        all.inspect(|members| assert!(members.contains(&"100".to_string())))
            .filter(|members| members.len() == 2)
            .count()
    }
}

pub fn key(domain: usize) -> String {
    format!("ONLINE:d{domain}.ca")
}

#[test]
fn a_thousand_domains_on_three_masters_are_put_right() {
    let site = Site::with(1_000);
    let cluster = site.cluster();
    for n in 0..30 {
        cluster.command(&["SET", &format!("ONLINE:other{n}"), "no set"]);
    }
    let big: Vec<String> = (0..5_000).map(|n| n.to_string()).collect();
    cluster.add_all(
        big.iter()
            .map(|user| ("ONLINE:big.ca".into(), user.clone())),
    );
    site.kamailio
        .register_many(big.iter().take(4_000).map(|user| format!("{user}@big.ca")));
    site.kamailio.register("100@new.ca");
    drop(cluster);

    let report = site
        .run(&["--add-missing", "--format=json"])
        .expect(0)
        .json();
    assert_eq!(report["totals"]["removed"], 2_000);
    assert_eq!(report["totals"]["added"], 1);
    assert_eq!(report["redis"]["keys"], 1_001);
    let warnings = report["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 21);
    assert_eq!(warnings[20], "and 10 more of this kind");
    assert_eq!(site.haunted(), 0);
    assert_eq!(site.cluster().members("ONLINE:big.ca").len(), 4_000);
    assert_eq!(site.cluster().members("ONLINE:new.ca"), ["100"]);
    let again = site.run(&[]).expect(0);
    assert_eq!(again.stdout, "in sync: 5001 users online in 1002 domains\n");

    // One node is enough, and so is one of which the first three are dead.
    let nowhere = format!("redis://127.0.0.1:{}", free_port());
    for nodes in [
        vec![site.urls[4].clone()],
        vec![nowhere, site.urls[1].clone()],
    ] {
        let run = run(&site.kamailio.rpc_url(), &nodes, &[]).expect(0);
        assert_eq!(run.stdout, again.stdout);
    }
}

#[test]
fn a_master_that_died_before_the_run_is_waited_for_until_its_replica_took_over() {
    let site = Site::with(60);
    let master = site.cluster().master_of(&key(0));
    site.cluster().kill_master(master);
    let started = Instant::now();
    let report = site
        .run(&["--format=json", "--timeout=20s"])
        .expect(0)
        .json();
    assert_eq!(report["totals"]["removed"], 60);
    assert!(started.elapsed() < Duration::from_secs(20));
    site.cluster().wait_healthy();
    assert_eq!(site.haunted(), 0);
}

#[test]
fn a_master_that_dies_before_a_look_is_survived() {
    for dies_at in [1, 2, 3] {
        let site = Site::with(60);
        let (cluster, phone) = (site.cluster.clone(), site.kamailio.phone());
        let hook = move |request| {
            if request == dies_at {
                let mut cluster = cluster.lock().unwrap();
                let master = cluster.master_of(&key(0));
                cluster.kill_master(master);
            }
            if request == 3 {
                phone.register("ghost@d0.ca");
            }
        };
        let (second, last) = (hook.clone(), hook.clone());
        let proxy = Proxy::before(&site.kamailio, 1, move || hook(1))
            .and_before(2, move || second(2))
            .and_before(3, move || last(3));
        let args = ["--format=json", "--timeout=20s"];
        let report = run(&proxy.url(), &site.urls, &args).expect(0).json();
        assert_eq!(report["totals"]["removed"], 60);
        assert_eq!(report["totals"]["restored"], 1);
        site.cluster().wait_healthy();
        assert_eq!(site.cluster().members(&key(0)), ["100", "ghost"]);
        assert_eq!(site.haunted(), 1);
    }
}

#[test]
fn a_cluster_without_a_master_for_every_slot_is_left_alone() {
    let site = Site::with(20);
    let master = site.cluster().master_of(&key(0));
    site.cluster().kill_with_replica(master);
    let started = Instant::now();
    let run = site.run(&["--timeout=3s"]).expect(1);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
    assert!(
        run.stderr.contains("no replica took its place"),
        "{}",
        run.stderr
    );
    let alive = site.cluster().masters();
    let masters = alive.iter().map(|i| site.cluster().node(*i).calls("srem"));
    assert_eq!(masters.sum::<u64>(), 0);
}
