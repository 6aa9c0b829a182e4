//! One event route serves everything that comes over HTTP: kamonline, WebSocket phones, scrapers, the site's own JSON-RPC.

use super::site::{KamailioCfg, Site};
use crate::lab::kamonline;

/// kamonline.cfg allows an address that is not ours.
pub const FOREIGN: &str = "#!define ONLINE_ALLOWED \"^192[.]0[.]2[.]1$\"";

fn status(site: &Site, path: &str) -> String {
    let answer = site.get(path);
    answer.split(' ').nth(1).unwrap().into()
}

#[test]
fn what_is_not_asked_of_us_is_not_refused() {
    let site = KamailioCfg::one_domain().ahead(FOREIGN).start();
    for (path, expected) in [
        ("/rpc", "403"),
        ("/rpc/ul/ul.dump?arg=brief", "403"),
        ("/", "404"),
        ("/RPC", "404"),
        ("/rpcs", "404"),
        ("/metrics", "404"),
    ] {
        assert_eq!(status(&site, path), expected, "{path}");
    }
}

fn finds_all_in_sync_over_jsonrpc(site: &Site, path: &str) {
    let url = format!("http://{}{path}", site.kamailio.address());
    let servers = ["--kamailio", &url, "--redis", &site.redis.url()];
    let one_domain = ["--rpc=jsonrpc", "--default-domain=voip.ca"];
    let look = ["--dry-run", "--exit-code"];
    kamonline(&[&servers[..], &one_domain, &look].concat()).expect(0);
}

/// What the head of the fragment says to do where the site has that event route.
pub fn without_its_event_route(cfg: KamailioCfg) -> KamailioCfg {
    let (before, route) = cfg
        .fragment
        .split_once("event_route[xhttp:request] {\n")
        .unwrap();
    let (_, after) = route.split_once("\n}\n").unwrap();
    KamailioCfg {
        fragment: [before, after].concat(),
        ..cfg
    }
}

fn with_jsonrpc_of_the_stock_file() -> KamailioCfg {
    without_its_event_route(KamailioCfg::one_domain())
        .first("#!define WITH_JSONRPC")
        .replace_in_fragment("loadmodule \"xhttp.so\"", "#loadmodule \"xhttp.so\"")
        .replace(
            "event_route[xhttp:request] {\n",
            "event_route[xhttp:request] {\n\troute(ONLINE_RPC);\n",
        )
}

#[test]
fn the_stock_file_with_its_own_jsonrpc() {
    let site = with_jsonrpc_of_the_stock_file().start();
    site.register("100@voip.ca");
    site.run(&["--dry-run", "--exit-code", "--default-domain=voip.ca"])
        .expect(0);
    finds_all_in_sync_over_jsonrpc(&site, "/RPC");
}

#[test]
fn the_stock_file_with_its_own_jsonrpc_from_another_address() {
    let site = with_jsonrpc_of_the_stock_file().ahead(FOREIGN).start();
    assert_eq!(status(&site, "/rpc"), "403");
    let answer = site.get("/metrics");
    assert!(answer.contains("Wrong URL /metrics"), "{answer}");
}

/// The stock file loads jsonrpcs, and kamctl talks to its FIFO.
fn with_jsonrpc_of_the_fragment() -> KamailioCfg {
    KamailioCfg::one_domain()
        .ahead("#!define WITH_ONLINE_JSONRPC")
        .replace_in_fragment("loadmodule \"jsonrpcs.so\"", "#loadmodule \"jsonrpcs.so\"")
        .replace_in_fragment("\"transport\", 1)", "\"transport\", 7)")
}

#[test]
fn jsonrpc_of_the_fragment_in_the_stock_file() {
    let site = with_jsonrpc_of_the_fragment().start();
    site.register("100@voip.ca");
    finds_all_in_sync_over_jsonrpc(&site, "/jsonrpc");
}

#[test]
fn jsonrpc_of_the_fragment_from_another_address() {
    let site = with_jsonrpc_of_the_fragment().ahead(FOREIGN).start();
    for (path, expected) in [("/jsonrpc", "403"), ("/rpc", "403"), ("/RPC", "404")] {
        assert_eq!(status(&site, path), expected, "{path}");
    }
}
