//! Mixes of faults.

use crate::Time;

use super::SECOND;

/// What the members of a group speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocols {
    /// The classic protocol.
    Classic,
    /// The consumer protocol.
    Consumer,
    /// Every fourth the consumer protocol, the others the classic one: the group goes from one to the
    /// other as they come and go.
    Both,
}

impl Protocols {
    /// Whether the member with a number speaks the consumer protocol.
    pub(super) fn is_consumer(self, index: u64) -> bool {
        match self {
            Self::Classic => false,
            Self::Consumer => true,
            Self::Both => index.is_multiple_of(4),
        }
    }
}

/// How often what goes wrong, in thousandths of the occasions.
#[derive(Debug)]
pub struct Mix {
    /// Its name.
    pub name: &'static str,
    /// Members that are there at most.
    pub members: u64,
    /// What they speak.
    pub speak: Protocols,
    /// A message is lost.
    pub lost: u32,
    /// A message comes twice.
    pub repeated: u32,
    /// The longest way of a message, in microseconds.
    pub slowest: Time,
    /// Time between two deaths of the coordinator, in microseconds; 0 for never.
    pub failover_every: Time,
    /// Time between two deaths of members.
    pub death_every: Time,
    /// A death is only a pause.
    pub pauses: u32,
    /// The longest time until a record is committed.
    pub slowest_commit: Time,
    /// A log is rewritten above so many bytes.
    pub floor: u64,
}

/// All of it at once.
const EVERYTHING: Mix = Mix {
    name: "everything",
    members: 6,
    speak: Protocols::Classic,
    lost: 50,
    repeated: 50,
    slowest: 3 * SECOND,
    failover_every: 15 * SECOND,
    death_every: 12 * SECOND,
    pauses: 400,
    slowest_commit: 2 * SECOND,
    floor: 3_000,
};

/// Every mix.
pub const MIXES: &[Mix] = &[
    Mix {
        name: "calm",
        members: 3,
        speak: Protocols::Classic,
        lost: 0,
        repeated: 0,
        slowest: SECOND / 50,
        failover_every: 0,
        death_every: 0,
        pauses: 0,
        slowest_commit: SECOND / 50,
        floor: 4_000,
    },
    Mix {
        name: "failovers",
        members: 4,
        speak: Protocols::Classic,
        lost: 5,
        repeated: 5,
        slowest: SECOND / 5,
        failover_every: 12 * SECOND,
        death_every: 0,
        pauses: 0,
        slowest_commit: SECOND,
        floor: 4_000,
    },
    Mix {
        name: "deaths",
        members: 5,
        speak: Protocols::Classic,
        lost: 20,
        repeated: 10,
        slowest: SECOND / 2,
        failover_every: 0,
        death_every: 9 * SECOND,
        pauses: 500,
        slowest_commit: SECOND / 2,
        floor: 8_000,
    },
    EVERYTHING,
    Mix {
        name: "modern",
        members: 4,
        speak: Protocols::Consumer,
        lost: 10,
        repeated: 10,
        slowest: SECOND / 5,
        failover_every: 20 * SECOND,
        death_every: 15 * SECOND,
        pauses: 300,
        slowest_commit: SECOND / 2,
        floor: 4_000,
    },
    Mix {
        name: "modern everything",
        speak: Protocols::Consumer,
        ..EVERYTHING
    },
    Mix {
        name: "migration",
        members: 4,
        speak: Protocols::Both,
        lost: 10,
        repeated: 10,
        slowest: SECOND / 5,
        failover_every: 20 * SECOND,
        death_every: 8 * SECOND,
        pauses: 100,
        slowest_commit: SECOND / 2,
        floor: 4_000,
    },
    Mix {
        name: "migration everything",
        speak: Protocols::Both,
        ..EVERYTHING
    },
];

impl Mix {
    /// The mix with a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        MIXES.iter().find(|mix| mix.name == name)
    }

    /// The mix of an ordinary seed.
    pub fn of_seed(seed: u64) -> &'static Self {
        &MIXES[(seed % MIXES.len() as u64) as usize]
    }
}
