//! A URL before it is parsed: what a parser would say of these slips leads astray, and may show a part of a password.

use crate::failure::Failure;

/// `option` is `--redis` or `--kamailio`. No error quotes the URL, which may hold a password.
pub fn check_url(option: &str, url: &str) -> Result<(), Failure> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    // The path of a socket may hold anything, and so may the password behind it.
    if scheme.to_ascii_lowercase().ends_with("unix") {
        return Ok(());
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    if after.contains('@') {
        let message =
            format!("{option}: a / ? # or @ in a password must be written %2F %3F %23 %40");
        return Err(Failure::usage(message).hint(format!(
            "or put the password as it is into {option}-password-file"
        )));
    }
    let host = authority.rsplit('@').next().unwrap_or_default();
    if !host.is_ascii() {
        return Err(Failure::usage(format!(
            "{option}: the host name has letters that DNS does not have"
        ))
        .hint(
            "write each part of an international name as DNS has it: xn--bcher-kva.example is \
             bücher.example",
        ));
    }
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let is_number = !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
    if is_number && !matches!(port.parse::<u16>(), Ok(1..)) {
        return Err(
            Failure::usage(format!("{option}: the port of the URL is out of range"))
                .hint("give one from 1 to 65535"),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_one_from_1_to_65535() {
        let is_wrong = |url: &str| {
            check_url("--redis", url).is_err_and(|failure| {
                let hint = failure.hint.as_deref();
                assert_eq!(hint, Some("give one from 1 to 65535"), "{url}");
                failure.to_string() == "--redis: the port of the URL is out of range"
            })
        };
        for url in [
            "redis://127.0.0.1:99999",
            "rediss://me:1@[::1]:65536/0",
            "http://a:0/rpc",
        ] {
            assert!(is_wrong(url), "{url}");
        }
        for url in [
            "redis://[::99999]/0",
            "redis://me:99999@a",
            "http://a:65535/rpc:99999",
            "redis://a:/0",
            "unix:///a:99999",
        ] {
            assert!(!is_wrong(url), "{url}");
        }
    }
}
