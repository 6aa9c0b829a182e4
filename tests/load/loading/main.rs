//! Loading: a registrar that restarts fills its memory from a database, and until that is done its dumps are whole and
//! hold a part of the users. It restarts again and again, while kamonline runs without pause on a board of all users.
//! In the end every user is on the board, and no stale user is. A registrar that stalls while it loads, and says
//! that it has been up for days, costs users their place, or this test could not fail.
//!
//! `cargo test --release --test loading -- 100000 20`: 100,000 users, 20 restarts in each case. Without numbers: a short
//! one.

#[path = "../../lab/mod.rs"]
mod lab;

mod board;
mod cases;
mod registrar;
mod runs;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use board::Board;
use cases::Case;
use lab::Redis;
use registrar::Registrar;
use runs::Runs;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let failures = match numbers[..] {
        // Two cases at a time: more of them would load for minutes.
        [users, restarts] => play(
            2,
            [cases::of_any_size(true), cases::long()],
            users,
            restarts,
        ),
        // `cargo test some_name` hands its filter to every test binary.
        _ if words.iter().any(|word| !word.starts_with('-')) => return,
        _ => play(16, [cases::of_any_size(false), cases::short()], 20_000, 3),
    };
    assert!(failures.is_empty(), "{failures:#?}");
}

/// What failed, in words.
fn play(at_once: usize, cases: [Vec<Case>; 2], users: usize, restarts: usize) -> Vec<String> {
    let cases: Mutex<VecDeque<Case>> = Mutex::new(cases.into_iter().flatten().collect());
    let next = || cases.lock().unwrap().pop_front();
    let failures = Mutex::new(vec![]);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(case) = next() {
                    let failed = case.play(users, restarts);
                    failures.lock().unwrap().extend(failed);
                }
            });
        }
    });
    failures.into_inner().unwrap()
}

impl Case {
    fn play(&self, users: usize, restarts: usize) -> Vec<String> {
        let begun = Instant::now();
        let redis = Redis::start();
        let board = Board::full(&redis, users);
        let mut registrars = self.registrars(users, &redis);
        let args = self.args(&registrars, &redis);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let address = registrars[0].address();
        let loaded = AtomicBool::new(false);
        let runs = thread::scope(|scope| {
            let runs = scope.spawn(|| Runs::until(&loaded, address, &args, users));
            let end = End(&loaded);
            restart(registrars[0].as_mut(), restarts, &board);
            drop(end);
            runs.join().unwrap()
        });

        let (lost, stale) = board.errors();
        let (name, seconds) = (self.name, begun.elapsed().as_secs());
        println!(
            "loading, {name}: {users} users, {restarts} restarts, {seconds} s; {runs}; in the end lost: {lost}, stale: {stale}"
        );
        let wrong = [
            (runs.partial == 0, "no run met the load"),
            (stale > 0, "stale members are on the board"),
            (lost > 0 && !self.loses, "registered users are not on it"),
            (
                runs.registered > 0 && !self.loses,
                "registered users were off it for a moment",
            ),
            (lost == 0 && self.loses, "none lost: this proves nothing"),
        ];
        let wrong = wrong.iter().filter(|(is_wrong, _)| *is_wrong);
        wrong.map(|(_, what)| format!("{name}: {what}")).collect()
    }

    fn args(&self, registrars: &[Box<dyn Registrar>], redis: &Redis) -> Vec<String> {
        let urls = registrars
            .iter()
            .map(|registrar| format!("--kamailio={}", registrar.url()));
        let options = self.options.split_whitespace().map(String::from);
        options
            .chain(urls)
            .chain([format!("--redis={}", redis.url()), "--format=json".into()])
            .collect()
    }
}

/// Two times in three the registrar loads to its end, and restarts sooner or later after that; the third time it restarts
/// while it loads. Each restart brings new stale members.
fn restart(registrar: &mut dyn Registrar, restarts: usize, board: &Board) {
    for restart in 0..restarts {
        registrar.restart();
        board.add_stale(restart);
        if restart % 3 == 1 {
            thread::sleep(Duration::from_millis(restart as u64 * 700 % 5000));
        } else {
            registrar.wait_until_loaded();
            thread::sleep(Duration::from_millis(restart as u64 * 170 % 1000));
        }
    }
    registrar.wait_until_loaded();
}

/// Lets the runs come to their end when it goes, also when that is a panic.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
