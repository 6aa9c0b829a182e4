//! `--checked-key`: a run that left the sets right says so in Redis. Who reads the sets can then tell a board that is checked
//! from one whose cron job died.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::matching::Plan;
use crate::store::Store;
use crate::text::{Escaped, rfc3339};

#[derive(Serialize)]
struct Checked {
    checked_at: String,
    checked_at_seconds: u64,
    /// With somebody online.
    domains: usize,
    /// Users.
    online: usize,
}

/// The error is a warning: the sets are right all the same.
pub fn write(store: &mut Store, key: &str, plan: &Plan) -> Result<(), String> {
    let now = SystemTime::now();
    let checked = Checked {
        checked_at: rfc3339(now),
        checked_at_seconds: now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        domains: plan
            .entries
            .iter()
            .filter(|entry| entry.online > 0 && !entry.is_of_no_set())
            .count(),
        online: plan.totals.online,
    };
    let json = serde_json::to_string(&checked).map_err(|error| error.to_string())?;
    store.set(key, &json).map_err(|failure| {
        let key = Escaped(key.as_bytes());
        format!("--checked-key {key} was not written: {failure}; if the ACL forbids it, give the Redis user +set ~{key}")
    })
}
