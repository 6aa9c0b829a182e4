//! Where a promise ends, each time with the shortest story that breaks it (`-- --nocapture` shows them): the mutations
//! of a run, the price of a kill, and what kamailio.cfg gets wrong by itself.

use crate::checker::Promise;
use crate::kamailio_cfg::Fragment;
use crate::run::Doing;
use crate::setting::{AfterKill, Begin, Counts, Kills, Mends, Order, Setting};
use crate::{BEFORE_SAVE, HARMLESS, NEVER_OFF, NOBODY_MISSING, OUT, PLAIN, STAYS};
use crate::{both, breaks, holds};

#[test]
fn without_the_last_look_somebody_is_lost() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        for setting in both(Setting {
            order: Order::WithoutLastLook,
            ..fragment
        }) {
            breaks(&setting, &HARMLESS);
        }
    }
}

#[test]
fn the_last_look_must_settle_where_sadd_comes_before_save_and_only_there() {
    for setting in both(Setting {
        order: Order::WithoutSettle,
        runs: 2,
        ..PLAIN
    }) {
        holds(&setting, &[&HARMLESS, &OUT]);
    }
    for setting in both(Setting {
        order: Order::WithoutSettle,
        ..BEFORE_SAVE
    }) {
        breaks(&setting, &HARMLESS);
    }
}

/// Killed or crashed, or Redis was gone when it was to put back.
const KILLED: Setting = Setting {
    kills: Kills::Anywhere,
    ..PLAIN
};

#[test]
fn a_run_killed_before_its_last_look_can_leave_him_off_who_registered_meanwhile() {
    let unmended = Promise {
        says: "a kill leaves nobody off the board",
        holds: |world| {
            let due = world.is_quiet() && world.is_registered() && world.unaided;
            !due || world.board
        },
        needs: None,
    };
    breaks(&KILLED, &unmended);
}

#[test]
fn a_whole_run_without_add_missing_does_not_make_good_what_a_killed_run_left() {
    let setting = Setting {
        mends: Mends::AnyRun,
        ..KILLED
    };
    breaks(&setting, &HARMLESS);
}

#[test]
fn with_sadd_before_save_the_run_after_a_killed_one_must_not_begin_within_settle() {
    let [_, adding] = both(Setting {
        after_kill: AfterKill::AtOnce,
        ..BEFORE_SAVE
    });
    let setting = Setting {
        kills: Kills::Anywhere,
        ..adding
    };
    breaks(&setting, &HARMLESS);
}

#[test]
fn a_run_that_began_before_he_left_may_put_him_back_after_a_later_run_took_him_off() {
    let setting = Setting {
        runs: 2,
        counts: Counts::EveryRun,
        ..PLAIN
    };
    breaks(&setting, &OUT);
}

#[test]
fn runs_that_overlap_may_take_him_off_for_a_moment() {
    breaks(&Setting { runs: 2, ..PLAIN }, &NEVER_OFF);
}

#[test]
fn who_moves_from_one_registrar_to_another_between_their_dumps_may_be_off_for_a_moment() {
    let setting = Setting {
        registrars: 2,
        ..PLAIN
    };
    breaks(&setting, &NEVER_OFF);
}

/// kamonline never runs.
const ALONE: Setting = Setting {
    runs: 0,
    begin: Begin::NobodyMissing,
    ..PLAIN
};

#[test]
fn kamailio_cfg_alone_takes_off_who_moves_between_registrars_that_do_not_share_their_users() {
    let setting = Setting {
        registrars: 2,
        ..ALONE
    };
    breaks(&setting, &STAYS);
}

#[test]
fn a_kamailio_cfg_that_asks_once_can_lose_who_registers_while_his_last_goodbye_is_in_hand() {
    breaks(
        &Setting {
            fragment: Fragment::AfterSaveAskingOnce,
            workers: 2,
            ..ALONE
        },
        &NOBODY_MISSING,
    );
}

#[test]
fn the_checker_does_see_removals_that_are_restored() {
    let never_restored = Promise {
        says: "nobody is ever restored",
        holds: |world| !world.runs.iter().any(|run| run.doing == Doing::Restore),
        needs: None,
    };
    breaks(&PLAIN, &never_restored);
}
