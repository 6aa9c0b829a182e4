//! What goes wrong: what is said, what is changed, and what helps.

mod memory;
mod network;
pub mod table;
mod wrong_servers;
