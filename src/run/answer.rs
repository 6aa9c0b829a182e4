//! What a registrar answered at one look.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::kamailio::{Processes, Registrar, Uptime};
use crate::matching::Contents;

pub struct Answer {
    pub url: String,
    pub heard: Heard,
    /// For `--dry-run -v` only, and if it was asked.
    pub facts: Option<DumpFacts>,
}

/// What one dump showed, whatever a run makes of it.
#[derive(Default)]
pub struct DumpFacts {
    /// The `Server` header.
    pub server: Option<String>,
    /// Of a whole dump.
    pub contents: Option<Contents>,
    /// Why there is no dump, or why nobody may act upon it.
    pub failure: Option<String>,
}

pub enum Heard {
    /// No whole dump came, for this reason, unless it was taken away; or none was asked for yet.
    Silent(Option<Failure>),
    /// It refuses connections, and the others know its users (`--replicated`).
    Dead,
    Dumped(Dumped),
}

/// A whole dump.
pub struct Dumped {
    /// The `Server` header.
    pub server: Option<String>,
    /// Of each dump of this look, from which address and port Kamailio was asked, if it tells.
    pub asked_from: Vec<Option<String>>,
    /// In the tables that count.
    pub aors: usize,
    /// Most of these have no `@`, where domains are ignored: its usrloc has use_domain 0.
    pub lacks_domains: bool,
    /// When it was asked for, and when it had come.
    pub asked: Instant,
    pub came: Instant,
    /// Asked only when somebody would be removed, and not always told.
    pub uptime: Option<UptimeAnswer>,
    /// A member was registered by one dump of this look, and not by the next: hardly a phone comes and goes so fast.
    pub contradicts_itself: bool,
}

/// How long a registrar has been up, and which one it is, asked [`QUESTIONS`](super::questions::QUESTIONS) times.
#[derive(Clone)]
pub struct UptimeAnswer {
    /// The first answer; when it was asked for, and when it had come.
    pub reported: Uptime,
    /// As far as it tells.
    pub processes: Option<Processes>,
    pub asked: Instant,
    pub came: Instant,
    /// The same of each answer to these questions.
    pub asked_from: Vec<Option<String>>,
    pub other: Option<Other>,
    /// How long the youngest had been up when the dump was asked for. None is one that has started since, or whose uptime
    /// makes no sense.
    pub when_asked: Option<Duration>,
}

/// What gives another registrar at the same address away.
#[derive(Clone)]
pub enum Other {
    /// It has been up since another time, this one.
    Since(Vec<u8>),
    /// It has been up since the same second, and has other processes.
    OfOneSecond,
    /// It does not tell what the first one tells.
    TellsLess,
}

impl Answer {
    /// Of one that was not asked yet.
    pub fn none_of(registrar: &Registrar) -> Self {
        Self {
            url: registrar.url().into(),
            heard: Heard::Silent(None),
            facts: None,
        }
    }

    pub fn dumped(&self) -> Option<&Dumped> {
        match &self.heard {
            Heard::Dumped(dumped) => Some(dumped),
            _ => None,
        }
    }

    pub fn aors(&self) -> Option<usize> {
        self.dumped().map(|dumped| dumped.aors)
    }

    pub fn uptime(&self) -> Option<&UptimeAnswer> {
        self.dumped()?.uptime.as_ref()
    }

    pub fn is_dead(&self) -> bool {
        matches!(self.heard, Heard::Dead)
    }

    /// Whether it had been up for `min_uptime` when its dump was asked for, as far as it told.
    pub fn is_old(&self, min_uptime: Duration) -> bool {
        self.uptime()
            .is_none_or(|uptime| uptime.when_asked.is_some_and(|up| up >= min_uptime))
    }
}
