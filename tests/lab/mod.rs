//! The test laboratory: real servers on loopback, phones, servers that misbehave on purpose, and kamonline itself.
//! Everything is started for one test, on free ports, in temporary directories, and is gone when it goes out of scope.

// Several test binaries share it, and none uses all of it.
#![allow(dead_code, unused_imports)]

mod balancer;
mod browser;
mod certificates;
mod cluster;
mod kamailio;
mod kamailio_options;
mod listener;
mod ports;
mod process;
mod proxy;
mod redis;
mod redis_client;
mod redis_proxy;
mod run;
mod sentinel;
mod sip;
mod stub;

pub use balancer::{Balancer, Balancing};
pub use browser::Browser;
pub use certificates::Certificates;
pub use cluster::RedisCluster;
pub use kamailio::Kamailio;
pub use kamailio_options::KamailioOptions;
pub use listener::{Listener, read_message, swallow};
pub use ports::free_port;
pub use process::{Process, program, until};
pub use proxy::Proxy;
pub use redis::{Redis, RedisOptions};
pub use redis_client::RedisClient;
pub use redis_proxy::{End, Fault, RedisProxy, Rule};
pub use run::{
    Run, kamonline, kamonline_by, kamonline_command, kamonline_env, kamonline_for_everybody,
};
pub use sentinel::{Sentinels, TlsSentinel};
pub use sip::Phone;
pub use stub::{HttpStub, Reply, TcpStub};

/// One Kamailio whose kamailio.cfg fills one Redis.
pub struct Lab {
    pub kamailio: Kamailio,
    pub redis: Redis,
}

impl Lab {
    pub fn start() -> Self {
        Lab::with(KamailioOptions::default())
    }

    pub fn with(options: KamailioOptions) -> Self {
        let redis = Redis::start();
        Lab {
            kamailio: Kamailio::start(&options, Some(&redis)),
            redis,
        }
    }

    /// Of abc.voip.ca, 100 is registered and in the set, 101 is stale, 102 missing.
    pub fn drifted() -> Self {
        let lab = Lab::start();
        lab.register("100@abc.voip.ca");
        lab.register("102@abc.voip.ca");
        lab.redis.command(&["SREM", "ONLINE:abc.voip.ca", "102"]);
        lab.redis.add("ONLINE:abc.voip.ca", "101");
        lab
    }

    /// Settings for its two servers, which have just started, and these lines.
    pub fn settings_file(&self, further: &str) -> String {
        let (kamailio, redis) = (self.kamailio.rpc_url(), self.redis.url());
        format!(
            "KAMONLINE_KAMAILIO='{kamailio}'\nKAMONLINE_REDIS='{redis}'\nKAMONLINE_SETTLE='0s'\nKAMONLINE_MIN_UPTIME='0s'\n{further}"
        )
    }

    /// The AoR is written as a phone sends it after `sip:`: `a%20b@abc.voip.ca`.
    pub fn register(&self, aor: &str) {
        self.kamailio.register(aor);
    }

    pub fn register_for(&self, aor: &str, seconds: u32) {
        self.kamailio.register_for(aor, seconds);
    }

    pub fn unregister(&self, aor: &str) {
        self.kamailio.unregister(aor);
    }

    /// The user is gone from Kamailio, and Redis has not heard of it.
    pub fn pull_the_cable(&self, aor: impl AsRef<[u8]>) {
        self.kamailio.drop_contact(aor);
    }

    /// kamonline on this Kamailio and this Redis.
    pub fn run(&self, args: &[&str]) -> Run {
        let (kamailio, redis) = (self.kamailio.rpc_url(), self.redis.url());
        kamonline(&[&["--kamailio", &kamailio, "--redis", &redis], args].concat())
    }
}

pub fn temp_dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A real reply of tests/captures: `capture("5.6.3/three.brief")`.
pub fn capture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/captures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
