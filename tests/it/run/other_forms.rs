//! A member who is registered under another reading is no dead phone: kamonline leaves it alone, and says why.

use serde_json::json;

use super::deaf::{self, KEY, LAST_LOOK, SECOND_LOOK, deaf};
use crate::lab::{Lab, Proxy, Run};

const ABC: &str = "ONLINE:abc.voip.ca";
const XYZ: &str = "ONLINE:xyz.ca";

/// abc.voip.ca is as it should be, but for `dead`. 100 and 300 of xyz.ca are registered; a test fills its set.
fn lab() -> Lab {
    let lab = Lab::start();
    for aor in ["1@abc.voip.ca", "100@xyz.ca", "300@xyz.ca"] {
        lab.register(aor);
    }
    lab.redis.command(&["DEL", XYZ]);
    lab.redis.add(ABC, "dead");
    lab
}

fn run(lab: &Lab, args: &[&str]) -> Run {
    lab.run(&[&["--settle=0s"], args].concat()).expect(0)
}

#[track_caller]
fn says(run: &Run, member: &str, key: &str, aor: &str, why: &str) {
    let warning = format!(
        "kamonline: warning: {member} in {key} was left alone: {aor} is registered, and this may be another form of it; {why}"
    );
    assert!(run.stderr.contains(&warning), "{warning}\n{}", run.stderr);
    let shown = format!("  ? {member} (another form of {aor})\n");
    assert!(run.stdout.contains(&shown), "{}", run.stdout);
}

#[test]
fn members_of_one_domain_in_another_form_are_left_alone_and_added_rightly() {
    let lab = lab();
    let others = ["100@xyz.ca", "sip:300@xyz.ca"];
    lab.redis.add_many(XYZ, others);
    let with_others = |run: &Run| {
        for (member, aor) in others.iter().zip(["100@xyz.ca", "300@xyz.ca"]) {
            let why =
                "let kamailio.cfg write the user alone, and --add-missing adds the right form";
            says(run, member, XYZ, aor, why);
        }
    };
    with_others(&run(&lab, &["--dry-run"]));
    // No flag removes them.
    let removing = ["--allow-empty", "--max-removal=100%"];
    let done = run(&lab, &removing);
    with_others(&done);
    assert!(done.stdout.contains("  - dead\n"), "{}", done.stdout);
    assert_eq!(
        lab.redis.members(ABC),
        ["1"],
        "the rest of the plan goes on"
    );
    assert_eq!(lab.redis.members(XYZ), others);

    let report = run(&lab, &["--format=json"]).json();
    assert_eq!(report["outcome"], "discrepancies");
    assert_eq!(report["totals"]["stale"], 0);
    assert_eq!(report["totals"]["other_forms"], 2);
    let domain = &report["domains"][0];
    assert_eq!(domain["key"], XYZ);
    assert_eq!(domain["stale"], json!([]));
    assert_eq!(domain["other_forms"], json!(others));
    assert_eq!(domain["missing"], json!(["100", "300"]));
    let exit_code = lab.run(&["--dry-run", "--exit-code"]);
    exit_code.expect(4);

    // The right form is added, and the next run removes the other.
    with_others(&run(&lab, &["--add-missing"]));
    assert_eq!(
        lab.redis.members(XYZ),
        ["100", "100@xyz.ca", "300", "sip:300@xyz.ca"]
    );
    let healed = run(&lab, &[]);
    assert_eq!(healed.stderr, "");
    assert_eq!(lab.redis.members(XYZ), ["100", "300"]);
    lab.run(&["--dry-run", "--exit-code"]).expect(0);
}

#[test]
fn whole_uris_are_left_alone_where_the_user_is_registered() {
    let lab = lab();
    let members = [
        "\"100\"",
        "100@xyz.ca:5060",
        "<sip:300@xyz.ca>",
        "sip:300@xyz.ca:5060;transport=tcp",
        "tel:100",
    ];
    lab.redis.add_many(XYZ, members);
    lab.redis.add_many(XYZ, ["sip:301@xyz.ca:5060", "tel:301"]);
    let run = run(&lab, &[]);
    assert_eq!(lab.redis.members(XYZ), members, "{}", run.stderr);
    assert_eq!(lab.redis.members(ABC), ["1"]);
}

#[test]
fn who_is_registered_without_a_domain_is_left_alone_in_any_set() {
    let lab = lab();
    lab.redis.add_many(XYZ, ["100", "300", "7", "8"]);
    // As sip:7 registers, a domain without a user.
    lab.register("7");
    lab.redis.add(ABC, "7");
    let run = run(&lab, &[]);
    let why = "nobody can tell whose it is, as this AoR holds no domain (of a tel: URI?)\n";
    says(&run, "7", XYZ, "7", why);
    says(&run, "7", ABC, "7", why);
    assert_eq!(lab.redis.members(XYZ), ["100", "300", "7"]);
    assert_eq!(lab.redis.members(ABC), ["1", "7"]);
}

#[test]
fn a_whole_aor_in_the_set_of_another_domain_stays_while_it_is_registered() {
    let lab = lab();
    let members = ["1", "100@xyz.ca", "sip:300@xyz.ca"];
    lab.redis
        .add_many(ABC, [members[1], members[2], "gone@xyz.ca"]);
    // Whether its own domain's set has the user or not.
    lab.redis.add(XYZ, "100");
    for args in [&["--dry-run"][..], &["--add-missing"], &["--add-missing"]] {
        let run = run(&lab, args);
        for (member, aor) in members.iter().zip(["", "100@xyz.ca", "300@xyz.ca"]).skip(1) {
            let why = "let kamailio.cfg write it into the set of its own domain, and SREM it from \
                       this one; or give --ignore-domain, if usrloc has use_domain 0\n";
            says(&run, member, ABC, aor, why);
        }
    }
    assert_eq!(lab.redis.members(ABC), members);
    assert_eq!(lab.redis.members(XYZ), ["100", "300"]);
}

#[test]
fn a_scope_without_the_domain_of_an_aor_changes_nothing_of_that() {
    let lab = lab();
    let with_port = "ONLINE:xyz.ca:5060";
    lab.redis.add_many(ABC, ["100@xyz.ca", "gone@xyz.ca"]);
    lab.redis.add_many(with_port, ["100", "gone"]);
    for scope in [
        "--exclude-domain=xyz\\.ca",
        "--domain=(abc\\.voip|xyz)\\.ca(:5060)?",
    ] {
        let run = run(&lab, &[scope, "--format=json"]).json();
        assert_eq!(run["totals"]["other_forms"], 2, "{scope}");
    }
    assert_eq!(lab.redis.members(ABC), ["1", "100@xyz.ca"]);
    assert_eq!(lab.redis.members(with_port), ["100"]);
    let out_of_scope = run(&lab, &["--exclude-domain=xyz\\.ca", "--add-missing"]);
    assert_eq!(
        lab.redis.keys(),
        [ABC, with_port],
        "{}",
        out_of_scope.stdout
    );
}

#[test]
fn a_set_under_another_name_of_the_domain_is_left_alone_and_so_is_its_own() {
    let lab = lab();
    let (alias, office) = ("ONLINE:sip.xyz.ca", "ONLINE:office.ca");
    lab.redis
        .add_many(alias, ["100", "sip:300@sip.xyz.ca", "gone"]);
    // An office without a line has a number of another one's.
    lab.redis.add(office, "100");
    lab.redis
        .add_many(office, (400..405).map(|user| user.to_string()));
    let left = run(&lab, &["--add-missing"]);
    for (member, aor) in [("100", "100@xyz.ca"), ("sip:300@sip.xyz.ca", "300@xyz.ca")] {
        let why = "if its domain has two names (an alias, realm_prefix of registrar), let \
                   kamailio.cfg write the set of this AoR's domain; if it was renamed, and nobody \
                   registers under the old name, DEL this key\n";
        says(&left, member, alias, aor, why);
    }
    // Nobody looks into a set of xyz.ca.
    let again = run(&lab, &["--add-missing"]);
    assert_eq!(lab.redis.keys(), [ABC, office, alias], "{}", again.stdout);
    assert_eq!(lab.redis.members(office), ["100"]);
    assert_eq!(lab.redis.members(alias), ["100", "sip:300@sip.xyz.ca"]);
    run(&lab, &["--domain=abc\\.voip\\.ca,sip\\.xyz\\.ca"]);
    assert_eq!(lab.redis.members(alias), ["100", "sip:300@sip.xyz.ca"]);
}

#[test]
fn an_office_that_is_off_keeps_few_of_other_domains_off_the_board() {
    let lab = lab();
    let office = "ONLINE:office.ca";
    lab.redis.add_many(office, ["100", "300"]);
    // A tenant who has one of these numbers, and whose set has lost it.
    lab.register("300@abc.voip.ca");
    lab.register("2@abc.voip.ca");
    lab.redis.command(&["SREM", ABC, "300"]);
    // Two whose sets are lost: the office may be another name of one of them.
    for user in ["100@zzz.ca", "300@zzz.ca"] {
        lab.register(user);
    }
    lab.redis.command(&["DEL", "ONLINE:zzz.ca"]);
    run(&lab, &["--add-missing"]);
    assert_eq!(lab.redis.members(ABC), ["1", "2", "300"]);
    assert_eq!(lab.redis.keys(), [ABC, office, "ONLINE:zzz.ca"]);
    // With the set of a part of its name it is that one's.
    let part = "ONLINE:sip.zzz.ca";
    lab.redis.command(&["RENAME", office, part]);
    lab.redis.command(&["DEL", "ONLINE:zzz.ca"]);
    run(&lab, &["--add-missing"]);
    assert_eq!(lab.redis.keys(), [ABC, part, XYZ]);
}

#[test]
fn who_registers_during_the_run_stays_in_another_form_too() {
    for (look, kept) in [(SECOND_LOOK, "returned"), (LAST_LOOK, "restored")] {
        let (kamailio, redis) = deaf();
        redis.add(KEY, "sip:103");
        redis.add(XYZ, "103@abc.voip.ca");
        let phone = kamailio.phone();
        let proxy = Proxy::before(&kamailio, look, move || phone.register("103@abc.voip.ca"));
        let report = deaf::run(&proxy, &redis, &["--format=json"]);
        let report = report.expect(0).json();
        assert_eq!(redis.members(KEY), ["100", "sip:103"]);
        assert_eq!(report["domains"][0][kept], json!(["sip:103"]));
        assert_eq!(redis.members(XYZ), ["103@abc.voip.ca"]);
        assert_eq!(report["domains"][1][kept], json!(["103@abc.voip.ca"]));
    }
}

#[test]
fn a_set_under_a_domain_with_its_port_is_left_alone_and_added_rightly() {
    let lab = lab();
    let with_port = "ONLINE:xyz.ca:5060";
    lab.redis.add_many(with_port, ["100", "300", "old"]);
    let left = run(&lab, &[]);
    for (user, aor) in [("100", "100@xyz.ca"), ("300", "300@xyz.ca")] {
        let why = "let kamailio.cfg write the domain without its port";
        says(&left, user, with_port, aor, why);
    }
    assert_eq!(lab.redis.members(with_port), ["100", "300"]);
    assert_eq!(lab.redis.members(ABC), ["1"]);
    run(&lab, &["--add-missing"]);
    assert_eq!(lab.redis.members(with_port), ["100", "300"]);
    run(&lab, &[]);
    assert_eq!(lab.redis.keys(), [ABC, XYZ]);
    assert_eq!(lab.redis.members(XYZ), ["100", "300"]);
}

#[test]
fn with_case_sensitive_by_mistake_members_in_the_phones_case_stay() {
    let lab = lab();
    lab.register("alice@abc.voip.ca");
    lab.redis.command(&["SREM", ABC, "alice"]);
    lab.redis.add_many(ABC, ["Alice", "Bob"]);
    lab.redis.add_many(XYZ, ["100", "300"]);
    let left = run(&lab, &["--case-sensitive"]);
    let why = "leave out --case-sensitive, unless registrar has case_sensitive 1";
    says(&left, "Alice", ABC, "alice@abc.voip.ca", why);
    assert_eq!(lab.redis.members(ABC), ["1", "Alice"]);
    let right = run(&lab, &[]);
    assert_eq!(right.stdout, "in sync: 4 users online in 2 domains\n");
}

#[test]
fn leftovers_beside_the_right_member_are_removed() {
    let lab = lab();
    let members = ["100", "100@xyz.ca", "300", "SIP:300", "sip:300@xyz.ca"];
    lab.redis.add_many(XYZ, members);
    lab.redis.add("ONLINE:xyz.ca:5060", "100");
    let run = run(&lab, &[]);
    assert_eq!(run.stderr, "");
    assert_eq!(lab.redis.members(XYZ), ["100", "300"]);
    assert_eq!(lab.redis.keys(), [ABC, XYZ]);
}

#[test]
fn a_user_whom_no_member_means_stands_for_nobody() {
    let lab = lab();
    // One phone of a small domain died, another was never added; a member of another domain, and one who is a stranger.
    lab.register("200@small.ca");
    lab.redis.command(&["DEL", "ONLINE:small.ca"]);
    lab.redis
        .add_many("ONLINE:small.ca", ["201", "102@xyz.ca", "sip:2000"]);
    lab.redis.add_many(XYZ, ["100", "300"]);
    let run = run(&lab, &[]);
    assert_eq!(run.stderr, "");
    assert_eq!(lab.redis.keys(), [ABC, XYZ]);
}

#[test]
fn another_form_of_an_excluded_user_is_left_alone_too() {
    let lab = lab();
    lab.redis.add_many(XYZ, ["sip:100", "300"]);
    let left = run(&lab, &["--exclude-user=100", "--add-missing"]);
    let why = "let kamailio.cfg write the user alone";
    says(&left, "sip:100", XYZ, "100@xyz.ca", why);
    assert_eq!(lab.redis.members(XYZ), ["300", "sip:100"]);
}

#[test]
fn many_other_forms_are_warned_of_in_few_lines() {
    let lab = lab();
    let users = (500..550).map(|user| user.to_string());
    for user in users.clone() {
        lab.register(&format!("{user}@xyz.ca"));
    }
    lab.redis.command(&["DEL", XYZ]);
    lab.redis
        .add_many(XYZ, users.map(|user| format!("sip:{user}")));
    let run = run(&lab, &[]);
    assert!(run.stderr.lines().count() <= 21, "{}", run.stderr);
    assert!(run.stderr.contains("and 30 more"), "{}", run.stderr);
    assert_eq!(lab.redis.members(XYZ).len(), 50);
}
