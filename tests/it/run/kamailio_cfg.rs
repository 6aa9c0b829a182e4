//! kamailio.cfg.example with the settings of usrloc and registrar that change what it must do.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use crate::lab::{Kamailio, KamailioOptions, Lab, until};

fn lab(defines: &[&str]) -> Lab {
    Lab::with(KamailioOptions {
        defines: defines.iter().map(ToString::to_string).collect(),
        ..KamailioOptions::default()
    })
}

/// A phone that registers over TCP, and is lost when the connection is dropped.
fn register_over_tcp(kamailio: &Kamailio, uri: &str, seconds: u32) -> TcpStream {
    let mut phone = TcpStream::connect(kamailio.address()).unwrap();
    let here = phone.local_addr().unwrap();
    let mut answers = BufReader::new(phone.try_clone().unwrap()).lines();
    // The answer to OPTIONS tells that the route of the REGISTER is done.
    for method in ["REGISTER", "OPTIONS"] {
        write!(
            phone,
            "{method} sip:lab SIP/2.0\r\nVia: SIP/2.0/TCP {here};branch=z9hG4bK{method}\r\nCall-ID: {here}\r\n\
             CSeq: 1 {method}\r\nFrom: <{uri}>;tag=1\r\nTo: <{uri}>\r\nContact: <sip:phone@{here};transport=tcp>\r\n\
             Expires: {seconds}\r\nContent-Length: 0\r\n\r\n"
        )
        .unwrap();
        let status = answers.next().unwrap().unwrap();
        assert!(
            status.starts_with("SIP/2.0 200"),
            "{method} {uri}: {status}"
        );
        answers.find(|line| line.as_ref().unwrap().is_empty());
    }
    phone
}

#[test]
fn a_realm_prefix_is_stripped_as_the_registrar_strips_it() {
    let lab = lab(&["LAB_REALM_PREFIX=\"sip.\""]);
    // The registrar compares its prefix in case, and strips it once.
    let stored = [
        ("100@sip.voip.ca", "ONLINE:voip.ca"),
        ("101@voip.ca", "ONLINE:voip.ca"),
        ("102@SIP.voip.ca", "ONLINE:sip.voip.ca"),
        ("103@sip.sip.VOIP.ca", "ONLINE:sip.voip.ca"),
        ("104@sip.", "ONLINE:sip."),
    ];
    let phone = lab.kamailio.phone();
    for (aor, _) in stored {
        phone.named("second").register_for(aor, 1);
        phone.register(aor);
    }
    phone.register_for("gone@sip.sip.voip.ca", 2);
    let online = |set| {
        let users = stored.iter().filter(|(_, of)| *of == set);
        users.map(|(aor, _)| &aor[..3]).collect::<Vec<_>>()
    };
    until("usrloc tells of the phones that expired", || {
        lab.redis.members("ONLINE:sip.voip.ca") == online("ONLINE:sip.voip.ca")
    });
    for (_, set) in stored {
        assert_eq!(lab.redis.members(set), online(set), "{set}");
    }
    lab.run(&["--dry-run", "--exit-code"]).expect(0);

    phone.unregister("100@sip.voip.ca");
    assert_eq!(lab.redis.members("ONLINE:voip.ca"), ["101"]);
}

#[test]
fn a_tel_uri_belongs_to_the_domain_of_all_or_to_none() {
    let with_domains = lab(&[]);
    register_over_tcp(&with_domains.kamailio, "tel:+15551234", 4);
    assert_eq!(with_domains.redis.keys(), [""; 0]);
    with_domains
        .redis
        .add("ONLINE:", "left-by-an-older-kamailio.cfg");
    let run = with_domains
        .run(&["--settle=0s", "--add-missing", "--allow-empty"])
        .expect(0);
    let warning = "1 AoR without a user or a domain, for no set";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
    assert_eq!(with_domains.redis.keys(), [""; 0]);
    with_domains.register_for("100@abc.voip.ca", 6);
    until("usrloc tells of 100, and before of the tel: URI", || {
        with_domains.redis.keys().is_empty()
    });
    let log = with_domains.kamailio.log();
    assert!(!log.contains("ERROR"), "{log}");

    let one_domain = Lab::with(KamailioOptions {
        use_domain: false,
        defines: vec!["ONLINE_DOMAIN=\"voip.ca\"".into()],
        ..KamailioOptions::default()
    });
    register_over_tcp(&one_domain.kamailio, "tel:+15551234", 3600);
    assert_eq!(one_domain.redis.members("ONLINE:voip.ca"), ["+15551234"]);
    one_domain
        .run(&["--dry-run", "--exit-code", "--default-domain=voip.ca"])
        .expect(0);
}

#[test]
fn a_user_whose_last_phone_expired_is_removed_with_use_expired_contacts() {
    let lab = lab(&["LAB_USE_EXPIRED_CONTACTS=1"]);
    let phone = lab.kamailio.phone();
    phone.named("second").register_for("100@abc.voip.ca", 1);
    phone.register("100@abc.voip.ca");
    phone.named("second").register_for("101@abc.voip.ca", 2);
    phone.register_for("101@abc.voip.ca", 2);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);
    until("usrloc tells of 101", || {
        lab.redis.members("ONLINE:abc.voip.ca") == ["100"]
    });
}

/// From 6.1.3 on no event tells kamailio.cfg.example of it.
#[test]
fn a_user_whose_tcp_connection_is_lost_is_removed_with_handle_lost_tcp() {
    let lab = lab(&["LAB_HANDLE_LOST_TCP=1"]);
    lab.register("100@abc.voip.ca");
    let phone = register_over_tcp(&lab.kamailio, "sip:101@abc.voip.ca", 3600);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);
    drop(phone);
    until("Kamailio finds that the phone of 101 is lost", || {
        lab.run(&["--settle=0s"]).expect(0);
        lab.redis.members("ONLINE:abc.voip.ca") == ["100"]
    });
}
