//! `--replicated`: two registrars that replicate their users to each other with dmq_usrloc.

use std::thread::sleep;
use std::time::Duration;

use crate::lab::{Kamailio, KamailioOptions, Redis, Run, kamonline, until};

const KEY: &str = "ONLINE:abc.voip.ca";

/// 100 registered with the first, 200 with the second, and both know both; `ghost` is on none, and 200 is in no set.
struct Site {
    redis: Redis,
    first: Kamailio,
    second: Kamailio,
}

impl Site {
    fn start() -> Self {
        let redis = Redis::start();
        let start = |peer| {
            let options = KamailioOptions {
                dmq_peer: Some(peer),
                ..KamailioOptions::default()
            };
            Kamailio::start(&options, Some(&redis))
        };
        let first = start(9);
        let second = start(first.address().port());
        let site = Site {
            redis,
            first,
            second,
        };
        // The second makes itself known to the first only a moment after its start.
        until("both know both", || {
            site.first.register("100@abc.voip.ca");
            site.second.register("200@abc.voip.ca");
            [&site.first, &site.second].iter().all(|one| aors(one) == 2)
        });
        site.redis.command(&["SREM", KEY, "200"]);
        site.redis.add(KEY, "ghost");
        site
    }

    fn run(&self, args: &[&str]) -> Run {
        let [first, second] = [&self.first, &self.second].map(Kamailio::rpc_url);
        let redis = self.redis.url();
        let mut all = vec!["--kamailio", &first, "--kamailio", &second];
        all.extend(["--redis", &redis, "--settle=0s", "--timeout=2s"]);
        all.extend(["--add-missing", "--format=json"]);
        kamonline(&[&all, args].concat())
    }

    fn board(&self) -> Vec<String> {
        self.redis.members(KEY)
    }
}

fn aors(kamailio: &Kamailio) -> u64 {
    let redis = Redis::start();
    let args = ["--kamailio", &kamailio.rpc_url(), "--redis", &redis.url()];
    let run = kamonline(&[&args[..], &["-n", "--format=json"]].concat());
    run.json()["totals"]["online"].as_u64().unwrap()
}

#[test]
fn of_replicas_one_that_is_stopped_is_dead_and_the_other_suffices() {
    let mut site = Site::start();
    site.second.kill();
    site.run(&[]).expect(1);
    assert_eq!(site.board(), ["100", "ghost"], "without --replicated");
    let report = site.run(&["--replicated"]).expect(0).json();
    assert_eq!(site.board(), ["100", "200"]);
    assert_eq!(report["notices"][0]["kind"], "dead_registrar");
    assert!(report["registrars"][1]["aors"].is_null());
    site.first.kill();
    // No flag takes dead registrars for registrars without users.
    for further in [&[][..], &["--allow-empty", "--max-removal=100%"]] {
        let run = site.run(&[&["--replicated"], further].concat()).expect(1);
        assert!(run.stderr.contains("cannot connect"), "{}", run.stderr);
        assert_eq!(site.board(), ["100", "200"], "all are dead");
    }
}

#[test]
fn while_a_replica_hangs_users_are_added_and_nobody_is_removed() {
    let site = Site::start();
    site.second.pause();
    let run = site.run(&["--replicated"]).expect(1);
    assert_eq!(site.board(), ["100", "200", "ghost"]);
    for part in ["nobody was removed", "added 1 user", "leave it out"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    site.second.resume();
    site.run(&["--replicated"]).expect(0);
    assert_eq!(site.board(), ["100", "200"]);
}

#[test]
fn a_replica_that_was_just_restarted_does_not_count_while_an_older_one_answers() {
    let mut site = Site::start();
    sleep(Duration::from_secs(5));
    site.first.restart();
    site.run(&["--min-uptime=3s"]).expect(3);
    let young = site.run(&["--replicated", "--min-uptime=1h"]).expect(3);
    assert!(young.stderr.contains("--min-uptime 1h"), "{}", young.stderr);
    assert_eq!(site.board(), ["100", "ghost"]);
    site.run(&["--replicated", "--min-uptime=3s"]).expect(0);
    assert_eq!(site.board(), ["100", "200"]);
}

#[test]
fn registrars_that_do_not_replicate_are_noted() {
    let redis = Redis::start();
    redis.add("ONLINE:abc.voip.ca", "0");
    let [first, second] = [12, 1].map(|users| {
        let kamailio = Kamailio::start(&KamailioOptions::default(), None);
        (0..users).for_each(|user| kamailio.register(&format!("{user}@abc.voip.ca")));
        kamailio
    });
    let [first, second] = [first.rpc_url(), second.rpc_url()];
    let noted = |args: &[&str]| {
        let redis = redis.url();
        let servers = [
            "--kamailio",
            &first,
            "--kamailio",
            &second,
            "--redis",
            &redis,
        ];
        let run = kamonline(&[&servers, args, &["-n", "--format=json"]].concat()).expect(0);
        run.json()["notices"].clone()
    };
    let notice = &noted(&["--replicated"])[0];
    assert_eq!(notice["kind"], "uneven_registrars");
    let message = notice["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("{second} knows 1 AoR,")),
        "{message}"
    );
    assert!(noted(&[]).as_array().unwrap().is_empty());
}

#[test]
fn one_registrar_alone_replicates_to_nobody() {
    let run = kamonline(&["--replicated"]).expect(2);
    assert!(run.stderr.contains("only one URL"), "{}", run.stderr);
}
