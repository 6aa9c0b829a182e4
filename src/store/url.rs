//! What a URL of `--redis` may say: nothing that nobody obeys.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::failure::Failure;

/// The parameters that a URL of a unix socket may have, where a TCP one has its path and its user.
const OF_A_SOCKET: [&str; 3] = ["db", "user", "pass"];

/// `password` goes before one in the URL. No error quotes the URL, which may hold one.
pub fn parse(url: &str, password: Option<&str>) -> Result<ConnectionInfo, Failure> {
    let usage = |why: &str| {
        Failure::usage(format!("--redis: {why}"))
            .hint("write it as redis://127.0.0.1:6379/0, rediss://USER@HOST:PORT, or unix:///run/redis/redis.sock?db=0")
    };
    let parsed = redis::parse_redis_url(url)
        .ok_or_else(|| usage("not a URL that begins with redis://, rediss:// or unix://"))?;
    // What follows an unescaped / ? or # would be shown, and it may be the rest of a password.
    let after_host = [Some(parsed.path()), parsed.query(), parsed.fragment()];
    let has_at = |part: &str| part.contains('@');
    if parsed.has_host() && after_host.into_iter().flatten().any(has_at) {
        return Err(
            usage("a / ? # or @ in a password must be written %2F %3F %23 %40")
                .hint("put the password as it is into --redis-password-file instead"),
        );
    }
    let mut parameters: Vec<_> = parsed
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    let given = parameters.len();
    parameters.sort_unstable();
    parameters.dedup();
    let known = |name: &String| !parsed.has_host() && OF_A_SOCKET.contains(&name.as_str());
    if parameters.len() < given || !parameters.iter().all(known) {
        let refused = usage("the URL has a parameter behind its ? that nobody obeys");
        return Err(match parsed.has_host() {
            true if parameters.contains(&"db".into()) => {
                refused.hint("write the number of the database as the path: redis://HOST:PORT/3")
            }
            true => refused,
            false => refused.hint(
                "give a unix socket db, user and pass, each at most once; write an & in a password as %26",
            ),
        });
    }
    if parsed.fragment() == Some("insecure") {
        return Err(
            usage("#insecure is not supported: a certificate that nobody checks is none")
                .hint("give the root that signed it with --redis-ca FILE"),
        );
    }
    if parsed.fragment().is_some() {
        return Err(usage("the URL has a # that nobody obeys"));
    }
    let info = parsed
        .into_connection_info()
        .map_err(|error| usage(error.detail().unwrap_or("not a Redis URL")))?;
    let mut settings = info.redis_settings().clone().set_skip_set_lib_name();
    if let Some(password) = password {
        settings = settings.set_password(password);
    }
    if settings.username().is_some() && settings.password().is_none() {
        // The redis crate would not log in at all, and so be the default user.
        return Err(
            usage("the URL has a user, and there is no password for them")
                .hint("put it into --redis-password-file"),
        );
    }
    Ok(info.set_redis_settings(settings))
}

pub fn has_tls(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
}

/// Whether the URLs can be those of a cluster, which the redis crate finds out when it connects.
pub fn check_cluster(infos: &[ConnectionInfo]) -> Result<(), Failure> {
    let usage = |why: &str| Err(Failure::usage(format!("--redis-cluster: {why}")));
    let secure = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    let settings = |info: &ConnectionInfo| info.redis_settings().clone();
    let same = |info: &ConnectionInfo| {
        let (one, first) = (settings(info), settings(&infos[0]));
        secure(info) == secure(&infos[0])
            && (one.username(), one.password()) == (first.username(), first.password())
    };
    if infos
        .iter()
        .any(|info| matches!(info.addr(), ConnectionAddr::Unix(_)))
    {
        return usage("a cluster is reached over TCP, not over a unix socket");
    }
    if infos.iter().any(|info| settings(info).db() != 0) {
        return usage("a Redis Cluster has database 0 only");
    }
    if !infos.iter().all(same) {
        return usage("every URL must have the same scheme, user and password");
    }
    Ok(())
}
