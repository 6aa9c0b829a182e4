//! The ways to Redis: one server, a cluster, sentinels, TLS, and who is let in.

mod access;
mod client_certificates;
mod cluster;
mod cluster_put_back;
mod cluster_slots;
mod identity;
mod refusals;
mod replica;
mod sentinel;
pub mod tls;
mod tls_cluster;
