//! The Kamailios that are wrong, each with a Redis that is not.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Site;
use crate::lab::{HttpStub, Kamailio, KamailioOptions, Lab, Redis, RedisOptions, Reply};

fn lab(options: KamailioOptions) -> Lab {
    let lab = Lab::with(options);
    lab.register("100@abc.voip.ca");
    lab.redis.add("ONLINE:abc.voip.ca", "gone");
    lab
}

fn site(kamailio: impl Into<String>, lab: Lab) -> Site {
    Site::new(kamailio, lab.redis.url(), lab).with(&["--retries=0"])
}

fn of_lab(lab: Lab) -> Site {
    site(lab.kamailio.rpc_url(), lab)
}

pub fn down() -> Site {
    let mut lab = lab(KamailioOptions::default());
    lab.kamailio.kill();
    of_lab(lab)
}

pub fn hanging() -> Site {
    let lab = lab(KamailioOptions::default());
    lab.kamailio.pause();
    of_lab(lab).with(&["--timeout=300ms"])
}

/// A port whose queue of connections is full: the kernel drops what comes, as a firewall does.
pub fn full_queue() -> (Redis, Vec<TcpStream>) {
    let redis = Redis::with(RedisOptions {
        extra: vec!["tcp-backlog 1".into()],
        ..RedisOptions::default()
    });
    redis.pause();
    let address = SocketAddr::from(([127, 0, 0, 1], redis.port()));
    let wait = Duration::from_millis(300);
    let connect = |_| TcpStream::connect_timeout(&address, wait).ok();
    let queue: Vec<_> = (0..10).map_while(connect).collect();
    assert!(queue.len() < 10, "the queue is full");
    (redis, queue)
}

pub fn behind_a_firewall() -> Site {
    let (full, queue) = full_queue();
    let lab = lab(KamailioOptions::default());
    let url = format!("http://127.0.0.1:{}/rpc", full.port());
    let redis = lab.redis.url();
    Site::new(url, redis, (lab, full, queue)).with(&["--timeout=1s", "--retries=0"])
}

pub fn without_an_address() -> Site {
    let lab = lab(KamailioOptions::default());
    site("http://no.such.name.invalid:5060/rpc", lab)
}

pub fn without_room_for_the_dump() -> Site {
    let lab = lab(KamailioOptions {
        buf_size: Some(3000),
        ..KamailioOptions::default()
    });
    let users = (0..200).map(|user| format!("{user}@abc.voip.ca"));
    lab.kamailio.register_many(users);
    of_lab(lab)
}

pub fn without_shared_memory() -> Site {
    let options = KamailioOptions {
        shared_memory_mb: 6,
        ..KamailioOptions::default()
    };
    let kamailio = Kamailio::start(&options, None);
    let redis = Redis::start();
    redis.add("ONLINE:abc.voip.ca", "gone");
    let is_full = |user: u32| {
        let user = user.to_string();
        kamailio.register_raw(user.as_bytes(), "abc.voip.ca") != 200
    };
    assert!((0..50_000).any(is_full), "6 MB hold some 5,000 users");
    assert!(kamailio.log().contains("shm pool"));
    let (url, redis_url) = (kamailio.rpc_url(), redis.url());
    Site::new(url, redis_url, (kamailio, redis)).with(&["--retries=0"])
}

pub fn forbidding_this_host() -> Site {
    of_lab(lab(KamailioOptions {
        defines: vec!["ONLINE_ALLOWED=\"^192[.]0[.]2[.]1$\"".into()],
        ..KamailioOptions::default()
    }))
}

/// Asked at another path.
pub fn at(path: &str) -> Site {
    let lab = lab(KamailioOptions::default());
    site(lab.kamailio.rpc_url().replace("/rpc", path), lab)
}

/// Where kamailio.cfg.example has it with WITH_ONLINE_JSONRPC.
pub fn without_jsonrpc() -> Site {
    at("/jsonrpc").with(&["--rpc=jsonrpc"])
}

/// At the usual root.
pub fn without_xhttp_rpc() -> Site {
    of_lab(lab(KamailioOptions {
        defines: vec!["ONLINE_RPC_ROOT=\"other\"".into()],
        ..KamailioOptions::default()
    }))
}

/// It answers elsewhere, where it would be believed.
pub fn that_moved(status: &str) -> Site {
    let lab = lab(KamailioOptions::default());
    let to = format!(
        "{status}\r\nLocation: {}/ul/ul.dump?arg=brief",
        lab.kamailio.rpc_url()
    );
    let stub = HttpStub::serve(vec![Reply::Whole(HttpStub::answer(&to, ""))]);
    let redis = lab.redis.url();
    Site::new(stub.url(), redis, (stub, lab)).with(&["--retries=0"])
}
