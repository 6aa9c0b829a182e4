//! Servers that demand a certificate of kamonline, as a Redis with TLS does unless told otherwise.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::tls::{Site, option};
use crate::lab::{Certificates, KamailioOptions, RedisOptions, TlsSentinel, kamonline, temp_dir};

/// `--redis-ca`, `--redis-cert` and `--redis-key`: the authority of `server`, and what `client` has.
pub fn options(server: &str, ca: &Path, client: &Certificates) -> [String; 3] {
    [
        option(&format!("--{server}-ca"), ca),
        option(&format!("--{server}-cert"), &client.certificate()),
        option(&format!("--{server}-key"), &client.key()),
    ]
}

fn demanding(versions: &str) -> RedisOptions {
    RedisOptions {
        tls: true,
        password: Some("s3cret".into()),
        extra: vec![
            "tls-auth-clients yes".into(),
            format!("tls-protocols {versions}"),
        ],
        ..RedisOptions::default()
    }
}

#[test]
fn redis_demands_a_certificate_and_gets_it() {
    for versions in ["TLSv1.2", "TLSv1.3"] {
        let site = Site::with(KamailioOptions::default(), demanding(versions));
        let (kamailio, redis) = (site.kamailio.rpc_url(), site.redis.url());
        let servers = (kamailio.as_str(), redis.as_str());
        let own = options("redis", &site.redis.ca_file(), site.redis.certificates());
        let [ca, cert, key] = own.each_ref().map(String::as_str);
        let error = match versions {
            "TLSv1.2" => "it ended the TLS handshake (HandshakeFailure)",
            _ => "it demands a certificate of its clients",
        };
        site.fails(
            servers,
            &[ca],
            error,
            "--redis-cert FILE and --redis-key FILE",
        );

        let stranger = Certificates::new();
        let others = options("redis", &site.redis.ca_file(), &stranger);
        site.fails(
            servers,
            &others.each_ref().map(String::as_str),
            "it does not accept the certificate of --redis-cert (UnknownCA)",
            "tls-ca-cert-file in redis.conf",
        );

        site.run(servers.0, servers.1, &[ca, cert, key]).expect(0);
        assert_eq!(site.board(), ["100"]);
    }
}

#[test]
fn kamailio_demands_a_certificate_and_gets_it() {
    let client = Certificates::new();
    let demanding = KamailioOptions {
        tls: true,
        defines: vec![format!(
            "LAB_CLIENT_AUTHORITY=\"{}\"",
            client.ca().display()
        )],
        ..KamailioOptions::default()
    };
    let site = Site::with(demanding, RedisOptions::default());
    let (kamailio, redis) = (site.kamailio.tls_rpc_url(), site.redis.url());
    let servers = (kamailio.as_str(), redis.as_str());
    let own = options("kamailio", &site.kamailio.ca_file(), &client);
    let [ca, cert, key] = own.each_ref().map(String::as_str);
    site.fails(
        servers,
        &[ca],
        "it demands a certificate of its clients",
        "--kamailio-cert FILE and --kamailio-key FILE",
    );
    let stranger = Certificates::new();
    let others = options("kamailio", &site.kamailio.ca_file(), &stranger);
    site.fails(
        servers,
        &others.each_ref().map(String::as_str),
        "it does not accept the certificate of --kamailio-cert (UnknownCA)",
        "ca_list",
    );
    let dir = temp_dir();
    let both = dir.path().join("both.pem");
    let parts = [client.certificate(), client.key()].map(|file| std::fs::read(file).unwrap());
    std::fs::write(&both, parts.concat()).unwrap();
    let both = ["cert", "key"].map(|end| option(&format!("--kamailio-{end}"), &both));
    site.run(servers.0, servers.1, &["-n", ca, &both[0], &both[1]])
        .expect(0);
    site.run(servers.0, servers.1, &[ca, cert, key]).expect(0);
    assert_eq!(site.board(), ["100"]);
}

#[test]
fn a_sentinel_and_its_master_demand_a_certificate() {
    let options_of_redis = RedisOptions {
        password: None,
        ..demanding("TLSv1.3")
    };
    let site = Site::with(KamailioOptions::default(), options_of_redis);
    let sentinel = TlsSentinel::start(&site.redis);
    let (kamailio, url) = (site.kamailio.rpc_url(), sentinel.url());
    let servers = (kamailio.as_str(), url.as_str());
    let own = options("redis", &site.redis.ca_file(), site.redis.certificates());
    let [ca, cert, key] = own.each_ref().map(String::as_str);
    let mymaster = "--redis-sentinel=mymaster";
    let demands = "it demands a certificate of its clients";
    site.fails(servers, &[mymaster, ca], demands, "--redis-cert FILE");
    let untrusted = "its certificate is not trusted";
    site.fails(servers, &[mymaster, cert, key], untrusted, "--redis-ca");
    site.run(servers.0, servers.1, &[mymaster, ca, cert, key])
        .expect(0);
    assert_eq!(site.board(), ["100"]);
}

#[test]
fn half_a_certificate_is_wrong_usage() {
    let (one, other) = (Certificates::new(), Certificates::new());
    let dir = temp_dir();
    let file = |name: &str, text: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let half = std::fs::read(one.key()).unwrap();
    let half = file("half", &half[..half.len() / 2]);
    let old = Certificates::new().into_version_1();
    for (server, url) in [
        ("redis", "rediss://127.0.0.1:1"),
        ("kamailio", "https://127.0.0.1:1/rpc"),
    ] {
        let url = format!("--{server}={url}");
        let [ca, cert, key] = options(server, &one.ca(), &one);
        let key_in = |file: &Path| option(&format!("--{server}-key"), file);
        let not_the_key = format!(
            "is not the key of the certificate in {}",
            one.certificate().display()
        );
        for (args, words) in [
            (
                vec![&url, &ca, &cert],
                &*format!("--{server}-cert is given without --{server}-key"),
            ),
            (
                vec![&url, &ca, &key],
                &*format!("--{server}-key is given without --{server}-cert"),
            ),
            (
                vec![&cert, &key],
                &*format!("--{server}-cert is given, and no URL of --{server} is with TLS"),
            ),
            (vec![&url, &ca, &cert, &key_in(&other.key())], &*not_the_key),
            (
                vec![&url, &ca, &cert, &key_in(&one.certificate())],
                "holds no private key in PEM",
            ),
            (
                vec![
                    &url,
                    &ca,
                    &options(server, &one.ca(), &old)[1],
                    &key_in(&old.key()),
                ],
                "is of version 1, and must be of version 3",
            ),
            (
                vec![&url, &ca, &cert, &key_in(&half)],
                "holds no private key in PEM",
            ),
            (
                vec![&url, &ca, &cert, &key_in(Path::new("/nowhere"))],
                "/nowhere: No such file",
            ),
        ] {
            let args: Vec<_> = args.iter().map(|arg| arg.as_str()).collect();
            let stderr = kamonline(&args).expect(2).stderr;
            assert!(stderr.contains(words), "no {words} in {stderr}");
            for line in std::fs::read_to_string(one.key()).unwrap().lines().skip(1) {
                assert!(!stderr.contains(line), "{stderr}");
            }
        }
    }
}

#[test]
fn a_key_that_everybody_reads_is_warned_of() {
    let site = Site::with(KamailioOptions::default(), demanding("TLSv1.3"));
    let own = options("redis", &site.redis.ca_file(), site.redis.certificates());
    let key = site.redis.certificates().key();
    for (mode, is_warned) in [(0o604, true), (0o600, false)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let run = site.run(
            &site.kamailio.rpc_url(),
            &site.redis.url(),
            &own.each_ref().map(String::as_str),
        );
        let stderr = run.expect(0).stderr;
        let warning = format!(
            "--redis-key {}: everybody on this machine can read it",
            key.display()
        );
        assert_eq!(stderr.contains(&warning), is_warned, "{stderr}");
    }
}
