//! The forms in which a kamailio.cfg may write a user: a URI, or a part of one.

use super::aor::{self, unescaped};
use super::scope::AorDomain;

/// What makes the difference between a member and the user whom it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// `sip:100`, `100@abc.voip.ca`, `<sip:100@abc.voip.ca:5060;transport=udp>`, where the user is `100`.
    Longer,
    /// `100`, where the user is `100@abc.voip.ca`.
    Shorter,
    /// The set is that of `abc.voip.ca:5060`.
    Port,
    /// `Alice`, where case counts and the user is `alice`.
    Case,
    /// `100@xyz.voip.ca` in the set of `abc.voip.ca`.
    OtherDomain,
    /// The set is that of `sip.abc.voip.ca`, another name of the domain (`aliases.rs`).
    Alias,
    /// `+1555`, where the AoR is `+1555@`, of a tel: URI; `100`, where the AoR is `100` and others hold a domain.
    NoDomain,
}

/// The users of `of` whom a member may mean, with `domain` behind an `@`.
pub fn forms(
    member: &[u8],
    of: &[u8],
    domain: &[u8],
    aor_domain: &AorDomain,
) -> Vec<(Vec<u8>, Option<Reading>)> {
    let mut forms = Vec::new();
    for member in spellings(member) {
        let name = without_scheme(&member);
        let longer = (name.len() < member.len()).then_some(Reading::Longer);
        forms.push((name.to_vec(), longer));
        let user = match aor::split(name) {
            // Only where AoRs hold their domain another one makes another user.
            Some((_, of)) if *aor_domain == AorDomain::Own && !is_of(of, domain) => None,
            Some((user, _)) => Some(user),
            None => Some(name),
        };
        let parts = user.map(|user| [user, before(user, b';'), before(before(user, b';'), b':')]);
        let whole = without_parameters(name);
        let whole = [Some(whole), without_port(whole)].into_iter().flatten();
        let shorter = parts.into_iter().flatten().chain(whole);
        let shorter = shorter.filter(|part| part.len() < name.len());
        forms.extend(shorter.map(|part| (part.to_vec(), Some(Reading::Longer))));
        // With its domain a member is online already where domains are ignored, but for a scheme, a port or the case.
        let shorter = match aor_domain {
            AorDomain::Ignored => longer,
            AorDomain::Own | AorDomain::Default(_) => Some(Reading::Shorter),
        };
        forms.push(([name, b"@", domain].concat(), shorter));
        if of.is_empty() {
            forms.push(([name, b"@"].concat(), Some(Reading::NoDomain)));
        }
    }
    forms
}

/// The domains behind the `@` of a member, with their port and without, unless they are its own.
pub fn other_domains(member: &[u8], own: &[u8]) -> Vec<Vec<u8>> {
    let mut domains = Vec::new();
    for member in spellings(member) {
        let Some((_, domain)) = aor::split(without_scheme(&member)) else {
            continue;
        };
        let domain = without_parameters(domain);
        if !domain.is_empty() && !is_of(domain, own) {
            domains.push(domain.to_vec());
            domains.extend(without_port(domain).map(<[u8]>::to_vec));
        }
    }
    domains
}

/// Whether a member holds nothing that a URI has besides its user.
pub fn is_user_alone(member: &[u8]) -> bool {
    let is_more =
        |byte: &u8| matches!(byte, b'@' | b':' | b';' | b'<' | b'%' | b'"' | b'?') || *byte <= b' ';
    !member.iter().any(is_more)
}

/// A member as it stands and, where it has an escape, %-unescaped.
fn spellings(member: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    [Some(member.to_vec()), unescaped(member)]
        .into_iter()
        .flatten()
}

/// Of a URI that may stand in angle brackets behind a name.
fn without_scheme(member: &[u8]) -> &[u8] {
    let member = member.trim_ascii();
    let quoted = member.strip_prefix(b"\"");
    let member = quoted
        .and_then(|quoted| quoted.strip_suffix(b"\""))
        .unwrap_or(member);
    let uri = member
        .iter()
        .position(|byte| *byte == b'<')
        .map(|at| before(&member[at + 1..], b'>'));
    let without = |name: &'_ [u8]| {
        let colon = name.iter().position(|byte| *byte == b':')?;
        let scheme = &name[..colon];
        let is_known = |known: &&[u8]| scheme.eq_ignore_ascii_case(known);
        [&b"sip"[..], b"sips", b"tel"]
            .iter()
            .any(is_known)
            .then_some(colon + 1)
    };
    match uri.and_then(|uri| Some((uri, without(uri)?))) {
        Some((uri, at)) => &uri[at..],
        None => &member[without(member).unwrap_or(0)..],
    }
}

/// Whether this stands for the domain behind an `@`: with a port or parameters, too.
fn is_of(domain: &[u8], own: &[u8]) -> bool {
    let domain = without_parameters(domain);
    let is_own = |domain: &[u8]| domain.eq_ignore_ascii_case(own);
    is_own(domain) || without_port(domain).is_some_and(is_own)
}

/// Of a URI or of its domain: without parameters and headers.
fn without_parameters(uri: &[u8]) -> &[u8] {
    before(before(uri, b';'), b'?')
}

/// The part before a byte, or all of it.
fn before(name: &[u8], byte: u8) -> &[u8] {
    name.split(|other| *other == byte).next().unwrap_or(name)
}

/// `abc.voip.ca` of `sip.abc.voip.ca`, and so on.
pub fn names_above(domain: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dots = memchr::memchr_iter(b'.', domain);
    dots.map(|dot| &domain[dot + 1..])
}

/// `abc.voip.ca` of `abc.voip.ca:5060`; an IPv6 address stands in brackets.
pub fn without_port(domain: &[u8]) -> Option<&[u8]> {
    let colon = domain.iter().rposition(|byte| *byte == b':')?;
    let (host, port) = (&domain[..colon], &domain[colon + 1..]);
    let in_brackets = host.contains(&b':') && !host.ends_with(b"]");
    let is_port = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    (is_port && !in_brackets && !host.is_empty()).then_some(host)
}
