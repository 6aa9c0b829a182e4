//! What the patches of contrib/ and the head of kamailio.cfg.example tell who installs it.

use std::fs;

use super::site::{KamailioCfg, patched, stock};

fn one_domain() -> KamailioCfg {
    KamailioCfg::one_domain()
}

#[test]
fn each_patch_applies_to_both_stock_files_and_is_undone() {
    for suite in ["bookworm", "trixie"] {
        let stock = stock(Some(suite));
        for patch in ["one-domain.patch", "several-domains.patch"] {
            let ours = patched(&stock, patch, &[]);
            let undone = patched(ours.path(), patch, &["--reverse"]);
            let [before, after] = [&stock, undone.path()].map(|file| fs::read(file).unwrap());
            assert!(before == after, "{suite}, {patch}");
        }
    }
}

/// A phone sends its REGISTER to its domain, which the stock file does not know.
#[test]
fn the_patches_make_kamailio_answer_for_the_domains() {
    for (cfg, domain, args) in [
        (one_domain(), "voip.ca", &["--default-domain=voip.ca"][..]),
        (KamailioCfg::many_domains(), "abc.voip.ca", &[]),
        (KamailioCfg::many_domains(), "xyz.voip.ca", &[]),
    ] {
        let (aor, set) = (format!("100@{domain}"), format!("ONLINE:{domain}"));
        let without = cfg
            .clone()
            .replace(&format!("alias=\"{domain}\"\n"), "")
            .start();
        assert_eq!(without.kamailio.phone().of(domain).try_register(&aor), 403);

        let site = cfg.start();
        site.kamailio.phone().of(domain).register(&aor);
        assert_eq!(site.redis.members(&set), ["100"]);
        site.run(&[&["--dry-run", "--exit-code"], args].concat())
            .expect(0);
    }
}

/// The comments at the top of the fragment.
fn head() -> String {
    let fragment = one_domain().fragment;
    fragment.split("\n#!trydef").next().unwrap().into()
}

#[test]
fn the_settings_at_the_head_can_be_copied_as_they_stand() {
    let head = head();
    let settings: Vec<_> = head
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .filter(|line| line.starts_with("#!define ONLINE_"))
        .collect();
    assert_eq!(settings.len(), 7, "{settings:?}");
    for setting in settings {
        KamailioCfg::many_domains().ahead(setting).is_accepted();
    }
}

/// One mistake for each message at the head, and what the head says to do.
#[test]
fn what_kamailio_says_is_told_at_the_head() {
    let head = head();
    let messages: Vec<_> = head
        .split("# What Kamailio says, and what to do:\n")
        .nth(1)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("#   ")?.split(": ").next())
        .filter(|message| !message.starts_with(' '))
        .collect();
    let said = [
        one_domain()
            .replace_in_fragment("loadmodule \"ndb_redis.so\"", "loadmodule \"absent.so\"")
            .is_refused(),
        one_domain().first("loadmodule \"xhttp.so\"").is_refused(),
        one_domain()
            .ahead("#!ifdef WITH_DEBUG")
            .replace("\nrequest_route {", "\n#!endif\nrequest_route {")
            .ends(),
        defining("ONLINE_DOMAIN \"voip.ca\" # ours").is_refused(),
        log_of_a_register(&defining("ONLINE_AOR \"$avp(aor)\"")),
        log_of_a_register(&one_domain().replace("ONLINE_DOMAIN \"v", "ONLINE_DOMAIN \"@v")),
        log_of_a_register(&redis_of_another_name()),
        one_domain()
            .last("event_route[usrloc:contact-expired] {\n\texit;\n}")
            .is_refused(),
    ];
    assert_eq!(messages.len(), said.len(), "{messages:?}");
    for (message, said) in messages.iter().zip(said) {
        assert!(said.contains(message), "{message}: {said}");
    }
}

#[test]
fn other_mistakes_have_the_same_message() {
    for aor in ["$fU", "$avp(never_set)"] {
        let says = log_of_a_register(&defining(&format!("ONLINE_AOR {aor}")));
        assert!(says.contains("invalid uri"), "{aor}: {says}");
    }
    for route in ["ONLINE", "ONLINE_STORE"] {
        let own = format!("route[{route}] {{\n\treturn;\n}}");
        let says = one_domain().last(&own).is_refused();
        assert!(says.contains("duplicate route"), "{route}: {says}");
    }
}

#[test]
fn a_value_without_its_quotes_or_with_a_comment_is_a_syntax_error_in_kamonline_cfg() {
    for setting in [
        "ONLINE_DOMAIN \"voip.ca\" # ours",
        "ONLINE_DOMAIN voip.ca",
        "ONLINE_TABLE location",
        "ONLINE_RPC_ROOT rpc",
    ] {
        let says = defining(setting).is_refused();
        let is_told =
            |line: &str| line.contains("kamonline.cfg") && line.contains(": syntax error");
        assert!(says.lines().any(is_told), "{setting}: {says}");
    }
}

fn defining(setting: &str) -> KamailioCfg {
    KamailioCfg::many_domains().ahead(&format!("#!define {setting}"))
}

fn redis_of_another_name() -> KamailioCfg {
    let other = "\"name=srvN;addr=127.0.0.1;port=1\")";
    KamailioCfg::many_domains().replace_in_fragment("ONLINE_REDIS)", other)
}

fn log_of_a_register(cfg: &KamailioCfg) -> String {
    let site = cfg.start();
    site.register("100@voip.ca");
    site.log_of_errors()
}
