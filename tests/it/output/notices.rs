//! What an administrator should know and no mail should tell: in the report and the metrics, and not on standard error.

use std::any::Any;
use std::net::{SocketAddr, TcpListener};

use serde_json::Value;

use crate::lab::{Balancer, Balancing, Kamailio, KamailioOptions, Lab, Run, temp_dir};

/// The kinds and the messages in the report, and that nothing is said of them otherwise.
fn notices(lab: &Lab, args: &[&str]) -> Vec<(String, String)> {
    let dir = temp_dir();
    let metrics = dir.path().join("kamonline.prom");
    let option = format!("--metrics-file={}", metrics.display());
    let quiet = lab.run(&[args, &["--quiet", &option]].concat()).expect(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let text = lab.run(args).expect(0).stdout;
    let report = lab
        .run(&[args, &["--format=json"]].concat())
        .expect(0)
        .json();
    let notices = report["notices"].as_array().unwrap().iter();
    let part = |notice: &Value, name: &str| notice[name].as_str().unwrap().to_owned();
    let told: Vec<_> = notices
        .map(|notice| (part(notice, "kind"), part(notice, "message")))
        .collect();
    let metrics = std::fs::read_to_string(metrics).unwrap();
    for kind in [
        "empty_registrar",
        "dead_registrar",
        "dead_domain",
        "unmatched_domain",
        "unmatched_exclude_domain",
        "unmatched_exclude_user",
        "unmatched_prefix",
    ] {
        let count = told.iter().filter(|(of, _)| of == kind).count();
        let line = format!("kamonline_notices{{kind=\"{kind}\"}} {count}\n");
        assert!(metrics.contains(&line), "no {line} in {metrics}");
    }
    for (_, message) in &told {
        assert!(text.contains(&format!("note: {message}\n")), "{text}");
    }
    told
}

#[test]
fn a_registrar_without_users_and_a_domain_pattern_without_domains_are_noted() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    assert_eq!(notices(&lab, &[]), []);
    let standby = Kamailio::start(&KamailioOptions::default(), None);
    let url = standby.rpc_url();
    let found = notices(
        &lab,
        &[
            "--kamailio",
            &url,
            "--domain=abc.*",
            "--domain=xyz.*",
            "--domain=.*[.]com",
        ],
    );
    let unmatched = |pattern: &str| {
        (
            "unmatched_domain".to_owned(),
            format!("--domain {pattern} matches no key and no registered user"),
        )
    };
    let empty = format!("Kamailio at {url} reports nobody, while others have users");
    assert_eq!(
        found,
        [
            ("empty_registrar".to_owned(), empty),
            unmatched("xyz.*"),
            unmatched(".*[.]com")
        ]
    );
}

#[test]
fn an_exclusion_or_a_prefix_that_matches_nothing_is_noted() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.redis.add("ONLINE:other.ca", "probe");
    lab.redis.add("ONLINE:abc.voip.ca", "trunk-1");
    let note = |kind: &str, message: &str| (kind.to_owned(), message.to_owned());
    let unmatched = [
        note(
            "unmatched_exclude_domain",
            "--exclude-domain nowhere.* matches no key and no registered user's domain",
        ),
        note(
            "unmatched_exclude_user",
            "--exclude-user trunk matches no member and no registered user",
        ),
    ];
    let args = [
        "--exclude-domain=nowhere.*",
        "--exclude-domain=other[.]ca",
        "--exclude-user=trunk",
        "--exclude-user=trunk-.*",
    ];
    assert_eq!(notices(&lab, &args), unmatched);
    let empty = note(
        "unmatched_prefix",
        "no key in scope begins with --prefix online:, while 1 user is online",
    );
    let args = ["--prefix=online:", "--dry-run"];
    let told = lab.run(&args).expect(0).stdout;
    assert!(told.contains(&format!("note: {}\n", empty.1)), "{told}");
    let report = lab.run(&[&args[..], &["--format=json"]].concat()).json();
    assert_eq!(report["notices"][0]["kind"], "unmatched_prefix");
}

#[test]
fn a_domain_of_whose_members_none_is_registered_is_noted_when_it_vanishes() {
    let lab = Lab::start();
    lab.register("100@abc.voip.ca");
    lab.redis
        .add_many("ONLINE:dead.ca", (0..11).map(|user| user.to_string()));
    lab.redis
        .add_many("ONLINE:small.ca", (0..10).map(|user| user.to_string()));
    let args = ["--max-removal=100%", "--format=json", "--settle=0s"];
    let report = lab.run(&args).expect(0).json();
    assert_eq!(report["notices"].as_array().unwrap().len(), 1);
    assert_eq!(report["notices"][0]["kind"], "dead_domain");
    assert_eq!(
        report["notices"][0]["message"],
        "dead.ca: none of its 11 members is registered"
    );
    assert_eq!(notices(&lab, &[]), []);
}

/// At an address of a name.
enum There<'a> {
    Nothing,
    /// It takes connections, and says nothing.
    Hanging,
    /// It answers every question with 403.
    Forbidding(&'a Kamailio),
    At(&'a Kamailio),
}

#[test]
fn nobody_is_removed_when_a_name_may_have_the_addresses_of_several_registrars() {
    use There::*;
    let lab = Lab::start();
    let port = lab.kamailio.address().port();
    let other = Kamailio::start(&KamailioOptions::default(), None);
    lab.register("100@abc.voip.ca");
    other.register("100@abc.voip.ca");
    lab.redis.add("ONLINE:abc.voip.ca", "gone");
    let dir = temp_dir();
    let hosts = dir.path().join("hosts");
    let redis = lab.redis.url();
    let unasked = "its name has several addresses, and only one is asked";
    let several = "several registrars answer at http://many";
    // Where the first one of the lab is, and what is at the other address.
    for (first, address, there, refused) in [
        ("127.0.0.1", "127.0.0.2", Nothing, Some(unasked)),
        ("127.0.0.1", "127.0.0.2", At(&other), Some(several)),
        ("127.0.0.1", "127.0.0.2", At(&lab.kamailio), None),
        ("127.0.0.1", "::1", Nothing, None),
        ("127.0.0.1", "::1", At(&other), Some(several)),
        ("127.0.0.1", "::1", At(&lab.kamailio), None),
        ("::1", "127.0.0.2", Nothing, None),
        ("::1", "127.0.0.2", Hanging, Some(unasked)),
        ("::1", "127.0.0.2", Forbidding(&other), Some(unasked)),
    ] {
        let at = |address: &str| SocketAddr::new(address.parse().unwrap(), port);
        let before = |address: &str, registrar: &Kamailio, forbids| {
            let balancing = Balancing {
                forbids,
                ..Balancing::default()
            };
            Balancer::at(at(address), balancing, std::slice::from_ref(registrar))
        };
        let _first = (first == "::1").then(|| before(first, &lab.kamailio, &[]));
        let _there: Option<Box<dyn Any>> = match there {
            Nothing => None,
            // The kernel takes its connections.
            Hanging => Some(Box::new(TcpListener::bind(at(address)).unwrap())),
            Forbidding(registrar) => Some(Box::new(before(address, registrar, &["/rpc/"]))),
            At(registrar) => Some(Box::new(before(address, registrar, &[]))),
        };
        std::fs::write(&hosts, format!("{first} many\n{address} many\n")).unwrap();
        // The mount is this process's own. A chroot refuses it, and so may a container: "Operation not permitted".
        let output = std::process::Command::new("unshare")
            .args([
                "-rm",
                "sh",
                "-c",
                "mount --bind $0 /etc/hosts && exec \"$@\"",
            ])
            .arg(&hosts)
            .arg(env!("CARGO_BIN_EXE_kamonline"))
            .args([
                "-n",
                "--min-uptime=0s",
                "--kamailio",
                &format!("http://many:{port}/rpc"),
                "--redis",
                &redis,
            ])
            .output()
            .unwrap();
        let run = Run::from(output).expect(refused.map_or(0, |_| 3));
        assert_eq!(run.stdout.contains(unasked), refused == Some(unasked));
        assert!(
            run.stderr.contains(refused.unwrap_or_default()),
            "{}",
            run.stderr
        );
    }
}
