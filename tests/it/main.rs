//! The integration tests: kamonline on real servers. Each file is one promise to the administrator.

#[path = "../lab/mod.rs"]
mod lab;

mod board;
mod captures;
mod faults;
mod guard;
mod names;
mod page;
mod second_look;
