//! The benchmark, on a real Kamailio and a real Redis: how long kamonline takes (`race`), and what others feel while it runs
//! (`latency`). `tests/bench` starts it.

#[path = "../../lab/mod.rs"]
mod lab;

mod board;
mod latency;
mod race;

use board::Board;
use clap::Parser;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// Measure kamonline against its rivals, or what others feel while it runs
#[derive(Parser)]
#[command(name = "tests/bench")]
struct Cli {
    /// How many users, for each measurement
    #[arg(value_name = "USERS", default_values = ["1000", "10000", "100000"])]
    users: Vec<usize>,
    /// Measure how long REGISTERs and SISMEMBERs take, while kamonline runs and while it does not
    #[arg(long, conflicts_with = "only")]
    latency: bool,
    /// In how many domains they are; several, separated by commas, are measured in one run
    #[arg(
        long,
        value_name = "COUNT",
        value_delimiter = ',',
        default_value = "100"
    )]
    domains: Vec<usize>,
    /// Register the users in the order of their numbers: Redis then holds them as the floor reads them
    #[arg(long)]
    in_order: bool,
    /// How often each contender runs, of which the median counts [default: 7]; with --latency, the seconds of each state
    /// [default: 30]
    #[arg(long)]
    rounds: Option<usize>,
    /// Only the floor and those whose name has this in it
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    /// Write the table to PATH.md and, without --latency, a picture of it to PATH.svg
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
    let boards: Vec<_> = cli
        .domains
        .into_iter()
        .map(|domains| Board::new(domains, cli.in_order))
        .collect();
    let contenders = race::contenders(&boards, &cli.only, dir.path());
    let measure = |users| match cli.latency {
        false => race::race(&contenders, users, cli.rounds.unwrap_or(7), dir.path()),
        true => latency::latency(&boards, users, cli.rounds.unwrap_or(30)),
    };
    let mut table = String::from(if cli.latency {
        latency::HEAD
    } else {
        race::HEAD
    });
    print!("{table}");
    let mut registered = 0;
    for users in cli.users {
        boards
            .iter()
            .for_each(|board| board.register(registered..users));
        registered = users;
        // Longer than race::MIN_UPTIME.
        thread::sleep(Duration::from_secs(2));
        for line in measure(users) {
            print!("{line}");
            table += &line;
        }
    }
    if let Some(path) = cli.save {
        std::fs::write(format!("{}.md", path.display()), table).unwrap();
        if !cli.latency {
            race::draw(&contenders, &path);
        }
    }
}
