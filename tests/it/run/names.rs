//! Odd and hostile user names, from phone to board: recognised while online, removed byte for byte once gone.

use crate::lab::Lab;

/// User and domain as a phone sends them.
const SENT: [(&[u8], &str); 12] = [
    (b"Alice", "ABC.voip.ca"),
    (b"a%20b", "abc.voip.ca"),
    (b"x%40y", "abc.voip.ca"),
    (b"bob%3Cbr%2F%3Eq", "abc.voip.ca"),
    (b"%3C%2Fpre%3E", "abc.voip.ca"),
    (b"pc%25z", "abc.voip.ca"),
    (b"%20lead", "abc.voip.ca"),
    (b"tail%20", "abc.voip.ca"),
    (b"ctl\x01x", "abc.voip.ca"),
    ("ünï".as_bytes(), "abc.voip.ca"),
    (b"raw\xffutf8", "abc.voip.ca"),
    (b"v6", "[2001:db8::1]"),
];

/// Every name is registered; Redis holds it as our fragment stores it, and as the naive one does: as it was sent.
fn lab() -> Lab {
    let lab = Lab::start();
    for (user, domain) in SENT {
        assert_eq!(
            lab.kamailio.register_raw(user, domain),
            200,
            "{user:?}@{domain}"
        );
    }
    let stored = lab.redis.members_raw("ONLINE:abc.voip.ca");
    for user in [
        "alice".as_bytes(),
        b"a b",
        b"x@y",
        b"bob<br/>q",
        b"</pre>",
        b"pc%z",
        b" lead",
        b"raw\xffutf8",
    ] {
        assert!(stored.contains(&user.to_vec()), "{stored:?}");
    }
    for (user, domain) in SENT {
        lab.redis.add(&format!("ONLINE:{domain}"), user);
    }
    lab
}

#[test]
fn every_spelling_of_a_user_who_is_online_is_recognised() {
    let lab = lab();
    let run = lab.run(&["--add-missing"]).expect(0);
    assert_eq!(
        run.stdout, "in sync: 12 users online in 2 domains\n",
        "{}",
        run.stderr
    );
}

#[test]
fn every_spelling_of_a_user_who_is_gone_is_removed_and_nothing_else() {
    let lab = lab();
    for (user, domain) in &SENT[1..] {
        lab.pull_the_cable([*user, b"@", domain.as_bytes()].concat());
    }
    let run = lab
        .run(&["--max-removal=100%", "--settle=0s", "-v"])
        .expect(0);
    assert_eq!(
        lab.redis.members("ONLINE:abc.voip.ca"),
        ["alice"],
        "{}",
        run.stdout
    );
    assert_eq!(lab.redis.members("ONLINE:ABC.voip.ca"), ["Alice"]);
    assert_eq!(
        lab.redis.keys(),
        ["ONLINE:ABC.voip.ca", "ONLINE:abc.voip.ca"]
    );
}

#[test]
fn control_characters_never_reach_a_terminal() {
    let lab = lab();
    lab.redis.add("ONLINE:abc.voip.ca", b"\x1b[2J\x07\xc2\x9b");
    lab.redis.add("ONLINE:\x1b[31m", "100");
    lab.redis.command(&["SET", "ONLINE:\x07", "no set"]);
    for format in ["text", "json"] {
        let run = lab.run(&["--dry-run", "-v", "--format", format]).expect(0);
        let shown = run.stdout + &run.stderr;
        let raw = shown
            .chars()
            .find(|char| char.is_control() && *char != '\n');
        assert_eq!(raw, None, "{shown:?}");
        assert!(shown.contains("[2J"), "{shown}");
    }
}

#[test]
fn with_case_sensitive_two_spellings_are_two_users() {
    use crate::lab::KamailioOptions;
    let lab = Lab::with(KamailioOptions {
        case_sensitive: true,
        ..KamailioOptions::default()
    });
    lab.register("Alice@ABC.voip.ca");
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["Alice"]);
    lab.redis.add("ONLINE:abc.voip.ca", "alice");
    assert_eq!(
        lab.run(&["--dry-run"]).expect(0).stdout,
        "in sync: 1 user online in 1 domain\n"
    );
    lab.run(&["--case-sensitive", "--settle=0s"]).expect(0);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["Alice"]);
}
