//! The container image, and the CronJob that runs it. tests/image builds the image, and runs those that need it.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::lab::{
    Certificates, Kamailio, KamailioOptions, Lab, Redis, RedisOptions, Run, kamonline, temp_dir,
    until,
};

const CONTAINERFILE: &str = include_str!("../../../contrib/Containerfile");
const CRONJOB: &str = include_str!("../../../contrib/cronjob.yaml");

/// A container of the image as the CronJob has it: the user of the image, nothing to write to, no privileges.
struct Container {
    name: String,
    command: Command,
}

impl Container {
    fn new(env: &[(&str, &str)], mounts: &[(&Path, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kamonline-{}-{count}", std::process::id());
        let mut command = Command::new("podman");
        command.args(["run", "--rm", "--read-only", "--read-only-tmpfs=false"]);
        command.args(["--cap-drop=all", "--security-opt=no-new-privileges"]);
        command.args(["--name", &name]);
        for (variable, value) in env {
            command.args(["--env", &format!("KAMONLINE_{variable}={value}")]);
        }
        for (file, place) in mounts {
            command.args(["--volume", &format!("{}:{place}:ro", file.display())]);
        }
        command.arg("localhost/kamonline");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Container { name, command }
    }

    fn run(mut self) -> Run {
        self.command.output().unwrap().into()
    }
}

#[test]
#[ignore = "needs the image: tests/image"]
fn settings_come_from_the_environment_and_the_password_from_a_file() {
    let options = RedisOptions {
        password: Some("s3cret".into()),
        ..RedisOptions::default()
    };
    let redis = Redis::with(options);
    let kamailio = Kamailio::start(&KamailioOptions::default(), Some(&redis));
    kamailio.register("100@abc.voip.ca");
    redis.add("ONLINE:abc.voip.ca", "101");

    // As Kubernetes mounts a secret with fsGroup and defaultMode.
    let dir = temp_dir();
    let password = dir.path().join("redis-password");
    std::fs::write(&password, "s3cret\n").unwrap();
    chown(&password, None, Some(10001)).expect("this test must be run as root");
    let run = Container::new(
        &[
            ("KAMAILIO", &kamailio.rpc_url()),
            ("REDIS", &format!("redis://127.0.0.1:{}/0", redis.port())),
            ("REDIS_PASSWORD_FILE", "/etc/kamonline/redis-password"),
            ("MIN_UPTIME", "0s"),
            ("SETTLE", "0s"),
        ],
        &[(&password, "/etc/kamonline/redis-password")],
    )
    .run()
    .expect(0);
    assert!(
        run.stdout.contains("removed 1 stale user"),
        "{}",
        run.stdout
    );
    assert_eq!(redis.members("ONLINE:abc.voip.ca"), ["100"]);
}

#[test]
#[ignore = "needs the image: tests/image"]
fn a_server_is_trusted_with_its_mounted_authority_only() {
    let options = RedisOptions {
        tls: true,
        ..RedisOptions::default()
    };
    let redis = Redis::with(options);
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    let (kamailio, redis_url) = (kamailio.rpc_url(), redis.url());
    let servers = [("KAMAILIO", kamailio.as_str()), ("REDIS", &redis_url)];
    let with_ca = |env: &[(&str, &str)], ca: &Path| {
        let env = [&servers, env].concat();
        Container::new(&env, &[(ca, "/ca.pem")]).run()
    };

    let ours = redis.ca_file();
    with_ca(&[("REDIS_CA", "/ca.pem")], &ours).expect(0);
    let strangers = Certificates::new();
    for (env, ca) in [
        (&[][..], &ours),
        (&[("REDIS_CA", "/ca.pem")], &strangers.ca()),
    ] {
        let run = with_ca(env, ca).expect(1);
        assert!(run.stderr.contains("is not trusted"), "{}", run.stderr);
    }
}

/// The kernel gives the first process of a container no signal that it does not handle.
#[test]
#[ignore = "needs the image: tests/image"]
fn sigterm_puts_back_who_was_removed() {
    let lab = Lab::drifted();
    let mut container = Container::new(
        &[
            ("KAMAILIO", &lab.kamailio.rpc_url()),
            ("REDIS", &lab.redis.url()),
            ("MIN_UPTIME", "0s"),
            ("SETTLE", "60s"),
        ],
        &[],
    );
    let child = container.command.spawn().unwrap();
    until("101 is removed", || {
        lab.redis.members("ONLINE:abc.voip.ca") == ["100"]
    });
    let kill = Command::new("podman")
        .args(["kill", "--signal=TERM", &container.name])
        .output();
    assert!(kill.unwrap().status.success());
    let run: Run = child.wait_with_output().unwrap().into();
    let run = run.expect(128 + 15);
    assert!(run.stderr.contains("SIGTERM"), "{}", run.stderr);
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "101"]);
}

#[test]
#[ignore = "needs the image: tests/image"]
fn the_image_tells_its_version_and_is_not_for_root() {
    let format = r#"{{index .Labels "org.opencontainers.image.version"}} {{.User}}"#;
    let inspect = [
        "image",
        "inspect",
        "--format",
        format,
        "localhost/kamonline",
    ];
    let output = Command::new("podman").args(inspect).output().unwrap();
    let expected = format!("{} 10001:10001\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn image_and_cronjob_name_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(CONTAINERFILE.contains(&format!("\nARG VERSION={version}\n")));
    assert!(CRONJOB.contains(&format!("/kamonline:{version}\n")));
}

#[test]
fn the_cronjob_gives_no_privileges_and_sets_options_of_ours() {
    let lines: Vec<_> = CRONJOB.lines().map(str::trim).collect();
    for line in [
        "concurrencyPolicy: Forbid",
        "activeDeadlineSeconds: 900",
        "automountServiceAccountToken: false",
        "runAsNonRoot: true",
        "runAsUser: 10001",
        "allowPrivilegeEscalation: false",
        "readOnlyRootFilesystem: true",
        "drop: [ALL]",
    ] {
        assert!(lines.contains(&line), "{line}");
    }
    let help = kamonline(&["-h"]).expect(0).stdout;
    let variables = CRONJOB.split("- name: KAMONLINE_").skip(1);
    let names: Vec<_> = variables.map(|rest| rest.lines().next().unwrap()).collect();
    assert!(names.len() > 2, "{names:?}");
    for name in names {
        let option = format!(" --{} ", name.to_lowercase().replace('_', "-"));
        assert!(help.contains(&option), "{name}");
    }
}
