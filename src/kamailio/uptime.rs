//! How long a registrar has been up, as `core.uptime` tells it over either kind of RPC.

use std::io::Read;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Error, Rpc, xhttp_rpc};
use crate::peer::limits::SMALL_ANSWER_BYTES;

/// What `core.uptime` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uptime {
    /// `up_since`: a text made once, when Kamailio starts, in its local time. Only another start makes another one.
    pub since: Vec<u8>,
    /// `uptime`: Kamailio's wall clock now, less that at its start. A clock that was set makes it any number; None is
    /// one that cannot be read.
    pub seconds: Option<i64>,
}

#[derive(Deserialize)]
struct Answer {
    result: Fields,
}

#[derive(Deserialize)]
struct Fields {
    up_since: String,
    uptime: Box<RawValue>,
}

impl Uptime {
    pub fn read(rpc: Rpc, body: impl Read) -> Result<Self, Error> {
        let mut answer = Vec::new();
        body.take(SMALL_ANSWER_BYTES).read_to_end(&mut answer)?;
        let uptime = match rpc {
            Rpc::XhttpRpc => page(&answer)?,
            Rpc::JsonRpc => json(&answer),
        };
        uptime.ok_or_else(|| Error::no_answer(answer))
    }
}

fn page(page: &[u8]) -> Result<Option<Uptime>, Error> {
    let Some(fields) = xhttp_rpc::small_answer(page)? else {
        return Ok(None);
    };
    let field = |name: &[u8]| {
        let from = memmem::find(fields, name)? + name.len();
        let length = memmem::find(&fields[from..], b"<br/>")?;
        Some(&fields[from..from + length])
    };
    let seconds =
        field(b"<br/>uptime: ").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    Ok(field(b"<br/>up_since: ").map(|since| Uptime {
        since: since.to_vec(),
        seconds,
    }))
}

fn json(answer: &[u8]) -> Option<Uptime> {
    let Answer { result } = serde_json::from_slice(answer).ok()?;
    Some(Uptime {
        since: result.up_since.into_bytes(),
        seconds: result.uptime.get().parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rpc: Rpc, body: &str) -> Option<(String, Option<i64>)> {
        let uptime = Uptime::read(rpc, body.as_bytes()).ok()?;
        Some((String::from_utf8(uptime.since).unwrap(), uptime.seconds))
    }

    #[test]
    fn a_number_that_makes_no_sense_is_none_and_a_negative_one_is_told() {
        for (text, seconds) in [("-5", Some(-5)), ("soon", None), ("", None)] {
            let page = format!(
                "<td>200: OK</td><pre>now: a<br/>up_since: b<br/>uptime: {text}<br/></pre>"
            );
            assert_eq!(read(Rpc::XhttpRpc, &page), Some(("b".into(), seconds)));
        }
        let answer = r#"{"result":{"now":"a","up_since":"b","uptime":"soon"}}"#;
        assert_eq!(read(Rpc::JsonRpc, answer), Some(("b".into(), None)));
    }

    #[test]
    fn what_does_not_say_since_when_is_no_answer() {
        for page in [
            "",
            "<pre>now: a<br/>up_since: b<br/>uptime: 1<br/></pre>",
            "<pre>now: a<br/>up_since: b<br/>uptime: 1<br/></pre><td>200: OK</td>",
            "<td>200: OK</td><pre></pre>",
            "<td>200: OK</td><pre>now: a<br/>up_since: b<br/>uptime: 1<br/>",
        ] {
            assert_eq!(read(Rpc::XhttpRpc, page), None, "{page}");
        }
        assert_eq!(read(Rpc::JsonRpc, r#"{"error":{"code":-32601}}"#), None);
    }
}
