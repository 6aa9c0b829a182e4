//! What variables do, and spoilt ones do not, at real servers.

use crate::lab::{Kamailio, KamailioOptions, Lab, Redis, Run, kamonline_env};

/// A trunk that is registered nowhere: what should protect it and does not is exit 2, and it stays.
#[test]
fn a_pattern_in_quotes_costs_no_trunk() {
    let lab = Lab::drifted();
    lab.redis.add("ONLINE:abc.voip.ca", "trunk-1");
    let (kamailio, redis) = (lab.kamailio.rpc_url(), lab.redis.url());
    let run = |pattern: &str| {
        let environment = [
            ("KAMONLINE_KAMAILIO", kamailio.as_str()),
            ("KAMONLINE_REDIS", &redis),
            ("KAMONLINE_SETTLE", "0s"),
            ("KAMONLINE_EXCLUDE_USER", pattern),
        ];
        kamonline_env(&[], &environment)
    };
    for pattern in [
        "'trunk-.*'",
        "\"trunk-.*\"",
        "['trunk-.*']",
        "trunk-.*\n777",
        "trunk-.* # the trunks",
        "[trunk-.*]",
        "$(TRUNKS)",
    ] {
        run(pattern).expect(2);
    }
    let members = ["100", "101", "trunk-1"];
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), members);
    run(" trunk-.* , 777\r").expect(0);
    let members = ["100", "trunk-1"];
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), members);
}

/// A board, and another application's sets in the same database.
#[test]
fn what_used_to_bite_leaves_another_applications_sets_alone() {
    let lab = Lab::drifted();
    let board = ["100", "101"];
    for key in ["sessions", "carts:abc.voip.ca", "abc.voip.ca"] {
        lab.redis.add_many(key, ["1", "2", "3"]);
    }
    let (kamailio, redis) = (lab.kamailio.rpc_url(), lab.redis.url());
    let run = |args: &[&str], further: &[(&str, &str)]| {
        let servers = [
            ("KAMONLINE_KAMAILIO", &*kamailio),
            ("KAMONLINE_REDIS", &redis),
        ];
        kamonline_env(args, &[&servers[..], further].concat())
    };
    let in_database = format!("{redis}?db=3");
    let two_registrars = format!("{kamailio} {kamailio}");
    for (args, environment, code, said) in [
        (
            &[][..],
            ("KAMONLINE_PREFIX", ""),
            2,
            "KAMONLINE_PREFIX is empty",
        ),
        (&["--prefix="], ("X", ""), 2, "--prefix is empty"),
        (&["--prefix", ""], ("X", ""), 2, "--prefix is empty"),
        (
            &[],
            ("KAMONLINE_DEFAULT_DOMAIN", ""),
            2,
            "KAMONLINE_DEFAULT_DOMAIN is empty",
        ),
        (
            &[],
            ("KAMONLINE_DRY_RUN", ""),
            2,
            "KAMONLINE_DRY_RUN is empty",
        ),
        (
            &[],
            ("KAMONLINE_DOMAIN", ""),
            2,
            "KAMONLINE_DOMAIN is empty",
        ),
        (
            &[],
            ("KAMONLINE_DRYRUN", "1"),
            2,
            "remove it, or rename it if KAMONLINE_DRY_RUN is",
        ),
        (&[], ("KAMONLINE_DRY_RUN", "true"), 0, ""),
        (
            &["--rpc=jsonrpc"],
            ("KAMONLINE_KAMAILIO", &two_registrars),
            2,
            "KAMONLINE_KAMAILIO: --kamailio: several URLs in one value?",
        ),
        (
            &[],
            ("KAMONLINE_PREFIX", "ONLINE: # x"),
            2,
            "KAMONLINE_PREFIX holds a blank and then a #",
        ),
        (
            &[],
            ("KAMONLINE_REDIS", &in_database),
            2,
            "redis://HOST:PORT/3",
        ),
        (&["-v"], ("KAMONLINE_QUIET", "1"), 0, ""),
    ] {
        let dry = [("KAMONLINE_DRY_RUN", "1")];
        let is_dry = environment.0.contains("DRY") || code == 2;
        let dry = if is_dry { &[][..] } else { &dry };
        let run = run(args, &[dry, &[environment]].concat()).expect(code);
        assert!(run.stderr.contains(said), "{environment:?}: {}", run.stderr);
        assert_eq!(
            lab.redis.members("ONLINE:abc.voip.ca"),
            board,
            "{environment:?}"
        );
    }
    run(
        &["--dry-run=false", "--settle=0s"],
        &[("KAMONLINE_DRY_RUN", "1"), ("KAMONLINE_ADD_MISSING", "yes")],
    )
    .expect(0);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "102"]);
    for key in ["sessions", "carts:abc.voip.ca", "abc.voip.ca"] {
        assert_eq!(lab.redis.members(key), ["1", "2", "3"], "{key}");
    }
}

#[test]
fn each_variable_does_what_its_option_does() {
    let redis = Redis::start();
    let [first, second] =
        [(); 2].map(|_| Kamailio::start(&KamailioOptions::default(), Some(&redis)));
    first.register("100@abc.voip.ca");
    second.register("200@xyz.voip.ca");
    redis.add("ONLINE:abc.voip.ca", "ghost");
    redis.add("OTHER:abc.voip.ca", "other ghost");
    redis.add("OTHER:xyz.voip.ca", "200");
    let both = format!("{}, {},", first.rpc_url(), second.rpc_url());
    let url = redis.url();
    let base = [
        ("KAMONLINE_KAMAILIO", both.as_str()),
        ("KAMONLINE_REDIS", &url),
        ("KAMONLINE_SETTLE", "0s"),
        ("KAMONLINE_FORMAT", "json"),
    ];
    let run = |args: &[&str], further: &[(&str, &str)]| -> Run {
        kamonline_env(&[args, &["-nv"]].concat(), &[&base, further].concat())
    };

    let report = run(&[], &[]).expect(0).json();
    assert_eq!(report["registrars"].as_array().unwrap().len(), 2);
    assert_eq!(report["totals"]["online"], 2);
    assert_eq!(report["redis"]["url"], url);

    // Each with the exit code and a word of what it leads to.
    for (name, value, code, word) in [
        ("RPC", "jsonrpc", 1, "jsonrpc_dispatch()"),
        ("TABLE", "location,location9", 1, "named location9"),
        (
            "KAMAILIO_CA",
            "/nowhere",
            2,
            "no URL of --kamailio is with TLS",
        ),
        (
            "KAMAILIO_PASSWORD_FILE",
            "/nowhere",
            2,
            "--kamailio-password-file",
        ),
        (
            "KAMAILIO",
            " , ",
            2,
            "KAMONLINE_KAMAILIO has an empty element",
        ),
        (
            "REDIS",
            "redis://127.0.0.1:1,redis://127.0.0.1:2",
            2,
            "given several times",
        ),
        ("REDIS_SENTINEL", "mymaster", 1, "no sentinel"),
        ("REDIS_CA", "/nowhere", 2, "no URL of --redis is with TLS"),
        (
            "REDIS_PASSWORD_FILE",
            "/nowhere",
            2,
            "--redis-password-file",
        ),
        ("PREFIX", "OTHER:", 0, "\"stale\":[\"other ghost\"]"),
        (
            "DOMAIN",
            "abc\\..*,xyz\\..*",
            0,
            "\"domain\":\"xyz.voip.ca\"",
        ),
        ("DOMAIN", "abc\\..*", 0, "\"online\":1"),
        ("EXCLUDE_DOMAIN", "nobody,abc\\..*", 0, "\"stale\":0"),
        ("EXCLUDE_USER", "nobody,gho.*", 0, "\"stale\":0"),
        ("DEFAULT_DOMAIN", "d.ca", 1, "leave out --default-domain"),
        (
            "DEFAULT_DOMAIN",
            "*",
            2,
            "--default-domain *: that is no domain",
        ),
        ("MAX_REMOVAL", "0", 3, "--max-removal"),
        ("MIN_UPTIME", "1h", 3, "--min-uptime 0s"),
        ("MIN_UPTIME", "25h", 2, "--min-uptime must not be longer"),
        ("SETTLE", "soon", 2, "--settle"),
        ("SETTLE", "25h", 2, "--settle must not be longer"),
        ("TIMEOUT", "0s", 2, "--timeout must be longer than 0"),
        (
            "TIMEOUT",
            "584542046090years",
            2,
            "KAMONLINE_TIMEOUT: --timeout must not be longer than a day",
        ),
        ("RETRIES", "often", 2, "--retries"),
        ("FORMAT", "text", 0, "dry run, nothing was changed"),
        ("COLOR", "sometimes", 2, "--color"),
    ] {
        let name = format!("KAMONLINE_{name}");
        let run = run(&[], &[(&name, value)]).expect(code);
        let printed = format!("{}{}", run.stdout, run.stderr);
        assert!(printed.contains(word), "{name}={value}: {printed}");
    }
    let coloured = [("KAMONLINE_COLOR", "always"), ("KAMONLINE_FORMAT", "text")];
    assert!(run(&[], &coloured).expect(0).stdout.contains("\x1b[31m"));
    // The command line takes precedence over the environment, and a comma there is a comma.
    let args = [
        "--format=text",
        "--domain=(abc|x{1,2}yz)\\..*",
        "--max-removal=5",
    ];
    let text = run(&args, &[("KAMONLINE_MAX_REMOVAL", "0")]).expect(0);
    assert!(
        text.stdout.contains("\n\nabc.voip.ca: 1 user online"),
        "{}",
        text.stdout
    );
}
