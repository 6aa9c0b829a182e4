//! What to tell the administrator when Kamailio does not answer as it should, and the hint that helps.

use std::time::Duration;

use memchr::memmem;

use super::error::Error;
use super::{Command, Rpc, http};
use crate::failure::Failure;
use crate::peer::tls::Tls;
use crate::text::{CHECK_THE_NAME, Escaped, NO_SUCH_NAME};

/// The Kamailio at `url` was asked for `command`, and had `timeout`.
pub fn explain(
    error: Error,
    url: &str,
    tls: &Tls,
    rpc: Rpc,
    command: Command,
    timeout: Duration,
) -> Failure {
    let asked = match command {
        Command::Dump => "",
        Command::Uptime => ": asked for its uptime",
    };
    let kamailio = format!("Kamailio at {url}{asked}");
    let failure = |what: &str| Failure::new(what).context(&kamailio);
    match error {
        Error::Visitor(failure) => failure.context(kamailio),
        Error::Tls(error) => tls.explain(&error, &kamailio),
        Error::Unreachable { why, .. } if why.contains(NO_SUCH_NAME) => {
            failure(&format!("its name does not resolve ({why})")).hint(CHECK_THE_NAME)
        }
        Error::Unreachable { why, .. } => failure(&format!("cannot connect ({why})")).hint(
            "check that Kamailio runs, and that it listens on this TCP port (listen=tcp:..., and no disable_tcp=yes; its log \
             names its ports at start)",
        ),
        Error::ConnectTooSlow => {
            let timeout = humantime::format_duration(http::connect_timeout(timeout));
            failure(&format!("cannot connect (no answer within {timeout})")).hint(
                    "check the address, and that a firewall lets this host through; a Kamailio that hangs or is stopped takes \
                 no connection either. If the way there is just slow, raise --timeout",
                )
        }
        Error::TooSlow => {
            let timeout = humantime::format_duration(timeout);
            let failure = failure(&format!("no whole answer within {timeout}"));
            if command == Command::Uptime {
                return failure.hint(
                    "check that event_route[xhttp:request] of kamailio.cfg answers core.uptime as it answers ul.dump: one that \
                     returns without an answer leaves kamonline waiting. If it does, Kamailio is overloaded: raise --timeout",
                );
            }
            if url.starts_with("https:") {
                // A plain port waits for the rest of what it takes for SIP.
                return failure.hint(
                    "check that this is a port for TLS (listen=tls:...). If it is, Kamailio is overloaded, or the dump does not \
                     fit its private memory: start it with more (-M 64)",
                );
            }
            failure.hint(
                "check that event_route[xhttp:request] of kamailio.cfg answers this path: one that returns without an answer \
                 leaves kamonline waiting. With many users the dump may not fit: start Kamailio with -M 64 (1,000,000 users: \
                 -M 256). If it is only slow, raise --timeout. kamonline did not retry",
            )
        }
        Error::Hangs => {
            let timeout = humantime::format_duration(timeout);
            let what = format!("no answer within {timeout}, and none to core.uptime either");
            failure(&what).hint(match url.starts_with("https:") {
                // A plain port waits for the rest of what it takes for SIP.
                true => format!("check that this is a port for TLS (listen=tls:...). If it is, {HANGS}"),
                false => HANGS.into(),
            })
        }
        Error::Silent => failure("it closed the connection without an answer").hint(match rpc {
            Rpc::JsonRpc => "set tcp_msg_read_timeout=120 in kamailio.cfg and raise --timeout, or use --rpc xhttp_rpc, if it took 20 s \
                 or more: Kamailio 5.8 and later end an answer then. If it was at once, check that this is a port where \
                 kamailio.cfg has jsonrpcs and an event_route[xhttp:request]; use https:// for a port with TLS",
            Rpc::XhttpRpc => "check that this is a port where kamailio.cfg has the modules xhttp and xhttp_rpc and an \
                 event_route[xhttp:request]; use https:// for a port with TLS. A Kamailio out of memory closes it too: out \
                 of private memory, when the dump does not fit (start it with -M 64), or of shared memory (-m; its log \
                 says \"shm pool\")",
        }),
        Error::NotHttp(why) => {
            let why = Escaped(why.as_bytes());
            failure(&format!("what answers does not speak HTTP ({why})"))
                .hint("check the address; use https:// for a port with TLS")
        }
        Error::Old(age) => failure(&format!("a cache answered, with what was true {age} s ago"))
            .hint("let nothing between kamonline and Kamailio cache this path"),
        Error::CutOff if command == Command::Uptime => {
            failure("its answer was cut off").hint(CANNOT_TELL_UPTIME)
        }
        Error::CutOff => failure("the dump was cut off in the middle").hint(
            "set tcp_conn_wq_max=134217728, tcp_wq_max=268435456 and tcp_send_timeout=30 in kamailio.cfg: by default \
             Kamailio closes a connection with more than 32 KB waiting to be sent",
        ),
        Error::Unknown(why) => failure(&why).hint(
            "check that nothing between kamonline and Kamailio changes its pages; if nothing does, please report this with \
             the version of this Kamailio",
        ),
        Error::OneTable => failure("its JSON-RPC shows one usrloc table only")
            .hint("use --rpc xhttp_rpc with this Kamailio: before 5.1 its JSON-RPC loses users"),
        Error::Refused {
            status,
            server,
            body,
        } => {
            let own = own_words(&body)
                .map(|words| format!(" ({})", Escaped(words)))
                .unwrap_or_default();
            match command {
                Command::Dump => failure(&format!("it answered {status}{own}, not the dump"))
                    .hint(way_out(status, server.as_deref(), &body, rpc)),
                Command::Uptime => {
                    failure(&format!("it answered {status}{own}")).hint(CANNOT_TELL_UPTIME)
                }
            }
        }
    }
}

const HANGS: &str = "run kamcmd core.uptime on its host. If that gets no answer, Kamailio hangs, is stopped or overloaded: see its log, \
     restart it, or raise --timeout. If it gets one, check that kamailio.cfg loads xhttp, and that its event_route[xhttp:request] answers this \
     path: one that returns without an answer leaves kamonline waiting";

const CANNOT_TELL_UPTIME: &str = "allow core.uptime in kamailio.cfg as ul.dump is allowed, as kamailio.cfg.example does (over xhttp_rpc its path is \
     core/core.uptime). Or set --min-uptime 0s: kamonline does not ask then, and believes a Kamailio that is still \
     loading its users";

/// What to do about an HTTP answer that is no dump.
fn way_out(status: u16, server: Option<&str>, body: &[u8], rpc: Rpc) -> String {
    let says = |text: &str| memmem::find(body, text.as_bytes()).is_some();
    let menus = says("RPC Management Interface");
    let from_kamailio =
        menus || server.is_some_and(|name| name.to_lowercase().contains("kamailio"));
    let root = match rpc {
        Rpc::XhttpRpc => {
            "give --kamailio the root of xhttp_rpc (its xhttp_rpc_root, \"rpc\" by default), for instance \
             http://127.0.0.1:5060/rpc"
        }
        Rpc::JsonRpc => {
            "give --kamailio the path for which kamailio.cfg calls jsonrpc_dispatch(), for instance \
             http://127.0.0.1:5060/jsonrpc"
        }
    };
    match status {
        301..=399 => "give --kamailio the final address: kamonline follows no redirects".into(),
        401 | 407 => "put the user into the URL (http://USER@HOST:PORT/rpc) and the password into \
                      --kamailio-password-file"
            .into(),
        403 => "allow the address of this host in event_route[xhttp:request] of kamailio.cfg (ONLINE_ALLOWED in \
                kamailio.cfg.example)"
            .into(),
        _ if says("Internal error") || body.trim_ascii() == b"Internal Server Error" => {
            "start Kamailio with more private memory (-M 64; 1,000,000 users: -M 256), and leave xhttp_rpc_buf_size at its \
             default, a third of it: the dump does not fit. It was not asked again, since old releases lock up then"
                .into()
        }
        500 if says("Method Not Found") => "load the module usrloc in kamailio.cfg".into(),
        200 if menus && rpc == Rpc::XhttpRpc => {
            format!("{root}; let a proxy in between keep ?arg=brief: this is a page of menus")
        }
        200 if body.is_empty() && from_kamailio => {
            "use --rpc xhttp_rpc, or start Kamailio with more private memory (-M 64): it could not print the dump"
                .into()
        }
        404 => root.into(),
        _ if from_kamailio => root.into(),
        _ => format!("{root}; this is not Kamailio{}", named(server)),
    }
}

fn named(server: Option<&str>) -> String {
    server
        .map(|name| format!(" (it calls itself {})", Escaped(name.as_bytes())))
        .unwrap_or_default()
}

/// The status that the page itself prints, or the message of a JSON-RPC error.
fn own_words(body: &[u8]) -> Option<&[u8]> {
    let words = |before: &str, after: &str| {
        let start = memmem::find(body, before.as_bytes())? + before.len();
        let length = memmem::find(&body[start..], after.as_bytes())?;
        Some(&body[start..start + length.min(100)])
    };
    words("<td>500: ", "</td>")
        .or_else(|| words("<pre>500: ", "</pre>"))
        .or_else(|| words("\"message\":\t\"", "\""))
        .or_else(|| words("\"message\":\"", "\""))
}
