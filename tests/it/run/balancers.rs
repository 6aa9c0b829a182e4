//! Several registrars behind one address: nobody is removed, whoever of them answers.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::lab::{
    Balancer, Balancing, Kamailio, KamailioOptions, Redis, Run, kamonline, read_message,
};

const KEY: &str = "ONLINE:abc.voip.ca";
/// What gives several registrars away that were started in the same second.
const OTHER_PROCESSES: &str = "core.ps tells of other processes from one answer to the next";
const CONTRADICTION: &str = "a member is registered by one answer and not by the next";

/// Two users of each registrar, all of whom are on the board, and `dead`.
fn register(registrars: &[Kamailio], redis: &Redis) {
    for (number, kamailio) in registrars.iter().enumerate() {
        for user in ["00", "01"] {
            kamailio.register(&format!("{number}{user}@abc.voip.ca"));
        }
    }
    redis.add(KEY, "dead");
}

fn start(redis: &Redis) -> Kamailio {
    let options = KamailioOptions {
        jsonrpc: true,
        ..KamailioOptions::default()
    };
    Kamailio::start(&options, Some(redis))
}

/// So many registrars that were started in the same second, by what they say themselves.
fn of_one_second(count: usize, redis: &Redis) -> Vec<Kamailio> {
    loop {
        let registrars: Vec<_> = thread::scope(|threads| {
            let start = |_| threads.spawn(|| start(redis));
            let starting: Vec<_> = (0..count).map(start).collect();
            let started = starting.into_iter().map(|kamailio| kamailio.join());
            started.map(Result::unwrap).collect()
        });
        let mut since = registrars.iter().map(up_since);
        let first = since.next();
        if since.all(|other| Some(other) == first) {
            return registrars;
        }
    }
}

fn up_since(kamailio: &Kamailio) -> String {
    let mut asked = TcpStream::connect(kamailio.address()).unwrap();
    let question = b"GET /rpc/core/core.uptime?arg=1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    asked.write_all(question).unwrap();
    let page = String::from_utf8(read_message(&mut asked).unwrap()).unwrap();
    let (_, since) = page.split_once("up_since: ").unwrap();
    since.split_once('<').unwrap().0.into()
}

fn run(kamailio: &str, redis: &Redis, args: &[&str]) -> Run {
    let servers = ["--kamailio", kamailio, "--redis", &redis.url()];
    kamonline(&[&servers[..], &["--settle=0s"], args].concat())
}

#[test]
fn of_several_registrars_behind_one_address_none_is_believed_alone() {
    for count in [2, 3] {
        let redis = Redis::start();
        let registrars: Vec<_> = (0..count).map(|_| start(&redis)).collect();
        register(&registrars, &redis);
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

/// Their processes tell these apart, and where they do not, who is registered.
#[test]
fn nor_are_several_that_were_started_in_the_same_second() {
    for count in [2, 3] {
        let redis = Redis::start();
        let registrars = of_one_second(count, &redis);
        register(&registrars, &redis);
        for (forbids, said) in [(&[][..], OTHER_PROCESSES), (&["core.ps"], CONTRADICTION)] {
            let balancing = Balancing {
                forbids,
                ..Balancing::default()
            };
            let balancer = Balancer::with(balancing, &registrars);
            let (url, jsonrpc_url) = (balancer.url(), balancer.jsonrpc_url());
            for (url, rpc) in [(&*url, "xhttp_rpc"), (&*jsonrpc_url, "jsonrpc")].repeat(3) {
                let run = run(url, &redis, &["--max-removal=100%", "--rpc", rpc]).expect(3);
                assert!(run.stderr.contains(said), "{}", run.stderr);
                assert_eq!(redis.members(KEY).len(), 2 * count + 1);
            }
        }
        assert_eq!(redis.calls("srem"), 0);
    }
}

/// More users than a registrar has whose dump is asked for again in any case, in a dump that is not cheap either.
#[test]
fn nor_are_large_ones() {
    let redis = Redis::start();
    let registrars = of_one_second(2, &redis);
    for (number, kamailio) in registrars.iter().enumerate() {
        let users = (0..501).map(|user| format!("{number}{user:04}@abc.voip.ca"));
        kamailio.phone().register_many(users);
    }
    redis.add(KEY, "dead");
    let balancing = Balancing {
        delay: Duration::from_millis(25),
        ..Balancing::default()
    };
    for (balancing, said) in [
        (balancing, OTHER_PROCESSES),
        // Much would go. The first dump of every look is the first registrar's, if it is a look's only one.
        (
            Balancing {
                turn: |connection, _| (connection % 7).min(1),
                forbids: &["core.ps"],
                ..balancing
            },
            CONTRADICTION,
        ),
        (
            Balancing {
                forbids: &["core.ps", "core.uptime"],
                ..balancing
            },
            CONTRADICTION,
        ),
    ] {
        let balancer = Balancer::with(balancing, &registrars);
        let run = run(&balancer.url(), &redis, &["--max-removal=100%"]).expect(3);
        assert!(run.stderr.contains(said), "{}", run.stderr);
        assert_eq!(redis.members(KEY).len(), 2 * 501 + 1);
    }
    assert_eq!(redis.calls("srem"), 0);
}

/// Whose dump nobody gets: a few users of many, so the first one's is asked for once at each look.
#[test]
fn nor_is_a_small_one_beside_a_large_one() {
    let redis = Redis::start();
    let registrars = of_one_second(2, &redis);
    let users = (0..501).map(|user| format!("0{user:04}@abc.voip.ca"));
    registrars[0].phone().register_many(users);
    registrars[1].register("1000@abc.voip.ca");
    let delay = Duration::from_millis(25);
    // Of a round robin, and of one that begins anew with each look.
    let turns: [fn(usize, usize) -> usize; 2] = [
        |connection, count| connection % count,
        |connection, count| connection % 13 % count,
    ];
    let tells_less = "at one time and not at another";
    let second: fn(usize) -> bool = |registrar| registrar == 1;
    for turn in turns {
        for (forbids, said) in [
            (&[][..], OTHER_PROCESSES),
            (&["core.ps"], tells_less),
            (&["core.uptime"], OTHER_PROCESSES),
            (&["core.uptime", "core.ps"], tells_less),
        ] {
            let balancing = Balancing {
                turn,
                delay,
                forbids,
                forbids_at: second,
            };
            let balancer = Balancer::with(balancing, &registrars);
            let run = run(&balancer.url(), &redis, &["--min-uptime=0s"]).expect(3);
            assert!(run.stderr.contains(said), "{}", run.stderr);
            assert_eq!(redis.members(KEY).len(), 502);
        }
    }
    assert_eq!(redis.calls("srem"), 0);
}

#[test]
fn of_replicas_who_is_registered_at_another_one_is_not_to_be_removed() {
    let redis = Redis::start();
    let registrars = [start(&redis), start(&redis)];
    for (kamailio, users) in registrars.iter().zip([&["100"][..], &["100", "101"]]) {
        for user in users {
            kamailio.register(&format!("{user}@abc.voip.ca"));
        }
    }
    redis.add(KEY, "dead");
    let balancing = Balancing {
        turn: |connection, _| connection.min(1),
        ..Balancing::default()
    };
    let balancer = Balancer::with(balancing, &registrars);
    let (one, other) = (balancer.url(), registrars[0].rpc_url());
    let args = ["--dry-run", "--replicated", "--kamailio", &other];
    let run = run(&one, &redis, &args).expect(0);
    let to_remove = ": 1 stale user to remove, 0 missing";
    assert!(run.stdout.contains(to_remove), "{}", run.stdout);
}
