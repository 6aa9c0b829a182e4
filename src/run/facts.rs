//! What the servers are, as far as they tell: asked in a dry run with `--verbose` only, of each whether the other fails or
//! not, and shown to whoever helps. Nothing is changed, and no secret is told.

use std::time::Instant;

use super::answer::{Answer, DumpFacts, UptimeAnswer};
use super::config::Config;
use super::{dump_facts, questions};
use crate::kamailio::{self, Registrar};
use crate::matching::Nothing;
use crate::store::{self, Store};

pub struct Facts {
    pub registrars: Vec<RegistrarFacts>,
    /// Or why there are none.
    pub redis: Result<store::Facts, String>,
}

pub struct RegistrarFacts {
    pub url: String,
    pub dump: DumpFacts,
    /// Or why it does not tell.
    pub uptime: Result<UptimeAnswer, String>,
    /// Its dumps are of several registrars.
    pub contradicts_itself: bool,
}

/// `registrars` are what each answered, as far as the run came.
pub fn gather(config: &Config, store: &mut Store, registrars: &mut [Answer]) -> Facts {
    let answers = registrars.iter_mut();
    Facts {
        registrars: kamailio::each(answers, |answer| {
            let registrar = config.registrar(&answer.url);
            of(registrar.expect("an answer is a registrar's"), answer)
        }),
        redis: store.facts(&config.rules),
    }
}

fn of(registrar: &Registrar, answer: &mut Answer) -> RegistrarFacts {
    // A Redis that cannot be read ends a run before it asks Kamailio.
    let facts = answer.facts.take();
    let facts = facts.or_else(|| dump_facts::dump(registrar, true, || Nothing).1);
    let mut dump = facts.unwrap_or_default();
    let uptime = match answer.uptime() {
        Some(uptime) => Ok(uptime.clone()),
        None => questions::uptime(registrar, Instant::now()),
    };
    // Of a dump that nobody may act upon the header is not kept.
    let answers = uptime.as_ref().map_or_else(|no| no.is_forbidden, |_| true);
    if dump.server.is_none() && answers {
        dump.server = registrar.server();
    }
    RegistrarFacts {
        url: answer.url.clone(),
        dump,
        uptime: uptime.map_err(|no| no.failure.cause.root_cause().to_string()),
        contradicts_itself: answer
            .dumped()
            .is_some_and(|dumped| dumped.contradicts_itself),
    }
}
