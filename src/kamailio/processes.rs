//! Of which processes a registrar consists, as `core.ps` tells it over either kind of RPC: their numbers, and the sockets
//! on which they receive. Two registrars that were started in the same second differ in them.

use std::io::Read;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Rpc, xhttp_rpc};
use crate::peer::limits::SMALL_ANSWER_BYTES;

/// As Kamailio prints them: the same at each answer, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processes(Vec<u8>);

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    result: &'a RawValue,
}

impl Processes {
    /// None is no such answer.
    pub fn read(rpc: Rpc, body: impl Read) -> Option<Self> {
        let mut answer = Vec::new();
        body.take(SMALL_ANSWER_BYTES)
            .read_to_end(&mut answer)
            .ok()?;
        let processes = match rpc {
            Rpc::XhttpRpc => xhttp_rpc::small_answer(&answer).ok()??,
            Rpc::JsonRpc => {
                let Answer { result } = serde_json::from_slice(&answer).ok()?;
                result.get().as_bytes()
            }
        };
        Some(Self(processes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_real_releases_answered_is_read() {
        for release in ["4.0.7", "4.4.7", "5.0.8", "5.4.9", "5.6.3"] {
            let root = env!("CARGO_MANIFEST_DIR");
            let capture = std::fs::read(format!("{root}/tests/captures/{release}/processes"));
            let reply = capture.expect("a capture, which only the repository has");
            let Processes(told) = Processes::read(Rpc::XhttpRpc, &*reply).unwrap();
            let told = String::from_utf8(told).unwrap();
            let (number, _) = told.split_once("<br/>").unwrap();
            assert!(number.parse::<u32>().is_ok(), "{told}");
            assert!(told.contains("sock=127.0.0.1:"), "{told}");
            assert!(told.ends_with("tcp main process<br/>"), "{told}");
        }
    }

    #[test]
    fn what_is_no_whole_answer_is_none() {
        let read = |rpc, body: &str| Processes::read(rpc, body.as_bytes());
        let page = "<td>200: OK</td><pre>1<br/>attendant<br/></pre>";
        let processes = Processes(b"1<br/>attendant<br/>".to_vec());
        assert_eq!(read(Rpc::XhttpRpc, page), Some(processes));
        for page in ["", &page[..page.len() - 1], "<pre>1<br/></pre>"] {
            assert_eq!(read(Rpc::XhttpRpc, page), None, "{page}");
        }
        let answer = r#"{"jsonrpc":"2.0","result":[1,"attendant"],"id":7}"#;
        let processes = Processes(br#"[1,"attendant"]"#.to_vec());
        assert_eq!(read(Rpc::JsonRpc, answer), Some(processes));
        for answer in ["", r#"{"error":{"code":-32601}}"#] {
            assert_eq!(read(Rpc::JsonRpc, answer), None, "{answer}");
        }
    }
}
