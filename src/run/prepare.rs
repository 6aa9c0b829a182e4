//! The first half of a run: read, look, plan, guard, look again, show the way back. Nothing is changed in it.
//!
//! Redis is read before Kamailio is asked, so a user who registers in between is no candidate. Two looks must agree before
//! anybody is removed.

use std::sync::Arc;
use std::thread::{self, Builder};

use super::changes::{Changes, by_key};
use super::config::{Config, MissingUsers, Mode, StaleUsers};
use super::doubt::{LET_IT_SETTLE, Looks};
use super::findings::Findings;
use super::look::{self, Look, ascending};
use super::notice::Notice;
use super::outcome::Outcome;
use super::progress::{Progress, Wait};
use super::signals::Stop;
use crate::failure::Failure;
use crate::kamailio::Registrar;
use crate::matching::{MemberId, Plan};
use crate::store::Store;

/// When it returns something to change, the run counts as writing.
pub fn prepare(
    config: &Config,
    store: &mut Store,
    stop: &Stop,
    progress: &Progress,
    outcome: &mut Outcome,
) -> Result<(Arc<Plan>, Changes), Failure> {
    let prepared = plan(config, store, progress, outcome).and_then(|(plan, changes)| {
        let changes = match changes {
            Some(changes) => changes,
            None => confirm(config, store, stop, progress, outcome, &plan)?,
        };
        if let Some(writes) = changes.writes() {
            stop.begin_writing(writes)?;
        }
        Ok((plan, changes))
    });
    prepared.map_err(Failure::nothing_changed)
}

/// The plan of one look, as far as the guard lets it through, and what it may change. None: it removes somebody, which
/// the second look must confirm.
fn plan(
    config: &Config,
    store: &mut Store,
    progress: &Progress,
    outcome: &mut Outcome,
) -> Result<(Arc<Plan>, Option<Changes>), Failure> {
    progress.wait_for(Wait::Redis);
    let sets = store.read(&config.rules)?;

    progress.wait_for(Wait::Kamailio);
    let mut look = Look::take(config, &sets);
    let matches = look.matches(config, &sets);
    let mut silent = look.silent().into_iter();
    let first_silent = silent.next();
    outcome.warnings.append(&mut look.warnings);
    outcome
        .warnings
        .extend(silent.map(|failure| failure.to_string()));
    outcome.registrars = look.answers;
    let plan = Arc::new(Plan::new(&config.rules, sets, matches?));
    outcome.plan = Some(plan.clone());
    outcome.warn_of_other_forms(&plan);

    let may_remove = config.stale == StaleUsers::Remove && first_silent.is_none();
    let removes = may_remove && plan.totals.stale > 0;
    if removes && !config.replicated {
        config.registrars.iter().for_each(Registrar::ask_in_turn);
    }
    let returned = match removes {
        true => look::ask_on(
            config,
            &plan.sets,
            &plan.stale(),
            look::FEW_AORS,
            &mut outcome.registrars,
        ),
        false => Ok(Vec::new()),
    };
    outcome.notices = Notice::all(&plan, &outcome.registrars, removes, config);
    outcome.returned = returned?;

    let adds = config.missing == MissingUsers::Add;
    let mut findings = Findings::new(&plan, &outcome.registrars, config.replicated, adds);
    if removes && !config.replicated && findings.several.is_none() {
        let is_of_several = |notice: &&Notice| matches!(notice, Notice::SeveralAddresses(_));
        let notice = outcome.notices.iter().find(is_of_several);
        findings.several = notice.map(Notice::to_string);
    }
    let allowed = match may_remove {
        true => config.guard.check(&findings),
        false => config.guard.check_additions(&findings),
    };
    let changes = match (first_silent.map(nobody_removed), allowed) {
        (Some(silent), Err(refusal)) => {
            return Err(silent.and(format!("nor was anybody added: {refusal}")));
        }
        (None, Err(refusal)) => return Err(refusal),
        (Some(silent), Ok(())) if config.mode != Mode::Apply => return Err(silent),
        (None, Ok(())) if config.mode != Mode::Apply => Some(Changes::Nothing),
        (None, Ok(())) if removes => None,
        (silent, Ok(())) => Some(Changes::Additions(silent)),
    };
    Ok((plan, changes))
}

/// A replica that neither answered nor refused the connection may have users of its own.
fn nobody_removed(silent: Failure) -> Failure {
    let leave_out = "leave it out of --kamailio, if it is dead for good";
    let hint = match &silent.hint {
        Some(hint) => format!("{hint}; {leave_out}"),
        None => leave_out.into(),
    };
    silent
        .and("it may have users whom the others do not know: nobody was removed")
        .hint(hint)
}

/// The second look, and whether everyone who would be removed could be put back.
fn confirm(
    config: &Config,
    store: &mut Store,
    stop: &Stop,
    progress: &Progress,
    outcome: &mut Outcome,
    plan: &Plan,
) -> Result<Changes, Failure> {
    let stale = plan.stale();
    progress.wait_for(Wait::SecondLook);
    stop.sleep(config.settle);
    stop.check()?;
    // In a thread of its own, as the last look will be: a limit on threads shows before anybody is removed.
    let looked = thread::scope(|threads| {
        let look = || look::again(config, &plan.sets, &stale, look::FEW_AORS_AT_SECOND_LOOK);
        let look = Builder::new().spawn_scoped(threads, look);
        let look = look.map_err(Failure::no_thread)?.join();
        look.expect("a panic ends the process")
    });
    let (second, by_second) = looked.map_err(|failure| failure.context("second look"))?;
    let returned = ascending([std::mem::take(&mut outcome.returned), by_second].concat());
    let looks = Looks {
        first: &outcome.registrars,
        second: &second,
        min_uptime: config.guard.min_uptime,
        replicated: config.replicated,
        stale: stale.len(),
        returned: returned.len(),
    };
    if let Some(doubt) = looks.doubt() {
        return Err(Failure::refused(format!("second look: {doubt}")).hint(LET_IT_SETTLE));
    }
    let is_gone = |member: &MemberId| returned.binary_search(member).is_err();
    let stale: Vec<_> = stale.into_iter().filter(is_gone).collect();
    outcome.returned = returned;
    if stale.is_empty() {
        return Ok(Changes::Additions(None));
    }
    progress.wait_for(Wait::Redis);
    store.check_add(&by_key(plan, &stale))?;
    Ok(Changes::All { stale, second })
}
