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
    Ok(())
}
