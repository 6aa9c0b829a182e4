//! `kamonline` makes the Redis sets `ONLINE:DOMAIN` say what Kamailio knows. The map of the crate:
//!
//! - [`cli`], [`environment`] and [`config`]: what is asked of a run
//! - [`mod@run`]: the steps of a run, in their order; [`outcome`]: what it found and did; [`stop`]: signals that end it
//! - [`store`]: the sets in Redis
//! - [`ask`]: every registrar, for its [`answer`]; [`kamailio`]: one of them, its dump proved whole, read by a
//!   [`dump_matcher`]
//! - [`users`]: the sets and what a dump shows of them, in memory
//! - [`plan`]: what is to be done; [`guard`]: when that is refused; [`notice`]: what else is to be known
//! - [`mod@apply`]: removes, adds, and takes a removal back; [`second_look`]: whether it is kept
//! - [`aor`]: the vocabulary, and how users are matched
//! - [`report`]: what was found and done, printed
//! - [`peer`]: what Redis and Kamailio share: deadlines, further tries; [`tls`]: certificates; [`limits`]: every bound on
//!   what they can make us keep or wait
//!
//! and the small parts: [`scope`], [`password`], [`text`], [`style`], [`failure`], [`progress`].

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
