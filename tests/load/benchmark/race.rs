//! How long kamonline takes, and how much memory, beside what a user would write instead and the least that anybody can do,
//! as whole processes in alternation.

use crate::board::{Board, domain};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FLOOR: &str = "floor.sh";
/// Of a run that removes somebody.
const FLOOR_OF_THREE: &str = "floor.sh, three dumps";
/// What such a run waits before its last look; it is not counted.
const WAIT: Duration = Duration::from_millis(200);
/// `main` lets each Kamailio become older.
const MIN_UPTIME: &str = "1s";

pub struct Contender<'a> {
    name: &'static str,
    board: &'a Board,
    /// Stale members that it finds, in a hundred users.
    stale: usize,
    command: Vec<String>,
}

/// On each board: the floors, and those whose name has `only` in it.
pub fn contenders<'a>(boards: &'a [Board], only: &str, dir: &Path) -> Vec<Contender<'a>> {
    let mut contenders: Vec<_> = boards.iter().flat_map(|board| on(board, dir)).collect();
    contenders.retain(|one| one.is_floor() || one.name.contains(only));
    contenders
}

impl Contender<'_> {
    fn is_floor(&self) -> bool {
        [FLOOR, FLOOR_OF_THREE].contains(&self.name)
    }
}

fn on<'a>(board: &'a Board, dir: &Path) -> Vec<Contender<'a>> {
    let Board { lab, domains, .. } = board;
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
    let rival = |name, command: &[&str]| {
        let program = format!(
            "{}/tests/load/benchmark/{}",
            env!("CARGO_MANIFEST_DIR"),
            command[0]
        );
        contender(
            name,
            0,
            &[&[program.as_str(), &rpc], &command[1..]].concat(),
        )
    };
    // The settling time is for the phones, not for the processor. The uptime is asked for.
    let real = ["--settle", "0s", "--min-uptime", MIN_UPTIME];
    vec![
        rival(FLOOR, &["floor.sh", "127.0.0.1", &port, &smembers, "1"]),
        rival(
            FLOOR_OF_THREE,
            &["floor.sh", "127.0.0.1", &port, &smembers, "3"],
        ),
        kamonline("kamonline --dry-run", 0, &["--dry-run"]),
        kamonline("kamonline", 0, &real),
        kamonline("kamonline, 1% stale", 1, &real),
        kamonline("kamonline, 10% stale", 10, &real),
        rival("online.sh", &["online.sh", "127.0.0.1", &port]),
        rival("online.py", &["online.py", &redis]),
        rival("online.pl", &["online.pl", &format!("127.0.0.1:{port}")]),
    ]
}

struct Measured {
    time: Duration,
    peak_kb: u64,
}

/// A line of the table for each contender.
pub fn race(contenders: &[Contender], users: usize, rounds: usize, dir: &Path) -> Vec<String> {
    // A first round warms up and is not counted. It is also where everybody shows that the job is done.
    for contender in contenders {
        let repairs = !contender.is_floor() && contender.name != "kamonline --dry-run";
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
            let mut run = measure(contender, dir);
            if contender.stale > 0 {
                run.time -= WAIT;
            }
            measured.push(run);
        }
    }
    // The first two of each board.
    let [mut floor, mut floor_of_three] = [Duration::ZERO; 2];
    let line = |(contender, mut runs): (&Contender, Vec<Measured>)| {
        runs.sort_by_key(|run| run.time);
        match contender.name {
            FLOOR => floor = median(&runs),
            FLOOR_OF_THREE => floor_of_three = median(&runs),
            _ => {}
        }
        let removes = contender.stale > 0 || contender.name == FLOOR_OF_THREE;
        let its_floor = if removes { floor_of_three } else { floor };
        line(contender, users, &runs, its_floor)
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
pub const HEAD: &str = "\
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

/// Draws the first board's part of PATH.md, as PATH.svg.
pub fn draw(contenders: &[Contender], path: &Path) {
    let with = |extension: &str| format!("{}.{extension}", path.display());
    let domains = contenders[0].board.domains;
    let names = contenders
        .iter()
        .filter(|one| one.board.domains == domains)
        .map(|one| format!("'{}' ", one.name))
        .collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/load/benchmark/plot.gp");
    let mut plot = Command::new("gnuplot");
    plot.args(["-c", script]);
    plot.args([with("md"), with("svg"), names, domains.to_string()]);
    assert!(plot.status().unwrap().success(), "gnuplot failed");
}
