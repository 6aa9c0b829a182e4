//! `--ignore-domain`: for registrars with use_domain 0, whose sets are of several domains all the same.

use serde_json::json;

use crate::lab::{Kamailio, KamailioOptions, Proxy, Redis, Run, kamonline, temp_dir};

const ABC: &str = "ONLINE:abc.voip.ca";
const XYZ: &str = "ONLINE:xyz.ca";

/// Nobody tells Redis who registers.
struct Site {
    kamailio: Kamailio,
    redis: Redis,
}

impl Site {
    fn start(options: KamailioOptions, registered: &[&str]) -> Self {
        let kamailio = Kamailio::start(&options, None);
        for aor in registered {
            kamailio.register(aor);
        }
        Self {
            kamailio,
            redis: Redis::start(),
        }
    }

    fn without_domains(registered: &[&str]) -> Self {
        Self::start(bare(), registered)
    }

    fn run_at(&self, registrars: &[&str], args: &[&str]) -> Run {
        let at = self.redis.url();
        let mut all = vec!["--ignore-domain", "--settle=0s", "--redis", &at];
        for url in registrars {
            all.extend(["--kamailio", url]);
        }
        kamonline(&[&all, args].concat())
    }

    fn run(&self, args: &[&str]) -> Run {
        self.run_at(&[&self.kamailio.rpc_url()], args)
    }

    fn board(&self) -> [Vec<String>; 2] {
        [ABC, XYZ].map(|key| self.redis.members(key))
    }
}

fn bare() -> KamailioOptions {
    KamailioOptions {
        use_domain: false,
        ..KamailioOptions::default()
    }
}

#[test]
fn a_user_is_online_in_every_set_and_the_dead_go() {
    // As a phone sends it, and what stands for it on the board.
    let phones = [
        "100@abc.voip.ca",
        "alice%40example.com@abc.voip.ca",
        "a%20b@xyz.ca",
        "sip%3a7@xyz.ca",
        "%25@xyz.ca",
        "x%40xyz.ca@abc.voip.ca",
    ];
    let site = Site::without_domains(&phones);
    let ours = ["%25", "100", "A%20B", "alice@example.com", "sip:7"];
    site.redis.add_many(ABC, ours);
    // x@xyz.ca of abc.voip.ca may be x of xyz.ca: nobody can tell.
    site.redis.add_many(XYZ, ["%", "100", "a b", "x"]);
    site.redis.add_many(ABC, ["gone", "x", "alice"]);
    site.redis.add_many(XYZ, ["gone", "alice@example.org"]);
    site.redis.add("ONLINE:", "gone");
    let run = site.run(&[]).expect(0);
    assert_eq!(site.board()[0], ours);
    assert_eq!(site.board()[1], ["%", "100", "a b", "x"]);
    assert_eq!(site.redis.keys(), [ABC, XYZ]);
    let summary = "removed 6 stale users; 9 users online in 3 domains\n";
    assert!(run.stdout.ends_with(summary), "{}", run.stdout);
    site.run(&["--dry-run", "--exit-code"]).expect(0);
}

#[test]
fn who_is_in_no_set_is_told_without_a_domain_and_nobody_is_added() {
    let site = Site::without_domains(&["100@abc.voip.ca", "101@xyz.ca", "trunk@xyz.ca"]);
    site.redis.add_many(ABC, ["100", "gone"]);
    let dir = temp_dir();
    let metrics = dir.path().join("kamonline.prom");
    let metrics_option = format!("--metrics-file={}", metrics.display());
    let args = ["--exclude-user=trunk", &metrics_option];
    let look = [&args[..], &["--dry-run", "--exit-code"]].concat();
    let run = site.run(&look).expect(4);
    assert_eq!(
        run.stdout,
        format!(
            "in no set: 1 registered user\n  + 101\n\
             abc.voip.ca: 1 user online, 2 members in {ABC}\n  - gone\n\
             dry run, nothing was changed: 1 stale user to remove, 1 registered user in no set; 2 users online in 1 domain\n"
        )
    );
    let report = site.run(&[&args[..], &["--format=json"]].concat());
    let report = report.expect(0).json();
    let [in_no_set, abc] = &report["domains"].as_array().unwrap()[..] else {
        panic!("{report}");
    };
    assert_eq!(in_no_set["key"], "");
    assert_eq!(in_no_set["domain"], "");
    assert_eq!(in_no_set["missing"], json!(["101"]));
    assert_eq!(in_no_set["online"], 1);
    assert_eq!(abc["online"], 1);
    assert_eq!(report["totals"]["online"], 2);
    assert_eq!(report["totals"]["missing"], 1);
    assert_eq!(report["outcome"], "discrepancies");
    let metrics = std::fs::read_to_string(metrics).unwrap();
    assert!(metrics.contains("kamonline_users_missing 1\n"), "{metrics}");
    let run = site.run(&args).expect(0);
    let summary =
        "removed 0 stale users; 1 registered user in no set; 2 users online in 1 domain\n";
    assert!(run.stdout.ends_with(summary), "{}", run.stdout);
    assert_eq!(site.redis.keys(), [ABC]);
    // All that a reader may know of it.
    let trunk_and_101 = ["--exclude-user=trunk|101", "--checked-key=checked"];
    site.run(&trunk_and_101).expect(0);
    let checked: String = site.redis.ask(&["GET", "checked"]);
    assert!(checked.contains(r#""domains":1,"online":1"#), "{checked}");
}

#[test]
fn with_a_default_domain_it_is_wrong_usage() {
    let run = kamonline(&["--ignore-domain", "--default-domain=abc.ca"]).expect(2);
    let said = "cannot be used with";
    assert!(run.stderr.contains(said), "{}", run.stderr);
}

/// The lines of cron and of the unit have --add-missing, and the settings file has the rest.
#[test]
fn with_add_missing_nobody_is_added_and_a_notice_says_so() {
    let site = Site::without_domains(&["100@abc.voip.ca", "101@xyz.ca"]);
    let dir = temp_dir();
    let metrics = dir.path().join("kamonline.prom");
    let file = dir.path().join("kamonline.env");
    let (kamailio, redis) = (site.kamailio.rpc_url(), site.redis.url());
    let text = format!(
        "KAMONLINE_KAMAILIO='{kamailio}'\nKAMONLINE_REDIS='{redis}'\nKAMONLINE_SETTLE='0s'\n\
         KAMONLINE_IGNORE_DOMAIN='1'\nKAMONLINE_METRICS_FILE='{}'\n",
        metrics.display()
    );
    std::fs::write(&file, text).unwrap();
    let from_file = &["--settings", file.to_str().unwrap()][..];
    let servers = ["--kamailio", &kamailio, "--redis", &redis];
    let by_hand = &[&servers[..], &["--settle=0s", "--ignore-domain"]].concat();
    let said = "--add-missing adds nobody: with --ignore-domain nobody knows into which set a user belongs";
    for settings in [from_file, by_hand] {
        let run = |args: &[&str]| kamonline(&[settings, args].concat()).expect(0);
        site.redis.add_many(ABC, ["100", "gone"]);
        let report = run(&["--add-missing", "--format=json"]);
        assert_eq!(site.board(), [vec!["100"], vec![]]);
        assert_eq!(report.stderr, "");
        let report = report.json();
        let told = json!([{"kind": "idle_add_missing", "message": said}]);
        assert_eq!(report["notices"], told);
        assert_eq!(report["totals"]["added"], 0);
        assert_eq!(report["totals"]["missing"], 1);
        let report = run(&["--add-missing"]);
        let note = format!("note: {said}\nremoved 0 stale users; 1 registered user in no set;");
        assert!(report.stdout.contains(&note), "{}", report.stdout);
        let report = run(&["--dry-run", "--format=json"]).json();
        assert_eq!(report["notices"], json!([]), "without --add-missing");
    }
    let in_sync = ["--add-missing", "--exclude-user=101", "--quiet"];
    let run = kamonline(&[from_file, &in_sync].concat()).expect(0);
    assert_eq!(run.stdout + &run.stderr, "", "cron mails nothing");
    let metrics = std::fs::read_to_string(metrics).unwrap();
    let line = "kamonline_notices{kind=\"idle_add_missing\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn a_member_in_another_form_is_left_alone() {
    let site = Site::without_domains(&["100@abc.voip.ca", "101@xyz.ca", "102@xyz.ca", "1@xyz.ca"]);
    let others = ["101@xyz.ca", "sip:100", "sip:102@xyz.ca"];
    site.redis.add_many(ABC, ["1", "gone", "sip:1"]);
    site.redis.add_many(XYZ, others);
    let run = site.run(&["--max-removal=100%", "--allow-empty"]).expect(0);
    assert_eq!(site.board()[0], ["1"], "1 is on the board already");
    assert_eq!(site.board()[1], others);
    for warning in [
        "sip:100 in ONLINE:xyz.ca was left alone: 100 is registered, and this may be another form of it; let kamailio.cfg write the user alone\n",
        "101@xyz.ca in ONLINE:xyz.ca was left alone: 101 is",
        "sip:102@xyz.ca in ONLINE:xyz.ca was left alone: 102 is",
    ] {
        assert!(run.stderr.contains(warning), "{warning}{}", run.stderr);
    }
    let case = Site::start(
        KamailioOptions {
            case_sensitive: true,
            ..bare()
        },
        &["alice@abc.voip.ca", "Bob@abc.voip.ca"],
    );
    case.redis.add_many(ABC, ["Alice", "Bob", "bob"]);
    let run = case.run(&["--case-sensitive"]).expect(0);
    assert_eq!(case.board()[0], ["Alice", "Bob"]);
    let why = "leave out --case-sensitive, unless registrar has case_sensitive 1";
    assert!(run.stderr.contains(why), "{}", run.stderr);
}

#[test]
fn a_member_in_another_form_is_left_alone_where_only_another_set_has_the_right_one() {
    let site = Site::without_domains(&["100@abc.voip.ca", "101@xyz.ca", "102@xyz.ca"]);
    let right = ["100", "101", "102"];
    let others = ["101@xyz.ca", "sip:100", "sip:102@xyz.ca"];
    site.redis.add_many(ABC, right);
    site.redis.add_many(ABC, ["sip:100", "gone"]);
    site.redis.add_many(XYZ, others);
    site.redis.add_many(XYZ, ["sip:gone"]);
    let run = site.run(&["--max-removal=100%"]).expect(0);
    assert_eq!(site.board()[0], right);
    assert_eq!(site.board()[1], others, "{}", run.stderr);
    let warning = "sip:100 in ONLINE:xyz.ca was left alone: 100 is registered";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
}

#[test]
fn an_aor_of_no_set_is_no_missing_user() {
    let site = Site::without_domains(&["100@abc.voip.ca"]);
    // As sip:abc.voip.ca registers, without a user.
    site.kamailio.register("abc.voip.ca");
    site.redis.add_many(ABC, ["100"]);
    let args = ["--dry-run", "--exit-code"];
    let run = site.run(&args).expect(0);
    let warning = "1 AoR without a user or a domain, for no set";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
}

#[test]
fn nobody_in_common_is_refused() {
    let site = Site::without_domains(&["100@abc.voip.ca"]);
    site.redis.add_many(ABC, ["1", "2"]);
    site.redis.add_many(XYZ, ["3"]);
    let board = site.board();
    let run = site.run(&[]).expect(3);
    let said = "of 3 members none is registered, 1 registered user in no set; a member: 1 (in ONLINE:abc.voip.ca); a registered AoR: 100;";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    assert_eq!(site.board(), board);
    site.run(&["--allow-empty", "--max-removal=2"]).expect(3);
    site.run(&["--allow-empty"]).expect(0);
    assert_eq!(site.redis.keys(), [""; 0]);
}

#[test]
fn out_of_scope_nobody_is_removed_and_nobody_is_missing() {
    let site = Site::without_domains(&["100@abc.voip.ca", "300@xyz.ca", "400@xyz.ca"]);
    site.redis.add_many(ABC, ["100", "gone"]);
    site.redis.add_many(XYZ, ["300", "gone"]);
    for scope in ["--domain=abc.*", "--exclude-domain=xyz.*"] {
        let args = [scope, "--format=json"];
        let report = site.run(&args).expect(0).json();
        assert_eq!(site.board(), [vec!["100"], vec!["300", "gone"]]);
        assert_eq!(report["totals"]["online"], 1);
        assert_eq!(report["totals"]["missing"], 0);
        site.redis.add(ABC, "gone");
    }
    // An office whose last phone died, and another site's registrar, look the same.
    site.kamailio.drop_contact("100@abc.voip.ca");
    let run = site.run(&["--domain=abc.*"]).expect(3);
    let said = "Kamailio reports nobody of these domains, while Redis has 2 members";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    site.redis.add(ABC, "sip:300");
    let run = site.run(&["--domain=abc.*", "--allow-empty"]).expect(0);
    assert_eq!(site.board()[0], ["sip:300"], "{}", run.stderr);
}

#[test]
fn every_look_is_at_every_registrar_of_either_kind() {
    let with_domains = Kamailio::start(&KamailioOptions::default(), None);
    with_domains.register("200@xyz.ca");
    with_domains.register("201@abc.voip.ca");
    for (look, kept) in [(2, "returned"), (3, "restored")] {
        let site = Site::without_domains(&["100@abc.voip.ca"]);
        site.redis
            .add_many(ABC, ["100", "200", "201", "gone", "late"]);
        site.redis.add_many(XYZ, ["200", "201", "late"]);
        let phone = site.kamailio.phone();
        let proxy = Proxy::before(&site.kamailio, look, move || phone.register("late@xyz.ca"));
        let registrars = [&proxy.url(), &with_domains.rpc_url()[..]];
        let run = site.run_at(&registrars, &["--format=json"]).expect(0);
        assert_eq!(site.board()[0], ["100", "201", "late"]);
        assert_eq!(site.board()[1], ["200", "late"]);
        let report = run.json();
        for set in [0, 1] {
            assert_eq!(report["domains"][set][kept], json!(["late"]));
        }
    }
}

#[test]
fn only_the_tables_that_count_keep_a_user_online() {
    let options = KamailioOptions {
        second_table: true,
        ..bare()
    };
    let site = Site::start(options, &["100@abc.voip.ca"]);
    site.kamailio.register_in_table("location2", "200@xyz.ca");
    site.redis.add_many(ABC, ["100"]);
    site.redis.add_many(XYZ, ["200"]);
    site.run(&[]).expect(0);
    assert_eq!(site.board(), [["100"], ["200"]]);
    site.run(&["--table=location"]).expect(0);
    assert_eq!(site.board(), [vec!["100"], vec![]]);
}

/// Without --ignore-domain the run would fail.
#[test]
fn where_one_registrar_of_several_has_no_domains_it_is_not_needless() {
    let with_domains = Kamailio::start(&KamailioOptions::default(), None);
    for user in ["200", "201", "202"] {
        with_domains.register(&format!("{user}@xyz.ca"));
    }
    let site = Site::without_domains(&["100@abc.voip.ca"]);
    site.redis.add_many(ABC, ["100"]);
    site.redis.add_many(XYZ, ["200", "201", "202"]);
    let both = [&site.kamailio.rpc_url(), &with_domains.rpc_url()];
    for (registrars, is_needless) in [(&both[1..], true), (&both[..], false)] {
        let registrars: Vec<_> = registrars.iter().map(|url| url.as_str()).collect();
        let run = site.run_at(&registrars, &["--dry-run"]).expect(0);
        let note = "without --ignore-domain kamonline could add missing users";
        assert_eq!(run.stdout.contains(note), is_needless, "{}", run.stdout);
    }
}
