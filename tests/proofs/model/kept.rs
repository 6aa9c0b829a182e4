//! What is promised, and in which settings the checker finds it kept.

use crate::setting::{Begin, Kills, Network, Phones, Setting};
use crate::{BEFORE_SAVE, HARMLESS, IN, NEVER_OFF, NOBODY_MISSING, OUT, PLAIN, STAYS};
use crate::{both, holds};

#[test]
fn with_one_registrar_nobody_is_harmed_the_gone_are_out_and_the_missing_are_in() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        let busy = Setting {
            workers: 2,
            runs: 2,
            ..fragment
        };
        let crowded = Setting {
            runs: 3,
            ..fragment
        };
        for setting in [both(busy), both(crowded)].as_flattened() {
            holds(setting, &[&HARMLESS, &OUT, &IN]);
        }
    }
}

#[test]
fn with_two_registrars_and_sadd_after_save_the_same_holds() {
    two_registrars(PLAIN);
}

#[test]
fn with_two_registrars_and_sadd_before_save_the_same_holds() {
    two_registrars(BEFORE_SAVE);
}

fn two_registrars(fragment: Setting) {
    for setting in both(Setting {
        registrars: 2,
        runs: 2,
        ..fragment
    }) {
        holds(&setting, &[&HARMLESS, &OUT, &IN]);
    }
}

#[test]
fn nobody_is_missing_when_all_is_quiet_if_nobody_was_at_first() {
    let with_header = Setting {
        phones: Phones::ExpiresHeader,
        ..BEFORE_SAVE
    };
    for fragment in [PLAIN, with_header] {
        for setting in both(Setting {
            runs: 2,
            begin: Begin::NobodyMissing,
            ..fragment
        }) {
            holds(&setting, &[&NOBODY_MISSING]);
        }
    }
}

#[test]
fn who_is_registered_throughout_stays_on_the_board() {
    for setting in both(Setting {
        workers: 2,
        runs: 2,
        ..PLAIN
    }) {
        holds(&setting, &[&STAYS]);
    }
}

#[test]
fn one_run_at_a_time_takes_nobody_off_even_for_a_moment_who_was_not_stale() {
    for setting in both(PLAIN) {
        holds(&setting, &[&NEVER_OFF]);
    }
}

#[test]
fn a_run_that_ends_before_it_removes_leaves_nothing_behind() {
    for setting in both(Setting {
        runs: 2,
        kills: Kills::BeforeTheRemoval,
        begin: Begin::NobodyMissing,
        ..PLAIN
    }) {
        holds(&setting, &[&NOBODY_MISSING, &OUT, &IN]);
    }
}

#[test]
fn a_whole_run_with_add_missing_makes_good_what_a_killed_run_left() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        let one = Setting {
            workers: 2,
            runs: 2,
            ..fragment
        };
        let two = Setting {
            registrars: 2,
            ..fragment
        };
        for setting in [one, two] {
            let [_, adding] = both(Setting {
                kills: Kills::Anywhere,
                ..setting
            });
            holds(&adding, &[&HARMLESS, &OUT, &IN]);
        }
    }
}

#[test]
fn kamailio_cfg_example_loses_nobody_itself_with_two_workers() {
    for setting in both(Setting {
        workers: 2,
        runs: 2,
        begin: Begin::NobodyMissing,
        ..PLAIN
    }) {
        holds(&setting, &[&NOBODY_MISSING]);
    }
}

#[test]
fn a_kill_loses_only_who_registers_between_the_second_look_and_the_last() {
    for fragment in [PLAIN, BEFORE_SAVE] {
        let two = Setting {
            registrars: 2,
            ..fragment
        };
        let overlapping = Setting {
            runs: 2,
            ..fragment
        };
        for setting in [fragment, two, overlapping] {
            holds(
                &Setting {
                    kills: Kills::Anywhere,
                    network: Network::LosesAnswers,
                    ..setting
                },
                &[&HARMLESS],
            );
        }
    }
}
