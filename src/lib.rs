//! `kamonline` makes the Redis sets `ONLINE:DOMAIN` say what Kamailio knows.
//!
//! # The folders, from the top; imports run downwards only
//!
//! - [`settings`]: the command line and the environment, made into a [`run::Config`]
//! - [`report`]: the outcome of a run as text, JSON and metrics
//! - [`mod@run`]: the steps of a run, what it found and did, and how it went
//! - [`kamailio`]: a proved dump from a URL
//! - [`store`]: the sets in Redis: read, remove, add
//! - [`matching`]: is this AoR that member? The sets and a dump in memory, and the plan
//! - [`peer`]: what both servers share: deadlines, TLS, passwords, and every bound
//! - [`failure`], [`text`]: how a run fails, and text from outside made safe
//!
//! # A run, in [`mod@run`]
//!
//! 1. [`store`] reads the sets from Redis (R).
//! 2. `run/ask.rs` has every registrar of [`kamailio`] print its dump (D1). It is proved whole, and a
//!    [`matching::DumpMatcher`] matches its AoRs with the sets.
//! 3. [`matching::Plan`] says who is stale (R - D1) and who is missing (D1 - R).
//! 4. [`run::Guard`] refuses a plan that looks like a broken source or a wrong setting.
//! 5. `run/apply.rs` removes the stale and adds the missing.
//! 6. `run/second_look.rs` asks again (D2); `run/apply.rs` puts back who is in D2, or everyone when it cannot confirm.
//!
//! # Threads
//!
//! - main: waits for the end of the run, or for a signal ([`mod@run`])
//! - the signals: hands each to main ([`run::Stop`])
//! - the run: every step; a signal before the first write leaves it where it is ([`mod@run`])
//! - one for each of several registrars: all are asked at the same time ([`kamailio::each`])
//! - one for each dump: matches AoRs while Kamailio prints further ones ([`matching::DumpMatcher`])
//! - one for the connection to Redis: only it sends to Redis; the next replies are under way meanwhile (`store::pipeline`)
//! - one for each connect to Redis: it can be given up at its deadline (`store::deadline`)
//! - the second look: it can be given up when a signal comes (`run/second_look.rs`)
//! - two for the spinner, on a terminal ([`run::Progress`])
//!
//! # Words
//!
//! - AoR: address of record, `100@abc.voip.ca`: who can be called (RFC 3261); its user and its domain
//! - registrar: a Kamailio that keeps who is registered; usrloc table: where it keeps them, `location`
//! - contact: one phone of an AoR
//! - dump: what `ul.dump` prints of all tables; visitor: what takes in a dump
//! - set: `ONLINE:DOMAIN` in Redis; key: its name; member: a user in it, as kamailio.cfg wrote them
//! - online: registered, with any registrar
//! - stale: a member who is not online; missing: a user who is online and no member
//! - removed, restored: a stale member taken off, and put back by the second look; rolled back: everyone put back
//! - scope: the domains that a run may read and change
//! - settle: the wait between the last removal and the second look

pub mod failure;
pub mod kamailio;
pub mod matching;
pub mod peer;
pub mod report;
pub mod run;
pub mod settings;
pub mod store;
pub mod text;
