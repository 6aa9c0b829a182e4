//! What the tests put into a Redis and look at.

use ::redis::{Cmd, FromRedisValue, RedisResult, Value};

/// Each question has its own connection, so that a client outlives a restart.
#[derive(Clone)]
pub struct RedisClient {
    pub url: String,
}

impl RedisClient {
    pub fn members(&self, key: &str) -> Vec<String> {
        let lossy = |member: &Vec<u8>| String::from_utf8_lossy(member).into_owned();
        self.members_raw(key).iter().map(lossy).collect()
    }

    pub fn members_raw(&self, key: &str) -> Vec<Vec<u8>> {
        let mut members: Vec<Vec<u8>> = self.ask(&["SMEMBERS", key]);
        members.sort();
        members
    }

    pub fn add(&self, key: &str, member: impl AsRef<[u8]>) {
        self.add_many(key, [member]);
    }

    pub fn add_many<M: AsRef<[u8]>>(&self, key: &str, members: impl IntoIterator<Item = M>) {
        let mut connection = self.connection().unwrap();
        let members: Vec<M> = members.into_iter().collect();
        for chunk in members.chunks(10_000) {
            let mut command = ::redis::cmd("SADD");
            command.arg(key);
            chunk.iter().for_each(|member| {
                command.arg(member.as_ref());
            });
            command.exec(&mut connection).unwrap();
        }
    }

    /// The keys of every kind, sorted.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.ask(&["KEYS", "*"]);
        keys.sort();
        keys
    }

    pub fn command(&self, words: &[&str]) -> Value {
        self.ask(words)
    }

    pub fn try_command(&self, words: &[&str]) -> RedisResult<Value> {
        command(words).query(&mut self.connection()?)
    }

    /// The answer as what it is meant to be: `let n: u64 = redis.ask(&["DBSIZE"])`.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = self.connection().unwrap();
        command(words)
            .query(&mut connection)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// How often a command was executed since `reset_stats`: `redis.calls("sscan")`.
    pub fn calls(&self, command: &str) -> u64 {
        let stats: String = self.ask(&["INFO", "commandstats"]);
        let name = format!("cmdstat_{}:calls=", command.to_lowercase());
        let count = stats
            .lines()
            .find_map(|line| line.strip_prefix(&name)?.split(',').next());
        count.map_or(0, |digits| digits.parse().unwrap())
    }

    pub fn reset_stats(&self) {
        self.command(&["CONFIG", "RESETSTAT"]);
        self.command(&["SLOWLOG", "RESET"]);
    }

    /// Commands that held Redis longer than `slowlog-log-slower-than`: microseconds, and the command's first words.
    pub fn slowlog(&self) -> Vec<(u64, String)> {
        let entries: Vec<(u64, u64, u64, Vec<String>, String, String)> =
            self.ask(&["SLOWLOG", "GET", "1000"]);
        entries
            .into_iter()
            .map(|(_, _, micros, words, _, _)| (micros, words.join(" ")))
            .collect()
    }

    /// Loaded, and a replica connected to its master.
    pub fn is_ready(&self) -> bool {
        let info = |mut connection: ::redis::Connection| {
            command(&["INFO"]).query::<String>(&mut connection)
        };
        let is_waiting =
            |text: &str| text.contains("loading:1") || text.contains("master_link_status:down");
        self.connection()
            .and_then(info)
            .is_ok_and(|text| !is_waiting(&text))
    }

    /// Every replica has all that was written: what it lacks would die with its master.
    pub fn wait_replicated(&self) {
        super::until("the replicas have everything", || {
            let info: String = self.ask(&["INFO", "replication"]);
            let value = |name: &str| info.split(name).nth(1)?.split(['\r', ',']).next();
            let written = value("master_repl_offset:");
            let mut replicas = info.split(",offset=").skip(1);
            replicas.all(|rest| rest.split(',').next() == written)
        });
    }

    fn connection(&self) -> RedisResult<::redis::Connection> {
        ::redis::Client::open(self.url.as_str())?.get_connection()
    }
}

fn command(words: &[&str]) -> Cmd {
    let mut command = ::redis::cmd(words[0]);
    command.arg(&words[1..]);
    command
}
