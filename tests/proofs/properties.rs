//! What holds for every Redis and every Kamailio, on a few thousand made up at random; no servers.
//! And the fuzz targets on their seeds, so that they cannot rot.

mod oracle;

use std::collections::BTreeSet;
use std::time::Duration;

use kamonline::failure::{Exit, Failure};
use kamonline::matching::{Among, AorDomain, Aors, DomainId, Plan, Sets, Totals, UserCase};
use kamonline::run::{EmptyDump, Findings, Guard, MaxRemoval};
use oracle::Item;
use oracle::matching::{PREFIX, Scenario, added, removed};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

/// Few letters, so that many collide: in case, in escapes, and with what is special.
fn user() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "a", "A", "b", "%41", "%61", "%2541", " ", "%20", "@", "%", "\n", "\u{e9}", "sip:", "@abc",
        ":5060", "TEL:", "x <", ">", ";", "?", "\"",
    ]);
    vec(part, 0..4).prop_map(|parts| parts.concat().into_bytes())
}

fn domain() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        "abc", "ABC", "xyz", "Xyz", "abc:5060", "sip.xyz", "uvw", "",
    ])
    .prop_map(|name| name.into())
}

/// For 8 AoRs with a domain so many without one.
fn dump(bare: u32) -> impl Strategy<Value = Vec<Item>> {
    let aor = (user(), domain())
        .prop_map(|(user, domain)| Item::Aor([user, b"@".to_vec(), domain].concat()));
    let table = prop::sample::select(vec!["location", "location2"])
        .prop_map(|name| Item::Table(name.as_bytes().to_vec()));
    let without = user().prop_map(Item::Aor);
    vec(prop_oneof![8 => aor, bare => without, 1 => table], 0..12).prop_map(|mut items| {
        items.insert(0, Item::Table(b"location".to_vec()));
        items
    })
}

prop_compose! {
    fn scenario_of(ignored: u32)(
        aor_domain in prop_oneof![
            5 => Just(AorDomain::Own),
            1 => Just(AorDomain::Default(b"abc".to_vec())),
            ignored => Just(AorDomain::Ignored),
        ]
    )(
        registrars in vec(dump(if aor_domain == AorDomain::Ignored { 20 } else { 1 }), 1..3),
        aor_domain in Just(aor_domain),
        case_counts in any::<bool>(),
        tables in prop_oneof![3 => Just(vec![]), 1 => Just(vec!["location".to_string()])],
        excluded in prop_oneof![2 => Just(vec![]), 1 => Just(vec!["xyz".to_string()])],
        excluded_users in prop_oneof![2 => Just(vec![]), 1 => vec(user(), 1..3)],
        redis in btree_map(domain().prop_map(|name| [PREFIX, &name].concat()), btree_set(user(), 0..8), 0..5)
    ) -> Scenario {
        Scenario { case_counts, aor_domain, tables, excluded, excluded_users, redis, registrars }
    }
}

/// In four of ten domains are ignored.
fn scenario() -> impl Strategy<Value = Scenario> {
    scenario_of(4)
}

fn plan(scenario: &Scenario) -> Result<Plan, TestCaseError> {
    let unusable = |failure: Failure| {
        assert!(scenario.is_unusable(), "{failure}");
        TestCaseError::reject(failure.to_string())
    };
    scenario.plan().map_err(unusable)
}

/// What Redis holds when the plan has been carried out.
fn applied(scenario: &Scenario, plan: &Plan, add: bool) -> Scenario {
    let mut after = scenario.clone();
    for (key, member) in removed(plan) {
        assert!(after.redis.entry(key).or_default().remove(&member));
    }
    if add && scenario.aor_domain != AorDomain::Ignored {
        for (key, user) in added(plan) {
            assert!(after.redis.entry(key).or_default().insert(user));
        }
    }
    after
}

fn everyone(scenario: &Scenario) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
    let redis = scenario.redis.iter();
    redis
        .flat_map(|(key, members)| members.iter().map(|member| (key.clone(), member.clone())))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_plan_is_what_comparing_everyone_with_everyone_finds(scenario in scenario()) {
        scenario.compare(&plan(&scenario)?);
    }

    #[test]
    fn the_index_finds_whom_the_rule_finds_by_comparing_everyone_with_everyone(
        case_counts: bool,
        keys in vec((domain(), vec(user(), 0..8)), 1..5),
        users in vec((domain(), user()), 0..12),
    ) {
        let case = if case_counts { UserCase::Counts } else { UserCase::Ignored };
        let mut sets = Sets::new(case);
        for (domain, members) in &keys {
            let key = sets.add_key([PREFIX, domain].concat(), domain).unwrap();
            for member in members {
                sets.add_member(key, member).unwrap();
            }
        }
        let mut batch = sets.batch(Aors::AsDumped);
        let mut of_the_sets = Vec::new();
        for (domain, user) in &users {
            if let Some(domain) = sets.domains.find(domain) {
                batch.add(domain, user).unwrap();
                of_the_sets.push((domain, user));
            }
        }
        for ((domain, user), found) in of_the_sets.into_iter().zip(sets.find(&batch)) {
            let mut found: Vec<_> = sets.index_of(Among::TheirDomain).members(found).collect();
            found.sort();
            let is_of = |member: &_| sets.domain_of(*member) == domain;
            let stands = |member: &_| case.stands_for(sets.member(*member), user);
            let by_the_rule: Vec<_> = sets.members().filter(is_of).filter(stands).collect();
            prop_assert_eq!(found, by_the_rule);
        }
        let mut batch = sets.batch(Aors::Whole);
        for (_, user) in &users {
            batch.add(DomainId::NONE, user).unwrap();
        }
        for ((_, user), found) in users.iter().zip(sets.find(&batch)) {
            let found = sets.by_domain(Among::Everyone, found);
            prop_assert!(found.is_sorted_by_key(|member| sets.domain_of(*member)));
            let stands = |member: &_| case.stands_for(sets.member(*member), user);
            let by_the_rule: BTreeSet<_> = sets.members().filter(stands).collect();
            prop_assert_eq!(found.len(), by_the_rule.len());
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), by_the_rule);
        }
    }

    #[test]
    fn a_later_look_finds_whom_comparing_everyone_stale_with_everyone_finds(
        scenario in scenario(),
        registrars in vec(dump(8), 1..3),
    ) {
        let plan = plan(&scenario)?;
        let later = Scenario { registrars, ..scenario.clone() };
        let Ok(returned) = later.returned(&plan) else {
            prop_assert!(later.is_unusable());
            return Ok(());
        };
        let by_the_rule = later.returned_by_the_rule(&removed(&plan), &scenario);
        prop_assert!(returned.is_superset(&by_the_rule), "{:?} {:?}", returned, by_the_rule);
        // Whom one member means and is sought for that, another one may mean, too.
        let is_meant = |(key, member): &(Vec<u8>, Vec<u8>)| {
            later.is_left_alone_by(key, member, &scenario.aliases(key))
        };
        prop_assert!(returned.difference(&by_the_rule).all(is_meant), "{:?} {:?}", returned, by_the_rule);
    }

    #[test]
    fn after_a_run_nobody_stale_is_left_and_nobody_online_was_removed(scenario in scenario(), add: bool) {
        let after = applied(&scenario, &plan(&scenario)?, add);
        let online = scenario.online();
        let is_online = |key: &[u8], member: &[u8]| online.iter().any(|user| scenario.is(key, member, user));
        for (key, members) in after.redis_in_scope() {
            prop_assert!(members.iter().all(|member| is_online(key, member) || scenario.is_left_alone(key, member)));
        }
        for (key, member) in everyone(&scenario).difference(&everyone(&after)) {
            prop_assert!(!is_online(key, member));
        }
    }

    #[test]
    fn after_a_run_that_adds_everyone_online_is_in_a_set_of_their_domain_or_of_another_name_of_it(scenario in scenario_of(0)) {
        let after = applied(&scenario, &plan(&scenario)?, true);
        let elsewhere = scenario.elsewhere();
        let is_added = |user: &(Vec<u8>, Vec<u8>)| !scenario.is_excluded(&user.1) && !elsewhere.contains(user);
        for user in scenario.online().into_iter().filter(is_added) {
            prop_assert!(everyone(&after).iter().any(|(key, member)| scenario.is(key, member, &user)));
        }
    }

    #[test]
    fn keys_out_of_scope_and_excluded_users_are_not_touched(scenario in scenario()) {
        let after = applied(&scenario, &plan(&scenario)?, true);
        let left_alone = |scenario: &Scenario| {
            let mut everyone = everyone(scenario);
            everyone.retain(|(key, user)| !scenario.in_scope(&key[PREFIX.len()..]) || scenario.is_excluded(user));
            everyone
        };
        prop_assert_eq!(left_alone(&after), left_alone(&scenario));
    }

    #[test]
    fn a_second_run_finds_nothing_more_to_do_but_other_forms_of_those_added(scenario in scenario(), add: bool) {
        let add = add && scenario.aor_domain != AorDomain::Ignored;
        let first = plan(&scenario)?;
        let after = applied(&scenario, &first, add);
        let second = plan(&after)?;
        let other_forms = if add { first.totals.other_forms } else { 0 };
        prop_assert_eq!(second.totals.stale + second.totals.other_forms, first.totals.other_forms);
        prop_assert!(second.totals.stale <= other_forms);
        // Another name of a domain may show to be none when others were added.
        match add {
            true => prop_assert!(second.totals.missing <= scenario.elsewhere().len()),
            // And members who look like one, when others were removed.
            false => prop_assert!(second.totals.missing <= first.totals.missing),
        }
        let third = plan(&applied(&after, &second, add))?;
        prop_assert_eq!(third.totals.stale, 0);
    }

    #[test]
    fn the_guard_refuses_what_is_above_the_limit_and_nothing_else(
        (members, stale) in (0usize..200).prop_flat_map(|members| (Just(members), 0..=members)),
        aors in 0usize..3,
        missing in 0usize..3,
        near in -1isize..=1,
        by_count: bool,
        allow_empty: bool,
    ) {
        let limit = match by_count {
            true => MaxRemoval::Count(stale.saturating_add_signed(near)),
            false => MaxRemoval::Percent((stale * 100 / members.max(1)).saturating_add_signed(near)),
        };
        let totals = Totals { members, stale, aors, missing, online: aors, ..Totals::default() };
        let findings = Findings { totals, ..Findings::default() };
        let guard = |max_removal, empty| Guard { max_removal, empty, min_uptime: Duration::ZERO, one_suffices: false };
        let empty = if allow_empty { EmptyDump::Allowed } else { EmptyDump::Refused };
        let checked = guard(limit, empty).check(&findings);

        let above = match limit {
            MaxRemoval::Count(most) => stale > most,
            MaxRemoval::Percent(0) => stale > 0,
            MaxRemoval::Percent(percent) => stale > 10 && stale as f64 / members as f64 > percent as f64 / 100.0,
        };
        let nobody_in_common = members == stale && missing > 0;
        let nobody = (aors == 0 || nobody_in_common) && members > 0 && !allow_empty;
        prop_assert_eq!(checked.is_err(), above || nobody);
        let additions = guard(limit, empty).check_additions(&findings);
        prop_assert_eq!(additions.is_err(), nobody_in_common && nobody);
        if let Err(refusal) = checked {
            prop_assert_eq!(refusal.exit, Exit::Refused);
            let hint = refusal.hint.unwrap();
            prop_assert_eq!(hint.contains("--allow-empty"), nobody);
            prop_assert_eq!(hint.ends_with(&format!("--max-removal {stale}")), above);
            let let_through = guard(MaxRemoval::Count(stale), EmptyDump::Allowed);
            prop_assert!(let_through.check(&findings).is_ok());
        }
    }
}

/// The two layouts of the page, and JSON, with as many `Records` more or less than there are AoRs.
fn printed(tables: &[Vec<Vec<u8>>], miscounted: i64) -> [Vec<u8>; 3] {
    let mut layouts = [
        b"<td>200: OK</td><pre>".to_vec(),
        b"<td>200: OK</td><pre>Domains: <br/>".to_vec(),
        b"{\"result\":{\"Domains\":[".to_vec(),
    ];
    for aors in tables {
        let records = aors.len() as i64 + miscounted;
        let json: Vec<_> = aors
            .iter()
            .map(|aor| serde_json::json!({"AoR": String::from_utf8_lossy(aor)}).to_string())
            .collect();
        let list = |before: &str| {
            aors.iter()
                .flat_map(|aor| [before.as_bytes(), aor, b"<br/>"].concat())
                .collect::<Vec<_>>()
        };
        let parts: [(&str, Vec<u8>, String); 3] = [
            (
                "Domain: a<br/>Size: 1<br/>AoRs: <br/>",
                list("\tAoR: "),
                format!("Stats: <br/>\tRecords: {records}<br/>\tMax-Slots: 1<br/>"),
            ),
            (
                "\tDomain: <br/>\t\tDomain: a<br/>\t\tSize: 1<br/>\t\tAoRs: <br/>",
                list("\t\t\tAoR: "),
                format!("\t\tStats: <br/>\t\t\tRecords: {records}<br/>\t\t\tMax-Slots: 1<br/>"),
            ),
            (
                r#"{"Domain":{"Domain":"a","AoRs":["#,
                json.join(",").into_bytes(),
                format!(r#"],"Stats":{{"Records":{records}}}}}}},"#),
            ),
        ];
        for (page, (head, list, tail)) in layouts.iter_mut().zip(parts) {
            page.extend([head.as_bytes(), &list, tail.as_bytes()].concat());
        }
    }
    let [mut a, mut b, mut json] = layouts;
    json.pop_if(|last| *last == b',');
    a.extend(b"</pre>");
    b.extend(b"</pre>");
    json.extend(b"]}}");
    [a, b, json]
}

proptest! {
    #[test]
    fn what_kamailio_prints_is_read_as_the_plain_readers_read_it(
        tables in vec(vec(user(), 0..5), 0..3),
        miscounted in prop_oneof![3 => Just(0), 1 => -1i64..=1],
        seed: u16,
    ) {
        let [a, b, json] = printed(&tables, miscounted);
        let seeded = |body: Vec<u8>| [&seed.to_le_bytes(), &body[..]].concat();
        oracle::page::check(&seeded(a));
        oracle::page::check(&seeded(b));
        oracle::jsonrpc::check(&seeded(json));
    }
}

#[test]
fn a_byte_changed_anywhere_is_read_as_the_plain_readers_read_it() {
    let users = |users: &[&str]| users.iter().map(|user| user.as_bytes().to_vec()).collect();
    let forged = "x<br/>Stats: ";
    let tables = [
        users(&["1@x", forged, "2@x"]),
        vec![],
        users(&["3@x", forged]),
    ];
    for (layout, printed) in printed(&tables, 0).iter().enumerate() {
        for at in 0..printed.len() {
            for byte in [&b""[..], b"~", b"\t", b"7"] {
                let input = [b"ab", &printed[..at], byte, &printed[at + 1..]].concat();
                match layout {
                    2 => oracle::jsonrpc::check(&input),
                    _ => oracle::page::check(&input),
                }
            }
        }
    }
}

#[test]
fn every_capture_is_read_as_the_plain_readers_read_it() {
    let releases = std::fs::read_dir("tests/captures").unwrap();
    let files = releases
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir());
    let captures = files.flat_map(|dir| std::fs::read_dir(dir).unwrap());
    let mut checked = 0;
    for capture in captures.map(|entry| entry.unwrap().path()) {
        let reply = std::fs::read(&capture).unwrap();
        let Some(head) = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        for seed in 0..8u16 {
            let input = [&seed.to_le_bytes(), &reply[head + 4..]].concat();
            match capture.extension().is_some_and(|name| name == "json") {
                true => oracle::jsonrpc::check(&input),
                false => oracle::page::check(&input),
            }
        }
        checked += 1;
    }
    assert!(checked > 90, "{checked} captures");
}

#[test]
fn the_matching_of_the_fuzz_target_knows_its_own_language() {
    let input =
        b"c\nxfree\nue\nkabc\nma%20b\nmB\nm%65\nTlocation\naa b@ABC\nab@abc\nae@xyz\nac@free\nr\nTlocation\nad@xyz";
    oracle::matching::check(input);
    let (stale, missing) = Scenario::parse(input).stale_and_missing();
    let pair = |domain: &str, user: &str| (domain.into(), user.into());
    assert_eq!(stale, [].into(), "B is b in another case");
    assert_eq!(missing, [pair("abc", "b"), pair("xyz", "d")].into());
    let input = b"i\nkabc\nmb\nmsip:d\nmgone\nkxyz\nmB\nm1\nTlocation\nab\nad\na1@abc\nae@e";
    oracle::matching::check(input);
    let (stale, missing) = Scenario::parse(input).stale_and_missing();
    let pair = |key: &str, user: &str| (key.into(), user.into());
    let gone = [pair("ONLINE:abc", "gone"), pair("ONLINE:xyz", "1")];
    assert_eq!(stale, gone.into(), "1 is of abc, b of both sets");
    assert_eq!(
        missing,
        [pair("", "1@abc"), pair("", "d"), pair("", "e@e")].into()
    );
}

#[test]
fn what_fuzzing_found_stays_mended() {
    // A table without a name or figures, beside one that has them.
    let whole = r#"{"Domain":{"Domain":"a","AoRs":[],"Stats":{"Records":0}}}"#;
    let bare = r#"{"Domain":{}}"#;
    for (first, second) in [(whole, bare), (bare, whole)] {
        let answer = format!(r#"{{"result":{{"Domains":[{first},{second}]}}}}"#);
        oracle::jsonrpc::check(format!("ab{answer}").as_bytes());
    }
    // A table of layout A with `</pre>` in its name was read whole, and refused in chunks.
    let table = |name: &str| {
        format!(
            "Domain: {name}<br/>Size: 1<br/>AoRs: <br/>Stats: <br/>\tRecords: 0<br/>\tMax-Slots: 0<br/>"
        )
    };
    let page = format!(
        "<td>200: OK</td><pre>{}{}</pre>",
        table("a"),
        table("b</pre>c")
    );
    for seed in 0..100u16 {
        oracle::page::check(&[&seed.to_le_bytes(), page.as_bytes()].concat());
    }
    // The first member of the first set is nobody.
    oracle::matching::check(b"kabc\nm\nTlocation\na@abc\na1@abc");
}
