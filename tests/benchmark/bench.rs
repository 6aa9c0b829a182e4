//! The benchmark: kamonline, what a user would write instead, and the least that anybody can do, as whole processes in
//! alternation, on a real Kamailio and a real Redis. `tests/bench` starts it.

#[path = "../lab/mod.rs"]
mod lab;

use clap::Parser;
use lab::{KamailioOptions, Lab};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Measure kamonline against its rivals
#[derive(Parser)]
#[command(name = "tests/bench")]
struct Cli {
    /// How many users, for each measurement
    #[arg(value_name = "USERS", default_values = ["1000", "10000", "100000"])]
    users: Vec<usize>,
    /// In how many domains they are; several, separated by commas, are measured in one run
    #[arg(
        long,
        value_name = "COUNT",
        value_delimiter = ',',
        default_value = "100"
    )]
    domains: Vec<usize>,
    /// How often each contender runs; the median counts
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Only the floor and those whose name has this in it
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    /// Write the table to PATH.md and a picture of it to PATH.svg
    #[arg(long, value_name = "PATH")]
    save: Option<PathBuf>,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let mut cli = Cli::parse();
    cli.users.sort_unstable();
    let dir = lab::temp_dir();
    let boards: Vec<_> = cli.domains.into_iter().map(Board::new).collect();
    let mut contenders: Vec<_> = boards
        .iter()
        .flat_map(|board| contenders(board, dir.path()))
        .collect();
    contenders.retain(|one| one.name == FLOOR || one.name.contains(&cli.only));
    let mut table = String::from(HEAD);
    print!("{table}");
    let mut registered = 0;
    for users in cli.users {
        boards
            .iter()
            .for_each(|board| board.register(registered..users));
        registered = users;
        // Longer than MIN_UPTIME.
        thread::sleep(Duration::from_secs(2));
        for line in race(&contenders, users, cli.rounds, dir.path()) {
            print!("{line}");
            table += &line;
        }
    }
    if let Some(path) = cli.save {
        save(&table, &contenders, &path);
    }
}

fn domain(number: usize) -> String {
    format!("customer{number}.voip.ca")
}

const FLOOR: &str = "floor.sh";
const MIN_UPTIME: &str = "1s";

struct Contender<'a> {
    name: &'static str,
    board: &'a Board,
    /// Stale members that it finds, in a hundred users.
    stale: usize,
    command: Vec<String>,
}

fn contenders<'a>(board: &'a Board, dir: &Path) -> Vec<Contender<'a>> {
    let Board { lab, domains } = board;
    let (rpc, redis, port) = (
        lab.kamailio.rpc_url(),
        lab.redis.url(),
        lab.redis.port().to_string(),
    );
    let smembers = dir.join(format!("smembers-{domains}"));
    let mut commands: String = (0..*domains)
        .map(|number| format!("SMEMBERS ONLINE:{}\r\n", domain(number)))
        .collect();
    commands += "QUIT\r\n";
    std::fs::write(&smembers, commands).unwrap();
    let smembers = smembers.display().to_string();

    let contender = |name, stale, command: &[&str]| Contender {
        name,
        board,
        stale,
        command: command.iter().map(ToString::to_string).collect(),
    };
    let kamonline = |name, stale, mode: &[&str]| {
        let command = [
            env!("CARGO_BIN_EXE_kamonline"),
            "--kamailio",
            &rpc,
            "--redis",
            &redis,
        ];
        contender(name, stale, &[&command, mode].concat())
    };
    let rival = |name, arguments: &[&str]| {
        let program = format!("{}/tests/benchmark/{name}", env!("CARGO_MANIFEST_DIR"));
        contender(name, 0, &[&[program.as_str(), &rpc], arguments].concat())
    };
    // The settling time is for the phones, not for the processor. The uptime is asked for.
    let real = ["--settle", "0s", "--min-uptime", MIN_UPTIME];
    vec![
        rival(FLOOR, &["127.0.0.1", &port, &smembers]),
        kamonline("kamonline --dry-run", 0, &["--dry-run"]),
        kamonline("kamonline", 0, &real),
        kamonline("kamonline, 1% stale", 1, &real),
        kamonline("kamonline, 10% stale", 10, &real),
        rival("online.sh", &["127.0.0.1", &port]),
        rival("online.py", &[&redis]),
        rival("online.pl", &[&format!("127.0.0.1:{port}")]),
    ]
}

/// A Kamailio, and the sets in Redis.
struct Board {
    lab: Lab,
    domains: usize,
}

impl Board {
    fn new(domains: usize) -> Self {
        let lab = Lab::with(KamailioOptions {
            big_queues: true,
            private_memory_mb: 256,
            shared_memory_mb: 2048,
            // usrloc's default. More often, its look at every contact would take one of the processors.
            timer_interval: 60,
            ..KamailioOptions::default()
        });
        Self { lab, domains }
    }

    /// kamailio.cfg puts them into Redis.
    fn register(&self, users: Range<usize>) {
        let mut users: Vec<_> = users.collect();
        // As phones do, in no order: else Redis would hold the sets side by side in the order in which the floor reads them.
        let shuffle = BuildHasherDefault::<DefaultHasher>::new();
        users.sort_by_cached_key(|user| shuffle.hash_one(user));
        let aor = |user| format!("user{user}@{}", domain(user % self.domains));
        self.lab
            .kamailio
            .phone()
            .register_many(users.into_iter().map(aor));
    }

    fn add_stale(&self, users: usize, percent: usize) {
        let add = "for i = 1, ARGV[1] do redis.call('SADD', 'ONLINE:customer' .. i % ARGV[2] .. '.voip.ca', 'gone' .. i) end";
        let count = users * percent / 100;
        self.lab.redis.command(&[
            "EVAL",
            add,
            "0",
            &count.to_string(),
            &self.domains.to_string(),
        ]);
    }

    fn members(&self) -> usize {
        let count = "local n = 0 for _, key in ipairs(redis.call('KEYS', 'ONLINE:*')) do n = n + redis.call('SCARD', key) end return n";
        self.lab.redis.ask(&["EVAL", count, "0"])
    }
}

struct Measured {
    time: Duration,
    peak_kb: u64,
}

/// A line of the table for each contender.
fn race(contenders: &[Contender], users: usize, rounds: usize, dir: &Path) -> Vec<String> {
    // A first round warms up and is not counted. It is also where everybody shows that the job is done.
    for contender in contenders {
        let repairs = ![FLOOR, "kamonline --dry-run"].contains(&contender.name);
        if repairs {
            contender.board.add_stale(users, 1);
        }
        measure(contender, dir);
        assert_eq!(
            contender.board.members(),
            users,
            "{} leaves a wrong board",
            contender.name
        );
    }
    let mut measured: Vec<Vec<Measured>> = contenders.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (contender, measured) in contenders.iter().zip(&mut measured) {
            contender.board.add_stale(users, contender.stale);
            measured.push(measure(contender, dir));
        }
    }
    // The first of each board.
    let mut floor = Duration::ZERO;
    let line = |(contender, mut runs): (&Contender, Vec<Measured>)| {
        runs.sort_by_key(|run| run.time);
        if contender.name == FLOOR {
            floor = median(&runs);
        }
        line(contender, users, &runs, floor)
    };
    contenders.iter().zip(measured).map(line).collect()
}

/// A whole process. Its memory is that of its largest part, as the kernel tells GNU time.
fn measure(contender: &Contender, dir: &Path) -> Measured {
    let peak = dir.join("peak");
    let mut command = Command::new("time");
    command
        .args(["-f", "%M", "-o"])
        .arg(&peak)
        .args(&contender.command);
    let started = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let time = started.elapsed();
    assert!(status.success(), "{} failed", contender.name);
    let peak_kb = std::fs::read_to_string(peak)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    Measured { time, peak_kb }
}

fn median(sorted: &[Measured]) -> Duration {
    sorted[sorted.len() / 2].time
}

/// `plot.gp` knows the columns.
const HEAD: &str = "\
| contender | users | domains | median, ms | from - to, ms | × floor | peak, MB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
";

fn line(contender: &Contender, users: usize, sorted: &[Measured], floor: Duration) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let median = median(sorted);
    let ratio = median.as_secs_f64() / floor.as_secs_f64();
    let peak = sorted.iter().map(|run| run.peak_kb).max().unwrap() as f64 / 1024.0;
    let domains = contender.board.domains;
    format!(
        "| {} | {users} | {domains} | {:.1} | {:.1} - {:.1} | {ratio:.2} | {peak:.1} |\n",
        contender.name,
        ms(median),
        ms(sorted[0].time),
        ms(sorted[sorted.len() - 1].time),
    )
}

/// The picture is of the first board.
fn save(table: &str, contenders: &[Contender], path: &Path) {
    let with = |extension: &str| format!("{}.{extension}", path.display());
    std::fs::write(with("md"), table).unwrap();
    let domains = contenders[0].board.domains;
    let names = contenders
        .iter()
        .filter(|one| one.board.domains == domains)
        .map(|one| format!("'{}' ", one.name))
        .collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/benchmark/plot.gp");
    let mut plot = Command::new("gnuplot");
    plot.args(["-c", script]);
    plot.args([with("md"), with("svg"), names, domains.to_string()]);
    assert!(plot.status().unwrap().success(), "gnuplot failed");
}
