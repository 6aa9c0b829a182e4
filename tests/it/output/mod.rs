//! What is told of a run: reports, metrics, notices, and no secret.

mod facts;
pub mod json;
mod metrics;
mod notices;
mod secrets;
mod terminal;
