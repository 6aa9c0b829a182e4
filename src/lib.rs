//! `kamonline` removes users from the Redis sets `ONLINE:DOMAIN` whom Kamailio no longer has registered and, if asked, adds
//! those who are missing.
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
//! - [`failure`], [`text`]: how a run fails, with which exit code, and text from outside made safe
//!
//! # A run, in [`mod@run`]
//!
//! *Prepare*, in which nothing is changed (`run/prepare.rs`):
//!
//! 1. [`store`] reads the sets from Redis (R).
//! 2. The first look: every registrar of [`kamailio`] prints its dump (D1). It is proved whole, and a
//!    [`matching::DumpMatcher`] matches its AoRs with the sets.
//! 3. [`matching::Plan`] says who is stale (R - D1) and who is missing (D1 - R).
//! 4. [`run::Guard`] refuses a plan that looks like a broken source or a wrong setting: exit code 3 (`run/guard.rs`). A dry run
//!    ends here.
//! 5. The second look (D2), if somebody would be removed: who is in D2 is not stale. Looks that do not agree about the
//!    source refuse the plan: exit code 3, too (`run/doubt.rs`).
//!
//! *Carry out*, in which who may be off the board is known at every step (`run/carry_out.rs`):
//!
//! 6. Remove the stale.
//! 7. The last look (D3): put back who is in D3, or everyone when it is in doubt.
//! 8. Add the missing.
//!
//! # Threads
//!
//! - main: waits for the end of the run, or for a signal ([`run::run_until_signal`])
//! - the signals: hands each to main ([`run::Stop`])
//! - the run: every step; a signal before the first write abandons it
//! - one for each of several registrars but one: all are asked at the same time ([`kamailio::each`])
//! - one for each dump: matches AoRs while Kamailio prints further ones ([`matching::DumpMatcher`])
//! - one of reqwest's for each registrar: its sockets, and the address of its name
//! - the second look and the last one: a signal abandons the last (`run/carry_out.rs`)
//! - the spinner, on a terminal ([`run::Progress`])
//!
//! While Kamailio prints its first dump there are five: main, the signals, the run, the one that matches, and reqwest's. With three
//! registrars there are eleven: two more that ask, and three of each of the last two. The later looks have one more, and so has
//! a terminal. Where the system starts no more of them the run fails, and puts back whom it removed.
//!
//! # Words
//!
//! - AoR: address of record, `100@abc.voip.ca`: who can be called (RFC 3261); its user and its domain
//! - registrar: a Kamailio that keeps who is registered, in usrloc tables (`location`); contact: one phone of an AoR
//! - dump: what `ul.dump` prints of all tables; look: a dump of every registrar, and for how long each has been up
//! - set: `ONLINE:DOMAIN` in Redis; key: its name; member: a user in it, as kamailio.cfg wrote them
//! - online: registered, with any registrar; scope: the domains that a run may read and change
//! - stale: a member who is not online; missing: a user who is online and no member
//! - another form: a member who is not online as they stand, and is under another reading; left alone
//! - returned: stale at the first look, online at the second; removed; restored: put back, as the last look shows them
//! - rolled back: everyone put back; off: removed, perhaps not back, and should be
//! - facts: what a server is, as far as it tells; asked for `--dry-run -v` only
//! - settle: the wait before the second look and before the last one

pub mod failure;
pub mod kamailio;
pub mod matching;
pub mod peer;
pub mod report;
pub mod run;
pub mod settings;
pub mod store;
pub mod text;
