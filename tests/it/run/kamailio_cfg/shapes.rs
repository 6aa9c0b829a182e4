//! What sites make of the stock kamailio.cfg. A row is a kamailio.cfg and a phone; a phone's life is the same in each.

use super::site::KamailioCfg;
use crate::lab::until;

/// A kamailio.cfg, an AoR as its phone sends it, and its user on the board.
pub struct Shape {
    pub cfg: KamailioCfg,
    aor: &'static str,
    set: &'static str,
    user: &'static str,
    /// Whether one phone is left when the first of two has unregistered.
    one_left: bool,
}

pub fn one_domain() -> Shape {
    Shape {
        cfg: KamailioCfg::one_domain(),
        aor: "100@voip.ca",
        set: "ONLINE:voip.ca",
        user: "100",
        one_left: true,
    }
}

pub fn many_domains() -> Shape {
    Shape {
        cfg: KamailioCfg::many_domains(),
        ..one_domain()
    }
}

impl Shape {
    pub fn with(mut self, change: impl Fn(KamailioCfg) -> KamailioCfg) -> Self {
        self.cfg = change(self.cfg);
        self
    }

    pub fn ahead(self, lines: &str) -> Self {
        self.with(|cfg| cfg.ahead(lines))
    }

    fn saving(self, lines: &str) -> Self {
        self.with(|cfg| cfg.saving(lines))
    }

    pub fn phone(mut self, aor: &'static str, set: &'static str, user: &'static str) -> Self {
        (self.aor, self.set, self.user) = (aor, set, user);
        self
    }

    fn unregisters_all_phones(mut self) -> Self {
        self.one_left = false;
        self
    }

    /// The board is right after each step of a phone's life.
    pub fn lives(self) {
        let site = self.cfg.start();
        let (phone, second) = (site.kamailio.phone(), site.kamailio.phone().named("second"));
        let board = |after: &str, is_online: bool| {
            let members = is_online.then_some(self.user);
            assert_eq!(
                site.redis.members(self.set),
                Vec::from_iter(members),
                "after {after}"
            );
        };
        phone.register(self.aor);
        board("a REGISTER", true);
        phone.with_expires_in_contact().register(self.aor);
        board("a refresh without an Expires header", true);
        assert_eq!(
            site.redis.calls("srem"),
            0,
            "who is online is not taken off"
        );
        second.register(self.aor);
        phone.unregister(self.aor);
        board("the first of two phones has unregistered", self.one_left);
        second.unregister(self.aor);
        board("the last phone has unregistered", false);

        second.register(self.aor);
        phone.register_for(self.aor, 1);
        until("the first phone expires", || site.contacts() == 1);
        board("the first of two phones has expired", true);
        second.register_for(self.aor, 1);
        until("the last phone leaves the board", || {
            site.redis.keys().is_empty()
        });
    }
}

macro_rules! shapes {
    ($($name:ident: $shape:expr;)*) => {
        $(#[test]
        fn $name() {
            $shape.lives();
        })*
    };
}

shapes! {
    the_stock_file: one_domain();
    the_stock_file_with_many_domains: many_domains();

    an_empty_realm_prefix: many_domains().ahead(r#"modparam("registrar", "realm_prefix", "")"#);
    a_realm_prefix: many_domains()
        .ahead(r#"modparam("registrar", "realm_prefix", "sip.")"#)
        .phone("100@sip.voip.ca", "ONLINE:voip.ca", "100");
    a_realm_prefix_and_one_domain: one_domain()
        .ahead(r#"modparam("registrar", "realm_prefix", "sip.")"#)
        .phone("100@sip.voip.ca", "ONLINE:voip.ca", "100");
    an_ipv6_domain: many_domains().phone("100@[2001:db8::1]", "ONLINE:[2001:db8::1]", "100");
    an_ipv6_domain_and_a_realm_prefix: many_domains()
        .ahead(r#"modparam("registrar", "realm_prefix", "sip.")"#)
        .phone("100@[2001:db8::1]", "ONLINE:[2001:db8::1]", "100");
    an_ipv6_domain_and_one_domain: one_domain().phone("100@[2001:db8::1]", "ONLINE:voip.ca", "100");

    case_sensitive: many_domains()
        .ahead(r#"modparam("registrar", "case_sensitive", 1)"#)
        .phone("Alice@Voip.CA", "ONLINE:voip.ca", "Alice");
    case_sensitive_and_one_domain: one_domain()
        .ahead(r#"modparam("registrar", "case_sensitive", 1)"#)
        .phone("Alice@Voip.CA", "ONLINE:voip.ca", "Alice");
    not_case_sensitive: many_domains().phone("Alice%20B@Voip.CA", "ONLINE:voip.ca", "alice b");
    a_user_with_an_at: many_domains().phone("x%40y@voip.ca", "ONLINE:voip.ca", "x@y");
    a_user_with_an_at_and_one_domain: one_domain().phone("x%40y@voip.ca", "ONLINE:voip.ca", "x@y");
    use_expired_contacts: many_domains()
        .ahead(r#"modparam("registrar", "use_expired_contacts", 1)"#);

    another_table: many_domains()
        .ahead(r#"#!define ONLINE_TABLE "kam_users_location""#)
        .with(|cfg| cfg.replace(r#"save("location")"#, r#"save("kam_users_location")"#));
    another_table_and_one_domain: one_domain()
        .ahead(r#"#!define ONLINE_TABLE "kam_users_location""#)
        .with(|cfg| cfg.replace(r#"save("location")"#, r#"save("kam_users_location")"#));
    another_aor_than_the_to_header: many_domains()
        .ahead("#!define ONLINE_AOR $avp(aor)")
        .saving(r#"
            $avp(aor) = "sip:" + $fU + "@pbx." + $fd;
            if (save("location", "0x00", "$avp(aor)")) route(ONLINE);
        "#)
        .phone("100@voip.ca", "ONLINE:pbx.voip.ca", "100");
    another_aor_made_of_several: many_domains()
        .ahead(r#"#!define ONLINE_AOR "sip:" + $fU + "@pbx." + $fd"#)
        .saving(r#"if (save("location", "0x00", "sip:$fU@pbx.$fd")) route(ONLINE);"#)
        .phone("100@voip.ca", "ONLINE:pbx.voip.ca", "100");

    logout_by_unregister: many_domains()
        .saving(r#"
            if ($hdr(Expires) == "0") {
                unregister("location", "$tu");
                route(ONLINE);
                sl_send_reply("200", "OK");
                exit;
            }
            if (save("location")) route(ONLINE);
        "#)
        .unregisters_all_phones();
    several_saves: many_domains().saving(r#"
        if ($hdr(Expires) == $null) {
            save("location", "0x04");
            route(ONLINE);
            exit;
        }
        if (!save("location")) exit;
        route(ONLINE);
    "#);
    a_switch_behind_it: many_domains().saving(r#"
        save("location");
        route(ONLINE);
        switch ($?) {
            case 1: if ($hdr(Expires) == "0") xlog("L_ERR", "1 for a contact that was deleted\n"); break;
            case 3: if ($hdr(Expires) != "0") xlog("L_ERR", "3 for a contact that was not deleted\n"); break;
        }
    "#);
    variables_of_the_site: many_domains().saving(r#"
        $var(domain) = "domain";
        $var(user) = "user";
        $var(prefix) = "prefix";
        $var(command) = "command";
        save("location");
        route(ONLINE);
        if ($var(domain) + $var(user) + $var(prefix) + $var(command) != "domainuserprefixcommand")
            xlog("L_ERR", "$var(domain) $var(user) $var(prefix) $var(command)\n");
    "#);
    an_event_route_of_the_site_for_expiry: many_domains().with(|cfg| {
        cfg.replace_in_fragment("event_route[usrloc:contact-expired] {\n\troute(ONLINE_EXPIRED);\n}\n", "")
            .last("event_route[usrloc:contact-expired] {\n\troute(ONLINE_EXPIRED);\n\txlog(\"L_INFO\", \"expired $ulc(exp=>aor)\\n\");\n}")
    });
}
