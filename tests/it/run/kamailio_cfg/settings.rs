//! Settings of usrloc and registrar that change what kamailio.cfg.example must do.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::site::{KamailioCfg, errors};
use crate::lab::{Kamailio, until};

/// A phone that registers over TCP, and is lost when the connection is dropped.
pub fn register_over_tcp(kamailio: &Kamailio, uri: &str, seconds: u32) -> TcpStream {
    let mut phone = TcpStream::connect(kamailio.address()).unwrap();
    let (registrar, here) = (kamailio.address(), phone.local_addr().unwrap());
    let mut answers = BufReader::new(phone.try_clone().unwrap()).lines();
    // The answer to OPTIONS tells that the route of the REGISTER is done.
    for method in ["REGISTER", "OPTIONS"] {
        write!(
            phone,
            "{method} sip:{registrar} SIP/2.0\r\nVia: SIP/2.0/TCP {here};branch=z9hG4bK{method}\r\nCall-ID: {here}\r\n\
             Max-Forwards: 70\r\nCSeq: 1 {method}\r\nFrom: <{uri}>;tag=1\r\nTo: <{uri}>\r\n\
             Contact: <sip:phone@{here};transport=tcp>\r\nExpires: {seconds}\r\nContent-Length: 0\r\n\r\n"
        )
        .unwrap();
        let status = answers.next().unwrap().unwrap();
        assert!(
            method == "OPTIONS" || status.starts_with("SIP/2.0 200"),
            "{uri}: {status}"
        );
        answers.find(|line| line.as_ref().unwrap().is_empty());
    }
    phone
}

#[test]
fn a_realm_prefix_is_stripped_as_the_registrar_strips_it() {
    let site = KamailioCfg::many_domains()
        .ahead("modparam(\"registrar\", \"realm_prefix\", \"sip.\")")
        .start();
    // The registrar compares its prefix in case, and strips it once.
    let stored = [
        ("100@sip.voip.ca", "ONLINE:voip.ca"),
        ("101@voip.ca", "ONLINE:voip.ca"),
        ("102@SIP.voip.ca", "ONLINE:sip.voip.ca"),
        ("103@sip.sip.VOIP.ca", "ONLINE:sip.voip.ca"),
        ("104@sip.", "ONLINE:sip."),
    ];
    let phone = site.kamailio.phone();
    for (aor, _) in stored {
        phone.named("second").register_for(aor, 1);
        phone.register(aor);
    }
    phone.register_for("gone@sip.sip.voip.ca", 2);
    phone.register_for("gone@sip.", 2);
    let online = |set: &str| {
        let users = stored.iter().filter(|(_, of)| *of == set);
        users.map(|(aor, _)| &aor[..3]).collect::<Vec<_>>()
    };
    until("usrloc tells of the phones that expired", || {
        ["ONLINE:sip.voip.ca", "ONLINE:sip."]
            .iter()
            .all(|set| site.redis.members(set) == online(set))
    });
    for (_, set) in stored {
        assert_eq!(site.redis.members(set), online(set), "{set}");
    }
    site.run(&["--dry-run", "--exit-code"]).expect(0);
}

#[test]
fn a_tel_uri_belongs_to_the_domain_of_all_or_to_none() {
    let many = KamailioCfg::many_domains().start();
    register_over_tcp(&many.kamailio, "tel:+15551234", 4);
    assert_eq!(many.redis.keys(), [""; 0]);
    many.redis.add("ONLINE:", "left-by-an-older-kamailio.cfg");
    // An older kamailio.cfg may have put it anywhere.
    many.redis.add("ONLINE:voip.ca", "+15551234");
    let run = many
        .run(&["--settle=0s", "--add-missing", "--allow-empty"])
        .expect(0);
    let warning = "1 AoR without a user or a domain, for no set";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
    assert_eq!(many.redis.keys(), ["ONLINE:voip.ca"]);
    until("usrloc tells of the tel: URI", || many.contacts() == 0);

    let one = KamailioCfg::one_domain().start();
    register_over_tcp(&one.kamailio, "tel:+15551234", 3600);
    assert_eq!(one.redis.members("ONLINE:voip.ca"), ["+15551234"]);
    one.run(&["--dry-run", "--exit-code", "--default-domain=voip.ca"])
        .expect(0);
}

/// From 6.1.3 on no event tells kamailio.cfg.example of it.
#[test]
fn a_user_whose_tcp_connection_is_lost_is_removed_with_handle_lost_tcp() {
    let site = KamailioCfg::many_domains()
        .ahead("modparam(\"usrloc\", \"handle_lost_tcp\", 1)")
        .start();
    site.register("100@voip.ca");
    let phone = register_over_tcp(&site.kamailio, "sip:101@voip.ca", 3600);
    assert_eq!(site.redis.members("ONLINE:voip.ca"), ["100", "101"]);
    drop(phone);
    until("Kamailio finds that the phone of 101 is lost", || {
        site.run(&["--settle=0s"]).expect(0);
        site.redis.members("ONLINE:voip.ca") == ["100"]
    });
}

/// A phone chooses its user name.
#[test]
fn whatever_its_name_a_phone_that_dies_leaves_the_board() {
    let site = KamailioCfg::many_domains().start();
    let phone = site.kamailio.phone();
    for byte in b' '..0x7f {
        phone.register_for(&format!("%{byte:02x}u%{byte:02x}@voip.ca"), 3);
    }
    for user in [
        "ünï",
        "ctl\u{1}x",
        "a;b=c",
        "%25%2540",
        "%24fd",
        "%3cnull%3e",
        "0",
        "00",
    ] {
        phone.register_for(&format!("{user}@voip.ca"), 3);
    }
    register_over_tcp(&site.kamailio, "sip:voip.ca", 3600);
    assert_eq!(site.redis.members("ONLINE:voip.ca").len(), 103 - 26);
    until("all but nobody have died", || site.contacts() == 1);
    assert_eq!(site.redis.members("ONLINE:voip.ca"), [""; 0]);
}

/// A refused REGISTER names nobody, whatever Kamailio makes of a user or a domain that it cannot read.
#[test]
fn who_is_refused_takes_nobody_off() {
    let users = ["%3cnull%3e", "0", "00", "100"];
    let too_long = "a".repeat(249);
    for cfg in [KamailioCfg::many_domains(), KamailioCfg::one_domain()] {
        let site = cfg.start();
        let phone = site.kamailio.phone();
        let board = || site.redis.members("ONLINE:voip.ca");
        for user in users {
            phone.register(&format!("{user}@voip.ca"));
        }
        let online = ["0", "00", "100", "<null>"];
        assert_eq!(board(), online);
        for user in ["b%C3%A4r", "%00", "%zz", "%", "100%", "100%0a"] {
            assert_ne!(
                phone.try_register(&format!("{user}@voip.ca")),
                200,
                "{user}"
            );
            assert_eq!(board(), online, "{user}");
        }
        // Kamailio 5.4 takes it for nobody.
        phone.try_register("@voip.ca");
        for domain in ["", &too_long] {
            assert_ne!(
                phone.try_register(&format!("100@{domain}")),
                200,
                "{domain}"
            );
            assert_eq!(board(), online, "{domain}");
        }
        for user in users {
            phone.unregister(&format!("{user}@voip.ca"));
        }
        assert_eq!(site.redis.keys(), [""; 0]);
        site.log_of_errors();
    }
}

/// Whoever dies there keeps a set's only name for them: their domain. 101@voip.ca is a user of abc.voip.ca, too.
#[test]
fn with_use_domain_0_and_users_of_several_domains_the_dead_are_left_to_kamonline() {
    let site = KamailioCfg::many_domains()
        .replace(
            "#!else\n#!define MULTIDOMAIN 1",
            "#!else\n#!define MULTIDOMAIN 0",
        )
        .start();
    for aor in [
        "100@voip.ca",
        "200@abc.voip.ca",
        "101%40voip.ca@abc.voip.ca",
    ] {
        site.register_for(aor, 2);
    }
    site.register("101@voip.ca");
    until("all but 101 die", || site.contacts() == 1);
    assert_eq!(site.redis.members("ONLINE:voip.ca"), ["100", "101"]);
    let left = site.redis.members("ONLINE:abc.voip.ca");
    assert_eq!(left, ["101@voip.ca", "200"]);
    site.unregister("101@voip.ca");
    assert_eq!(site.redis.members("ONLINE:voip.ca"), ["100"]);
}

/// A site may save to several tables; the sets show one.
#[test]
fn a_phone_of_another_table_takes_nobody_off() {
    let site = KamailioCfg::many_domains()
        .replace(
            "if (!save(\"location\")) {",
            "if ($hdr(X-Table) == \"others\") {\n\t\tsave(\"others\");\n\t\texit;\n\t}\n\
             \tif (!save(\"location\")) {",
        )
        .start();
    site.register("100@voip.ca");
    let other = site.kamailio.phone().in_table("others");
    other.register_for("100@voip.ca", 1);
    until("the phone of the other table expires", || {
        site.contacts() == 1
    });
    assert_eq!(site.redis.members("ONLINE:voip.ca"), ["100"]);
}

/// $rc is 0 there, and a route that returns 0 ends the script.
#[test]
fn called_ahead_of_everything_it_ends_no_script() {
    let site = KamailioCfg::many_domains()
        .replace(
            "\nrequest_route {\n",
            "\nrequest_route {\n\troute(ONLINE);\n",
        )
        .start();
    site.register("100@voip.ca");
    assert_eq!(site.redis.members("ONLINE:voip.ca"), ["100"]);
}

#[test]
fn without_redis_phones_register_as_before() {
    let (kamailio, _dir) = KamailioCfg::many_domains().start_without_redis();
    kamailio.register("100@voip.ca");
    kamailio.unregister("100@voip.ca");
    let log = kamailio.log();
    let (of_redis, others): (Vec<_>, Vec<_>) = errors(&log)
        .into_iter()
        .partition(|line| line.contains("ndb_redis"));
    assert!(!of_redis.is_empty() && others.is_empty(), "{others:#?}");
}
