//! contrib/kemi.py in a site whose routing is in Python.

use super::settings::register_over_tcp;
use super::shapes::{Shape, many_domains, one_domain};
use super::site::KamailioCfg;
use crate::lab::until;

const RECIPE: &str = include_str!("../../../../contrib/kemi.py");

const ROUTING: &str = r#"
import KSR

def mod_init():
    return Routing()

class Routing:
    def child_init(self, rank):
        return 0

    def ksr_request_route(self, msg):
        if KSR.is_method("OPTIONS"):
            KSR.sl.send_reply(200, "OK")
        elif KSR.pv.get("$hdr(X-Table)") == "others":
            KSR.registrar.save("others", 0)
        else:
            KSR.registrar.save("location", 0)
            online()
        return 1

    def ksr_registrar_event(self, msg, event):
        online_expired()
        return 1

    def ksr_xhttp_event(self, msg, event):
        if not online_rpc():
            KSR.xhttp.xhttp_reply(200, "OK", "text/plain", "of the site\n")
        return 1
"#;

const CALLBACKS: &str = r#"
modparam("registrar", "event_callback", "ksr_registrar_event")
modparam("xhttp", "event_callback", "ksr_xhttp_event")
"#;

/// The stock file up to its routes.
fn in_python(shape: Shape, callbacks: &str, recipe: &str) -> Shape {
    let cut = |cfg: KamailioCfg| {
        let (before, _) = cfg.text.split_once("request_route {").unwrap();
        KamailioCfg {
            text: format!("{before}{callbacks}cfgengine \"python\"\n"),
            ..cfg
        }
        .file("routing.py", format!("{recipe}{ROUTING}"))
    };
    shape.with(cut).ahead(
        "loadmodule \"app_python3.so\"\nmodparam(\"app_python3\", \"load\", \"@DIR@/routing.py\")",
    )
}

#[test]
fn without_an_event_callback() {
    in_python(many_domains(), "", RECIPE).lives();
}

#[test]
fn with_event_callbacks() {
    in_python(many_domains(), CALLBACKS, RECIPE)
        .phone("A%20B@Voip.CA", "ONLINE:voip.ca", "a b")
        .lives();
}

#[test]
fn with_event_callbacks_and_one_domain() {
    let recipe = RECIPE.replace("ONLINE_DOMAIN = \"\"", "ONLINE_DOMAIN = \"voip.ca\"");
    in_python(one_domain(), CALLBACKS, &recipe).lives();
}

#[test]
fn without_an_event_callback_and_one_domain() {
    let recipe = RECIPE.replace("ONLINE_DOMAIN = \"\"", "ONLINE_DOMAIN = \"voip.ca\"");
    in_python(one_domain(), "", &recipe).lives();
}

/// A refused REGISTER, and with use_domain 0 the end of a user who looks like one of another domain.
#[test]
fn nobody_else_is_taken_off() {
    let one_domain_recipe = RECIPE.replace("ONLINE_DOMAIN = \"\"", "ONLINE_DOMAIN = \"voip.ca\"");
    let without_domain =
        one_domain().with(|cfg| cfg.replace("#!define ONLINE_DOMAIN \"voip.ca\"\n", ""));
    for (shape, recipe) in [
        (many_domains(), RECIPE),
        (one_domain(), &one_domain_recipe),
        (without_domain, RECIPE),
    ] {
        let site = in_python(shape, CALLBACKS, recipe).cfg.start();
        let phone = site.kamailio.phone();
        for user in ["0", "%3cnull%3e", "100"] {
            phone.register(&format!("{user}@voip.ca"));
        }
        let too_long = format!("100@{}", "a".repeat(249));
        for aor in ["b%C3%A4r@voip.ca", "%00@voip.ca", "100%@voip.ca", &too_long] {
            assert_ne!(phone.try_register(aor), 200, "{aor}");
        }
        phone.register_for("100%40voip.ca@abc.voip.ca", 1);
        until("it expires", || site.contacts() == 3);
        let left = site.redis.members("ONLINE:voip.ca");
        assert_eq!(left, ["0", "100", "<null>"]);
        site.log_of_errors();
    }
}

/// Nobody, a number without a domain, a user whom Python cannot hold: the script goes on.
#[test]
fn odd_users() {
    let site = in_python(many_domains(), CALLBACKS, RECIPE)
        .ahead("modparam(\"usrloc\", \"preload\", \"others\")")
        .cfg
        .start();
    let phone = site.kamailio.phone();
    let board = || site.redis.members_raw("ONLINE:voip.ca");
    assert_eq!(phone.register_raw(b"raw\xffutf8", "voip.ca"), 200);
    phone.register("v6@[2001:db8::1]");
    for uri in ["sip:voip.ca", "tel:+15551234"] {
        register_over_tcp(&site.kamailio, uri, 3600);
    }
    for user in ["x%40y", "ünï", "50%25", "%5bu", "100"] {
        phone.register(&format!("{user}@voip.ca"));
    }
    let stored = ["100", "50%", "[u", "x@y", "ünï"];
    assert_eq!(board(), stored.map(str::as_bytes));
    assert_eq!(site.redis.members("ONLINE:[2001:db8::1]"), ["v6"]);
    site.run(&["--add-missing"]).expect(0);
    site.run(&["--dry-run", "--exit-code"]).expect(0);
    assert_eq!(site.redis.keys().len(), 2);

    for user in ["x%40y", "ünï", "50%25", "%5bu"] {
        phone.register_for(&format!("{user}@voip.ca"), 1);
    }
    let others = phone.in_table("others");
    others.register_for("100@voip.ca", 1);
    until("all but five die", || site.contacts() == 5);
    assert_eq!(board(), [&b"100"[..], b"raw\xffutf8"]);
    assert!(site.get("/metrics").contains("of the site"));
}
