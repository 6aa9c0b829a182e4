//! `--default-domain`: for registrars with use_domain 0, whose users all have one domain.

use crate::lab::{Kamailio, KamailioOptions, Redis, Run, kamonline};

const OURS: &str = "ONLINE:abc.voip.ca";

/// Kamailio's usrloc has this `use_domain`.
fn site(use_domain: bool) -> (Kamailio, Redis) {
    let kamailio = Kamailio::start(
        &KamailioOptions {
            use_domain,
            ..KamailioOptions::default()
        },
        None,
    );
    (kamailio, Redis::start())
}

fn run(kamailio: &Kamailio, redis: &Redis, args: &[&str]) -> Run {
    let (url, at) = (kamailio.rpc_url(), redis.url());
    let servers = ["--kamailio", &url, "--redis", &at, "--settle=0s"];
    kamonline(&[&servers, args].concat())
}

#[test]
fn sets_of_other_domains_are_left_alone() {
    let (kamailio, redis) = site(false);
    kamailio.register("100@abc.voip.ca");
    kamailio.register("200@xyz.voip.ca");
    redis.add_many(OURS, ["100", "gone"]);
    redis.add("ONLINE:xyz.voip.ca", "200");
    redis.add("ONLINE:other.ca", "300");
    let args = ["--default-domain=ABC.voip.ca", "--format=json"];
    let report = run(&kamailio, &redis, &args).expect(0).json();
    assert_eq!(redis.members(OURS), ["100"]);
    assert_eq!(redis.members("ONLINE:xyz.voip.ca"), ["200"]);
    assert_eq!(redis.members("ONLINE:other.ca"), ["300"]);
    assert_eq!(report["redis"]["keys"], 1);
    assert_eq!(report["notices"][0]["kind"], "other_domains");
    assert_eq!(
        report["notices"][0]["message"],
        "2 sets of other domains than --default-domain left alone"
    );
}

#[test]
fn out_of_scope_it_is_wrong_usage() {
    for scope in ["--domain=xyz[.]ca", "--exclude-domain=.*"] {
        let run = kamonline(&["--default-domain=abc.voip.ca", scope]).expect(2);
        let said = "leaves it out";
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
}

#[test]
fn a_registrar_that_has_domains_is_told_on_an_empty_board_too() {
    let (kamailio, redis) = site(true);
    kamailio.register("100@abc.voip.ca");
    for board in [&[][..], &["100"], &["200"]] {
        redis.add_many(OURS, board.iter().copied());
        let args = [
            "--default-domain=abc.voip.ca",
            "--add-missing",
            "--allow-empty",
        ];
        let run = run(&kamailio, &redis, &args).expect(1);
        for part in [
            "1 of its 1 AoRs hold a domain",
            "nothing was changed",
            "leave out --default-domain",
            "both kinds that serve the same domain, give --ignore-domain instead",
        ] {
            assert!(run.stderr.contains(part), "no {part:?} in {}", run.stderr);
        }
    }
    assert_eq!(redis.members(OURS), ["100", "200"]);
}

/// A domain or a prefix that is misspelt.
#[test]
fn a_new_set_beside_those_of_other_domains_is_refused() {
    let (kamailio, redis) = site(false);
    kamailio.register("100@abc.voip.ca");
    kamailio.register("101@abc.voip.ca");
    let args = |domain, further: &[&'static str]| [&[domain, "--add-missing"], further].concat();
    let (ours, misspelt) = (
        "--default-domain=abc.voip.ca",
        "--default-domain=abd.voip.ca",
    );
    // Nothing is wrong with the first set of all.
    run(&kamailio, &redis, &args(ours, &[])).expect(0);
    redis.add(OURS, "gone");
    let board = ["100", "101", "gone"];
    assert_eq!(redis.members(OURS), board);
    for (args, key) in [
        (args(misspelt, &[]), "ONLINE:abd.voip.ca"),
        (args(misspelt, &["--dry-run"]), "ONLINE:abd.voip.ca"),
        (args(misspelt, &["--keep-stale"]), "ONLINE:abd.voip.ca"),
        (args(ours, &["--prefix=ONLINE"]), "ONLINEabc.voip.ca"),
    ] {
        let said = run(&kamailio, &redis, &args).expect(3).stderr;
        let error = format!(
            "{key} would be a new set, with 2 users, while the sets under --prefix are of other \
             domains (1); nothing was changed"
        );
        let hint = "hint: check --default-domain and --prefix. If this set is to be made \
                    indeed: --allow-empty\n";
        assert!(said.contains(&error) && said.ends_with(hint), "{said}");
        assert_eq!(redis.keys(), [OURS]);
        assert_eq!(redis.members(OURS), board);
    }
    // Who adds nobody makes no set.
    run(&kamailio, &redis, &[misspelt]).expect(0);
    assert_eq!(redis.keys(), [OURS]);
    run(&kamailio, &redis, &args(misspelt, &["--allow-empty"])).expect(0);
    assert_eq!(redis.members("ONLINE:abd.voip.ca"), ["100", "101"]);
}
