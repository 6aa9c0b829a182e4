//! The Redises that are wrong, each with a Kamailio that is not.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use super::Site;
use super::kamailio::full_queue;
use super::masters::hello;
use crate::lab::{
    End, Fault, Kamailio, KamailioOptions, Lab, Listener, Proxy, Redis, RedisOptions, RedisProxy,
    Rule, until,
};

/// Nobody asks it: Redis is read first.
const NO_KAMAILIO: &str = "http://127.0.0.1:1/rpc";

/// 100 is registered and in the set, and so is somebody who is gone.
fn of(options: RedisOptions, then: impl FnOnce(&Redis)) -> Site {
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    kamailio.register("100@abc.voip.ca");
    let redis = Redis::with(options);
    redis.add_many("ONLINE:abc.voip.ca", ["100", "gone"]);
    then(&redis);
    let (url, redis_url) = (kamailio.rpc_url(), redis.url());
    Site::new(url, redis_url, (kamailio, redis)).with(&["--retries=0"])
}

pub fn down() -> Site {
    let mut redis = Redis::start();
    redis.kill();
    Site::new(NO_KAMAILIO, redis.url(), redis).with(&["--retries=0"])
}

pub fn dead_before_the_removal() -> Site {
    let lab = Lab::drifted();
    let client = lab.redis.client();
    let proxy = Proxy::before(&lab.kamailio, 1, move || {
        let _ = client.try_command(&["SHUTDOWN", "NOSAVE"]);
    });
    let (url, redis) = (proxy.url(), lab.redis.url());
    Site::new(url, redis, (proxy, lab)).with(&["--settle=0s"])
}

pub fn hanging() -> Site {
    let redis = Redis::start();
    redis.pause();
    Site::new(NO_KAMAILIO, redis.url(), redis).with(&["--timeout=300ms"])
}

pub fn behind_a_firewall() -> Site {
    let (full, queue) = full_queue();
    Site::new(NO_KAMAILIO, full.url(), (full, queue)).with(&["--timeout=1s", "--retries=0"])
}

pub fn without_an_address() -> Site {
    let nowhere = "redis://no.such.name.invalid:6379";
    Site::new(NO_KAMAILIO, nowhere, ()).with(&["--retries=0"])
}

pub fn short_of_replicas() -> Site {
    of(RedisOptions::default(), |redis| {
        redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    })
}

pub fn busy() -> Site {
    let options = RedisOptions {
        extra: vec!["lua-time-limit 50".into()],
        ..RedisOptions::default()
    };
    of(options, |redis| {
        let client = redis.client();
        // It ends with its Redis.
        thread::spawn(move || client.try_command(&["EVAL", "while true do end", "0"]));
        until("it is busy", || redis.try_command(&["PING"]).is_err());
    })
}

/// It has its members from a master that does not.
pub fn that_renames(command: &str) -> Site {
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    kamailio.register("100@abc.voip.ca");
    let master = Redis::start();
    master.add_many("ONLINE:abc.voip.ca", ["100", "gone"]);
    let redis = Redis::with(RedisOptions {
        extra: vec![
            format!("rename-command {command} \"\""),
            "replica-read-only no".into(),
        ],
        replica_of: Some(master.port()),
        ..RedisOptions::default()
    });
    redis.command(&["REPLICAOF", "NO", "ONE"]);
    let (url, redis_url) = (kamailio.rpc_url(), redis.url());
    Site::new(url, redis_url, (kamailio, master, redis)).with(&["--retries=0"])
}

/// A proxy finds its server by the key, which SCAN has not; and it knows neither HELLO nor INFO.
fn behind(fault: Fault, commands: &[&'static str]) -> Site {
    let lab = Lab::drifted();
    let rule = |command: &&'static str| Rule {
        command,
        times: 0..usize::MAX,
        onwards: false,
        fault: fault.clone(),
    };
    let proxy = RedisProxy::new(&lab.redis, commands.iter().map(rule).collect());
    let (url, redis) = (lab.kamailio.rpc_url(), proxy.url());
    Site::new(url, redis, (lab, proxy)).with(&["--retries=0"])
}

pub fn behind_a_proxy(says: &str) -> Site {
    let says = Fault::Says(format!("{says}\r\n").into());
    behind(says, &["HELLO", "INFO", "SCAN"])
}

pub fn behind_a_proxy_that_closes() -> Site {
    behind(Fault::Before(End::Close), &["HELLO", "INFO", "SCAN"])
}

/// Envoy puts the replies of its two servers together.
pub fn behind_a_proxy_for_two() -> Site {
    let of_two = b"*4\r\n$1\r\n0\r\n*0\r\n$1\r\n0\r\n*0\r\n";
    behind(Fault::Says(of_two.into()), &["SCAN"])
}

/// A SCAN with one new cursor after the other, each in time.
pub fn slow_as_a_whole() -> Site {
    let redis = Listener::serve(|mut client| {
        let mut command = [0; 4_096];
        let mut cursors = 1..;
        while let Ok(length @ 1..) = client.read(&mut command) {
            let is_scan = command[..length].windows(4).any(|word| word == b"SCAN");
            let reply = match is_scan {
                true => {
                    thread::sleep(Duration::from_millis(50));
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
    let url = format!("redis://{}", redis.address);
    let site = Site::new(NO_KAMAILIO, url, redis).with(&["--timeout=300ms"]);
    Site {
        takes: 6..9,
        ..site
    }
}
