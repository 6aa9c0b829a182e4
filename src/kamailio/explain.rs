//! What to tell the administrator when Kamailio does not answer as it should, and the hint that helps.

use std::time::Duration;

use memchr::memmem;

use super::error::Error;
use super::{Command, Rpc, http};
use crate::failure::Failure;
use crate::text::{CHECK_THE_NAME, NO_SUCH_NAME, Shown};
use crate::tls::Tls;

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
            "is Kamailio running, and is this a TCP port on which it listens \
                 (listen=tcp:...; its log names them at start)?",
        ),
        Error::ConnectTooSlow => {
            let timeout = humantime::format_duration(http::connect_timeout(timeout));
            failure(&format!("cannot connect (no answer within {timeout})")).hint(
                    "is the address right, and does a firewall let this host through? A Kamailio that hangs or is \
                     stopped takes no connection either; if the way there is just slow, raise --timeout",
                )
        }
        Error::TooSlow => {
            let timeout = humantime::format_duration(timeout);
            let failure = failure(&format!("no whole answer within {timeout}"));
            if url.starts_with("https:") {
                // A plain port waits for the rest of what it takes for SIP.
                return failure.hint(
                    "is that a port for TLS (listen=tls:...)? If so, Kamailio is overloaded, \
                         or the dump does not fit its private memory: start it with more (-M 64)",
                );
            }
            failure.hint(
                "either it is overloaded, or the dump does not fit its private memory: \
                     start it with more (-M 64; 1,000,000 users: -M 256); if it is just slow, \
                     raise --timeout; it was not asked again",
            )
        }
        Error::Silent => failure("it closed the connection without an answer").hint(match rpc {
            Rpc::JsonRpc => "if it took 20 s or more: Kamailio 5.8 and later end an answer after tcp_msg_read_timeout. Set \
                 tcp_msg_read_timeout=120 in kamailio.cfg and raise --timeout, or use --rpc xhttp_rpc. If it was at once: is \
                 that a port where kamailio.cfg has jsonrpcs and an event_route[xhttp:request]? A port for TLS is asked with \
                 https://",
            Rpc::XhttpRpc => "is that a port where kamailio.cfg has the modules xhttp and xhttp_rpc \
                 and an event_route[xhttp:request]? A Kamailio out of memory ends so \
                 too: private, when the dump does not fit (start it with -M 64), or shared (-m; \
                 its log says \"shm pool\"). A port for TLS is asked with https://",
        }),
        Error::NotHttp(why) => {
            let why = Shown(why.as_bytes());
            failure(&format!("what answers does not speak HTTP ({why})"))
                .hint("is the address right? An https server is asked with https://")
        }
        Error::Old(age) => failure(&format!("a cache answered, with what was true {age} s ago"))
            .hint("whatever stands between kamonline and Kamailio must not cache this path"),
        Error::CutOff if command == Command::Uptime => {
            failure("its answer was cut off").hint(CANNOT_TELL_UPTIME)
        }
        Error::CutOff => failure("the dump was cut off in the middle").hint(
            "in kamailio.cfg set tcp_conn_wq_max=134217728, tcp_wq_max=268435456 and \
                 tcp_send_timeout=30: by default Kamailio closes a connection with more than \
                 32 KB waiting to be sent",
        ),
        Error::Unknown(why) => failure(&why).hint(
            "the dump is not believed; if nothing between kamonline and Kamailio changes \
                 its pages, please report it with the version of this Kamailio",
        ),
        Error::OneTable => failure("its JSON-RPC shows one usrloc table only")
            .hint("before 5.1 it loses users: use --rpc xhttp_rpc with this Kamailio"),
        Error::Refused {
            status,
            server,
            body,
        } => {
            let own = own_words(&body)
                .map(|words| format!(" ({})", Shown(words)))
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

const CANNOT_TELL_UPTIME: &str = "kamailio.cfg must allow core.uptime as it allows ul.dump (over xhttp_rpc the path \
     core/core.uptime), as kamailio.cfg.example does; --min-uptime 0s does not ask for it, and then a Kamailio that \
     is still loading its users is believed";

/// What to do about an HTTP answer that is no dump.
fn way_out(status: u16, server: Option<&str>, body: &[u8], rpc: Rpc) -> String {
    let says = |text: &str| memmem::find(body, text.as_bytes()).is_some();
    let menus = says("RPC Management Interface");
    let from_kamailio =
        menus || server.is_some_and(|name| name.to_lowercase().contains("kamailio"));
    let root = match rpc {
        Rpc::XhttpRpc => {
            "--kamailio must be the root of xhttp_rpc (its xhttp_rpc_root, \"rpc\" by default), \
             for instance http://127.0.0.1:5060/rpc"
        }
        Rpc::JsonRpc => {
            "--kamailio must be the path for which kamailio.cfg calls jsonrpc_dispatch(), \
             for instance http://127.0.0.1:5060/jsonrpc"
        }
    };
    match status {
        301..=399 => "redirects are not followed: give --kamailio the final address".into(),
        401 | 407 => "it wants a password: put the user into the URL (http://USER@HOST:PORT/rpc) \
                      and the password into --kamailio-password-file"
            .into(),
        403 => "kamailio.cfg does not allow this address: see its event_route[xhttp:request] \
                (ONLINE_ALLOWED in kamailio.cfg.example)"
            .into(),
        _ if says("Internal error") || body.trim_ascii() == b"Internal Server Error" => {
            "the dump does not fit: start Kamailio with more private memory (-M 64; 1,000,000 \
             users: -M 256), and leave xhttp_rpc_buf_size at its default, a third of it; it was \
             not asked again, since old releases lock up then"
                .into()
        }
        500 if says("Method Not Found") => "is the module usrloc loaded there?".into(),
        200 if menus && rpc == Rpc::XhttpRpc => {
            format!("this is a page of menus; {root}; a proxy in between must keep ?arg=brief")
        }
        200 if body.is_empty() && from_kamailio => {
            "Kamailio could not print the dump: use --rpc xhttp_rpc, or start it with more \
             private memory (-M 64)"
                .into()
        }
        404 => root.into(),
        _ if from_kamailio => root.into(),
        _ => format!("that is not Kamailio{}; {root}", named(server)),
    }
}

fn named(server: Option<&str>) -> String {
    server
        .map(|name| format!(" (it calls itself {})", Shown(name.as_bytes())))
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
