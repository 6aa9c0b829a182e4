//! A phone expires, and another one of the same user registers in that moment.

use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use super::site::KamailioCfg;
use crate::lab::{Fault, Phone, Redis, RedisProxy, Rule};

/// Less than the cmd_timeout of ndb_redis.
const HELD: Duration = Duration::from_millis(200);

/// usrloc keeps the user locked while its event route runs: the REGISTER waits until the SREM is done, and its SADD comes later.
#[test]
fn who_registers_while_the_expiry_of_another_phone_is_written_stays_on_the_board() {
    let redis = Redis::start();
    let second = Arc::new(OnceLock::<Phone>::new());
    let (sender, events) = mpsc::channel();
    let phone = second.clone();
    let registers = move || {
        let (phone, sender, registered) = (phone.clone(), sender.clone(), sender.clone());
        thread::spawn(move || {
            phone.wait().register("100@voip.ca");
            registered.send("the second phone has registered").unwrap();
        });
        thread::sleep(HELD);
        sender.send("Redis gets the SREM").unwrap();
    };
    let rule = Rule {
        command: "SREM",
        times: 0..1,
        onwards: false,
        fault: Fault::Meanwhile(Arc::new(registers)),
    };
    let proxy = RedisProxy::new(&redis, vec![rule]);
    let address = proxy
        .url()
        .replace("redis://127.0.0.1:", "")
        .replace("/0", "");
    let (kamailio, _dir) = KamailioCfg::many_domains()
        .replace_in_fragment(
            "\"server\", ONLINE_REDIS",
            &format!("\"server\", \"name=online;addr=127.0.0.1;port={address}\""),
        )
        .start_without_redis();
    assert!(second.set(kamailio.phone().named("second")).is_ok());

    kamailio.register_for("100@voip.ca", 1);
    let in_order = ["Redis gets the SREM", "the second phone has registered"];
    assert_eq!(
        events.recv_timeout(Duration::from_secs(30)),
        Ok(in_order[0])
    );
    assert_eq!(
        events.recv_timeout(Duration::from_secs(30)),
        Ok(in_order[1])
    );
    assert_eq!(redis.members("ONLINE:voip.ca"), ["100"]);
}
