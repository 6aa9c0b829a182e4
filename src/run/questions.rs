//! Which registrar answers at an address, and for how long it has been up. It is asked over and over, each time over a
//! connection of its own: several registrars behind one address must not pass for one.

use std::time::{Duration, Instant};

use super::answer::UptimeAnswer;
use crate::kamailio::{NoUptime, Processes, Registrar, Uptime};

/// How often one look asks a registrar for its uptime, and as often for its processes.
pub const QUESTIONS: usize = 6;

pub struct Questions<'a> {
    registrar: &'a Registrar,
    told: Vec<Told>,
    asked_from: Vec<Option<String>>,
    /// It was not asked for its processes yet, or has told them each time.
    pub tells_processes: bool,
    /// It did not tell them, and is not asked again.
    hides_processes: bool,
}

/// One answer.
struct Told {
    uptime: Uptime,
    processes: Option<Processes>,
    asked: Instant,
    came: Instant,
}

impl<'a> Questions<'a> {
    pub fn to(registrar: &'a Registrar, for_processes: bool) -> Self {
        Self {
            registrar,
            told: Vec::new(),
            asked_from: Vec::new(),
            tells_processes: for_processes,
            hides_processes: false,
        }
    }

    /// Asks for both once more, for the other one first than before: in a round robin over two, one of them would answer for
    /// the uptime each time. A question for the processes without an answer stands for the last one of all, so that the
    /// number of requests stays odd.
    pub fn ask(&mut self) -> Result<(), NoUptime> {
        if self.told.len() + usize::from(self.hides_processes) == QUESTIONS {
            return Ok(());
        }
        let is_uptime_first = self.told.len().is_multiple_of(2);
        let sooner = (!is_uptime_first).then(|| self.processes()).flatten();
        let asked = Instant::now();
        let (uptime, head) = self.registrar.uptime()?;
        let came = Instant::now();
        self.asked_from.push(head.asked_from);
        let later = is_uptime_first.then(|| self.processes()).flatten();
        self.told.push(Told {
            uptime,
            processes: sooner.or(later),
            asked,
            came,
        });
        Ok(())
    }

    fn processes(&mut self) -> Option<Processes> {
        if !self.tells_processes {
            return None;
        }
        let told = self.registrar.processes();
        self.hides_processes = told.is_none();
        self.tells_processes = told.is_some();
        let (processes, head) = told?;
        self.asked_from.push(head.asked_from);
        Some(processes)
    }

    /// `asked` is when its dump was asked for.
    pub fn answer(self, asked: Instant) -> Option<UptimeAnswer> {
        // None comes first.
        let when_asked = self.told.iter().map(|one| one.up_at(asked)).min().flatten();
        let mut told = self.told.into_iter();
        let first = told.next()?;
        let other = told.find(|one| {
            one.uptime.since != first.uptime.since || differ(&one.processes, &first.processes)
        });
        Some(UptimeAnswer {
            reported: first.uptime,
            processes: first.processes,
            asked_from: self.asked_from,
            asked: first.asked,
            came: first.came,
            other: other.map(|one| one.uptime.since),
            when_asked,
        })
    }
}

impl Told {
    /// How long it had been up at this earlier time.
    fn up_at(&self, before: Instant) -> Option<Duration> {
        let up = Duration::from_secs(self.uptime.seconds?.try_into().ok()?);
        up.checked_sub(self.came - before)
    }
}

/// As far as both tell.
pub fn differ(one: &Option<Processes>, other: &Option<Processes>) -> bool {
    one.is_some() && other.is_some() && one != other
}

/// Asks for nothing else. `asked` is when its dump was asked for.
pub fn uptime(registrar: &Registrar, asked: Instant) -> Result<UptimeAnswer, NoUptime> {
    let mut questions = Questions::to(registrar, true);
    for _ in 0..QUESTIONS {
        questions.ask()?;
    }
    let answer = questions.answer(asked);
    Ok(answer.expect("it was asked more than once"))
}
