//! The stock kamailio.cfg with the snippet that people write first: it decides by the Expires header, ahead of save(), and
//! names the user by the login or by the To header. Its sets are of two domains.

use serde_json::json;

use super::site::{KamailioCfg, Site};
use crate::lab::until;

const ABC: &str = "ONLINE:abc.voip.ca";
const XYZ: &str = "ONLINE:xyz.ca";
const DEAD: [usize; 2] = [40, 60];

/// `$au` or `$tU` instead of the fragment.
fn snippet(cfg: KamailioCfg, user: &str) -> KamailioCfg {
    cfg.saving(&format!(
        "\tif ($hdr(Expires) > 0) {{\n\
         \t\tredis_cmd(\"online\", \"SADD ONLINE:$fd {user}\", \"r\");\n\
         \t}} else {{\n\
         \t\tredis_cmd(\"online\", \"SREM ONLINE:$fd {user}\", \"r\");\n\
         \t}}\n\
         \tif (!save(\"location\")) {{\n\t\tsl_reply_error();\n\t}}\n\texit;\n"
    ))
    .replace_in_fragment("\troute(ONLINE_EXPIRED);\n", "\texit;\n")
}

/// The aor of phone n of a hundred.
fn aor(n: usize) -> String {
    let domain = if n < 50 { "abc.voip.ca" } else { "xyz.ca" };
    format!("{}@{domain}", 100 + n)
}

fn is_dead(n: &usize) -> bool {
    (DEAD[0]..DEAD[1]).contains(n)
}

/// The users of those phones, as a set has them.
fn users(phones: impl Iterator<Item = usize>) -> Vec<String> {
    phones.map(|n| (100 + n).to_string()).collect()
}

/// A hundred phones register, and twenty of them die.
fn hundred_phones(cfg: &KamailioCfg) -> Site {
    let site = cfg.start();
    let phone = site.kamailio.phone().with_login();
    for n in (0..100).filter(is_dead) {
        phone.register_for(&aor(n), 2);
    }
    let living = (0..100).filter(|n| !is_dead(n));
    phone.register_many(living.map(aor));
    // Like many phones it says in its Contact for how long, and the snippet takes its user off.
    phone.with_expires_in_contact().register(&aor(0));
    until("twenty have died", || site.contacts() == 80);
    assert_eq!(site.redis.members(ABC), users(1..50));
    assert_eq!(site.redis.members(XYZ), users(50..100));
    site
}

fn is_right(site: &Site) {
    let living = |n: &usize| !is_dead(n);
    assert_eq!(site.redis.members(ABC), users((1..50).filter(living)));
    assert_eq!(site.redis.members(XYZ), users((50..100).filter(living)));
}

fn without_domains() -> KamailioCfg {
    KamailioCfg::one_domain().replace("#!define ONLINE_DOMAIN \"voip.ca\"\n", "")
}

#[test]
fn with_use_domain_0_the_error_says_what_is_wrong_and_ignore_domain_mends_the_board() {
    for user in ["$au", "$tU"] {
        let site = hundred_phones(&snippet(without_domains(), user));
        let run = site.run(&["--settle=0s"]).expect(1);
        for part in [
            "80 of its 80 AoRs have no domain: its usrloc has use_domain 0",
            "--default-domain DOMAIN, if every phone is of one domain",
            "--ignore-domain, if the sets are of several",
            "modparam(\"usrloc\", \"use_domain\", 1)",
            "nothing was changed",
        ] {
            assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
        }
        let args = ["--ignore-domain", "--settle=0s", "--format=json"];
        let report = site.run(&args).expect(0).json();
        is_right(&site);
        assert_eq!(report["totals"]["removed"], 20);
        assert_eq!(report["totals"]["missing"], 1);
        let in_no_set = &report["domains"][0];
        assert_eq!(in_no_set["missing"], json!(["100"]));
        assert_eq!(
            (&in_no_set["domain"], &in_no_set["key"]),
            (&json!(""), &json!(""))
        );
        // All users are of one domain, it is said, and the other set is left alone.
        site.redis.add_many(XYZ, ["gone"]);
        site.run(&["--default-domain=abc.voip.ca", "--settle=0s"])
            .expect(0);
        assert!(site.redis.members(XYZ).contains(&"gone".into()));
    }
}

#[test]
fn with_use_domain_1_no_option_is_needed_and_ignore_domain_says_so() {
    for args in [&["--add-missing"][..], &["--ignore-domain"]] {
        let site = hundred_phones(&snippet(KamailioCfg::many_domains(), "$au"));
        let run = site.run(&[&["--settle=0s"], args].concat()).expect(0);
        if args == ["--ignore-domain"] {
            is_right(&site);
            let note = "note: 79 of 80 AoRs hold the domain of their set, as with use_domain 1";
            assert!(run.stdout.contains(note), "{}", run.stdout);
        } else {
            assert!(site.redis.members(ABC).contains(&"100".into()));
            site.redis.command(&["SREM", ABC, "100"]);
            is_right(&site);
        }
    }
}
