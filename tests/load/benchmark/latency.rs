//! What others feel while kamonline runs: a phone that sends REGISTERs to Kamailio and a web GUI that sends SISMEMBERs to
//! Redis, each at a steady rate, while nothing else happens and while kamonline runs, in alternation.

use crate::board::{Board, domain};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between two requests of a kind.
const INTERVAL: Duration = Duration::from_millis(5);
/// How long a state is measured before it is the next one's turn.
const STRETCH: Duration = Duration::from_secs(1);
/// What a state leaves behind is not counted in the next one.
const PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// What goes on while the requests are sent.
#[derive(Clone, Copy)]
enum State {
    Idle,
    /// A run after the other, without a pause. They find nothing.
    InSync,
    /// Runs that each remove so many in a hundred users.
    Stale(usize),
}

const STATES: [(&str, State); 3] = [
    ("idle", State::Idle),
    ("kamonline", State::InSync),
    ("kamonline, 1% stale", State::Stale(1)),
];
/// In the place of the number of a state.
const UNCOUNTED: usize = STATES.len();
const OVER: usize = UNCOUNTED + 1;

/// The times of each state.
type Times = [Vec<Duration>; STATES.len()];

pub const HEAD: &str = "\
| request | users | domains | meanwhile | requests | p50, ms | p99, ms | p99.9, ms | max, ms |
| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |
";

/// A line of the table for each request and state.
pub fn latency(boards: &[Board], users: usize, rounds: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for board in boards {
        for (request, times) in measure(board, users, rounds) {
            for ((state, _), mut times) in STATES.into_iter().zip(times) {
                times.sort_unstable();
                let of = format!("{request} | {users} | {} | {state}", board.domains);
                lines.push(line(&of, &times));
            }
        }
    }
    lines
}

fn measure(board: &Board, users: usize, rounds: usize) -> [(&'static str, Times); 2] {
    let state = AtomicUsize::new(UNCOUNTED);
    let times = thread::scope(|scope| {
        // Also when a run fails: else the scope waits for the probes forever.
        let over = Over(&state);
        let probes = [
            (
                "REGISTER",
                scope.spawn(|| probe(&state, registers(board, users))),
            ),
            (
                "SISMEMBER",
                scope.spawn(|| probe(&state, sismembers(board, users))),
            ),
        ];
        for _ in 0..rounds {
            for number in 0..STATES.len() {
                stretch(board, users, &state, number);
            }
        }
        drop(over);
        probes.map(|(request, probe)| (request, probe.join().unwrap()))
    });
    assert_eq!(board.members(), users, "a run leaves a wrong board");
    times
}

struct Over<'a>(&'a AtomicUsize);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(OVER, Ordering::Relaxed);
    }
}

fn stretch(board: &Board, users: usize, state: &AtomicUsize, number: usize) {
    let run = || {
        let args = ["--quiet", "--add-missing", "--settle", "0s"];
        board.lab.run(&args).expect(0);
    };
    let (_, what) = STATES[number];
    let mut counted = Duration::ZERO;
    while counted < STRETCH {
        if let State::Stale(percent) = what {
            board.add_stale(users, percent);
        }
        thread::sleep(PAUSE);
        state.store(number, Ordering::Relaxed);
        let started = Instant::now();
        match what {
            State::Idle => thread::sleep(STRETCH),
            State::InSync => {
                while started.elapsed() < STRETCH {
                    run();
                }
            }
            State::Stale(_) => run(),
        }
        counted += started.elapsed();
        state.store(UNCOUNTED, Ordering::Relaxed);
    }
}

/// Sends requests at a steady rate until it is over, and files the time of each under the state in which it was sent.
fn probe(state: &AtomicUsize, mut request: impl FnMut(usize)) -> Times {
    let mut times = Times::default();
    let mut due = Instant::now();
    for number in 0.. {
        let now = Instant::now();
        // One that is held up by the one before counts from when it was due.
        let mut started = due;
        if now < due {
            thread::sleep(due - now);
            started = Instant::now();
        }
        let state = state.load(Ordering::Relaxed);
        if state == OVER {
            break;
        }
        request(number);
        if let Some(times) = times.get_mut(state) {
            times.push(started.elapsed());
        }
        due += INTERVAL;
    }
    times
}

/// Each refreshes the registration of another user, from request to 200 OK.
fn registers(board: &Board, users: usize) -> impl FnMut(usize) {
    let registrar = board.lab.kamailio.address();
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.connect(registrar).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let here = socket.local_addr().unwrap();
    move |number| {
        let aor = board.aor(number % users);
        let request = format!(
            "REGISTER sip:{registrar} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{number}\r\n\
             From: <sip:{aor}>;tag=1\r\nTo: <sip:{aor}>\r\nCall-ID: {number}@{here}\r\nCSeq: 1 REGISTER\r\n\
             Contact: <sip:phone@127.0.0.1>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send(request.as_bytes()).unwrap();
        let mut answer = [0; 4096];
        let length = socket.recv(&mut answer).expect("Kamailio answers");
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(
            answer.starts_with("SIP/2.0 200 "),
            "REGISTER {aor}: {answer}"
        );
    }
}

/// Each asks whether another user is online.
fn sismembers(board: &Board, users: usize) -> impl FnMut(usize) {
    let client = redis::Client::open(board.lab.redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    move |number| {
        let user = number % users;
        let key = format!("ONLINE:{}", domain(user % board.domains));
        let mut command = redis::cmd("SISMEMBER");
        command.arg(key).arg(format!("user{user}"));
        let online: bool = command.query(&mut connection).unwrap();
        assert!(online, "user{user} is off the board");
    }
}

fn line(of: &str, sorted: &[Duration]) -> String {
    let ms = |per_mille: usize| {
        let rank = (sorted.len() * per_mille).div_ceil(1000);
        sorted[rank - 1].as_secs_f64() * 1e3
    };
    format!(
        "| {of} | {} | {:.2} | {:.2} | {:.2} | {:.2} |\n",
        sorted.len(),
        ms(500),
        ms(990),
        ms(999),
        ms(1000),
    )
}
