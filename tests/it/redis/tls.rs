//! TLS to both sides.

use std::path::Path;

use crate::lab::{
    Certificates, Kamailio, KamailioOptions, Redis, RedisOptions, Run, kamonline, kamonline_env,
};

/// 100 is registered and in the set, and a ghost is in the set.
pub struct Site {
    pub kamailio: Kamailio,
    pub redis: Redis,
}

impl Site {
    pub fn with(kamailio: KamailioOptions, redis: RedisOptions) -> Self {
        let kamailio = Kamailio::start(&kamailio, None);
        kamailio.register("100@abc.voip.ca");
        let redis = Redis::with(redis);
        redis.add_many("ONLINE:abc.voip.ca", ["100", "ghost"]);
        Site { kamailio, redis }
    }

    pub fn run(&self, kamailio: &str, redis: &str, args: &[&str]) -> Run {
        let all = ["--kamailio", kamailio, "--redis", redis, "--settle=0s"];
        kamonline(&[&all, args].concat())
    }

    pub fn fails(&self, (kamailio, redis): (&str, &str), args: &[&str], error: &str, hint: &str) {
        let stderr = self.run(kamailio, redis, args).expect(1).stderr;
        let (first, rest) = stderr.split_once("\n  hint: ").expect(&stderr);
        assert!(first.contains(error), "{stderr}");
        assert!(first.contains("nothing was changed"), "{stderr}");
        assert!(rest.contains(hint), "{stderr}");
        assert!(!stderr.contains("s3cret"), "{stderr}");
        assert_eq!(self.board(), ["100", "ghost"]);
    }

    fn redis_shows(&self, certificate: &Path, key: &Path) {
        let [certificate, key] = [certificate, key].map(|file| file.to_str().unwrap());
        let set = ["CONFIG", "SET", "tls-cert-file", certificate];
        self.redis
            .command(&[&set[..], &["tls-key-file", key]].concat());
    }

    pub fn board(&self) -> Vec<String> {
        self.redis.members("ONLINE:abc.voip.ca")
    }
}

pub fn option(name: &str, file: &Path) -> String {
    format!("{name}={}", file.display())
}

#[test]
fn redis_over_tls_is_trusted_only_with_its_authority() {
    let tls = RedisOptions {
        tls: true,
        password: Some("s3cret".into()),
        extra: vec!["bind 127.0.0.1 127.0.0.2".into()],
        ..RedisOptions::default()
    };
    let site = Site::with(KamailioOptions::default(), tls);
    let (kamailio, redis) = (site.kamailio.rpc_url(), site.redis.url());
    let kamailio = kamailio.as_str();
    let ca = option("--redis-ca", &site.redis.ca_file());
    let stranger = Certificates::new();
    let other = option("--redis-ca", &stranger.ca());

    let untrusted = "its certificate is not trusted";
    site.fails((kamailio, &redis), &[], untrusted, "--redis-ca");
    site.fails((kamailio, &redis), &[&other], untrusted, "--redis-ca");
    let plain = redis.replace("rediss://", "redis://");
    site.fails(
        (kamailio, &plain),
        &[],
        "the connection broke",
        "use rediss:// with TLS",
    );
    let named = redis.replace("127.0.0.1", "127.0.0.2");
    site.fails(
        (kamailio, &named),
        &[&ca],
        "not valid for name",
        "use the name",
    );

    let run = site
        .run(kamailio, &redis, &["--redis-ca=/nowhere"])
        .expect(2);
    assert!(
        run.stderr.contains("--redis-ca /nowhere: "),
        "{}",
        run.stderr
    );
    let key = option("--redis-ca", &stranger.key());
    let run = site.run(kamailio, &redis, &[&key]).expect(2);
    assert!(
        run.stderr.contains("holds no certificate in PEM"),
        "{}",
        run.stderr
    );

    let valkey = redis.replace("rediss://", "valkeys://");
    site.run(kamailio, &valkey, &["-n", &ca]).expect(0);
    site.run(kamailio, &redis, &[&ca]).expect(0);
    assert_eq!(site.board(), ["100"]);

    // What `openssl req -x509` makes unless told otherwise.
    site.redis.add("ONLINE:abc.voip.ca", "ghost");
    let (own, own_key) = (stranger.ca(), stranger.ca_key());
    site.redis_shows(&own, &own_key);
    site.fails(
        (kamailio, &redis),
        &[&other],
        "CA:TRUE",
        "basicConstraints=CA:FALSE",
    );

    let old = stranger.into_version_1();
    let (certificate, key) = (old.certificate(), old.key());
    site.redis_shows(&certificate, &key);
    site.fails(
        (kamailio, &redis),
        &[&other],
        "of version 1",
        "-extfile FILE",
    );
}

#[test]
fn a_self_signed_certificate_is_its_own_authority() {
    let tls = RedisOptions {
        tls: true,
        ..RedisOptions::default()
    };
    let site = Site::with(KamailioOptions::default(), tls);
    let own = Certificates::self_signed();
    let (certificate, key) = (own.certificate(), own.key());
    site.redis_shows(&certificate, &key);
    let ca = option("--redis-ca", &own.certificate());
    site.run(&site.kamailio.rpc_url(), &site.redis.url(), &[&ca])
        .expect(0);
    assert_eq!(site.board(), ["100"]);
}

#[test]
fn a_system_without_roots_needs_those_of_the_servers() {
    let kamailio = KamailioOptions {
        tls: true,
        ..KamailioOptions::default()
    };
    let redis = RedisOptions {
        tls: true,
        ..RedisOptions::default()
    };
    let site = Site::with(kamailio, redis);
    let (kamailio, redis) = (site.kamailio.tls_rpc_url(), site.redis.url());
    let of_kamailio = option("--kamailio-ca", &site.kamailio.ca_file());
    let of_redis = option("--redis-ca", &site.redis.ca_file());
    let run = |args: &[&str]| {
        let servers = ["--kamailio", &kamailio, "--redis", &redis, "--settle=0s"];
        let no_roots = [("SSL_CERT_FILE", "/dev/null")];
        kamonline_env(&[&servers, args].concat(), &no_roots)
    };
    for (args, option) in [
        (&of_redis, "--kamailio-ca FILE"),
        (&of_kamailio, "--redis-ca FILE"),
    ] {
        let stderr = run(&[args]).expect(2).stderr;
        for words in ["this system has no root certificates", option] {
            assert!(stderr.contains(words), "no {words} in {stderr}");
        }
    }
    let nowhere = [("SSL_CERT_FILE", "/nowhere")];
    let run_without = kamonline_env(&["--redis", &redis], &nowhere).expect(2);
    for words in [
        "cannot be read",
        "at '/nowhere'",
        "SSL_CERT_FILE and SSL_CERT_DIR",
    ] {
        assert!(run_without.stderr.contains(words), "{}", run_without.stderr);
    }
    run(&[&of_kamailio, &of_redis]).expect(0);
    assert_eq!(site.board(), ["100"]);
    let with_roots = [
        "--kamailio",
        &kamailio,
        &of_kamailio,
        "--redis",
        &redis,
        &of_redis,
    ];
    kamonline_env(&with_roots, &nowhere).expect(0);
}

#[test]
fn tls_to_a_redis_without_it_is_an_error() {
    let site = Site::with(KamailioOptions::default(), RedisOptions::default());
    let kamailio = site.kamailio.rpc_url();
    let redis = site.redis.url().replace("redis://", "rediss://");
    let ca = Certificates::new();
    let ca = option("--redis-ca", &ca.ca());
    let slow = "no answer within 1s";
    site.fails(
        (&kamailio, &redis),
        &["--timeout=1s", &ca],
        slow,
        "check that this port speaks TLS",
    );
}

#[test]
fn kamailio_over_tls_is_trusted_only_with_its_authority() {
    let tls = KamailioOptions {
        tls: true,
        ..KamailioOptions::default()
    };
    let site = Site::with(tls, RedisOptions::default());
    let (url, redis) = (site.kamailio.tls_rpc_url(), site.redis.url());
    let redis = redis.as_str();
    let ca = option("--kamailio-ca", &site.kamailio.ca_file());
    let stranger = Certificates::new();
    let other = option("--kamailio-ca", &stranger.ca());

    let untrusted = "its certificate is not trusted";
    site.fails((&url, redis), &[], untrusted, "--kamailio-ca");
    site.fails((&url, redis), &[&other], untrusted, "--kamailio-ca");
    let name = url.replace("127.0.0.1", "127.0.0.2");
    site.fails(
        (&name, redis),
        &[&ca],
        "cannot connect",
        "check that Kamailio runs",
    );
    let http = url.replace("https://", "http://");
    site.fails((&http, redis), &[], "without an answer", "https://");
    let https = site.kamailio.rpc_url().replace("http://", "https://");
    let slow = "no answer within 1s";
    site.fails(
        (&https, redis),
        &["--timeout=1s", &ca],
        slow,
        "a port for TLS",
    );

    site.run(&url, redis, &[&ca]).expect(0);
    assert_eq!(site.board(), ["100"]);
}
