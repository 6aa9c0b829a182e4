//! Every option that takes a value can come from the environment, for cron and systemd.

use crate::lab::{Kamailio, KamailioOptions, Redis, Run, kamonline_env};
use clap::{ArgAction, CommandFactory};
use kamonline::cli::Cli;

#[test]
fn every_option_with_a_value_has_its_variable() {
    let command = Cli::command();
    let valued = command.get_arguments().filter(|option| {
        let takes_value = matches!(option.get_action(), ArgAction::Set | ArgAction::Append);
        takes_value && option.get_id() != "generate"
    });
    let mut count = 0;
    for option in valued {
        let long = option.get_long().unwrap();
        let name = format!("KAMONLINE_{}", long.to_uppercase().replace('-', "_"));
        assert_eq!(option.get_env().unwrap().to_str(), Some(name.as_str()));
        count += 1;
    }
    assert!(count >= 18, "{count}");
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
        ("KAMAILIO_CA", "/nowhere", 2, "--kamailio-ca /nowhere"),
        (
            "KAMAILIO_PASSWORD_FILE",
            "/nowhere",
            2,
            "--kamailio-password-file",
        ),
        ("KAMAILIO", " , ", 2, "--kamailio and --redis need a URL"),
        (
            "REDIS",
            "redis://127.0.0.1:1,redis://127.0.0.1:2",
            2,
            "given several times",
        ),
        ("REDIS_SENTINEL", "mymaster", 1, "no sentinel"),
        ("REDIS_CA", "/nowhere", 2, "--redis-ca /nowhere"),
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
        ("DEFAULT_DOMAIN", "d.ca", 1, "leave out --default-domain"),
        ("MAX_REMOVAL", "0", 3, "--max-removal"),
        ("MIN_UPTIME", "1h", 3, "--min-uptime 0s"),
        ("SETTLE", "soon", 2, "--settle"),
        ("TIMEOUT", "0s", 2, "--timeout must be longer than 0"),
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
    // The command line goes before the environment, and a comma there is a comma.
    let args = [
        "--format=text",
        "--domain=(abc|x{1,2}yz)\\..*",
        "--max-removal=5",
    ];
    let text = run(&args, &[("KAMONLINE_MAX_REMOVAL", "0")]).expect(0);
    assert!(
        text.stdout.starts_with("abc.voip.ca: 1 user online"),
        "{}",
        text.stdout
    );
}
