//! What a registrar answered when it was asked.

use std::time::Duration;

use crate::kamailio::{Registrar, Uptime};

pub struct Answer {
    pub url: String,
    pub server: Option<String>,
    /// In the tables that count.
    pub aors: Option<usize>,
    /// Asked only when somebody would be removed.
    pub uptime: Option<UptimeAnswer>,
    /// It refuses connections, and the others know its users (`--replicated`).
    pub is_dead: bool,
}

pub struct UptimeAnswer {
    pub reported: Uptime,
    /// How long it had been up when its dump was asked for; None is one that makes no sense.
    pub when_asked: Option<Duration>,
}

impl Answer {
    pub fn of(registrar: &Registrar) -> Self {
        Self {
            url: registrar.url().into(),
            server: None,
            aors: None,
            uptime: None,
            is_dead: false,
        }
    }

    /// Whether it had been up for `min_uptime` when its dump was asked for, as far as it was asked.
    pub fn is_old(&self, min_uptime: Duration) -> bool {
        self.uptime
            .as_ref()
            .is_none_or(|uptime| uptime.when_asked.is_some_and(|up| up >= min_uptime))
    }
}
