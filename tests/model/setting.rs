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
    /// REGISTERs of the user that one registrar may have in hand at once.
    pub workers: usize,
    /// Runs that may be under way at once. As one ends, another may begin, for ever.
    pub runs: usize,
    pub missing: Missing,
    pub order: Order,
    pub source: Source,
    pub restarts: Restarts,
    pub min_uptime: MinUptime,
    pub look: Look,
    pub sadd: Sadd,
    pub proof: Proof,
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
    WithoutSecondLook,
    WithoutSettle,
    KamailioBeforeRedis,
    /// The uptime is asked, but a restart between the looks is not looked for.
    WithoutUpSince,
    /// The uptime counts as it is, not less the time since the dump was asked for.
    UptimeOfNow,
    /// Before the second dump instead of after it.
    UpSinceBeforeSecondDump,
    WithoutGrowth,
    /// A registrar may report nobody, and with `--min-uptime 0s` have other AoRs than before.
    WithoutChange,
    WithoutProof,
    FailedLookKeepsRemovals,
    SignalKeepsRemovals,
    /// The SADD that puts back goes another way than a SREM that is still unanswered.
    PutBackOvertakesRemoval,
}

/// Whether registrar 1 restarts, and what it then knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Steady,
    /// It restarts without its users (`db_mode` 0).
    Forgets,
    /// It restarts and loads its users from its database. A load that goes on from one look to the next
    /// shows more growth than a run tolerates.
    LoadsFast,
    /// The same, but the growth between two looks is too small to be told from that of any day.
    LoadsSlowly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    Anytime,
    /// While no run is under way. A run may begin at any moment of the load.
    BetweenRuns,
}

/// `--min-uptime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinUptime {
    /// `0s`: nothing is asked, neither the uptime nor `up_since`.
    Zero,
    ShorterThanTheLoad,
    LongerThanTheLoad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Succeeds,
    /// The second look may fail, or other users may make the run doubt it: a flood, growth.
    MayFail,
}

/// Which SADDs Redis refuses. It never refuses a SREM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sadd {
    Taken,
    /// kamonline's, always: an ACL.
    RefusedByAcl,
    /// Everybody's, until memory is free: Redis is full at first.
    RefusedAtFirst,
    /// Everybody's, whenever Redis is full.
    RefusedAtTimes,
}

/// Whose SADD proves that SADD is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    OfAnother,
    /// The user's own, or another's.
    OfAnyone,
}

/// SIGINT, SIGTERM, SIGHUP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    Never,
    Anywhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kills {
    Never,
    /// At any step but those from the removal to the end of the second look.
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
    pub fn loads(&self) -> bool {
        matches!(self.source, Source::LoadsFast | Source::LoadsSlowly)
    }

    pub fn restarts(&self) -> bool {
        self.source != Source::Steady
    }
    /// The second look is all that a run has.
    pub fn asks_nothing(&self) -> bool {
        self.restarts() && self.min_uptime == MinUptime::Zero
    }

    /// Where no registrar restarts, the answer is known.
    pub fn asks_uptime(&self) -> bool {
        self.restarts() && self.min_uptime != MinUptime::Zero
    }
}
