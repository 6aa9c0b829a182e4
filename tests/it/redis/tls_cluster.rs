//! TLS to a Redis Cluster, whose nodes announce how they are called.

use super::client_certificates::options;
use super::tls::{Site, option};
use crate::lab::{Kamailio, KamailioOptions, Redis, RedisOptions, until};

/// The Redis is a cluster of one node, with these lines in its redis.conf.
fn of_cluster(extra: &[&str]) -> Site {
    let lines = [&["cluster-enabled yes", "tls-cluster yes"], extra].concat();
    let tls = RedisOptions {
        tls: true,
        extra: lines.into_iter().map(Into::into).collect(),
        ..RedisOptions::default()
    };
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    kamailio.register("100@abc.voip.ca");
    let redis = Redis::with(tls);
    redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let healthy = || {
        redis
            .try_command(&["SADD", "ONLINE:abc.voip.ca", "100", "ghost"])
            .is_ok()
    };
    until("the cluster takes writes", healthy);
    Site { kamailio, redis }
}

#[test]
fn every_node_of_a_cluster_is_reached_over_tls() {
    let site = of_cluster(&[]);
    let (kamailio, redis) = (site.kamailio.rpc_url(), site.redis.url());
    let ca = option("--redis-ca", &site.redis.ca_file());
    let untrusted = site.run(&kamailio, &redis, &["--redis-cluster"]).expect(1);
    assert!(
        untrusted.stderr.contains("its certificate is not trusted"),
        "{}",
        untrusted.stderr
    );
    site.run(&kamailio, &redis, &["--redis-cluster", &ca])
        .expect(0);
    assert_eq!(site.board(), ["100"]);
}

#[test]
fn a_cluster_that_announces_another_name_than_its_certificate_has() {
    let site = of_cluster(&["bind 127.0.0.1 127.0.0.2", "cluster-announce-ip 127.0.0.2"]);
    let (kamailio, redis) = (site.kamailio.rpc_url(), site.redis.url());
    let ca = option("--redis-ca", &site.redis.ca_file());
    let args = ["--redis-cluster", &ca];
    let error = "not valid for name";
    let hint = "cluster-preferred-endpoint-type hostname";
    site.fails((&kamailio, &redis), &args, error, hint);
    for setting in [
        ["cluster-announce-hostname", "localhost"],
        ["cluster-preferred-endpoint-type", "hostname"],
    ] {
        site.redis
            .command(&[&["CONFIG", "SET"], &setting[..]].concat());
    }
    site.run(&kamailio, &redis, &args).expect(0);
    assert_eq!(site.board(), ["100"]);
}

#[test]
fn every_node_of_a_cluster_demands_a_certificate() {
    let site = of_cluster(&["tls-auth-clients yes"]);
    let (kamailio, url) = (site.kamailio.rpc_url(), site.redis.url());
    let servers = (kamailio.as_str(), url.as_str());
    let own = options("redis", &site.redis.ca_file(), site.redis.certificates());
    let [ca, cert, key] = own.each_ref().map(String::as_str);
    let demands = "it demands a certificate of its clients";
    site.fails(
        servers,
        &["--redis-cluster", ca],
        demands,
        "--redis-cert FILE",
    );
    site.run(servers.0, servers.1, &["--redis-cluster", ca, cert, key])
        .expect(0);
    assert_eq!(site.board(), ["100"]);
}
