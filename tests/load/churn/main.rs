//! Churn: users come and go on a real Kamailio at a few hundred a second, every look reaches kamonline 0.3 s late, and
//! several kamonlines run at once, again and again. When it quiets, nobody who is online is missing on the board and
//! nobody who is gone is left there. The same without the second look loses users, or this test could not fail.
//!
//! `cargo test --release --test churn -- 5000 120 300`: 5,000 users for 120 seconds, of whom some 300 a second register,
//! refresh or leave. So many come back at once that many runs are refused, or take their removals back. Without numbers: a short one, in
//! which most are kept.

#[path = "../../lab/mod.rs"]
mod lab;
mod phones;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use lab::{KamailioOptions, Lab, Proxy, kamonline, until};
use phones::{DOMAIN, Lived, has_no_header, live};

const LATE: Duration = Duration::from_millis(300);
const AT_ONCE: usize = 3;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let (users, seconds, turns) = match numbers[..] {
        [users, seconds, turns] => (users, seconds as u64, turns),
        // `cargo test some_name` hands its filter to every test binary.
        _ if words.iter().any(|word| !word.starts_with('-')) => return,
        _ => (500, 9, 40),
    };
    let time = Duration::from_secs(seconds);
    thread::scope(|scope| {
        for (fragment, look) in [
            (Fragment::Example, Look::Twice),
            (Fragment::Naive, Look::Twice),
            (Fragment::Naive, Look::Once),
        ] {
            scope.spawn(move || churn(fragment, look, users, time, turns));
        }
    });
}

/// Which kamailio.cfg fills the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fragment {
    Example,
    Naive,
}

/// Whether the second dump of a run is a new one, or the first one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Twice,
    Once,
}

fn churn(fragment: Fragment, look: Look, users: usize, time: Duration, turns: usize) {
    let lab = Lab::with(KamailioOptions {
        naive: fragment == Fragment::Naive,
        ..KamailioOptions::default()
    });
    let over = AtomicBool::new(false);
    let mut runs = Runs::default();
    let lived = thread::scope(|scope| {
        let loops: Vec<_> = (0..AT_ONCE)
            .map(|_| scope.spawn(|| run_until(&over, &lab, look)))
            .collect();
        let lived = live(&lab.kamailio, users, time, turns);
        over.store(true, Ordering::Relaxed);
        for one in loops {
            runs.add(one.join().unwrap());
        }
        lived
    });
    until("those who died have expired", || {
        online(&lab) == lived.online
    });

    let heard =
        |user: &&String| fragment == Fragment::Example || !has_no_header(user.parse().unwrap());
    let board = board(&lab);
    let lost = lived.online.difference(&board).filter(heard).count();
    println!("{}", told(fragment, look, users, time, &lived, &runs, lost));
    match look {
        Look::Twice => {
            assert_eq!(lost, 0, "{fragment:?}: online, and not on the board");
            let came_back = runs.returned as u64 + runs.restored + runs.rolled_back;
            assert!(came_back > 0 || runs.refused > 0, "nobody came back");
        }
        Look::Once => assert!(
            lost > 0,
            "the plain diff lost nobody: this test proves nothing"
        ),
    }
    let unheard = fragment == Fragment::Naive;
    let last: &[&str] = match unheard || look == Look::Once {
        true => &["--add-missing"],
        false => &[],
    };
    run(&lab, &lab.kamailio.rpc_url(), last).expect(0);
    assert_eq!(self::board(&lab), lived.online, "{fragment:?}, {look:?}");
}

fn told(
    fragment: Fragment,
    look: Look,
    users: usize,
    time: Duration,
    lived: &Lived,
    runs: &Runs,
    lost: usize,
) -> String {
    let Lived {
        registered,
        refreshed,
        unregistered,
        died,
        cut_off,
        online,
    } = lived;
    let turns = lived.turns() as f64 / time.as_secs_f64();
    format!(
        "churn, {fragment:?}, looks {look:?}: {users} users, {turns:.0} turns a second for {time:?}: {registered} came, \
         {refreshed} refreshed, {unregistered} unregistered, {died} died, {cut_off} were cut off; {} runs, {AT_ONCE} at \
         once, each look {LATE:?} late: {} removed, {} registered again before, {} restored, {} put back by {} runs that could not confirm it, {} \
         runs refused ({} still filling); in the end {} are online, lost: {lost}",
        runs.count,
        runs.removed,
        runs.returned,
        runs.restored,
        runs.rolled_back,
        runs.unconfirmed,
        runs.refused,
        runs.filling,
        online.len()
    )
}

#[derive(Default)]
struct Runs {
    count: usize,
    removed: u64,
    /// Stale at first, and registered before they were removed.
    returned: usize,
    restored: u64,
    rolled_back: u64,
    /// Runs that removed nobody after all, or put everyone back; and those of them that took the registrar for filling.
    refused: usize,
    unconfirmed: usize,
    filling: usize,
}

impl Runs {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.removed += other.removed;
        self.returned += other.returned;
        self.restored += other.restored;
        self.rolled_back += other.rolled_back;
        self.refused += other.refused;
        self.unconfirmed += other.unconfirmed;
        self.filling += other.filling;
    }
}

fn run_until(over: &AtomicBool, lab: &Lab, look: Look) -> Runs {
    let mut runs = Runs::default();
    while !over.load(Ordering::Relaxed) {
        let mut proxy = Proxy::new(&lab.kamailio).delay(LATE);
        let mut args = vec!["--format=json"];
        if look == Look::Once {
            proxy = proxy.repeat_first();
            args.push("--settle=0s");
        }
        let run = run(lab, &proxy.url(), &args);
        let unconfirmed = run.stderr.contains("everyone who was removed is back");
        let doubts = ["error: second look: ", "several registrars answer at"];
        let refused = !unconfirmed && doubts.iter().any(|doubt| run.stderr.contains(doubt));
        let filling = run.stderr.contains("is still filling");
        let code = match (refused, unconfirmed) {
            (true, _) => 3,
            (false, unconfirmed) => unconfirmed.into(),
        };
        let report = run.expect(code).json();
        let total = |name: &str| report["totals"][name].as_u64().unwrap();
        let domains = report["domains"].as_array().unwrap().iter();
        let returned = domains.map(|domain| domain["returned"].as_array().unwrap().len());
        runs.add(Runs {
            count: 1,
            removed: total("removed"),
            returned: returned.sum(),
            restored: total("restored"),
            rolled_back: total("rolled_back"),
            refused: refused.into(),
            unconfirmed: unconfirmed.into(),
            filling: filling.into(),
        });
    }
    runs
}

fn run(lab: &Lab, kamailio: &str, args: &[&str]) -> lab::Run {
    let redis = lab.redis.url();
    let always = [
        "--kamailio",
        kamailio,
        "--redis",
        &redis,
        "--max-removal=100%",
    ];
    kamonline(&[&always, args].concat())
}

fn board(lab: &Lab) -> BTreeSet<String> {
    let key = format!("ONLINE:{DOMAIN}");
    lab.redis.members(&key).into_iter().collect()
}

/// Kamailio's own table, read by no code of kamonline's.
fn online(lab: &Lab) -> BTreeSet<String> {
    let mut stream = TcpStream::connect(lab.kamailio.address()).unwrap();
    let request = b"GET /rpc/ul/ul.dump?arg=brief HTTP/1.1\r\nHost: lab\r\n\r\n";
    stream.write_all(request).unwrap();
    let (mut page, mut chunk) = (String::new(), [0; 65_536]);
    while !page.contains("</pre>") {
        let length = stream.read(&mut chunk).unwrap();
        assert!(length > 0, "Kamailio's table breaks off");
        page += std::str::from_utf8(&chunk[..length]).unwrap();
    }
    let aors = page.split("AoR: ").skip(1);
    aors.map(|rest| rest.split('@').next().unwrap().into())
        .collect()
}
