//! What a dry run found at each server, for whoever helps: before its plan, or alone when it failed.

use std::io::{self, Write};

use crate::matching::{Contents, Plan, Table};
use crate::run::{Facts, Other, RegistrarFacts};
use crate::store::{self, Board, ServerFacts, Trial};
use crate::text::Escaped;

pub fn write(facts: &Facts, plan: Option<&Plan>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "kamonline {}", env!("CARGO_PKG_VERSION"))?;
    for registrar in &facts.registrars {
        of_registrar(registrar, out)?;
    }
    match &facts.redis {
        Ok(redis) => of_redis(redis, plan, out)?,
        Err(failure) => writeln!(out, "{failure}")?,
    }
    match plan {
        Some(_) => writeln!(out),
        None => Ok(()),
    }
}

fn of_registrar(facts: &RegistrarFacts, out: &mut impl Write) -> io::Result<()> {
    match &facts.dump.failure {
        Some(failure) => writeln!(out, "{failure}")?,
        None => writeln!(out, "Kamailio at {}", facts.url)?,
    }
    if let Some(server) = &facts.dump.server {
        writeln!(out, "  Server: {}", Escaped(server.as_bytes()))?;
    }
    match &facts.uptime {
        Err(words) => writeln!(out, "  up since: it does not tell ({words})")?,
        Ok(uptime) => {
            let since = Escaped(uptime.reported.since.trim_ascii());
            match uptime.reported.seconds {
                Some(seconds) => writeln!(out, "  up since: {since}, for {seconds} s")?,
                None => writeln!(out, "  up since: {since}, for an unknown time")?,
            }
            match &uptime.other {
                None if facts.contradicts_itself => writeln!(
                    out,
                    "  at this address: several registrars answer, or a phone came and left in an instant"
                )?,
                None => writeln!(out, "  at this address: one registrar answers")?,
                Some(Other::OfOneSecond) => writeln!(
                    out,
                    "  at this address: several registrars answer, started in the same second"
                )?,
                Some(Other::TellsLess) => writeln!(
                    out,
                    "  at this address: several registrars answer, one of which tells less"
                )?,
                Some(Other::Since(other)) => writeln!(
                    out,
                    "  at this address: several registrars answer, another one is up since {}",
                    Escaped(other.trim_ascii())
                )?,
            }
        }
    }
    match &facts.dump.contents {
        Some(contents) => of_dump(contents, out),
        None => Ok(()),
    }
}

fn of_dump(contents: &Contents, out: &mut impl Write) -> io::Result<()> {
    let (aors, with_domain) = (contents.aors(), contents.with_domain);
    let table = |table: &Table| format!("{} in {}", table.aors, Escaped(&table.name));
    let tables: Vec<_> = contents.tables.iter().map(table).collect();
    writeln!(out, "  AoRs: {aors} (tables: {})", joined(&tables))?;
    match aors {
        0 => writeln!(out, "  use_domain: no AoR tells it"),
        _ => writeln!(
            out,
            "  use_domain: {} (AoRs with a domain: {with_domain})",
            u8::from(with_domain * 2 >= aors)
        ),
    }
}

fn of_redis(facts: &store::Facts, plan: Option<&Plan>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", facts.name)?;
    for server in &facts.servers {
        of_server(server, facts.database, out)?;
    }
    match &facts.board {
        Err(words) => writeln!(out, "  sets: they cannot be read ({words})")?,
        Ok(board) => {
            of_board(board, &facts.prefix, plan, out)?;
            let (tried, sets) = (facts.tried, board.sets);
            writeln!(out, "  writing tried in: {tried} of {sets} sets")?;
        }
    }
    trial("SADD", &facts.sadd, out)?;
    trial("SREM", &facts.srem, out)
}

fn of_server(facts: &ServerFacts, database: i64, out: &mut impl Write) -> io::Result<()> {
    let told = [&facts.version, &facts.mode, &facts.role];
    let told = told.map(|told| told.as_deref().unwrap_or("?"));
    writeln!(out, "  server: {} ({})", told.join(", "), facts.address)?;
    match &facts.user {
        Ok(user) => writeln!(out, "  user: {user}")?,
        Err(words) => writeln!(
            out,
            "  user: {}, by the login (ACL WHOAMI: {words})",
            facts.login
        )?,
    }
    match &facts.keys {
        Ok(keys) => writeln!(out, "  database: {database} (keys: {})", joined(keys)),
        Err(words) => writeln!(out, "  database: {database} (INFO: {words})"),
    }
}

fn of_board(
    board: &Board,
    prefix: &str,
    plan: Option<&Plan>,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "  sets: {} under {prefix}, in scope", board.sets)?;
    writeln!(out, "  members: {}", board.members)?;
    match plan {
        Some(plan) => writeln!(
            out,
            "  members left alone as another form of a registered user: {}",
            plan.totals.other_forms
        )?,
        None => writeln!(
            out,
            "  members left alone as another form of a registered user: unknown, as there is no plan"
        )?,
    }
    writeln!(out, "  keys of another type: {}", board.wrong_types)
}

fn trial(command: &str, trial: &Trial, out: &mut impl Write) -> io::Result<()> {
    match trial {
        Trial::Allowed => writeln!(out, "  {command}: allowed"),
        Trial::Refused(words) => writeln!(out, "  {command}: refused ({words})"),
        Trial::Untold(why) => writeln!(out, "  {command}: cannot be told ({why})"),
    }
}

fn joined(parts: &[String]) -> String {
    match parts {
        [] => "none".into(),
        _ => parts.join(", "),
    }
}
