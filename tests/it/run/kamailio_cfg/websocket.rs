//! WebSocket phones: they come through the event route that kamonline comes through, and are TCP connections to usrloc.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::http::{FOREIGN, without_its_event_route};
use super::site::{KamailioCfg, Site};
use crate::lab::until;

/// As websocket's documentation has it, behind ours.
const HANDSHAKE: &str = r#"
event_route[xhttp:request] {
	route(ONLINE_RPC);
	if ($hdr(Upgrade) =~ "websocket" && $hdr(Connection) =~ "Upgrade" && ws_handle_handshake()) exit;
	xhttp_reply("200", "OK", "text/plain", "of the site\n");
}
"#;

fn cfg() -> KamailioCfg {
    without_its_event_route(KamailioCfg::many_domains())
        // Or the stock file of 6.0, which loads dlgs, logs an error at "101 Switching Protocols".
        .first("http_reply_parse=yes")
        .ahead("loadmodule \"websocket.so\"")
        .last(HANDSHAKE)
}

/// A phone in a browser.
struct WebPhone(BufReader<TcpStream>);

impl WebPhone {
    /// With the key and the answer to it of RFC 6455.
    fn connect(site: &Site) -> Self {
        let mut stream = TcpStream::connect(site.kamailio.address()).unwrap();
        write!(
            stream,
            "GET / HTTP/1.1\r\nHost: lab\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nContent-Length: 0\r\n\r\n"
        )
        .unwrap();
        let mut stream = BufReader::new(stream);
        let lines = stream.by_ref().lines().map(Result::unwrap);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        assert!(head[0].starts_with("HTTP/1.1 101"), "{head:#?}");
        let accepted = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert!(head.iter().any(|line| line == accepted), "{head:#?}");
        WebPhone(stream)
    }

    fn register(&mut self, site: &Site, aor: &str, seconds: u32) {
        let registrar = site.kamailio.address();
        // The answer to OPTIONS tells that the route of the REGISTER is done.
        for method in ["REGISTER", "OPTIONS"] {
            self.send(&format!(
                "{method} sip:{registrar} SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK{method}{seconds}\r\n\
                 Max-Forwards: 70\r\nCall-ID: {aor}{method}{seconds}\r\nCSeq: 1 {method}\r\nFrom: <sip:{aor}>;tag=1\r\n\
                 To: <sip:{aor}>\r\nContact: <sip:web@a.invalid;transport=ws>\r\nExpires: {seconds}\r\n\
                 Content-Length: 0\r\n\r\n"
            ));
            let answer = self.receive();
            let is_expected = method == "OPTIONS" || answer.starts_with("SIP/2.0 200");
            assert!(is_expected, "{answer}");
        }
    }

    /// A text frame; a client masks it, here with zeros.
    fn send(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        let frame = [&[0x81, 0xfe], &length[..], &[0; 4], text.as_bytes()].concat();
        self.0.get_mut().write_all(&frame).unwrap();
    }

    fn receive(&mut self) -> String {
        let mut head = [0; 4];
        self.0.read_exact(&mut head).unwrap();
        assert_eq!(head[..2], [0x81, 126], "a text frame of 126 bytes or more");
        let mut text = vec![0; u16::from_be_bytes([head[2], head[3]]).into()];
        self.0.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }
}

#[test]
fn a_phone_registers_where_kamonline_may_not_ask() {
    let site = cfg().ahead(FOREIGN).start();
    let mut phone = WebPhone::connect(&site);
    phone.register(&site, "100@voip.ca", 3600);
    assert_eq!(site.redis.members("ONLINE:voip.ca"), ["100"]);
    site.register("100@voip.ca");
    phone.register(&site, "100@voip.ca", 0);
    assert_eq!(site.redis.members("ONLINE:voip.ca"), ["100"]);
    phone.register(&site, "101@voip.ca", 1);
    until("the phone of 101 expires", || {
        site.redis.members("ONLINE:voip.ca") == ["100"]
    });
    assert!(site.get("/rpc").starts_with("HTTP/1.1 403"));
    assert!(site.get("/metrics").contains("of the site"));
}

/// From 6.1.3 on no event tells kamailio.cfg.example of it.
#[test]
fn a_phone_whose_browser_is_closed_is_removed_with_handle_lost_tcp() {
    let site = cfg()
        .ahead("modparam(\"usrloc\", \"handle_lost_tcp\", 1)")
        .start();
    site.register("100@voip.ca");
    let mut phone = WebPhone::connect(&site);
    phone.register(&site, "101@voip.ca", 3600);
    assert_eq!(site.redis.members("ONLINE:voip.ca"), ["100", "101"]);
    drop(phone);
    until("Kamailio finds that the phone of 101 is lost", || {
        site.run(&["--settle=0s"]).expect(0);
        site.redis.members("ONLINE:voip.ca") == ["100"]
    });
}
