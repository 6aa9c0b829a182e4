//! What is promised when a registrar restarts, Redis refuses, a SREM is late, the last look fails, or a signal comes.

use crate::setting::{
    Address, AfterKill, Begin, Kills, LastLook, Missing, Network, Proof, Sadd, Setting, Sign,
    Signals, Source, Uptime,
};
use crate::{BEFORE_SAVE, HARMLESS, IN, NEVER_OFF, NOBODY_EXCUSED, NOBODY_MISSING, OUT, STAYS};
use crate::{FORBIDDEN, LOADS_FAST, LOADS_SLOWLY, PLAIN, REPLICATED, TOO_SHORT};
use crate::{STAYED_THROUGHOUT, both, holds};

#[test]
fn min_uptime_longer_than_the_load_keeps_everyone_on_the_board() {
    for load in [LOADS_FAST, LOADS_SLOWLY] {
        for setting in both(load) {
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
        source: LOADS_SLOWLY.source,
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
fn two_looks_alone_see_a_load_before_anybody_is_removed() {
    for sign in [Sign::Growth, Sign::Flood] {
        let load = Setting {
            source: Source::Loads(sign),
            ..TOO_SHORT
        };
        for setting in both(load) {
            holds(&setting, &[&HARMLESS, &STAYS, &NEVER_OFF, &OUT, &IN]);
        }
        let killed = Setting {
            kills: Kills::Anywhere,
            ..load
        };
        holds(&killed, &[&HARMLESS, &STAYS, &OUT]);
    }
}

#[test]
fn they_see_a_load_of_one_of_two_too() {
    let setting = Setting {
        registrars: 2,
        ..TOO_SHORT
    };
    holds(&setting, &[&HARMLESS, &OUT]);
}

#[test]
fn they_see_it_where_the_uptime_is_forbidden() {
    for sign in [Sign::Growth, Sign::Nobody] {
        for registrars in [1, 2] {
            let setting = Setting {
                source: Source::Loads(sign),
                registrars,
                ..FORBIDDEN
            };
            holds(&setting, &[&HARMLESS, &OUT]);
        }
    }
}

#[test]
fn a_registrar_that_restarts_without_its_users_harms_nobody() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        for uptime in [Uptime::Forbidden, Uptime::LongerThanTheLoad] {
            for setting in both(Setting {
                source: Source::Forgets,
                uptime,
                ..fragment
            }) {
                holds(&setting, &[&HARMLESS, &OUT, &IN]);
            }
        }
    }
}

#[test]
fn registrars_that_replicate_their_users_harm_nobody() {
    holds(&REPLICATED, &[&HARMLESS]);
}

#[test]
fn a_kill_loses_nobody_more_where_they_do() {
    let setting = Setting {
        kills: Kills::Anywhere,
        ..REPLICATED
    };
    holds(&setting, &[&HARMLESS]);
}

#[test]
fn two_registrars_that_take_turns_at_one_address_harm_nobody() {
    let setting = Setting {
        registrars: 2,
        address: Address::SharedInTurn { same_start: false },
        ..PLAIN
    };
    holds(&setting, &[&HARMLESS, &NEVER_OFF]);
}

/// The second look meets the other one. Who comes or moves between the looks may be lost.
#[test]
fn nor_do_they_harm_who_stays_if_they_started_in_the_same_second() {
    let setting = Setting {
        registrars: 2,
        address: Address::SharedInTurn { same_start: true },
        kills: Kills::Anywhere,
        ..PLAIN
    };
    holds(&setting, &[&STAYED_THROUGHOUT]);
}

#[test]
fn a_redis_that_refuses_sadd_loses_nobody() {
    for sadd in [
        Sadd::RefusedByAcl,
        Sadd::RefusedAtFirst,
        Sadd::RefusedForAWhile,
    ] {
        for fragment in [PLAIN, BEFORE_SAVE] {
            for setting in both(Setting {
                sadd,
                proof: Proof::OfAnyone,
                ..fragment
            }) {
                holds(&setting, &[&HARMLESS, &NOBODY_EXCUSED, &OUT]);
            }
        }
    }
}

#[test]
fn a_redis_that_is_gone_and_a_kill_lose_only_who_comes_after_the_second_look_and_is_named() {
    let setting = Setting {
        sadd: Sadd::RefusedForGood,
        network: Network::LosesAnswers,
        kills: Kills::Anywhere,
        ..TOO_SHORT
    };
    holds(&setting, &[&HARMLESS, &STAYED_THROUGHOUT, &OUT]);
}

#[test]
fn a_srem_that_nobody_answers_loses_nobody() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        for setting in both(Setting {
            network: Network::LosesAnswers,
            sadd: Sadd::RefusedForAWhile,
            signals: Signals::Anywhere,
            last_look: LastLook::MayFail,
            ..fragment
        }) {
            holds(&setting, &[&HARMLESS, &NOBODY_EXCUSED, &OUT]);
            let overlapping = Setting { runs: 2, ..setting };
            holds(&overlapping, &[&HARMLESS, &NOBODY_EXCUSED]);
        }
    }
}

#[test]
fn a_srem_that_a_proxy_delivers_late_loses_only_who_is_named() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        for setting in both(Setting {
            network: Network::DeliversLate,
            runs: 2,
            ..fragment
        }) {
            holds(&setting, &[&HARMLESS]);
        }
    }
}

#[test]
fn a_last_look_that_fails_and_any_number_of_signals_put_everyone_back() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        for setting in both(Setting {
            last_look: LastLook::MayFail,
            signals: Signals::Anywhere,
            after_kill: AfterKill::AtOnce,
            ..fragment
        }) {
            holds(&setting, &[&HARMLESS, &NOBODY_EXCUSED, &OUT, &IN]);
            let overlapping = Setting { runs: 2, ..setting };
            holds(&overlapping, &[&HARMLESS, &NOBODY_EXCUSED, &IN]);
        }
    }
}

#[test]
fn with_two_registrars_they_put_everyone_back_too() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        for setting in both(Setting {
            registrars: 2,
            last_look: LastLook::MayFail,
            signals: Signals::Anywhere,
            network: Network::LosesAnswers,
            ..fragment
        }) {
            holds(&setting, &[&HARMLESS, &NOBODY_EXCUSED, &OUT, &IN]);
        }
    }
}

#[test]
fn a_run_that_puts_back_leaves_nobody_missing() {
    for setting in both(Setting {
        runs: 2,
        last_look: LastLook::MayFail,
        signals: Signals::Anywhere,
        begin: Begin::NobodyMissing,
        ..PLAIN
    }) {
        holds(&setting, &[&NOBODY_MISSING, &STAYS]);
    }
}

#[test]
fn all_at_once_harms_nobody() {
    for sadd in [Sadd::RefusedByAcl, Sadd::RefusedForAWhile] {
        let setting = Setting {
            missing: Missing::Add,
            last_look: LastLook::MayFail,
            signals: Signals::Anywhere,
            network: Network::LosesAnswers,
            proof: Proof::OfAnyone,
            sadd,
            ..LOADS_SLOWLY
        };
        holds(&setting, &[&HARMLESS, &STAYS, &NOBODY_EXCUSED, &OUT, &IN]);
    }
}
