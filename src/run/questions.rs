//! Which registrar answers at an address, and for how long it has been up. It is asked over and over, each time over a
//! connection of its own: several registrars behind one address must not pass for one.

use std::time::{Duration, Instant};

use super::answer::{Other, UptimeAnswer};
use crate::kamailio::{NoUptime, Processes, Registrar, Uptime};

/// How often one look asks a registrar for its uptime, and as often for its processes.
pub const QUESTIONS: usize = 6;

pub struct Questions<'a> {
    registrar: &'a Registrar,
    for_processes: bool,
    asked: usize,
    /// Fewer than asked for where it forbids that.
    uptimes: Vec<Told>,
    /// None is no answer.
    processes: Vec<Option<Processes>>,
    asked_from: Vec<Option<String>>,
}

/// One answer.
struct Told {
    uptime: Uptime,
    asked: Instant,
    came: Instant,
}

impl<'a> Questions<'a> {
    pub fn to(registrar: &'a Registrar, for_processes: bool) -> Self {
        Self {
            registrar,
            for_processes,
            asked: 0,
            uptimes: Vec::new(),
            processes: Vec::new(),
            asked_from: Vec::new(),
        }
    }

    /// Asks for both once more, for the other one first than before: in a round robin over two, one of them would answer for
    /// the uptime each time. A first question for the processes without an answer is the only one, and stands for the last
    /// one of all, so that the number of requests stays odd.
    pub fn ask(&mut self) -> Result<(), NoUptime> {
        if self.hides_processes() && self.asked == QUESTIONS - 1 {
            return Ok(());
        }
        self.asked += 1;
        if self.asked.is_multiple_of(2) {
            self.ask_for_processes();
            return self.ask_for_uptime();
        }
        let told = self.ask_for_uptime();
        self.ask_for_processes();
        told
    }

    fn ask_for_uptime(&mut self) -> Result<(), NoUptime> {
        let asked = Instant::now();
        let (uptime, head) = self.registrar.uptime()?;
        self.uptimes.push(Told {
            uptime,
            asked,
            came: Instant::now(),
        });
        self.asked_from.push(head.asked_from);
        Ok(())
    }

    fn ask_for_processes(&mut self) {
        if self.for_processes && !self.hides_processes() {
            let (processes, head) = self.registrar.processes().unzip();
            self.processes.push(processes);
            self.asked_from.extend(head.map(|head| head.asked_from));
        }
    }

    pub fn forbids_uptime(&self) -> bool {
        self.uptimes.len() < self.asked
    }

    pub fn tells_processes(&self) -> bool {
        self.processes.first().is_some_and(Option::is_some)
    }

    fn hides_processes(&self) -> bool {
        self.processes.first().is_some_and(Option::is_none)
    }

    /// None where it never tells its uptime. `asked` is when its dump was asked for.
    pub fn answer(self, asked: Instant) -> Option<UptimeAnswer> {
        let tells_less = self.forbids_uptime()
            || self.tells_processes() && self.processes.iter().any(Option::is_none);
        // None comes first.
        let when_asked = self.uptimes.iter().map(|one| one.up_at(asked)).min();
        let mut uptimes = self.uptimes.into_iter();
        let first = uptimes.next()?;
        let since = uptimes.find(|one| one.uptime.since != first.uptime.since);
        let mut processes = self.processes.into_iter().flatten();
        let first_processes = processes.next();
        let other = match since {
            Some(one) => Some(Other::Since(one.uptime.since)),
            None if processes.any(|one| Some(one) != first_processes) => Some(Other::OfOneSecond),
            None => tells_less.then_some(Other::TellsLess),
        };
        Some(UptimeAnswer {
            reported: first.uptime,
            processes: first_processes,
            asked_from: self.asked_from,
            asked: first.asked,
            came: first.came,
            other,
            when_asked: when_asked.flatten(),
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

/// Asks for nothing else. `asked` is when its dump was asked for.
pub fn uptime(registrar: &Registrar, asked: Instant) -> Result<UptimeAnswer, NoUptime> {
    let mut questions = Questions::to(registrar, true);
    for _ in 0..QUESTIONS {
        questions.ask()?;
    }
    let answer = questions.answer(asked);
    Ok(answer.expect("it was asked more than once"))
}
