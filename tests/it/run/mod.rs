//! What a run does to the sets.

mod board;
mod checked_key;
mod default_domain;
mod excluded;
mod guard;
mod kamailio_cfg;
mod keep_stale;
pub mod killed;
mod load;
mod names;
mod nobody_in_common;
mod registrars;
mod replicated;
mod second_look;
mod stopped;
