//! What README.md and the head of kamailio.cfg.example tell who installs it.

use super::site::{KamailioCfg, changed_as_readme_says, stock};

#[test]
fn the_change_of_readme_is_undone() {
    let stock = stock();
    let ours = changed_as_readme_says(&stock, false);
    assert_eq!(changed_as_readme_says(&ours, true), stock);
}

/// One mistake for each message at the head, and what the head says to do.
#[test]
fn what_kamailio_says_is_told_at_the_head() {
    let fragment = KamailioCfg::one_domain().fragment;
    let head = fragment.split("\n#!trydef").next().unwrap();
    let messages: Vec<_> = head
        .split("# What Kamailio says, and what to do:\n")
        .nth(1)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("#   ")?.split(": ").next())
        .filter(|message| !message.starts_with(' '))
        .collect();
    let mistakes = [
        KamailioCfg::one_domain()
            .replace_in_fragment("loadmodule \"ndb_redis.so\"", "loadmodule \"absent.so\""),
        KamailioCfg::one_domain().first("loadmodule \"xhttp.so\""),
        KamailioCfg::one_domain().last("event_route[usrloc:contact-expired] {\n\texit;\n}"),
    ];
    assert_eq!(messages.len(), mistakes.len(), "{messages:?}");
    for (message, mistake) in messages.iter().zip(mistakes) {
        let (content, says) = mistake.check();
        assert!(!content && says.contains(message), "{message}: {says}");
    }
}
