//! How hostile a run is: named mixes of faults, and the settings that a seed draws from them.

use holdfast_kernel::log::SegmentLimits;
use holdfast_kernel::planted::Planted;
use holdfast_model::TopicConfig;

use crate::Time;
use crate::clock;
use crate::fault::{FAULTS, FaultKind};
use crate::rng::Rng;

/// A named mix.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// How often each kind of fault is chosen, against the others.
    pub weights: &'static [(FaultKind, u32)],
    /// Virtual time between faults, microseconds.
    pub fault_interval_us: (u64, u64),
    /// How long a fault lasts, microseconds.
    pub fault_length_us: (u64, u64),
    /// Lost messages, in thousandths, at most.
    pub loss: u64,
    /// Messages that overtake or are overtaken, in thousandths, at most.
    pub reorder: u64,
    /// One-way delay of a message, microseconds.
    pub delay_us: (u64, u64),
    /// Additional delay of a message that overtakes or is a copy, microseconds, at most.
    pub late_us: u64,
    /// Time of a sync, microseconds.
    pub sync_us: (u64, u64),
    /// `min.insync.replicas` at the start.
    pub min_isr: (u64, u64),
    /// `retention.ms`, where records expire by time at all.
    pub retention_ms: Option<(u64, u64)>,
    /// Whether brokers are also stopped on purpose, with permits.
    pub rolls: Rolls,
}

/// Whether brokers are stopped on purpose, with permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rolls {
    /// Never.
    Never,
    /// And nothing else happens: no partition may lack in-sync replicas for a moment.
    Alone,
    /// While everything else goes wrong.
    WithFaults,
}

/// What one run goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The bug planted in the kernel.
    pub planted: Planted,
    /// How many brokers.
    pub brokers: usize,
    /// How many partitions, in topics of one partition each.
    pub topics: usize,
    /// `min.insync.replicas` at the start.
    pub min_isr: u32,
    /// Lost messages, in thousandths.
    pub loss: u32,
    /// Duplicated messages, in thousandths.
    pub duplicate: u32,
    /// Messages that may overtake, in thousandths.
    pub reorder: u32,
    /// One-way delay, microseconds.
    pub delay_us: (u64, u64),
    /// Additional delay of a message that overtakes or is a copy.
    pub late_us: (u64, u64),
    /// Time of a sync.
    pub sync_us: (u64, u64),
    /// Slow syncs, in thousandths.
    pub slow_sync: u32,
    /// Time of a slow one.
    pub slow_sync_us: (u64, u64),
    /// Time from a quorum entry to its commit.
    pub commit_us: (u64, u64),
    /// A broker not heard from for so long is fenced, microseconds.
    pub session_us: u64,
    /// A follower that lags for so long leaves the ISR, microseconds.
    pub lag_us: u64,
    /// How long a vacant partition waits for absent members, microseconds.
    pub election_wait_us: u64,
    /// Time between a producer's batches.
    pub produce_us: (u64, u64),
    /// Batches that one append message carries at most.
    pub append_batches: usize,
    /// Whether some clients write without waiting for acknowledgements.
    pub noise: bool,
    /// How long faults happen, microseconds.
    pub faulty_us: Time,
    /// Time between faults.
    pub fault_interval_us: (u64, u64),
    /// How long a fault lasts.
    pub fault_length_us: (u64, u64),
    /// Kinds of faults by weight.
    pub weights: Vec<(FaultKind, u32)>,
    /// Whether brokers are also stopped on purpose, with permits.
    pub rolls: Rolls,
    /// By what logs are cut into segments, and leaders let them expire.
    pub topic_config: TopicConfig,
}

const MS: u64 = 1_000;

/// A retention that passes within a run, milliseconds. It leaves room for the slack of a clock, so
/// that a record that expires too early is known by its age.
const RETENTION_MS: (u64, u64) = (1_500, 3_000);

/// The mixes that ordinary seeds rotate through.
pub const PROFILES: &[Profile] = &[
    Profile {
        name: "mixed",
        weights: FAULTS,
        fault_interval_us: (50 * MS, 900 * MS),
        fault_length_us: (20 * MS, 2_500 * MS),
        loss: 20,
        reorder: 30,
        delay_us: (100, 3 * MS),
        late_us: 200 * MS,
        sync_us: (MS, 6 * MS),
        min_isr: (1, 3),
        retention_ms: Some(RETENTION_MS),
        rolls: Rolls::Never,
    },
    Profile {
        name: "crashes",
        weights: &[
            (FaultKind::Crash, 10),
            (FaultKind::PowerCut, 2),
            (FaultKind::Pause, 2),
            (FaultKind::ControllerChange, 2),
            (FaultKind::Shutdown, 2),
        ],
        fault_interval_us: (50 * MS, 500 * MS),
        fault_length_us: (10 * MS, 1_200 * MS),
        loss: 5,
        reorder: 5,
        delay_us: (100, 2 * MS),
        late_us: 200 * MS,
        sync_us: (MS, 20 * MS),
        min_isr: (1, 2),
        retention_ms: None,
        rolls: Rolls::Never,
    },
    Profile {
        name: "network",
        weights: &[
            (FaultKind::Isolate, 5),
            (FaultKind::OneWay, 5),
            (FaultKind::CutPair, 5),
            (FaultKind::CutController, 4),
            (FaultKind::Storm, 3),
            (FaultKind::Pause, 4),
            (FaultKind::Crash, 3),
            (FaultKind::ControllerChange, 2),
        ],
        fault_interval_us: (50 * MS, 600 * MS),
        fault_length_us: (50 * MS, 3_000 * MS),
        loss: 60,
        reorder: 80,
        delay_us: (200, 20 * MS),
        late_us: 200 * MS,
        sync_us: (MS, 5 * MS),
        min_isr: (1, 2),
        retention_ms: None,
        rolls: Rolls::Never,
    },
    Profile {
        name: "disks",
        weights: &[
            (FaultKind::Wipe, 4),
            (FaultKind::RollBack, 3),
            (FaultKind::SlowDisk, 5),
            (FaultKind::Crash, 6),
            (FaultKind::DeleteRecords, 5),
            (FaultKind::ControllerChange, 1),
            (FaultKind::Damage, 6),
        ],
        fault_interval_us: (100 * MS, 900 * MS),
        fault_length_us: (20 * MS, 2_000 * MS),
        loss: 2,
        reorder: 5,
        delay_us: (100, 2 * MS),
        late_us: 200 * MS,
        sync_us: (MS, 15 * MS),
        min_isr: (1, 2),
        retention_ms: None,
        rolls: Rolls::Never,
    },
    Profile {
        name: "administration",
        weights: &[
            (FaultKind::MinIsr, 6),
            (FaultKind::DeleteRecords, 6),
            (FaultKind::ReplaceTopic, 2),
            (FaultKind::Shutdown, 5),
            (FaultKind::Resign, 5),
            (FaultKind::ControllerChange, 3),
            (FaultKind::Crash, 5),
            (FaultKind::CutController, 2),
        ],
        fault_interval_us: (50 * MS, 600 * MS),
        fault_length_us: (20 * MS, 1_500 * MS),
        loss: 5,
        reorder: 10,
        delay_us: (100, 4 * MS),
        late_us: 200 * MS,
        sync_us: (MS, 8 * MS),
        min_isr: (1, 3),
        retention_ms: None,
        rolls: Rolls::Never,
    },
    LAGGING,
    LATE,
    CLOCKS,
    ROLLS,
    ROLLS_UNDER_FAULTS,
];

/// Slow links and disks, short-lived leaders, followers far behind: logs that differ, and high
/// watermarks that are known late.
pub const LAGGING: Profile = Profile {
    name: "lagging",
    weights: &[
        (FaultKind::Crash, 8),
        (FaultKind::SlowDisk, 4),
        (FaultKind::CutPair, 5),
        (FaultKind::Isolate, 3),
        (FaultKind::Resign, 3),
        (FaultKind::Pause, 2),
        (FaultKind::Damage, 3),
    ],
    fault_interval_us: (30 * MS, 350 * MS),
    fault_length_us: (20 * MS, 900 * MS),
    loss: 10,
    reorder: 10,
    delay_us: (MS, 25 * MS),
    late_us: 200 * MS,
    sync_us: (2 * MS, 40 * MS),
    min_isr: (1, 2),
    retention_ms: None,
    rolls: Rolls::Never,
};

/// Many copies and many late messages between processes that die and return at once: what was said
/// to one process reaches the next.
pub const LATE: Profile = Profile {
    name: "late",
    weights: &[
        (FaultKind::Crash, 10),
        (FaultKind::CutPair, 3),
        (FaultKind::Resign, 4),
        (FaultKind::ControllerChange, 2),
        (FaultKind::Pause, 3),
        (FaultKind::DeleteRecords, 1),
    ],
    fault_interval_us: (20 * MS, 400 * MS),
    fault_length_us: (MS, 300 * MS),
    loss: 150,
    reorder: 150,
    delay_us: (100, 5 * MS),
    late_us: 1_500 * MS,
    sync_us: (MS, 10 * MS),
    min_isr: (1, 2),
    retention_ms: None,
    rolls: Rolls::Never,
};

/// Wall clocks that jump ahead and back while records expire by time, and leaders that change.
pub const CLOCKS: Profile = Profile {
    name: "clocks",
    weights: &[
        (FaultKind::ClockJump, 12),
        (FaultKind::Crash, 4),
        (FaultKind::Resign, 3),
        (FaultKind::Pause, 2),
        (FaultKind::Isolate, 2),
        (FaultKind::SlowDisk, 2),
        (FaultKind::DeleteRecords, 1),
        (FaultKind::ControllerChange, 1),
    ],
    fault_interval_us: (50 * MS, 500 * MS),
    fault_length_us: (100 * MS, 2_000 * MS),
    loss: 5,
    reorder: 5,
    delay_us: (100, 2 * MS),
    late_us: 200 * MS,
    sync_us: (MS, 10 * MS),
    min_isr: (1, 2),
    retention_ms: Some(RETENTION_MS),
    rolls: Rolls::Never,
};

/// Brokers stopped on purpose, one zone at a time, and nothing else.
pub const ROLLS: Profile = Profile {
    name: "rolls",
    weights: &[],
    fault_interval_us: (100 * MS, 500 * MS),
    fault_length_us: (20 * MS, 900 * MS),
    loss: 0,
    reorder: 0,
    delay_us: (100, 3 * MS),
    late_us: 10 * MS,
    sync_us: (MS, 6 * MS),
    min_isr: (1, 2),
    retention_ms: None,
    rolls: Rolls::Alone,
};

/// The same, while brokers, links, disks and the controller fail.
pub const ROLLS_UNDER_FAULTS: Profile = Profile {
    name: "rolls-under-faults",
    weights: &[
        (FaultKind::Crash, 10),
        (FaultKind::PowerCut, 4),
        (FaultKind::Pause, 4),
        (FaultKind::Isolate, 4),
        (FaultKind::CutController, 4),
        (FaultKind::CutPair, 2),
        (FaultKind::ControllerChange, 6),
        (FaultKind::Storm, 1),
        (FaultKind::SlowDisk, 2),
        (FaultKind::Shutdown, 2),
        (FaultKind::Resign, 2),
        (FaultKind::MinIsr, 3),
        (FaultKind::ReplaceTopic, 1),
        (FaultKind::Wipe, 2),
        (FaultKind::RollBack, 1),
    ],
    fault_interval_us: (100 * MS, 1_200 * MS),
    fault_length_us: (20 * MS, 1_200 * MS),
    loss: 20,
    reorder: 30,
    delay_us: (100, 3 * MS),
    late_us: 200 * MS,
    sync_us: (MS, 6 * MS),
    min_isr: (1, 3),
    retention_ms: None,
    rolls: Rolls::WithFaults,
};

impl Profile {
    /// The mix with a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// The mix of an ordinary seed.
    pub fn of_seed(seed: u64) -> &'static Self {
        &PROFILES[(seed % PROFILES.len() as u64) as usize]
    }

    /// Draws the settings of one run.
    pub fn draw(&self, planted: Planted, rng: &mut Rng) -> Settings {
        Settings {
            planted,
            brokers: rng.within((3, 5)) as usize,
            topics: rng.within((1, 3)) as usize,
            min_isr: rng.within(self.min_isr) as u32,
            loss: rng.within((0, self.loss)) as u32,
            duplicate: rng.within((0, self.loss)) as u32,
            reorder: rng.within((0, self.reorder)) as u32,
            delay_us: (
                self.delay_us.0,
                rng.within((self.delay_us.0 * 2, self.delay_us.1)),
            ),
            late_us: (MS, rng.within((2 * MS, self.late_us))),
            sync_us: (self.sync_us.0, rng.within(self.sync_us)),
            slow_sync: self.slow_sync(rng),
            slow_sync_us: (50 * MS, 900 * MS),
            commit_us: (2 * MS, rng.within((3 * MS, 60 * MS))),
            session_us: rng.within((300 * MS, 1_000 * MS)),
            lag_us: self.lag_us(rng),
            election_wait_us: rng.within((500 * MS, 3_000 * MS)),
            produce_us: (2 * MS, rng.within((10 * MS, 120 * MS))),
            append_batches: rng.within((1, 12)) as usize,
            noise: rng.chance(600),
            faulty_us: rng.within((3_000 * MS, 9_000 * MS)),
            fault_interval_us: self.fault_interval_us,
            fault_length_us: self.fault_length_us,
            weights: self.weights.to_vec(),
            rolls: self.rolls,
            topic_config: self.topic_config(rng),
        }
    }

    /// Disks are slow now and then, but where nothing may go wrong.
    fn slow_sync(&self, rng: &mut Rng) -> u32 {
        match (rng.within((0, 20)) as u32, self.rolls) {
            (_, Rolls::Alone) => 0,
            (drawn, Rolls::Never | Rolls::WithFaults) => drawn,
        }
    }

    /// Where nothing may go wrong, a lost conversation is opened again before anybody lags for it.
    fn lag_us(&self, rng: &mut Rng) -> u64 {
        let drawn = rng.within((300 * MS, 1_500 * MS));
        match self.rolls {
            Rolls::Alone => drawn.max(900 * MS),
            Rolls::Never | Rolls::WithFaults => drawn,
        }
    }

    /// Where records expire, segments are small: a run has many of them.
    fn topic_config(&self, rng: &mut Rng) -> TopicConfig {
        let Some(retention_ms) = self.retention_ms else {
            return TopicConfig {
                retention_ms: -1,
                ..TopicConfig::default()
            };
        };
        TopicConfig {
            retention_ms: rng.within(retention_ms) as i64,
            segment_bytes: rng.within((300, 2_000)),
            segment_ms: rng.within((100, 600)) as i64,
            ..TopicConfig::default()
        }
    }
}

impl Settings {
    /// A run in which nothing goes wrong by itself: tests say what does ([`Script`](crate::Script)).
    pub fn scripted(planted: Planted) -> Self {
        Self {
            planted,
            brokers: 3,
            topics: 1,
            min_isr: 2,
            loss: 0,
            duplicate: 0,
            reorder: 0,
            delay_us: (500, 1_000),
            late_us: (MS, 2 * MS),
            sync_us: (2 * MS, 2 * MS),
            slow_sync: 0,
            slow_sync_us: (MS, MS),
            commit_us: (3 * MS, 5 * MS),
            session_us: 500 * MS,
            lag_us: 600 * MS,
            election_wait_us: 1_000 * MS,
            produce_us: (8 * MS, 12 * MS),
            append_batches: 4,
            noise: true,
            faulty_us: Time::MAX / 2,
            fault_interval_us: (1_000 * MS, 1_000 * MS),
            fault_length_us: (MS, MS),
            weights: Vec::new(),
            rolls: Rolls::Never,
            topic_config: TopicConfig {
                retention_ms: -1,
                ..TopicConfig::default()
            },
        }
    }

    /// Where logs are cut into segments.
    pub fn segment_limits(&self) -> SegmentLimits {
        SegmentLimits {
            bytes: self.topic_config.segment_bytes,
            age_ms: self.topic_config.segment_ms,
        }
    }

    /// The newest timestamp that may expire by now, milliseconds since 1970.
    pub fn newest_expired_ms(&self, now: Time) -> i64 {
        clock::latest_trusted_ms(now) - self.topic_config.retention_ms
    }
}
