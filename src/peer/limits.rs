//! Every bound on what a server can make us keep or wait, with its reason.

use std::time::Duration;

/// The bytes of a file that an option names: the roots of a whole system take 250 KB.
pub const FILE_BYTES: u64 = 1 << 20;

/// The pause before the first further try, which `--help` tells. The next ones are twice as long each.
pub const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two tries, which `--help` tells: a cluster needs seconds for another master.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The bytes of a reply of Redis that lists members or keys: as many as all names together may have.
pub const REPLY_BYTES: usize = NAMES_BYTES;
/// The bytes of any other reply, with what it takes in memory: the longest, a section of INFO, takes 4 KiB.
pub const VALUE_BYTES: usize = 1 << 20;
/// The same of CLUSTER SLOTS: if the slots lie one by one, and each master has a replica, it takes some 9 MiB.
pub const SLOTS_BYTES: usize = 16 << 20;
/// One key or member: sixteen times what a SIP message holds.
pub const NAME_BYTES: usize = 1 << 20;
/// The bytes of one text in such a reply: a section of INFO takes 4 KiB.
pub const TEXT_BYTES: usize = 64 << 10;
/// How deep the lists in such a reply may lie in each other: CLUSTER SLOTS needs four.
pub const NESTING: usize = 6;
/// The bytes that are kept of an error of Redis.
pub const WORDS_BYTES: usize = 1 << 10;
/// How often one command of a cluster may be sent on: to the new master of its slot, and once more when that slot moves again.
pub const REDIRECTIONS: usize = 3;
/// The names that are kept, of members or of AoRs, and their bytes: more than any registrar holds (a million users are
/// about 10 MB).
pub const NAMES: usize = 16 << 20;
pub const NAMES_BYTES: usize = 256 << 20;
/// The memory that domains take, about: a million of them take half of it.
pub const DOMAINS_BYTES: usize = 256 << 20;
/// How long putting back goes on after the last batch that Redis confirmed; and in all. A restart of Redis takes seconds,
/// its sentinels wait for half a minute before they name another master.
pub const PUT_BACK_PATIENCE: Duration = Duration::from_secs(60);
/// With the wait for the removal that is under way when a signal comes, it takes five minutes, and whoever stops this
/// process waits no longer.
pub const PUT_BACK_LONGEST: Duration = Duration::from_secs(270);
/// The longest that connecting may take in all, and one batch, while members are removed or put back; so the longest
/// `--timeout` then. A server that hangs is asked twice before patience ends.
pub const PUT_BACK_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest `--timeout` while everyone left is tried for the first time: a master that hangs takes its whole cluster
/// down within seconds.
pub const FIRST_WALK_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest that one batch takes, with its connection. If it seems to take longer, the process was stopped meanwhile.
pub const PUT_BACK_STEP: Duration = PUT_BACK_TIMEOUT.saturating_mul(2);
/// What each of several nodes or sentinels has at least of a time-out that they share.
pub const LEAST_SHARE: Duration = Duration::from_secs(1);
/// The calls of one SCAN or SSCAN: a Redis holds 2^32 keys, a set as many members, and a call looks at 2,000 or more.
pub const SCAN_CALLS: u64 = (1 << 32) / 2_000;
/// The bytes of all keys under the prefix, with some 100 bytes each for what else is kept of a key: a million domains take
/// half of it.
pub const KEYS_BYTES: usize = 256 << 20;
/// How many times `--timeout` the reading of all sets may take, 10 minutes by default: a million users take some seconds.
pub const READING: u32 = 20;

/// How many tenths of `--timeout` a connect to Kamailio may take over http://, so that it ends before the exchange does
/// and is told as what it is.
pub const CONNECT_TENTHS: u32 = 9;
/// The bytes before the dump on a page of xhttp_rpc: its menus take about 3 KiB.
pub const PREFACE_BYTES: usize = 64 << 10;
/// The usrloc tables of one dump: a site has a few.
pub const TABLES: usize = 100;
/// The bytes of one AoR on such a page: it comes in a SIP message, of 64 KiB at most.
pub const PIECE_BYTES: usize = 64 << 10;
/// The bytes of a dump over JSON-RPC: a million AoRs take about 100 MB here, and Kamailio some twenty minutes.
pub const JSON_BYTES: u64 = 128 << 20;
/// The bytes of an answer to `core.uptime` or `core.ps`: it takes 3 KiB, most of it menus, and 50 bytes for each process.
pub const SMALL_ANSWER_BYTES: u64 = 64 << 10;
/// The bytes of an answer that refuses, from which its cause is told.
pub const REFUSAL_BYTES: u64 = 64 << 10;
/// How long a Kamailio whose dump does not come may take for a small answer: one that can answers within milliseconds, and
/// after a last look everyone who was removed waits meanwhile.
pub const SMALL_ANSWER: Duration = Duration::from_secs(2);
/// How soon a Kamailio closes a connection that is worth another try: one that ran out of private memory closes it too,
/// but only after 120 s of silence.
pub const CLOSED_SOON: Duration = Duration::from_secs(10);
/// The same over JSON-RPC, where 100,000 users keep a worker of Kamailio busy for 10 s each time.
pub const NO_WORK_YET: Duration = Duration::from_secs(1);
