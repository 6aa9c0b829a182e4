//! Several registrars: a user is online when any of them has them, and one that fails fails the run.

use crate::lab::{Kamailio, KamailioOptions, Proxy, Redis, Run, kamonline};
use std::sync::mpsc;
use std::time::Duration;

/// 100 and 101 are on the first, 200 and 101 on the second; `ghost` is on none.
struct Site {
    redis: Redis,
    first: Kamailio,
    second: Kamailio,
}

impl Site {
    fn start() -> Self {
        let redis = Redis::start();
        let [first, second] =
            [(); 2].map(|_| Kamailio::start(&KamailioOptions::default(), Some(&redis)));
        for (kamailio, users) in [(&first, ["100", "101"]), (&second, ["200", "101"])] {
            for user in users {
                kamailio.register(&format!("{user}@abc.voip.ca"));
            }
        }
        redis.add("ONLINE:abc.voip.ca", "ghost");
        Site {
            redis,
            first,
            second,
        }
    }

    fn run(&self, registrars: &[&str], args: &[&str]) -> Run {
        let registrars = registrars.iter().flat_map(|url| ["--kamailio", url]);
        let redis = self.redis.url();
        let mut all: Vec<&str> = registrars.collect();
        all.extend(["--redis", &redis, "--settle=0s"]);
        all.extend(args);
        kamonline(&all)
    }

    fn board(&self) -> Vec<String> {
        self.redis.members("ONLINE:abc.voip.ca")
    }
}

#[test]
fn a_user_whom_any_registrar_has_is_online() {
    let site = Site::start();
    let (first, second) = (site.first.rpc_url(), site.second.rpc_url());

    let alone = site.run(&[&first], &["--dry-run", "--format=json"]);
    assert_eq!(
        alone.expect(0).json()["domains"][0]["stale"],
        serde_json::json!(["200", "ghost"]),
        "the test could not fail otherwise"
    );

    let report = site
        .run(&[&first, &second], &["--format=json"])
        .expect(0)
        .json();
    assert_eq!(site.board(), ["100", "101", "200"]);
    assert_eq!(report["totals"]["online"], 3, "101 counts once");
    assert_eq!(report["totals"]["removed"], 1);
    for (number, url) in [first, second].iter().enumerate() {
        let registrar = &report["registrars"][number];
        assert_eq!(registrar["url"], *url);
        assert_eq!(registrar["aors"], 2);
        let server = registrar["server"].as_str().unwrap();
        assert!(server.starts_with("kamailio ("), "{server}");
    }
}

#[test]
fn a_dead_registrar_means_that_nobody_is_removed() {
    let mut site = Site::start();
    let (first, second) = (site.first.rpc_url(), site.second.rpc_url());
    let before = site.board();
    site.second.kill();
    for order in [[&first, &second], [&second, &first]] {
        let run = site
            .run(&order.map(String::as_str), &["--format=json"])
            .expect(1);
        let error = format!("Kamailio at {second}: cannot connect");
        assert!(run.stderr.contains(&error), "{}", run.stderr);
        assert!(!run.stderr.contains(&first), "{}", run.stderr);
        assert!(run.stderr.contains("nothing was changed"), "{}", run.stderr);
        assert!(
            run.stderr.contains("check that Kamailio runs"),
            "{}",
            run.stderr
        );
        let report = run.json();
        assert_eq!(report["outcome"], "failed");
        assert_eq!(report["registrars"][0]["url"], *order[0]);
        assert_eq!(report["registrars"][1]["url"], *order[1]);
        assert!(
            report["error"]["message"]
                .as_str()
                .unwrap()
                .contains(&error)
        );
    }
    assert_eq!(site.board(), before);
    assert_eq!(site.redis.calls("srem"), 0);
}

#[test]
fn a_registrar_that_says_nothing_means_that_nobody_is_removed() {
    let site = Site::start();
    let (first, second) = (site.first.rpc_url(), site.second.rpc_url());
    site.first.pause();
    let run = site.run(&[&first, &second], &["--timeout=1s"]).expect(1);
    site.first.resume();
    let error = format!("Kamailio at {first}: no answer within 1s");
    assert!(run.stderr.contains(&error), "{}", run.stderr);
    assert!(run.stderr.contains("raise --timeout"), "{}", run.stderr);
    assert_eq!(site.redis.calls("srem"), 0);
}

#[test]
fn registrars_are_asked_at_the_same_time() {
    let site = Site::start();
    // Neither request is passed on before the other has come, too.
    let (to_first, from_second) = mpsc::channel();
    let (to_second, from_first) = mpsc::channel();
    let patience = Duration::from_secs(5);
    let meet = |say: mpsc::Sender<()>, hear: mpsc::Receiver<()>| {
        move || {
            let _ = say.send(());
            let _ = hear.recv_timeout(patience);
        }
    };
    let first = Proxy::before(&site.first, 1, meet(to_second, from_second));
    let second = Proxy::before(&site.second, 1, meet(to_first, from_first));
    let args = ["--dry-run", "--timeout=4s"];
    let run = site.run(&[&first.url(), &second.url()], &args).expect(0);
    assert!(run.stdout.contains("  - ghost\n"), "{}", run.stdout);
}

#[test]
fn each_further_look_is_at_every_registrar() {
    for (look, kept) in [(2, "returned"), (3, "restored")] {
        let site = Site::start();
        // Somebody is removed all the same, so that there is a last look.
        site.redis.add("ONLINE:abc.voip.ca", "spirit");
        let phone = site.second.phone();
        let second = Proxy::before(&site.second, look, move || {
            phone.register("ghost@abc.voip.ca");
        });
        let first = Proxy::new(&site.first);
        let run = site
            .run(&[&first.url(), &second.url()], &["--format=json"])
            .expect(0);
        assert_eq!(run.json()["domains"][0][kept], serde_json::json!(["ghost"]));
        assert_eq!(site.board(), ["100", "101", "200", "ghost"]);
        assert_eq!((first.looks().len(), second.looks().len()), (3, 3));
    }
}
