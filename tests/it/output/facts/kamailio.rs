//! Sites that are wrong at Kamailio: Redis is told all the same.

use std::fs;

use tempfile::TempDir;

use super::{KEY, board, registrar, says};
use crate::lab::{Balancer, Kamailio, KamailioOptions, Redis, RedisOptions, Run, temp_dir};

const SERVER: &str = "  Server: kamailio (";
const UP: &str = "  up since: ";

#[track_caller]
fn site(kamailio: &str, redis: &Redis, args: &[&str], code: i32, lines: &[&str]) -> Run {
    let of_redis = ["  members: ", "  SADD: allowed", "  SREM: allowed"];
    let lines = [lines, &of_redis].concat();
    says(kamailio, &redis.url(), args, code, &lines)
}

/// As the reason begins.
fn untold(why: &str) -> String {
    format!("{UP}it does not tell ({why}")
}

#[test]
fn wrong_addresses_and_settings() {
    let redis = board(RedisOptions::default());
    let kamailio = registrar();
    let root = kamailio.rpc_url();
    let other = root.replace("/rpc", "/other");
    let nobody = "http://127.0.0.1:1/rpc";
    let no_table = "it has no usrloc table named users; its tables: location";
    let refused = "cannot connect (Connection refused)";
    for (url, args, said, lines) in [
        (nobody, &[][..], refused, &[&*untold(refused)][..]),
        (
            &other,
            &[],
            "it answered 404, not the dump",
            &[SERVER, &untold("it answered 404")],
        ),
        (
            &root,
            &["--table=users"],
            no_table,
            &[SERVER, UP, "  AoRs: 2 (tables: 2 in location)"],
        ),
    ] {
        let title = format!("Kamailio at {url}: {said}");
        site(url, &redis, args, 1, &[lines, &[&title]].concat());
    }

    kamailio.pause();
    let said = "no answer within 1s, and none to core.uptime either";
    let title = format!("Kamailio at {root}: {said}");
    site(
        &root,
        &redis,
        &[],
        1,
        &[&title, &untold("no whole answer within 1s")],
    );
    kamailio.resume();
}

#[test]
fn one_that_has_just_started_and_one_of_several() {
    let redis = board(RedisOptions::default());
    let kamailio = registrar();
    redis.add(KEY, "dead");
    let run = site(&kamailio.rpc_url(), &redis, &["--min-uptime=2m"], 3, &[UP]);
    let up = run.stdout.lines().find(|line| line.starts_with(UP));
    let seconds = up.unwrap().rsplit(' ').nth(1).unwrap().parse::<u64>();
    assert!(seconds.unwrap() < 120, "{up:?}");
    redis.command(&["SREM", KEY, "dead"]);

    let both = [kamailio, registrar()];
    let balancer = Balancer::before(&both);
    let several = "  at this address: several registrars answer, another one is up since ";
    site(&balancer.url(), &redis, &[], 0, &[SERVER, UP, several]);
}

/// A registrar whose kamailio.cfg is not ours.
fn with_routes(modules: &str, event_route: &str) -> (TempDir, Kamailio) {
    let dir = temp_dir();
    let config = dir.path().join("kamailio.cfg");
    let modules = format!("pv sl textops usrloc registrar {modules}");
    let modules: String = modules
        .split_whitespace()
        .map(|module| format!("loadmodule \"{module}.so\"\n"))
        .collect();
    let text = format!(
        "log_stderror=yes\ntcp_children=2\n{modules}modparam(\"usrloc\", \"use_domain\", 1)\n\
         {event_route}\n\
         request_route {{\n\
         if (is_method(\"OPTIONS\")) {{ sl_send_reply(\"200\", \"Ready\"); exit; }}\n\
         save(\"location\");\n\
         }}\n"
    );
    fs::write(&config, text).unwrap();
    (
        dir,
        with(KamailioOptions {
            config: Some(config),
            ..KamailioOptions::default()
        }),
    )
}

/// A registrar where 100 is registered.
fn with(options: KamailioOptions) -> Kamailio {
    let kamailio = Kamailio::start(&options, None);
    kamailio.register("100@abc.voip.ca");
    kamailio
}

/// As in the stock file, but for the path.
const STOCK_JSONRPC: &str = "modparam(\"jsonrpcs\", \"transport\", 1)\n\
                             event_route[xhttp:request] { \n\
                             if ($hu =~ \"^/rpc\") { jsonrpc_dispatch(); exit; }\n}";
const SKIPPED: &str = "modparam(\"xhttp\", \"url_skip\", \"^/rpc\")\n\
                       event_route[xhttp:request] { dispatch_xhttp_rpc(); }";

#[test]
fn a_kamailio_cfg_that_does_not_answer() {
    let redis = board(RedisOptions::default());
    for (modules, event_route) in [
        ("", ""),
        ("xhttp", "event_route[xhttp:request] { return; }"),
        ("xhttp jsonrpcs", STOCK_JSONRPC),
        ("xhttp xhttp_rpc", SKIPPED),
    ] {
        let (_dir, kamailio) = with_routes(modules, event_route);
        let root = kamailio.rpc_url();
        let said = "no answer within 1s, and none to core.uptime either";
        let title = format!("Kamailio at {root}: {said}");
        let run = site(&root, &redis, &[], 1, &[&title]);
        for part in [
            "kamcmd core.uptime",
            "loads xhttp",
            "returns without an answer",
            "a path of jsonrpc_dispatch() (use --rpc jsonrpc)",
            "url_match or url_skip",
        ] {
            assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
        }
        if event_route == STOCK_JSONRPC {
            site(&root, &redis, &["--rpc=jsonrpc"], 0, &[SERVER, UP]);
        }
    }
    let (_dir, kamailio) = with_routes("xhttp jsonrpcs", &STOCK_JSONRPC.replace("exit;", ""));
    let run = site(&kamailio.rpc_url(), &redis, &[], 1, &[]);
    for part in [
        "closed the connection",
        "jsonrpc_dispatch(), use --rpc jsonrpc)",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

#[test]
fn a_kamailio_cfg_that_answers_otherwise() {
    let redis = board(RedisOptions::default());
    let forbids = untold("it answered 403");
    let (_dir, kamailio) = with_routes(
        "xhttp xhttp_rpc",
        "event_route[xhttp:request] {\n\
         if ($hu =~ \"core.uptime\") xhttp_reply(\"403\", \"Forbidden\", \"text/html\", \"\");\n\
         else dispatch_xhttp_rpc();\n\
         }",
    );
    let lines = [SERVER, &forbids, "  AoRs: 1 (tables: 1 in location)"];
    site(&kamailio.rpc_url(), &redis, &[], 0, &lines);

    let other_address = "ONLINE_ALLOWED=\"^192[.]0[.]2[.]1$\"".into();
    let bare = "  use_domain: 0 (AoRs with a domain: 0)";
    for (options, said, lines) in [
        (
            KamailioOptions {
                defines: vec![other_address],
                ..KamailioOptions::default()
            },
            "it answered 403 (ONLINE_ALLOWED in kamonline.cfg does not allow 127.0.0.1), not the dump",
            &[SERVER, &untold("it answered 403 (ONLINE_ALLOWED in ")[..]],
        ),
        (
            KamailioOptions {
                use_domain: false,
                ..KamailioOptions::default()
            },
            "1 of its 1 AoRs have no domain: its usrloc has use_domain 0",
            &[UP, bare],
        ),
    ] {
        let kamailio = with(options);
        let title = format!("Kamailio at {}: {said}", kamailio.rpc_url());
        let lines = [&lines[..], &[&title]].concat();
        site(&kamailio.rpc_url(), &redis, &[], 1, &lines);
    }

    let in_database = with(KamailioOptions {
        db_mode_3: true,
        ..KamailioOptions::default()
    });
    let lines = [
        "  AoRs: 0 (tables: 0 in location)",
        "  use_domain: no AoR tells it",
    ];
    site(&in_database.rpc_url(), &redis, &[], 3, &lines);
}
