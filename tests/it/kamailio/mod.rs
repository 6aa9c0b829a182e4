//! How Kamailio is asked, and what of its answers is believed.

mod captures;
mod http;
mod jsonrpc;
mod page;
mod uptime;
