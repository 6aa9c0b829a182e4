//! What a check is about: what may happen in its world, and which rules its runs keep.

use crate::kamailio_cfg::Fragment;

/// The most of each that a setting can have.
pub const REGISTRARS: usize = 2;
pub const WORKERS: usize = 2;
pub const RUNS: usize = 3;

#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub fragment: Fragment,
    pub phones: Phones,
    pub registrars: usize,
    pub users: Users,
    pub address: Address,
    /// REGISTERs of the user that one registrar may have in hand at once.
    pub workers: usize,
    /// Runs that may be under way at once. As one ends, another may begin, for ever.
    pub runs: usize,
    pub missing: Missing,
    pub order: Order,
    pub source: Source,
    pub uptime: Uptime,
    pub last_look: LastLook,
    pub sadd: Sadd,
    pub proof: Proof,
    pub network: Network,
    pub signals: Signals,
    pub kills: Kills,
    pub after_kill: AfterKill,
    pub mends: Mends,
    pub counts: Counts,
    pub begin: Begin,
}

/// Where phones say how long they register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phones {
    ExpiresHeader,
    /// Many have no such header, and `Fragment::BeforeSave` takes that for good-bye.
    HeaderOrContact,
}

/// Whose users a registrar knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    ItsOwn,
    /// Everybody's, some time after the other knows them. A registrar that is down is left out (`--replicated`).
    Replicated,
}

/// Which registrar answers a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// The one that was asked.
    OfEach,
    /// Two share the only address, and answer in turn. They may have started in the same second.
    SharedInTurn { same_start: bool },
    /// Either of two, and six questions may meet the same one.
    SharedAtRandom,
}

/// `--add-missing`, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Leave,
    Add,
}

/// The order of a run as it is, and the mutations that the checker must catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    AsBuilt,
    KamailioBeforeRedis,
    WithoutSecondLook,
    WithoutLastLook,
    /// The last look follows the removal at once.
    WithoutSettle,
    /// The dump may come from a cache.
    WithoutFreshWord,
    /// The uptime is asked, but a restart between two looks is not looked for.
    WithoutUpSince,
    /// The uptime counts as it is, not less the time since the dump was asked for.
    UptimeOfNow,
    /// Before each later dump instead of after it.
    UpSinceBeforeDump,
    /// The uptime is asked once, or five times, instead of six.
    OneUptime,
    FiveUptimes,
    WithoutGrowth,
    WithoutShrinking,
    WithoutFlood,
    /// A registrar that had users may report nobody later.
    WithoutNobodyLater,
    /// At the first look a registrar may report nobody beside another that has users, however young it is.
    WithoutNobodyBesideAnother,
    /// `--allow-empty`: all of them may.
    WithoutNobodyAtAll,
    /// A registrar that answered may refuse later (`--replicated`).
    WithoutRefusal,
    /// Any registrar vouches for the others, however young it is (`--replicated`).
    YoungVouches,
    WithoutProof,
    FailedLookKeepsRemovals,
    SignalKeepsRemovals,
    SecondSignalEnds,
    PutBackEndsAtRefusal,
    /// The SADD that puts back goes over a connection that was open before the SREM's was aborted.
    PutBackOverOldConnection,
}

/// Whether a registrar restarts, and what it then knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Steady,
    /// It restarts without its users (`db_mode` 0).
    Forgets,
    /// It restarts and loads its users from its database, a while after it answers.
    Loads(Sign),
}

/// By what two looks are sure to see a restart, or a load that goes on from one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It reports nobody before it loads, and loads in an instant: a few users.
    Nobody,
    /// The number of AoRs differs by more than a run tolerates.
    Growth,
    /// Too many of those to be removed are registered again.
    Flood,
    /// None: a slow load, or one that stalls.
    Nothing,
}

/// What a run knows of the age of a registrar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uptime {
    /// kamailio.cfg forbids to ask, and `--min-uptime 0s` goes on without.
    Forbidden,
    /// `--min-uptime` is shorter than a load, or `0s`, which believes any age.
    ShorterThanTheLoad,
    LongerThanTheLoad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLook {
    Succeeds,
    /// It may fail, or other users may make the run doubt it.
    MayFail,
}

/// Which SADDs Redis refuses. It never refuses a SREM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sadd {
    Taken,
    /// kamonline's, always: an ACL.
    RefusedByAcl,
    /// Everybody's, until memory is free: Redis is full at first, and may stay so.
    RefusedAtFirst,
    /// Everybody's, again and again, each time for less than a put-back waits.
    RefusedForAWhile,
    /// Everybody's, and it may last: Redis is gone.
    RefusedForGood,
}

impl Sadd {
    pub fn may_stay_refused(self) -> bool {
        !matches!(self, Sadd::Taken | Sadd::RefusedForAWhile)
    }
}

/// Whose SADD proves that SADD is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    OfAnother,
    /// The user's own, or another's.
    OfAnyone,
}

/// What becomes of a SREM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// It is answered.
    Answers,
    /// Or it is not, and is run or lost before anything that comes over a connection opened later.
    LosesAnswers,
    /// Or a proxy delivers it at any time.
    DeliversLate,
}

/// SIGTERM, or another one that ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    Never,
    Anywhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kills {
    Never,
    /// At any step but those from the removal to the end of the last look.
    BeforeTheRemoval,
    Anywhere,
}

/// When the next run begins after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterKill {
    AtOnce,
    /// When `--settle` is over.
    Settled,
}

/// Which whole run, begun after a kill, is to make good what the kill left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mends {
    AnyRun,
    /// One with `--add-missing`.
    AddingRun,
}

/// Which whole run must have taken the user out who was gone before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// One that begins while no other is under way.
    Alone,
    EveryRun,
}

/// How registrars and board agree at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    Anyhow,
    /// The board may show who is gone, but lacks nobody.
    NobodyMissing,
    /// Registrar 1 has restarted, and shows nobody yet.
    JustRestarted,
}

impl Setting {
    pub fn restarts(&self) -> bool {
        self.source != Source::Steady
    }

    pub fn loads(&self) -> bool {
        matches!(self.source, Source::Loads(_))
    }

    pub fn shows(&self, sign: Sign) -> bool {
        self.source == Source::Loads(sign)
    }

    pub fn is_replicated(&self) -> bool {
        self.users == Users::Replicated
    }

    pub fn shares_address(&self) -> bool {
        self.address != Address::OfEach
    }

    /// Where nothing restarts, and each has its own address, the answer is known.
    pub fn asks_uptime(&self) -> bool {
        (self.restarts() && self.uptime != Uptime::Forbidden) || self.shares_address()
    }

    pub fn urls(&self) -> usize {
        match self.shares_address() {
            true => 1,
            false => self.registrars,
        }
    }
}
