//! The integration tests: kamonline on real servers. Each file is one promise to the administrator.

#[path = "../lab/mod.rs"]
mod lab;

mod access;
mod board;
mod captures;
mod cluster;
mod cluster_slots;
mod cron;
mod environment;
mod fault_table;
mod faults;
mod generate;
mod guard;
mod hints;
mod http;
mod identity;
mod jsonrpc;
mod killed;
mod load;
mod memory;
mod metrics;
mod names;
mod network;
mod nobody_in_common;
mod notices;
mod package;
mod page;
mod registrars;
mod replica;
mod report;
mod second_look;
mod secrets;
mod sentinel;
mod stopped;
mod supply_chain;
mod systemd;
mod tidy;
mod tls;
mod troubleshooting;
mod uptime;
