//! The integration tests: kamonline on real servers. Each folder is what an administrator would look for, each file one
//! promise.

#[path = "../lab/mod.rs"]
mod lab;
#[path = "../readme.rs"]
mod readme;

mod admin;
mod board;
mod faults;
mod kamailio;
mod output;
mod redis;
mod run;
