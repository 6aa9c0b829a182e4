//! What README.md and the head of kamailio.cfg.example tell who installs it.

use super::site::{KamailioCfg, changed_as_readme_says, stock};

fn one_domain() -> KamailioCfg {
    KamailioCfg::one_domain()
}

#[test]
fn the_change_of_readme_is_undone() {
    let stock = stock();
    let ours = changed_as_readme_says(&stock, false);
    assert_eq!(changed_as_readme_says(&ours, true), stock);
}

/// One mistake for each message at the head, and what the head says to do.
#[test]
fn what_kamailio_says_is_told_at_the_head() {
    let fragment = one_domain().fragment;
    let head = fragment.split("\n#!trydef").next().unwrap();
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
        quoted_aor(),
        one_domain()
            .last("event_route[usrloc:contact-expired] {\n\texit;\n}")
            .is_refused(),
    ];
    assert_eq!(messages.len(), said.len(), "{messages:?}");
    for (message, said) in messages.iter().zip(said) {
        assert!(said.contains(message), "{message}: {said}");
    }
}

fn quoted_aor() -> String {
    let site = one_domain()
        .ahead("#!define ONLINE_AOR \"sip:$fU@$fd\"")
        .start();
    site.register("100@voip.ca");
    site.log_of_errors()
}
