//! Kamailio goes wrong over JSON-RPC.

use serde_json::json;

use super::{
    AFTER, BEFORE, KEY, ROLLED_BACK, UNCHANGED, args, nobody_online_is_lost, redis, reset, says,
};
use crate::lab::{HttpStub, Reply, capture, kamonline};

#[test]
fn kamailio_fails_over_jsonrpc() {
    let redis = redis();
    let dump = |users: &[&str]| {
        let aors: Vec<_> = users
            .iter()
            .map(|user| json!({"AoR": format!("{user}@abc.voip.ca")}))
            .collect();
        let list = serde_json::to_string(&aors).unwrap();
        // In the order in which Kamailio prints it.
        HttpStub::answer(
            "200 OK",
            format!(
                r#"{{"jsonrpc":"2.0","result":{{"Domains":[{{"Domain":{{"Domain":"location","Size":512,"AoRs":{list},"Stats":{{"Records":{},"Max-Slots":1}}}}}}]}},"id":1}}"#,
                users.len()
            ),
        )
    };
    let (first, second) = (dump(&["100", "new"]), dump(&["100", "new", "zoe"]));
    let half = first[..first.len() - 60].to_vec();
    let old = Reply::Whole(capture("5.0.8/three.brief.json"));
    let rows = [
        (
            "knows no such method",
            Reply::Whole(capture("5.6.3/badmethod.json")),
            1,
            "500 (Method Not Found",
            "usrloc",
        ),
        (
            "cannot print the dump",
            Reply::Whole(HttpStub::answer("200 OK", "")),
            1,
            "it answered 200",
            "-M 64",
        ),
        (
            "shows one table only",
            old,
            1,
            "one usrloc table only",
            "--rpc xhttp_rpc",
        ),
        (
            "closes half way",
            Reply::Close(half),
            2,
            "the dump was cut off",
            "tcp_conn_wq_max",
        ),
        (
            "hangs",
            Reply::Hang(vec![]),
            1,
            "no whole answer within 1s",
            "-M 64",
        ),
    ];
    for (name, fault, asked, said, hint) in rows {
        reset(&redis);
        let run = |replies: Vec<Reply>| {
            let stub = HttpStub::serve(replies);
            let (url, at) = (stub.url(), redis.url());
            let run = kamonline(&[&args(&url, &at)[..], &["--rpc=jsonrpc"]].concat());
            (run, stub.looks().len())
        };
        let (failed, requests) = run(vec![fault.clone()]);
        says(
            &failed.expect(1),
            name,
            &[said, UNCHANGED, "  hint: ", hint],
        );
        assert_eq!(
            (requests, redis.members(KEY)),
            (asked, BEFORE.map(String::from).into()),
            "{name}"
        );

        for (look, before, kept) in [
            ("second look: ", 1, UNCHANGED),
            ("last look: ", 2, ROLLED_BACK),
        ] {
            let looks = vec![Reply::Whole(first.clone()); before];
            let (failed, requests) = run([looks, vec![fault.clone()]].concat());
            let failed = failed.expect(1);
            says(&failed, name, &[look, said, kept, "  hint: ", hint]);
            assert_eq!(requests, before + asked, "{look}{name}");
            assert_eq!(redis.members(KEY), BEFORE, "{look}{name}");
            nobody_online_is_lost(&failed, &redis, &BEFORE, name);
        }

        let (mended, _) = run(vec![Reply::Whole(second.clone())]);
        mended.expect(0);
        assert_eq!(redis.members(KEY), AFTER, "{name}, and then another run");
    }
}
