//! Each rule against a fault, switched off, and what remains with all of them.

use crate::checker::Promise;
use crate::setting::{
    Begin, Kills, Look, MinUptime, Missing, Order, Proof, Restarts, Sadd, Setting, Signals, Source,
};
use crate::{BEFORE_SAVE, HARMLESS, LOADS_FAST, LOADS_SLOWLY, NEVER_OFF, OUT, PLAIN, STAYS};
use crate::{both, breaks};

/// A load that only the second look can see, and does see.
const UNASKED: Setting = Setting {
    min_uptime: MinUptime::Zero,
    restarts: Restarts::BetweenRuns,
    ..LOADS_FAST
};

#[test]
fn without_min_uptime_longer_than_a_slow_load_somebody_is_lost() {
    for min_uptime in [MinUptime::Zero, MinUptime::ShorterThanTheLoad] {
        for setting in both(Setting {
            min_uptime,
            ..LOADS_SLOWLY
        }) {
            breaks(&setting, &STAYS);
            breaks(&setting, &HARMLESS);
        }
    }
}

#[test]
fn without_growth_a_fast_load_is_not_seen_either() {
    for setting in both(Setting {
        order: Order::WithoutGrowth,
        ..UNASKED
    }) {
        breaks(&setting, &STAYS);
    }
}

#[test]
fn without_up_since_a_restart_between_the_looks_is_not_seen() {
    for setting in [LOADS_FAST, LOADS_SLOWLY] {
        breaks(
            &Setting {
                order: Order::WithoutUpSince,
                ..setting
            },
            &HARMLESS,
        );
    }
}

/// It asks for no `up_since` either.
#[test]
fn with_min_uptime_0s_a_registrar_must_not_change_or_be_empty() {
    let restarts = Setting {
        restarts: Restarts::Anytime,
        ..UNASKED
    };
    let two = Setting {
        registrars: 2,
        ..UNASKED
    };
    for setting in [restarts, two] {
        breaks(
            &Setting {
                order: Order::WithoutChange,
                ..setting
            },
            &HARMLESS,
        );
    }
}

#[test]
fn with_min_uptime_too_short_one_that_reports_nobody_beside_another_must_be_older() {
    // It reports nobody in both looks, so it does not grow, and the other one hides it from the guard.
    breaks(
        &Setting {
            min_uptime: MinUptime::ShorterThanTheLoad,
            registrars: 2,
            order: Order::WithoutChange,
            ..LOADS_FAST
        },
        &HARMLESS,
    );
}

#[test]
fn the_uptime_must_reach_back_to_when_the_dump_was_asked_for() {
    breaks(
        &Setting {
            min_uptime: MinUptime::ShorterThanTheLoad,
            order: Order::UptimeOfNow,
            ..LOADS_FAST
        },
        &HARMLESS,
    );
}

#[test]
fn the_second_up_since_must_be_asked_after_the_second_dump() {
    breaks(
        &Setting {
            order: Order::UpSinceBeforeSecondDump,
            ..LOADS_SLOWLY
        },
        &HARMLESS,
    );
}

#[test]
fn a_load_that_the_second_look_sees_takes_them_off_for_a_moment() {
    breaks(&UNASKED, &NEVER_OFF);
}

#[test]
fn without_the_proof_nobody_can_be_put_back_where_sadd_is_refused() {
    for sadd in [Sadd::RefusedByAcl, Sadd::RefusedAtFirst] {
        breaks(
            &Setting {
                order: Order::WithoutProof,
                sadd,
                ..UNASKED
            },
            &STAYS,
        );
    }
}

#[test]
fn a_redis_that_is_full_only_after_the_proof_cannot_put_anybody_back() {
    breaks(
        &Setting {
            sadd: Sadd::RefusedAtTimes,
            ..UNASKED
        },
        &STAYS,
    );
}

#[test]
fn a_failed_look_that_keeps_its_removals_loses_somebody() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        breaks(
            &Setting {
                look: Look::MayFail,
                order: Order::FailedLookKeepsRemovals,
                ..fragment
            },
            &HARMLESS,
        );
    }
}

#[test]
fn a_signal_that_keeps_the_removals_loses_somebody() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        breaks(
            &Setting {
                signals: Signals::Anywhere,
                order: Order::SignalKeepsRemovals,
                ..fragment
            },
            &HARMLESS,
        );
    }
}

#[test]
fn who_is_put_back_must_not_be_overtaken_by_their_removal() {
    breaks(
        &Setting {
            signals: Signals::Anywhere,
            order: Order::PutBackOvertakesRemoval,
            ..PLAIN
        },
        &HARMLESS,
    );
}

#[test]
fn a_kill_of_a_run_that_puts_back_leaves_off_whom_it_removed() {
    let unmended = Promise {
        says: "who was registered throughout is on the board when all is quiet, also after a kill",
        holds: |world| {
            let due = world.is_quiet() && world.history.throughout;
            !due || world.board
        },
    };
    breaks(
        &Setting {
            kills: Kills::Anywhere,
            ..UNASKED
        },
        &unmended,
    );
}

/// It has nobody to remove, so it asks no registrar how long it has been up.
#[test]
fn a_whole_run_with_add_missing_during_a_load_does_not_make_good_what_a_killed_run_left() {
    breaks(
        &Setting {
            missing: Missing::Add,
            kills: Kills::Anywhere,
            ..LOADS_SLOWLY
        },
        &HARMLESS,
    );
}

/// What is put back is put back unseen. The next whole run takes it off again.
const NOBODY_SHOWN_WRONGLY: Promise = Promise {
    says: "who is gone, and would be off the board had kamonline never run, is off it when all is quiet",
    holds: |world| !world.is_quiet() || world.is_registered() || world.unaided || !world.board,
};

#[test]
fn a_run_that_puts_back_may_show_who_left_meanwhile() {
    breaks(
        &Setting {
            look: Look::MayFail,
            begin: Begin::NobodyMissing,
            ..PLAIN
        },
        &NOBODY_SHOWN_WRONGLY,
    );
}

#[test]
fn a_proof_may_show_who_left_meanwhile_though_nobody_is_removed() {
    breaks(
        &Setting {
            proof: Proof::OfAnyone,
            kills: Kills::BeforeTheRemoval,
            ..PLAIN
        },
        &NOBODY_SHOWN_WRONGLY,
    );
}

#[test]
fn overlapping_runs_may_put_back_whom_a_whole_run_took_out() {
    let failing = Setting {
        look: Look::MayFail,
        ..PLAIN
    };
    let proving = Setting {
        proof: Proof::OfAnyone,
        ..PLAIN
    };
    for setting in [failing, proving] {
        breaks(&Setting { runs: 2, ..setting }, &OUT);
    }
}

#[test]
fn the_checker_does_see_whole_runs_where_a_registrar_restarts() {
    let never_taken_out = Promise {
        says: "who is gone is never taken out by a whole run after a restart",
        holds: |world| !world.history.gone || !world.unaided || world.board,
    };
    for source in [Source::Forgets, Source::LoadsFast, Source::LoadsSlowly] {
        breaks(
            &Setting {
                source,
                begin: Begin::JustRestarted,
                ..PLAIN
            },
            &never_taken_out,
        );
    }
}
