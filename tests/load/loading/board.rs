//! The users of a case: in the database, on the board, and who is on the board and should not be.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use crate::lab::Redis;

pub const DOMAIN: &str = "abc.voip.ca";
/// Stale members that come with each restart.
const STALE: usize = 20;
/// How their names begin.
pub const STALE_NAME: &str = "gone-";
/// Empty tables for db_text.
const TABLES: &str = "/usr/share/kamailio/dbtext/kamailio";

/// As long for every user: six digits.
pub fn name(user: usize) -> String {
    format!("{user:06}")
}

/// A directory with what usrloc reads at its start: these users, registered for a day from now.
pub fn write_database(dir: &Path, users: Range<usize>) {
    let copy = |table: &str| fs::copy(format!("{TABLES}/{table}"), dir.join(table)).unwrap();
    copy("version");
    copy("location");
    let columns = fs::read_to_string(dir.join("location")).unwrap();
    let columns: Vec<&str> = columns.split_whitespace().collect();
    let mut table = BufWriter::new(File::create(dir.join("location")).unwrap());
    writeln!(table, "{}", columns.join(" ")).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let expires = now.unwrap().as_secs() + 24 * 3600;
    for user in users {
        let row: Vec<_> = columns
            .iter()
            .map(|column| value(column, user, expires))
            .collect();
        writeln!(table, "{}", row.join(":")).unwrap();
    }
    table.flush().unwrap();
}

/// Of a column as the first line of the table describes it: `username(string)`.
fn value(column: &str, user: usize, expires: u64) -> String {
    let (column, kind) = column.split_once('(').unwrap();
    match column {
        "id" => (user + 1).to_string(),
        "ruid" => format!("lab-{user}"),
        "username" => name(user),
        "domain" => DOMAIN.into(),
        "contact" => r"sip\:phone@127.0.0.1".into(),
        "callid" => format!("call-{user}"),
        "expires" => expires.to_string(),
        "user_agent" => "phone".into(),
        _ if kind.starts_with("string") || kind.contains("null") => String::new(),
        _ => "0".into(),
    }
}

pub struct Board<'a> {
    redis: &'a Redis,
    users: usize,
}

impl<'a> Board<'a> {
    /// Every user is on it.
    pub fn full(redis: &'a Redis, users: usize) -> Self {
        let board = Board { redis, users };
        redis.add_many(&board.key(), (0..users).map(name));
        board
    }

    /// Users who are in no database.
    pub fn add_stale(&self, restart: usize) {
        let stale = (0..STALE).map(|user| format!("{STALE_NAME}{restart}-{user}"));
        self.redis.add_many(&self.key(), stale);
    }

    /// How many of the users are not on it, and how many are on it and are no users.
    pub fn errors(&self) -> (usize, usize) {
        let members: HashSet<String> = self.redis.members(&self.key()).into_iter().collect();
        let users = (0..self.users).map(name);
        let present = users.filter(|user| members.contains(user)).count();
        (self.users - present, members.len() - present)
    }

    fn key(&self) -> String {
        format!("ONLINE:{DOMAIN}")
    }
}
