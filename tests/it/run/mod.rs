//! What a run does to the sets.

mod balancers;
mod board;
mod checked_key;
mod deaf;
mod default_domain;
mod excluded;
mod guard;
mod ignore_domain;
mod kamailio_cfg;
mod keep_stale;
mod killed;
mod last_look;
mod load;
mod names;
mod nobody_in_common;
mod other_forms;
mod readme;
mod registrars;
mod replicated;
pub mod scripted;
mod second_look;
mod shells;
mod stopped;
mod threads;
