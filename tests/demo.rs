//! The demo: a story told on a real Kamailio and a real Redis, and checked as it is told. `tests/demo` starts it.

mod lab;

use lab::{Kamailio, KamailioOptions, Lab, RedisCluster, kamonline_env, until};
use std::io::IsTerminal;
use std::process::Command;

fn main() {
    match std::env::args().nth(1).as_deref() {
        None => one_redis(),
        Some("cluster") => redis_cluster(),
        // `cargo test some_name` hands its filter, and options for libtest, to every test binary.
        Some(_) => {}
    }
}

const ABC: &str = "ONLINE:abc.voip.ca";
const XYZ: &str = "ONLINE:xyz.voip.ca";

fn one_redis() {
    let mut lab = Lab::with(KamailioOptions {
        naive: true,
        ..KamailioOptions::default()
    });
    let story = Story::begin(&lab.kamailio, &[lab.redis.url()]);
    let redis = format!("-p {}", lab.redis.port());
    let set = |key, members: &[&str]| story.set(&redis, key, members);

    story.say(
        "Kamailio knows who is registered. A web page shows who is online, from sets in Redis.\n\
         kamailio.cfg fills them: SADD when a phone registers, SREM when it unregisters.\n\
         Below are a real Kamailio, a real Redis and real SIP; kamonline is told where they are:",
    );
    story.show_environment();

    story.step("Three phones of abc.voip.ca register, and two of xyz.voip.ca.");
    for aor in ["100@abc.voip.ca", "102@abc.voip.ca", "200@xyz.voip.ca"] {
        lab.register(aor);
    }
    lab.register_for("101@abc.voip.ca", 1);
    lab.kamailio
        .with_expires_in_contact()
        .register("201@xyz.voip.ca");
    set(ABC, &["100", "101", "102"]);

    story.step("Somebody pulls the cable of phone 101.");
    story.say(
        "It cannot unregister any more. Its registration expires (here within seconds, in real life\n\
         within the hour), and Kamailio drops it. Nobody tells Redis: the web page still shows three.",
    );
    until("Kamailio drops 101", || {
        story.quietly(&["--dry-run"]).contains("- 101")
    });
    set(ABC, &["100", "101", "102"]);

    story.step("What would kamonline do? A dry run shows it, and changes nothing.");
    story.run(
        "--dry-run",
        0,
        &["  - 101", "  + 201", "nothing was changed"],
    );
    set(ABC, &["100", "101", "102"]);

    story.step("Now for real: 101 goes, 100 and 102 stay.");
    story.run("", 0, &["  - 101", "removed 1 stale user"]);
    set(ABC, &["100", "102"]);

    story.step("And 201 of xyz.voip.ca? Registered, but missing from its set.");
    story.say(
        "Its phone says in the Contact when it expires, as many do, and this kamailio.cfg looks for an\n\
         Expires header. (kamailio.cfg.example does better.) kamonline adds such users when asked to.",
    );
    set(XYZ, &["200"]);
    story.run("--add-missing", 0, &["  + 201", "added 1 missing user"]);
    set(XYZ, &["200", "201"]);

    story.step("Once more: nothing is left to do.");
    story.run("", 0, &["in sync: 4 users online in 2 domains"]);

    story.step("Kamailio dies. No answer does not mean that nobody is online.");
    lab.kamailio.kill();
    story.run("", 1, &["nothing was changed"]);
    set(ABC, &["100", "102"]);

    story.step("Kamailio is back, and knows nobody until the phones register again.");
    story.say("Believing it would empty the web page. kamonline refuses, and says how to insist:");
    lab.kamailio.restart();
    story.run("", 3, &["refused", "--allow-empty"]);
    set(ABC, &["100", "102"]);
    set(XYZ, &["200", "201"]);

    story.end(
        "kamonline --help shows the rest, crontab.example runs it every ten minutes. Your own sets as a web page:\n\
         sudo apt install php-cli php-redis && php -S 127.0.0.1:8080 contrib/board/index.php",
    );
}

/// Their sets lie on all three masters, those of the first three each on another.
const DOMAINS: [&str; 5] = [
    "abc.voip.ca",
    "quebec.voip.ca",
    "toronto.voip.ca",
    "xyz.voip.ca",
    "victoria.voip.ca",
];
const QUEBEC: &str = "ONLINE:quebec.voip.ca";
const TORONTO: &str = "ONLINE:toronto.voip.ca";

fn redis_cluster() {
    let mut cluster = RedisCluster::start();
    let kamailio = Kamailio::start(&KamailioOptions::default(), None);
    let urls = cluster.urls();
    let story = Story::begin(&kamailio, &[urls[0].clone(), urls[5].clone()]);
    let any_node = format!("-c -p {}", cluster.node(5).port());
    let set = |key, members: &[&str]| story.set(&any_node, key, members);

    story.say(
        "The same on a Redis Cluster: three masters, each with a replica, and the sets on all three.\n\
         kamonline is told of two of the six nodes, and finds the others by itself:",
    );
    story.show_environment();

    story.step("Five domains, three phones each. In three of the domains phone 101 has died.");
    for (i, domain) in DOMAINS.iter().enumerate() {
        for user in ["100", "101", "102"] {
            cluster.add(&format!("ONLINE:{domain}"), user);
            if i > 2 || user != "101" {
                kamailio.register(&format!("{user}@{domain}"));
            }
        }
    }
    let mut masters = [ABC, QUEBEC, TORONTO].map(|key| cluster.master_of(key));
    masters.sort_unstable();
    assert_eq!(masters[..], cluster.masters(), "the sets lie on all three");
    for key in [ABC, QUEBEC, TORONTO] {
        set(key, &["100", "101", "102"]);
    }

    story.step("A dry run shows the three, and changes nothing.");
    story.run(
        "--redis-cluster --dry-run",
        0,
        &["3 stale users to remove", "nothing was changed"],
    );
    set(ABC, &["100", "101", "102"]);

    story.step("Now for real.");
    story.run("--redis-cluster", 0, &["removed 3 stale users"]);
    for key in [ABC, QUEBEC, TORONTO] {
        set(key, &["100", "102"]);
    }

    story.step("Phone 102 of abc.voip.ca dies, and so does the master that holds its set.");
    story.say("The master's replica takes over, and kamonline finds it.");
    kamailio.drop_contact("102@abc.voip.ca");
    cluster.kill_master(cluster.master_of(ABC));
    cluster.wait_healthy();
    story.run("--redis-cluster", 0, &["  - 102", "removed 1 stale user;"]);
    set(ABC, &["100"]);
    story.run("--redis-cluster", 0, &["in sync"]);

    story.end("Sentinels work as well: kamonline --redis-sentinel MASTER.");
}

/// Tells, shows and checks.
struct Story {
    environment: [(&'static str, String); 3],
    steps: std::cell::Cell<u32>,
    color: bool,
}

impl Story {
    fn begin(kamailio: &Kamailio, redis: &[String]) -> Self {
        Story {
            environment: [
                ("KAMONLINE_KAMAILIO", kamailio.rpc_url()),
                ("KAMONLINE_REDIS", redis.join(",")),
                ("KAMONLINE_MIN_UPTIME", "0s".into()),
            ],
            steps: 0.into(),
            color: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    fn say(&self, text: &str) {
        println!("{text}");
    }

    fn step(&self, title: &str) {
        self.steps.set(self.steps.get() + 1);
        println!();
        self.bold(&format!("{}. {title}", self.steps.get()));
    }

    fn end(&self, next: &str) {
        println!();
        self.say("That was all of it. The servers and their files are gone again.");
        self.say(next);
    }

    fn show_environment(&self) {
        for (name, value) in &self.environment {
            self.prompt(&format!("export {name}={value}"));
        }
        self.say(
            "The last one is for the demo only: else kamonline removes nobody in the first two minutes of a Kamailio.",
        );
    }

    /// Runs kamonline, shows it, and holds it to an exit code and to some of its words.
    fn run(&self, args: &str, code: i32, words: &[&str]) {
        self.prompt(format!("kamonline {args}").trim_end());
        let args: Vec<&str> = args.split_whitespace().collect();
        let color = if self.color { "always" } else { "never" };
        let run = kamonline_env(
            &args,
            &[&self.environment()[..], &[("KAMONLINE_COLOR", color)]].concat(),
        );
        let shown = format!("{}{}", run.stdout, run.stderr);
        indented(&shown);
        if code != 0 {
            self.prompt("echo $?");
            indented(&run.code.to_string());
        }
        run.expect(code);
        for word in words {
            assert!(shown.contains(word), "kamonline does not say {word:?}");
        }
    }

    /// The same, not shown.
    fn quietly(&self, args: &[&str]) -> String {
        kamonline_env(args, &self.environment()).expect(0).stdout
    }

    /// Shows a set, and holds it to its members.
    fn set(&self, redis: &str, key: &str, members: &[&str]) {
        let command = format!("redis-cli {redis} SMEMBERS {key}");
        self.prompt(&command);
        let output = Command::new("redis-cli")
            .arg("--no-raw")
            .args(command.split(' ').skip(1))
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        indented(&shown);
        let mut found: Vec<&str> = shown.split('"').skip(1).step_by(2).collect();
        found.sort_unstable();
        assert_eq!(found, members, "{key}");
    }

    fn environment(&self) -> [(&str, &str); 3] {
        self.environment
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()))
    }

    fn prompt(&self, command: &str) {
        match self.color {
            true => println!("  \x1b[36m$ {command}\x1b[0m"),
            false => println!("  $ {command}"),
        }
    }

    fn bold(&self, text: &str) {
        match self.color {
            true => println!("\x1b[1m{text}\x1b[0m"),
            false => println!("{text}"),
        }
    }
}

fn indented(text: &str) {
    text.lines().for_each(|line| println!("  {line}"));
}
