//! Several registrars behind one address: nobody is removed, whoever of them answers.

use crate::lab::{Balancer, Kamailio, KamailioOptions, Redis, Run, kamonline};

const KEY: &str = "ONLINE:abc.voip.ca";

/// So many registrars with two users each, all of whom are on the board, and `dead`.
fn site(registrars: usize) -> (Vec<Kamailio>, Redis) {
    let redis = Redis::start();
    let start = |number| {
        let kamailio = Kamailio::start(&KamailioOptions::default(), Some(&redis));
        for user in ["00", "01"] {
            kamailio.register(&format!("{number}{user}@abc.voip.ca"));
        }
        kamailio
    };
    let registrars = (1..=registrars).map(start).collect();
    redis.add(KEY, "dead");
    (registrars, redis)
}

fn run(kamailio: &str, redis: &Redis, args: &[&str]) -> Run {
    let servers = ["--kamailio", kamailio, "--redis", &redis.url()];
    kamonline(&[&servers[..], &["--settle=0s"], args].concat())
}

#[test]
fn of_several_registrars_behind_one_address_none_is_believed_alone() {
    for count in [2, 3] {
        let (registrars, redis) = site(count);
        let balancer = Balancer::before(&registrars);
        let before = redis.members(KEY);
        // Whichever of them answers first, and in a dry run, too.
        for args in [&["--dry-run"][..], &[], &[], &[], &["--max-removal=100%"]] {
            let run = run(&balancer.url(), &redis, args).expect(3);
            for part in [
                "several registrars answer at http://127.0.0.1:",
                "name each registrar by its own address",
                ": --replicated",
            ] {
                assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
            }
            assert_eq!(redis.members(KEY), before);
        }
        assert_eq!(redis.calls("srem"), 0);
        // Each by its own address, they are believed.
        let urls: Vec<_> = registrars.iter().map(Kamailio::rpc_url).collect();
        let others = urls[1..].iter().flat_map(|url| ["--kamailio", url]);
        run(&urls[0], &redis, &others.collect::<Vec<_>>()).expect(0);
        assert_eq!(redis.members(KEY).len(), 2 * count);
    }
}
