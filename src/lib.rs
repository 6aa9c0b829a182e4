//! `kamonline` makes the Redis sets `ONLINE:DOMAIN` say what Kamailio knows.
//!
//! # A run, in [`mod@run`]
//!
//! 1. [`store`] reads the sets from Redis (R).
//! 2. [`ask`] has every registrar of [`kamailio`] print its dump (D1). It is proved whole, and a [`dump_matcher`] matches
//!    its AoRs with the sets, which [`users`] keeps.
//! 3. [`plan`] says who is stale (R - D1) and who is missing (D1 - R).
//! 4. [`guard`] refuses a plan whose [`findings`] look like a broken source or a wrong setting.
//! 5. [`mod@apply`] removes the stale and adds the missing.
//! 6. [`second_look`] asks again (D2); [`mod@apply`] puts back who is in D2, or everyone when it cannot confirm.
//!
//! Before: [`cli`] and [`environment`] read the settings, [`config`] checks them. After: [`outcome`] has the verdict,
//! [`report`] prints it. [`aor`] and [`scope`] hold the rules of matching; [`peer`], [`tls`] and [`limits`] what both servers share.
//!
//! # Threads
//!
//! - main: waits for the end of the run, or for a signal ([`mod@run`])
//! - the signals: hands each to main ([`stop`])
//! - the run: every step; a signal before the first write leaves it where it is ([`mod@run`])
//! - one for each of several registrars: all are asked at the same time ([`kamailio::each`])
//! - one for each dump: matches AoRs while Kamailio prints further ones ([`dump_matcher`])
//! - one for the connection to Redis: only it sends to Redis; the next replies are under way meanwhile (`store::pipeline`)
//! - one for each connect to Redis: it can be given up at its deadline (`store::deadline`)
//! - the second look: it can be given up when a signal comes ([`second_look`])
//! - two for the spinner, on a terminal ([`progress`])
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

pub mod answer;
pub mod aor;
pub mod apply;
pub mod ask;
pub mod cli;
pub mod config;
pub mod dump;
pub mod dump_matcher;
pub mod environment;
pub mod failure;
pub mod findings;
pub mod guard;
pub mod kamailio;
pub mod limits;
pub mod notice;
pub mod outcome;
pub mod password;
pub mod peer;
pub mod plan;
pub mod progress;
pub mod report;
pub mod run;
pub mod scope;
pub mod second_look;
pub mod stop;
pub mod store;
pub mod style;
pub mod text;
pub mod tls;
pub mod users;
