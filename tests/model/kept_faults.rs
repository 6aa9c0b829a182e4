//! What is promised when a registrar restarts, Redis refuses, the second look fails, or a signal comes.

use crate::setting::{
    AfterKill, Begin, Look, MinUptime, Missing, Proof, Sadd, Setting, Signals, Source,
};
use crate::{BEFORE_SAVE, HARMLESS, IN, LOADS_FAST, LOADS_SLOWLY, NEVER_OFF, NOBODY_MISSING, OUT};
use crate::{PLAIN, STAYS};
use crate::{both, holds};

#[test]
fn min_uptime_longer_than_the_load_keeps_everyone_on_the_board() {
    for load in [LOADS_FAST, LOADS_SLOWLY] {
        for setting in both(Setting {
            min_uptime: MinUptime::LongerThanTheLoad,
            ..load
        }) {
            holds(&setting, &[&HARMLESS, &STAYS, &NEVER_OFF, &OUT, &IN]);
        }
    }
}

#[test]
fn with_two_registrars_of_which_one_restarts_the_same_holds() {
    let setting = Setting {
        registrars: 2,
        ..LOADS_SLOWLY
    };
    holds(&setting, &[&HARMLESS, &OUT]);
}

#[test]
fn with_sadd_before_save_or_overlapping_runs_the_same_holds() {
    let before_save = Setting {
        source: Source::LoadsSlowly,
        missing: Missing::Add,
        ..BEFORE_SAVE
    };
    let overlapping = Setting {
        runs: 2,
        missing: Missing::Add,
        ..LOADS_SLOWLY
    };
    for setting in [before_save, overlapping] {
        holds(&setting, &[&HARMLESS, &IN]);
    }
}

#[test]
fn the_second_look_alone_sees_a_fast_load_of_the_only_registrar() {
    let too_short = Setting {
        min_uptime: MinUptime::ShorterThanTheLoad,
        ..LOADS_FAST
    };
    let unasked = Setting {
        min_uptime: MinUptime::Zero,
        ..LOADS_FAST
    };
    for setting in [too_short, unasked] {
        for setting in both(setting) {
            holds(&setting, &[&HARMLESS, &STAYS, &OUT, &IN]);
        }
    }
}

#[test]
fn it_sees_a_fast_load_of_one_of_two_too() {
    for min_uptime in [MinUptime::Zero, MinUptime::ShorterThanTheLoad] {
        for setting in both(Setting {
            min_uptime,
            registrars: 2,
            ..LOADS_FAST
        }) {
            holds(&setting, &[&HARMLESS, &OUT]);
        }
    }
}

#[test]
fn a_registrar_that_restarts_without_its_users_harms_nobody() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        for min_uptime in [MinUptime::Zero, MinUptime::LongerThanTheLoad] {
            for setting in both(Setting {
                source: Source::Forgets,
                min_uptime,
                ..fragment
            }) {
                holds(&setting, &[&HARMLESS, &OUT, &IN]);
            }
        }
    }
}

#[test]
fn a_redis_that_refuses_sadd_loses_nobody() {
    for sadd in [Sadd::RefusedByAcl, Sadd::RefusedAtFirst] {
        for fragment in [PLAIN, BEFORE_SAVE] {
            for setting in both(Setting {
                sadd,
                proof: Proof::OfAnyone,
                ..fragment
            }) {
                holds(&setting, &[&HARMLESS, &OUT, &IN]);
            }
        }
    }
}

#[test]
fn a_second_look_that_fails_and_a_signal_put_everyone_back() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        for setting in both(Setting {
            look: Look::MayFail,
            signals: Signals::Anywhere,
            after_kill: AfterKill::AtOnce,
            ..fragment
        }) {
            holds(&setting, &[&HARMLESS, &OUT, &IN]);
            holds(&Setting { runs: 2, ..setting }, &[&HARMLESS, &IN]);
        }
    }
}

#[test]
fn with_two_registrars_a_failed_look_and_a_signal_put_everyone_back() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        for setting in both(Setting {
            registrars: 2,
            look: Look::MayFail,
            signals: Signals::Anywhere,
            ..fragment
        }) {
            holds(&setting, &[&HARMLESS, &OUT, &IN]);
        }
    }
}

#[test]
fn a_run_that_puts_back_leaves_nobody_missing() {
    for setting in both(Setting {
        runs: 2,
        look: Look::MayFail,
        signals: Signals::Anywhere,
        begin: Begin::NobodyMissing,
        ..PLAIN
    }) {
        holds(&setting, &[&NOBODY_MISSING, &STAYS]);
    }
}

#[test]
fn all_at_once_harms_nobody() {
    for sadd in [Sadd::RefusedByAcl, Sadd::RefusedAtFirst] {
        holds(
            &Setting {
                missing: Missing::Add,
                look: Look::MayFail,
                signals: Signals::Anywhere,
                proof: Proof::OfAnyone,
                sadd,
                ..LOADS_SLOWLY
            },
            &[&HARMLESS, &STAYS, &OUT, &IN],
        );
    }
}
