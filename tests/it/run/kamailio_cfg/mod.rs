//! kamailio.cfg.example in the kamailio.cfg files that sites have: the stock one of Debian's package, and what sites make of it.

mod expiry;
mod http;
mod install;
mod kemi;
mod mid_registrar;
mod settings;
mod shapes;
mod site;
mod snippet;
mod websocket;
