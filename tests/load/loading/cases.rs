//! The cases: who restarts, and with which options kamonline runs.

use std::time::Duration;

use crate::lab::Redis;
use crate::registrar::{Loading, Real, Registrar, Scripted, Uptime};

pub struct Case {
    pub name: &'static str,
    source: Source,
    /// Words of the command line.
    pub options: &'static str,
    /// Whether users are lost, as they must be where nothing can save them.
    pub loses: bool,
}

#[derive(Clone, Copy)]
enum Source {
    Kamailio,
    /// Each has half of the users. The first one restarts.
    TwoKamailios,
    Script(Loading, Uptime),
}

/// The guard shall not hide what the other rules do: `--max-removal=100%`, with which it refuses only a registrar that
/// reports nobody. A short settle time, so that the second look finds the registrar still loading.
pub fn of_any_size(long: bool) -> Vec<Case> {
    let (slow, fast) = if long { (20, 10) } else { (4, 2) };
    let stalled = Loading::Stalled(Duration::from_secs(3));
    let stalled_at_every_look = Loading::Stalled(Duration::from_secs(8));
    vec![
        case(
            "the second look alone",
            Source::Kamailio,
            "--min-uptime=0s --settle=500ms --max-removal=100%",
        ),
        case(
            "one of two, the second look alone",
            Source::TwoKamailios,
            "--min-uptime=0s --settle=500ms --max-removal=100%",
        ),
        case(
            "--min-uptime shorter than the load",
            Source::Kamailio,
            "--min-uptime=1s --settle=500ms --max-removal=100%",
        ),
        case(
            "1,000 a second",
            steady(1_000, slow),
            "--min-uptime=2m --max-removal=100%",
        ),
        case(
            "10,000 a second",
            steady(10_000, fast),
            "--min-uptime=2m --max-removal=100%",
        ),
        case(
            "stalled, and young",
            Source::Script(stalled, Uptime::True),
            "--min-uptime=5s --max-removal=100%",
        ),
        Case {
            loses: true,
            ..case(
                "stalled, and seemingly old",
                Source::Script(stalled_at_every_look, Uptime::Old),
                "--min-uptime=2m --max-removal=100%",
            )
        },
    ]
}

pub fn short() -> Vec<Case> {
    vec![
        case(
            "--min-uptime longer than the load",
            Source::Kamailio,
            "--min-uptime=5s --settle=500ms --max-removal=60%",
        ),
        case(
            "one of two, --min-uptime longer than the load",
            Source::TwoKamailios,
            "--min-uptime=5s --settle=500ms --max-removal=60%",
        ),
    ]
}

/// With `--min-uptime` as it is by default, which the lab sets to 0, they take two minutes more.
pub fn long() -> Vec<Case> {
    vec![
        case("default options", Source::Kamailio, "--min-uptime=2m"),
        case(
            "--max-removal 60%",
            Source::Kamailio,
            "--min-uptime=2m --max-removal=60%",
        ),
        case(
            "one of two, default options",
            Source::TwoKamailios,
            "--min-uptime=2m",
        ),
        case(
            "one of two, --max-removal 60%",
            Source::TwoKamailios,
            "--min-uptime=2m --max-removal=60%",
        ),
        case(
            "the second look alone, --max-removal 60%",
            Source::Kamailio,
            "--min-uptime=0s --max-removal=60%",
        ),
        case(
            "one of two, --min-uptime shorter than the load",
            Source::TwoKamailios,
            "--min-uptime=1s --max-removal=100%",
        ),
    ]
}

fn case(name: &'static str, source: Source, options: &'static str) -> Case {
    Case {
        name,
        source,
        options,
        loses: false,
    }
}

/// Its age says nothing: only the second look can save its users.
fn steady(per_second: usize, seconds: u64) -> Source {
    let time = Duration::from_secs(seconds);
    Source::Script(Loading::Steady { per_second, time }, Uptime::Old)
}

impl Case {
    /// Every user is registered at one of them. The first one is to restart.
    pub fn registrars(&self, users: usize, redis: &Redis) -> Vec<Box<dyn Registrar>> {
        match self.source {
            Source::Kamailio => vec![Box::new(Real::start(0..users, redis))],
            Source::TwoKamailios => vec![
                Box::new(Real::start(0..users / 2, redis)),
                Box::new(Real::start(users / 2..users, redis)),
            ],
            Source::Script(loading, uptime) => {
                vec![Box::new(Scripted::start(users, loading, uptime))]
            }
        }
    }
}
