//! A site that saves what the registrar behind it has answered, in a reply route.

use super::site::KamailioCfg;
use crate::lab::{Kamailio, KamailioOptions, until};

#[test]
fn who_registers_through_a_reply_route_is_on_the_board() {
    let behind = Kamailio::start(&KamailioOptions::default(), None);
    let relay = format!(
        "\t$du = \"sip:{}\";\n\tt_on_reply(\"REGISTERED\");\n\tt_relay();\n",
        behind.address()
    );
    let site = KamailioCfg::many_domains()
        .saving(&relay)
        .last(
            "onreply_route[REGISTERED] {\n\
             \tif (status =~ \"^2\") {\n\t\tsave(\"location\");\n\t\troute(ONLINE);\n\t}\n}",
        )
        .start();
    let board = || site.redis.members("ONLINE:voip.ca");

    site.register("100@voip.ca");
    assert_eq!(board(), ["100"]);
    let phone = site.kamailio.phone().with_expires_in_contact();
    phone.register("100@voip.ca");
    phone.register_for("101@voip.ca", 2);
    assert_eq!(board(), ["100", "101"]);
    until("the phone of 101 expires", || board() == ["100"]);
}
