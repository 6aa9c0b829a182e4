//! What to tell the administrator when Kamailio does not answer as it should, and the hint that helps.

use std::borrow::Cow;
use std::time::Duration;

use humantime::format_duration;
use memchr::memmem;

use super::error::Error;
use super::{Command, Rpc, http};
use crate::failure::Failure;
use crate::peer::Password;
use crate::peer::tls::Tls;
use crate::text::{CHECK_THE_NAME, Escaped, NO_SUCH_NAME};

/// The Kamailio at `url` was asked for `command`, and had `timeout`. Each cause, its words, and the hint.
pub fn explain(
    error: Error,
    url: &str,
    tls: &Tls,
    rpc: Rpc,
    command: Command,
    timeout: Duration,
    password: Option<&str>,
) -> Failure {
    let asked = match command {
        Command::Uptime => ": asked for its uptime",
        _ => "",
    };
    let kamailio = format!("Kamailio at {url}{asked}");
    let of_uptime = command == Command::Uptime;
    let (words, hint): (String, Cow<str>) = match error {
        Error::Visitor(failure) => return failure.context(kamailio),
        Error::Tls(error) => return tls.explain(&error, &kamailio),
        Error::Unreachable { why, .. } if why.contains(NO_SUCH_NAME) => (
            format!("its name does not resolve ({why})"),
            CHECK_THE_NAME.into(),
        ),
        Error::Unreachable { why, .. } => (
            format!("cannot connect ({why})"),
            "check that Kamailio runs, and that it listens on this TCP port (listen=tcp:..., \
             and no disable_tcp=yes; its log names its ports at start)"
                .into(),
        ),
        Error::ConnectTooSlow => (
            format!(
                "cannot connect (no answer within {})",
                format_duration(http::connect_timeout(timeout))
            ),
            "check the address, and that a firewall lets this host through; a Kamailio that \
             hangs or is stopped takes no connection either. If the way there is just slow, \
             raise --timeout"
                .into(),
        ),
        Error::TooSlow => (
            format!("no whole answer within {}", format_duration(timeout)),
            too_slow(command, url, rpc),
        ),
        Error::Hangs => (
            format!(
                "no answer within {}, and none to core.uptime either",
                format_duration(timeout)
            ),
            hanging(url, rpc),
        ),
        Error::Silent => (
            "it closed the connection without an answer".into(),
            closed(rpc).into(),
        ),
        Error::NotHttp(why) => (
            format!(
                "what answers does not speak HTTP ({})",
                Escaped(why.as_bytes())
            ),
            "check the address; use https:// for a port with TLS".into(),
        ),
        Error::Old(age) => (
            format!("a cache answered, with what was true {age} s ago"),
            "let nothing between kamonline and Kamailio cache this path".into(),
        ),
        Error::CutOff if of_uptime => ("its answer was cut off".into(), CANNOT_TELL_UPTIME.into()),
        Error::CutOff => (
            "the dump was cut off in the middle".into(),
            "set tcp_conn_wq_max=134217728, tcp_wq_max=268435456 and tcp_send_timeout=30 in \
             kamailio.cfg: by default Kamailio closes a connection with more than 32 KB waiting \
             to be sent"
                .into(),
        ),
        Error::Unknown(why) => (
            why,
            "check that nothing between kamonline and Kamailio changes its pages; if nothing \
             does, please report this with the version of this Kamailio"
                .into(),
        ),
        Error::OneTable => (
            "its JSON-RPC shows one usrloc table only".into(),
            "use --rpc xhttp_rpc with this Kamailio: before 5.1 its JSON-RPC loses users".into(),
        ),
        Error::Refused { status, body, .. } if of_uptime => (
            format!("it answered {status}{}", own_words(status, &body)),
            CANNOT_TELL_UPTIME.into(),
        ),
        Error::Refused {
            status,
            server,
            body,
        } => (
            format!(
                "it answered {status}{}, not the dump",
                own_words(status, &body)
            ),
            way_out(status, server.as_deref(), &body, rpc, password),
        ),
    };
    Failure::new(words).context(kamailio).hint(hint)
}

const CANNOT_TELL_UPTIME: &str = "allow core.uptime in kamailio.cfg as ul.dump is allowed, as \
                                  kamailio.cfg.example does (over xhttp_rpc its path is \
                                  core/core.uptime). Or set --min-uptime 0s: kamonline then \
                                  believes a Kamailio that is still loading its users";

const NO_ANSWER: &str = "one that returns without an answer leaves kamonline waiting";

/// What else leaves a question without an answer. In the stock kamailio.cfg /RPC is for JSON-RPC.
fn other_paths(rpc: Rpc) -> &'static str {
    match rpc {
        Rpc::XhttpRpc => {
            ", and so do a path of jsonrpc_dispatch() (use --rpc jsonrpc) and one that url_match or \
             url_skip of xhttp leaves out"
        }
        Rpc::JsonRpc => ", and so does a path that url_match or url_skip of xhttp leaves out",
    }
}

fn too_slow(command: Command, url: &str, rpc: Rpc) -> Cow<'static, str> {
    match command {
        Command::Uptime => format!(
            "check that event_route[xhttp:request] of kamailio.cfg answers core.uptime as it \
             answers ul.dump: {NO_ANSWER}. If it does, Kamailio is overloaded: raise --timeout"
        )
        .into(),
        // A plain port waits for the rest of what it takes for SIP.
        _ if url.starts_with("https:") => {
            "check that this is a port for TLS (listen=tls:...). If it is, Kamailio is \
             overloaded, or the dump does not fit its private memory: start it with more (-M \
             64)"
            .into()
        }
        _ => format!(
            "check that event_route[xhttp:request] of kamailio.cfg answers this path: \
             {NO_ANSWER}{}. With many users the dump may not fit: start Kamailio with -M 64 \
             (1,000,000 users: -M 256). If it is only slow, raise --timeout. kamonline did not \
             retry",
            other_paths(rpc)
        )
        .into(),
    }
}

fn hanging(url: &str, rpc: Rpc) -> Cow<'static, str> {
    let hint = format!(
        "run kamcmd core.uptime on its host. If that gets no answer, Kamailio hangs, is stopped \
         or overloaded: see its log, restart it, or raise --timeout. If it gets one, check that \
         kamailio.cfg loads xhttp, and that its event_route[xhttp:request] answers this path: \
         {NO_ANSWER}{}",
        other_paths(rpc)
    );
    match url.starts_with("https:") {
        // A plain port waits for the rest of what it takes for SIP.
        true => {
            format!("check that this is a port for TLS (listen=tls:...). If it is, {hint}").into()
        }
        false => hint.into(),
    }
}

fn closed(rpc: Rpc) -> &'static str {
    match rpc {
        Rpc::JsonRpc => {
            "set tcp_msg_read_timeout=120 in kamailio.cfg and raise --timeout, or use --rpc \
             xhttp_rpc, if it took 20 s or more: Kamailio 5.8 and later end an answer then. If \
             it was at once, check that this is a port where kamailio.cfg has jsonrpcs and an \
             event_route[xhttp:request]; use https:// for a port with TLS"
        }
        Rpc::XhttpRpc => {
            "check that this is a port where kamailio.cfg has the modules xhttp and xhttp_rpc \
             and an event_route[xhttp:request] (if that calls jsonrpc_dispatch(), use --rpc \
             jsonrpc); use https:// for a port with TLS. A Kamailio out of memory closes it too: \
             out of private memory, when the dump does not fit (start it with -M 64), or of \
             shared memory (-m; its log says \"shm pool\")"
        }
    }
}

/// What to do about an HTTP answer that is no dump.
fn way_out(
    status: u16,
    server: Option<&str>,
    body: &[u8],
    rpc: Rpc,
    password: Option<&str>,
) -> Cow<'static, str> {
    let says = |text: &str| memmem::find(body, text.as_bytes()).is_some();
    let menus = says("RPC Management Interface");
    let from_kamailio =
        menus || server.is_some_and(|name| name.to_lowercase().contains("kamailio"));
    let root = match rpc {
        Rpc::XhttpRpc => {
            "give --kamailio the root of xhttp_rpc (its xhttp_rpc_root, \"rpc\" by default); if it \
             is that already, let kamailio.cfg call dispatch_xhttp_rpc() for it. Where it has \
             jsonrpc_dispatch() instead, use --rpc jsonrpc and its path"
        }
        Rpc::JsonRpc if status == 404 && from_kamailio => {
            "kamailio.cfg has no jsonrpc_dispatch() for this path: add it (WITH_ONLINE_JSONRPC in \
             kamailio.cfg.example, for /jsonrpc), or use --rpc xhttp_rpc and its root"
        }
        Rpc::JsonRpc => {
            "give --kamailio the path for which kamailio.cfg calls jsonrpc_dispatch(): in \
             kamailio.cfg.example /jsonrpc, with WITH_ONLINE_JSONRPC"
        }
    };
    if let (401 | 407, Some(password)) = (status, password) {
        return format!(
            "the user or the password is wrong: compare both with ONLINE_RPC_LOGIN of \
             kamailio.cfg, or with what else asks for them there{}",
            Password::doubt(password)
        )
        .into();
    }
    match status {
        301..=399 => "give --kamailio the final address: kamonline follows no redirects",
        401 | 407 => {
            "put the user into the URL (http://USER@HOST:PORT/rpc) and the password into \
             --kamailio-password-file"
        }
        403 => {
            "allow the address of this host in event_route[xhttp:request] of kamailio.cfg \
             (ONLINE_ALLOWED in kamailio.cfg.example)"
        }
        _ if says("Internal error") || body.trim_ascii() == b"Internal Server Error" => {
            "start Kamailio with more private memory (-M 64; 1,000,000 users: -M 256), and \
             leave xhttp_rpc_buf_size at its default, a third of it: the dump does not fit. \
             kamonline did not retry: old releases lock up then"
        }
        500 if says("Method Not Found") => "load the module usrloc in kamailio.cfg",
        200 if menus && rpc == Rpc::XhttpRpc => {
            let why = "this is a page of menus";
            return format!("{root}; let a proxy in between keep ?arg=brief: {why}").into();
        }
        200 if body.is_empty() && from_kamailio => {
            "use --rpc xhttp_rpc, or start Kamailio with more private memory (-M 64): it could \
             not print the dump"
        }
        _ if from_kamailio || status == 404 => root,
        _ => return format!("{root}; this is not Kamailio{}", named(server)).into(),
    }
    .into()
}

fn named(server: Option<&str>) -> String {
    server
        .map(|name| format!(" (it calls itself {})", Escaped(name.as_bytes())))
        .unwrap_or_default()
}

/// In brackets, the status that the page itself prints, the message of a JSON-RPC error, or the plain text of a 403.
fn own_words(status: u16, body: &[u8]) -> String {
    let words = |before: &str, after: &str| {
        let start = memmem::find(body, before.as_bytes())? + before.len();
        let length = memmem::find(&body[start..], after.as_bytes())?;
        Some(&body[start..start + length])
    };
    let text = body.trim_ascii();
    let is_told = status == 403 && !text.is_empty() && !text.contains(&b'<');
    words("<td>500: ", "</td>")
        .or_else(|| words("<pre>500: ", "</pre>"))
        .or_else(|| words("\"message\":\t\"", "\""))
        .or_else(|| words("\"message\":\"", "\""))
        .or(is_told.then_some(text))
        .map(|words| format!(" ({})", Escaped(&words[..words.len().min(100)])))
        .unwrap_or_default()
}
