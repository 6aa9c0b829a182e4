//! The main job: the board says what Kamailio knows.

use crate::lab::Lab;

#[test]
fn a_user_whose_cable_was_pulled_is_removed() {
    let lab = Lab::start();
    for user in ["100", "101", "102"] {
        lab.register(&format!("{user}@abc.voip.ca"));
    }
    lab.pull_the_cable("101@abc.voip.ca");
    assert_eq!(
        lab.redis.members("ONLINE:abc.voip.ca"),
        ["100", "101", "102"]
    );

    let dry = lab.run(&["--dry-run"]).expect(0);
    assert_eq!(
        dry.stdout,
        "abc.voip.ca: 2 users online, 3 members in ONLINE:abc.voip.ca\n  - 101\n\
         dry run, nothing was changed: 1 stale user to remove, 0 missing users to add; 2 users online in 1 domain\n"
    );
    assert_eq!(
        lab.redis.members("ONLINE:abc.voip.ca"),
        ["100", "101", "102"]
    );

    let run = lab.run(&[]).expect(0);
    assert_eq!(
        run.stdout,
        "abc.voip.ca: 2 users online, 3 members in ONLINE:abc.voip.ca\n  - 101\n\
         removed 1 stale user; 2 users online in 1 domain\n"
    );
    assert_eq!(lab.redis.members("ONLINE:abc.voip.ca"), ["100", "102"]);
    assert_eq!(
        lab.run(&[]).expect(0).stdout,
        "in sync: 2 users online in 1 domain\n"
    );
    assert_eq!(lab.run(&["--quiet"]).expect(0).stdout, "");
}
