//! Redis Sentinel: the sentinels say who the master is, also when it has just died.

use crate::lab::{
    Fault, Kamailio, KamailioOptions, Proxy, Redis, RedisProxy, Rule, Run, Sentinels, free_port,
    kamonline,
};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// 100 is registered and in the set, and a ghost is in the set.
struct Site {
    kamailio: Kamailio,
    group: Arc<Mutex<Sentinels>>,
    urls: Vec<String>,
}

impl Site {
    fn start() -> Self {
        Site::with_passwords(None, None)
    }

    /// What the servers demand, and what the sentinels.
    fn with_passwords(servers: Option<&str>, sentinels: Option<&str>) -> Self {
        let kamailio = Kamailio::start(&KamailioOptions::default(), None);
        kamailio.register("100@abc.voip.ca");
        let group = Sentinels::with_passwords(servers, sentinels);
        group
            .master()
            .add_many("ONLINE:abc.voip.ca", ["100", "ghost"]);
        // A master that dies before its replica has them takes them along.
        group.master().command(&["WAIT", "1", "5000"]);
        Site {
            kamailio,
            urls: group.urls(),
            group: Arc::new(Mutex::new(group)),
        }
    }

    fn group(&self) -> MutexGuard<'_, Sentinels> {
        self.group.lock().unwrap()
    }

    fn run(&self, args: &[&str]) -> Run {
        run(&self.kamailio.rpc_url(), &self.urls, args)
    }
}

fn run(kamailio: &str, sentinels: &[String], args: &[&str]) -> Run {
    let mut all = vec!["--kamailio", kamailio, "--settle=0s"];
    all.extend(sentinels.iter().flat_map(|url| ["--redis", url]));
    let defaults = ["--redis-sentinel=mymaster", "--timeout=20s"];
    let given = |option: &str| args.iter().any(|arg| arg.split('=').next() == Some(option));
    all.extend(
        defaults
            .iter()
            .filter(|default| !given(default.split('=').next().unwrap())),
    );
    all.extend(args);
    kamonline(&all)
}

fn board(redis: &Redis) -> Vec<String> {
    redis.members("ONLINE:abc.voip.ca")
}

#[test]
fn the_sentinels_name_the_master() {
    let site = Site::start();
    let report = site.run(&["--format=json"]).expect(0).json();
    assert_eq!(report["totals"]["removed"], 1);
    assert_eq!(report["redis"]["url"], site.urls.join(", "));
    assert_eq!(board(site.group().master()), ["100"]);

    // The first of them is dead, the second is no sentinel.
    site.group().master().add("ONLINE:abc.voip.ca", "ghost");
    let nowhere = format!("redis://127.0.0.1:{}", free_port());
    let replica = site.group().replica().url();
    let urls = [nowhere, replica, site.urls[2].clone()];
    run(&site.kamailio.rpc_url(), &urls, &[]).expect(0);
    assert_eq!(board(site.group().master()), ["100"]);
}

#[test]
fn sentinels_and_servers_with_a_password_are_asked_with_it() {
    let site = Site::with_passwords(Some("secret"), Some("secret"));
    let bare: Vec<_> = site
        .urls
        .iter()
        .map(|url| url.replace(":secret@", ""))
        .collect();
    let kamailio = site.kamailio.rpc_url();
    let wrong: Vec<_> = bare
        .iter()
        .map(|url| url.replace("://", "://:wr0ng@"))
        .collect();
    for (urls, error) in [
        (&bare, "wants a password"),
        (&wrong, "does not accept the user or the password"),
    ] {
        let run = run(&kamailio, urls, &[]).expect(1);
        assert!(
            run.stderr.contains("the sentinels at redis://127"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains(error), "{}", run.stderr);
        assert!(
            run.stderr.contains("--redis-password-file"),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains("wr0ng"), "{}", run.stderr);
    }
    assert_eq!(board(site.group().master()), ["100", "ghost"]);

    let run = site.run(&["--format=json"]).expect(0);
    assert!(!run.stdout.contains("secret"), "{}", run.stdout);
    assert_eq!(board(site.group().master()), ["100"]);
}

#[test]
fn sentinels_without_a_password_do_not_get_the_one_of_the_servers() {
    let site = Site::with_passwords(Some("secret"), None);
    let run = site.run(&[]).expect(1);
    assert!(
        run.stderr
            .contains("which the sentinels call master of mymaster: it wants a password"),
        "{}",
        run.stderr
    );
    let urls: Vec<_> = site
        .urls
        .iter()
        .map(|url| url.replace("://", "://:secret@"))
        .collect();
    self::run(&site.kamailio.rpc_url(), &urls, &[]).expect(0);
    assert_eq!(board(site.group().master()), ["100"]);
}

#[test]
fn a_master_that_died_before_the_run_is_replaced() {
    let site = Site::start();
    site.group().kill_master_now();
    let report = site.run(&["--format=json"]).expect(0).json();
    assert_eq!(report["totals"]["removed"], 1);
    assert_eq!(board(site.group().master()), ["100"]);
    assert_eq!(
        site.run(&[]).expect(0).stdout,
        "in sync: 1 user online in 1 domain\n"
    );
}

#[test]
fn a_master_that_dies_before_a_look_is_replaced() {
    for dies_at in [1, 2, 3] {
        let site = Site::start();
        let (group, phone) = (site.group.clone(), site.kamailio.phone());
        let hook = move |request| {
            if request == dies_at {
                group.lock().unwrap().kill_master_now();
            }
            if request == 3 {
                phone.register("ghost@abc.voip.ca");
            }
        };
        let (second, last) = (hook.clone(), hook.clone());
        let proxy = Proxy::before(&site.kamailio, 1, move || hook(1))
            .and_before(2, move || second(2))
            .and_before(3, move || last(3));
        let report = run(&proxy.url(), &site.urls, &["--format=json"])
            .expect(0)
            .json();
        assert_eq!(report["totals"]["removed"], 1);
        assert_eq!(report["totals"]["restored"], 1);
        assert_eq!(board(site.group().master()), ["100", "ghost"]);
    }
}

/// A sentinel that calls the first server master so many times, and then the second one.
fn late_sentinel(times: usize, first: &Redis, second: &Redis) -> RedisProxy {
    let names = |times, redis: &Redis| {
        let port = redis.port().to_string();
        let answer = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
        Rule {
            command: "SENTINEL",
            times,
            onwards: false,
            fault: Fault::Says(answer.into()),
        }
    };
    let rules = vec![names(0..times, first), names(times..usize::MAX, second)];
    RedisProxy::new(second, rules)
}

#[test]
fn a_replica_that_sentinels_still_call_master_is_tried_again_until_they_know() {
    let site = Site::start();
    let kamailio = site.kamailio.rpc_url();
    let group = site.group();
    let (master, replica) = (group.master(), group.replica());
    let sentinel = late_sentinel(3, replica, master);
    run(&kamailio, &[sentinel.url()], &[]).expect(0);
    assert_eq!(sentinel.seen("SENTINEL"), 4);
    assert_eq!(board(master), ["100"]);

    // They never know; and nothing is left to write.
    let sentinel = late_sentinel(usize::MAX, replica, master);
    let started = Instant::now();
    let stderr = run(&kamailio, &[sentinel.url()], &["--timeout=1s"])
        .expect(1)
        .stderr;
    assert!(started.elapsed() < Duration::from_secs(5), "{stderr}");
    for part in [
        "which the sentinels call master of mymaster: it is a replica",
        "nothing was changed",
        "why the sentinels still call it master",
    ] {
        assert!(stderr.contains(part), "{stderr}");
    }
    let dry = run(&kamailio, &[sentinel.url()], &["--dry-run"]).expect(0);
    let warning = "warning: Redis at 127.0.0.1:";
    assert!(dry.stderr.contains(warning), "{}", dry.stderr);
    assert_eq!(dry.stderr.matches("it is a replica").count(), 1);
}

#[test]
fn sentinels_that_cannot_name_a_master_change_nothing() {
    let site = Site::start();
    let kamailio = site.kamailio.rpc_url();
    let fails = |urls: &[String], args: &[&str], error: &str, hint: &str| {
        let started = Instant::now();
        let stderr = run(&kamailio, urls, args).expect(1).stderr;
        assert!(started.elapsed() < Duration::from_secs(10), "{stderr}");
        assert!(stderr.contains(error) && stderr.contains(hint), "{stderr}");
        assert!(stderr.contains("nothing was changed"), "{stderr}");
    };
    let name = "they know no master of the name given with --redis-sentinel";
    fails(
        &site.urls,
        &["--redis-sentinel=other"],
        name,
        "SENTINEL MASTERS",
    );
    let nowhere = format!("redis://127.0.0.1:{}", free_port());
    let half = [site.urls[0].clone(), nowhere];
    fails(&half, &["--redis-sentinel=other"], name, "SENTINEL MASTERS");
    let master = site.group().master().url();
    fails(&[master], &[], "what answers is no sentinel", "26379");
    let alone = kamonline(&["--kamailio", &kamailio, "--redis", &site.urls[0]]).expect(1);
    assert!(
        alone.stderr.contains("add --redis-sentinel MASTER"),
        "{}",
        alone.stderr
    );
    assert_eq!(board(site.group().master()), ["100", "ghost"]);

    let mut group = site.group();
    (0..3).for_each(|i| group.pause_sentinel(i));
    fails(
        &site.urls,
        &["--timeout=1s"],
        "no answer within 1s",
        "--timeout",
    );
    (0..3).for_each(|i| group.kill_sentinel(i));
    fails(
        &site.urls,
        &["--timeout=20s"],
        "cannot connect",
        "check that one of these sentinels runs",
    );
}

#[test]
fn a_master_whom_nobody_replaces_is_an_error() {
    let site = Site::start();
    site.group().kill_servers();
    let started = Instant::now();
    let run = site.run(&["--timeout=3s"]).expect(1);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(
        run.stderr
            .contains("which the sentinels call master of mymaster: cannot connect"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("no replica took its place"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
}
