//! What goes wrong: what is said, what is changed, and what helps.

mod hints;
mod memory;
mod network;
mod servers;
pub mod table;
