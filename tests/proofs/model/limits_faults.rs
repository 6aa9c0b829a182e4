//! Each rule switched off, and the limits that remain with all of them.

use crate::checker::Promise;
use crate::setting::{
    Address, Begin, Kills, LastLook, Missing, Network, Order, Proof, Sadd, Setting, Sign, Signals,
    Source, Uptime,
};
use crate::world::Past;
use crate::{BEFORE_SAVE, HARMLESS, NEVER_OFF, NOBODY_EXCUSED, OUT, STAYED_THROUGHOUT, STAYS};
use crate::{FORBIDDEN, LOADS_FAST, LOADS_SLOWLY, PLAIN, REPLICATED, TOO_SHORT};
use crate::{both, breaks, holds};

const SIGNALS: Setting = Setting {
    signals: Signals::Anywhere,
    ..PLAIN
};

/// Two registrars that take turns at one address, each with its own `up_since`.
const SHARED: Setting = Setting {
    registrars: 2,
    address: Address::SharedInTurn { same_start: false },
    ..PLAIN
};

const SHARED_SAME_START: Setting = Setting {
    address: Address::SharedInTurn { same_start: true },
    ..SHARED
};

/// Without it `promise` is broken, with it kept_faults.rs keeps it.
fn is_needed(rule: Order, setting: Setting, promise: &Promise) {
    breaks(
        &Setting {
            order: rule,
            ..setting
        },
        promise,
    );
}

#[test]
fn without_the_second_look_a_load_is_seen_only_after_the_removal() {
    let killed = Setting {
        kills: Kills::Anywhere,
        ..TOO_SHORT
    };
    let redis_gone = Setting {
        sadd: Sadd::RefusedForGood,
        ..TOO_SHORT
    };
    is_needed(Order::WithoutSecondLook, TOO_SHORT, &NEVER_OFF);
    is_needed(Order::WithoutSecondLook, killed, &STAYS);
    is_needed(Order::WithoutSecondLook, redis_gone, &STAYED_THROUGHOUT);
}

#[test]
fn what_two_looks_must_compare() {
    is_needed(Order::WithoutGrowth, TOO_SHORT, &STAYS);
    is_needed(Order::WithoutFlood, loads(Sign::Flood, TOO_SHORT), &STAYS);
    is_needed(Order::WithoutShrinking, FORBIDDEN, &HARMLESS);
    is_needed(
        Order::WithoutNobodyLater,
        loads(Sign::Nobody, FORBIDDEN),
        &HARMLESS,
    );
    for load in [LOADS_FAST, LOADS_SLOWLY] {
        is_needed(Order::WithoutUpSince, load, &HARMLESS);
        is_needed(Order::UpSinceBeforeDump, load, &HARMLESS);
    }
    is_needed(Order::WithoutFreshWord, PLAIN, &HARMLESS);
}

#[test]
fn what_the_first_look_must_show() {
    for setting in [TOO_SHORT, FORBIDDEN] {
        is_needed(Order::WithoutNobodyAtAll, setting, &HARMLESS);
        let two = Setting {
            registrars: 2,
            ..setting
        };
        is_needed(Order::WithoutNobodyBesideAnother, two, &HARMLESS);
    }
}

/// Also with `--min-uptime 0s`: a registrar that restarts between its first dump and its uptime.
#[test]
fn the_uptime_must_reach_back_to_when_the_dump_was_asked_for() {
    let killed = Setting {
        kills: Kills::Anywhere,
        ..TOO_SHORT
    };
    is_needed(Order::UptimeOfNow, TOO_SHORT, &NEVER_OFF);
    is_needed(Order::UptimeOfNow, killed, &STAYS);
}

#[test]
fn how_often_the_uptime_must_be_asked_where_two_registrars_share_an_address() {
    is_needed(Order::OneUptime, SHARED, &HARMLESS);
    is_needed(Order::FiveUptimes, SHARED_SAME_START, &STAYED_THROUGHOUT);
}

#[test]
fn what_replicas_must_show() {
    for rule in [
        Order::WithoutRefusal,
        Order::YoungVouches,
        Order::WithoutUpSince,
    ] {
        is_needed(rule, REPLICATED, &HARMLESS);
    }
}

#[test]
fn how_everyone_must_be_put_back() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        let failing = Setting {
            last_look: LastLook::MayFail,
            ..fragment
        };
        let signals = Setting {
            signals: Signals::Anywhere,
            ..fragment
        };
        is_needed(Order::FailedLookKeepsRemovals, failing, &HARMLESS);
        is_needed(Order::SignalKeepsRemovals, signals, &HARMLESS);
    }
    let refused = Setting {
        sadd: Sadd::RefusedForAWhile,
        ..PLAIN
    };
    let unanswered = Setting {
        network: Network::LosesAnswers,
        ..PLAIN
    };
    is_needed(Order::SecondSignalEnds, SIGNALS, &HARMLESS);
    is_needed(Order::PutBackEndsAtRefusal, refused, &HARMLESS);
    is_needed(Order::PutBackOverOldConnection, unanswered, &HARMLESS);
    for sadd in [Sadd::RefusedByAcl, Sadd::RefusedAtFirst] {
        is_needed(
            Order::WithoutProof,
            Setting { sadd, ..PLAIN },
            &NOBODY_EXCUSED,
        );
    }
}

/// The second look sees who registers between the two.
#[test]
fn redis_need_not_be_read_before_kamailio_is_asked() {
    for setting in [PLAIN, BEFORE_SAVE, LOADS_SLOWLY, TOO_SHORT] {
        let setting = Setting {
            order: Order::KamailioBeforeRedis,
            ..setting
        };
        holds(&setting, &[&HARMLESS, &NEVER_OFF]);
    }
}

#[test]
fn a_slow_load_is_seen_by_min_uptime_alone() {
    for uptime in [Uptime::Forbidden, Uptime::ShorterThanTheLoad] {
        for setting in both(Setting {
            uptime,
            ..LOADS_SLOWLY
        }) {
            breaks(&setting, &STAYS);
        }
    }
}

#[test]
fn two_registrars_that_answer_at_random_at_one_address_may_lose_somebody() {
    let setting = Setting {
        address: Address::SharedAtRandom,
        ..SHARED
    };
    breaks(&setting, &STAYED_THROUGHOUT);
}

/// The first look met the one, the second the other, and the last meets the first again.
#[test]
fn who_registers_between_the_looks_may_be_lost_where_two_share_an_address_and_their_start() {
    breaks(&SHARED_SAME_START, &HARMLESS);
}

#[test]
fn a_redis_that_is_gone_or_a_proxy_that_delivers_late_may_leave_somebody_off() {
    let gone = Setting {
        sadd: Sadd::RefusedForGood,
        ..PLAIN
    };
    let late = Setting {
        network: Network::DeliversLate,
        ..PLAIN
    };
    for setting in [gone, late] {
        breaks(&setting, &ON_THE_BOARD);
    }
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

#[test]
fn what_is_put_back_or_proved_may_show_who_left_meanwhile() {
    // The next whole run takes them off again.
    let nobody_shown_wrongly = Promise {
        says: "who is gone, and would be off the board had kamonline never run, is off it when all is quiet",
        holds: |world| !world.is_quiet() || world.is_registered() || world.unaided || !world.board,
        needs: None,
    };
    let failing = Setting {
        last_look: LastLook::MayFail,
        begin: Begin::NobodyMissing,
        ..PLAIN
    };
    let proving = Setting {
        proof: Proof::OfAnyone,
        kills: Kills::BeforeTheRemoval,
        ..PLAIN
    };
    for setting in [failing, proving] {
        breaks(&setting, &nobody_shown_wrongly);
    }
}

#[test]
fn overlapping_runs_may_put_back_whom_a_whole_run_took_out() {
    let failing = Setting {
        last_look: LastLook::MayFail,
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
        needs: Some(Past::Gone),
    };
    for load in [LOADS_FAST, LOADS_SLOWLY] {
        for source in [load.source, Source::Forgets] {
            breaks(
                &Setting {
                    source,
                    begin: Begin::JustRestarted,
                    ..load
                },
                &never_taken_out,
            );
        }
    }
}

fn loads(sign: Sign, setting: Setting) -> Setting {
    Setting {
        source: Source::Loads(sign),
        ..setting
    }
}

const ON_THE_BOARD: Promise = Promise {
    says: "who is registered, and would be on the board had kamonline never run, is on it when all is quiet, excused or not",
    holds: |world| !(world.is_quiet() && world.is_registered() && world.unaided) || world.board,
    needs: None,
};
