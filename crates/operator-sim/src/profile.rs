//! How hostile a run is: named mixes of faults, and what a seed draws from them.

use crate::Time;
use crate::rng::Rng;

/// A named mix. Chances are in thousandths: of a request, or of a step of the run.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// A request that waits on its way, and for how long at most, milliseconds.
    pub slow: (u32, Time),
    /// A request that is lost: half of them after they took effect.
    pub lost: u32,
    /// A request that is refused for a reason that has nothing to do with it.
    pub refused: u32,
    /// A request during which the operator's process dies: half of them after it took effect.
    pub crash: u32,
    /// A step in which the operator's process freezes for half a minute, so that another takes over.
    pub freeze: u32,
    /// A step in which the watch of a kind brings what is new.
    pub watch: u32,
    /// A step in which the watch of a kind breaks off and lists again, maybe something older.
    pub relist: u32,
    /// A step in which something happens to a machine.
    pub machines: u32,
    /// A step in which a broker's process dies.
    pub brokers: u32,
    /// How often a person changes something.
    pub edits: (u64, u64),
    /// Plans wait for approval, in so many runs.
    pub manual: u32,
    /// A volume that cannot grow, in so many runs.
    pub stuck: u32,
    /// The resource is deleted and made again, in so many edits.
    pub recreate: u32,
}

/// Nothing goes wrong; people change their minds.
const CALM: Profile = Profile {
    name: "calm",
    slow: (100, 1_000),
    lost: 0,
    refused: 0,
    crash: 0,
    freeze: 0,
    watch: 800,
    relist: 0,
    machines: 0,
    brokers: 0,
    edits: (2, 5),
    manual: 0,
    stuck: 0,
    recreate: 30,
};

/// The mixes that seeds rotate through.
pub const PROFILES: &[Profile] = &[
    CALM,
    Profile {
        name: "stale",
        slow: (200, 4_000),
        watch: 60,
        relist: 15,
        crash: 3,
        ..CALM
    },
    Profile {
        name: "wire",
        slow: (300, 3_000),
        lost: 60,
        refused: 60,
        watch: 500,
        relist: 3,
        ..CALM
    },
    Profile {
        name: "crashes",
        crash: 30,
        watch: 500,
        recreate: 100,
        ..CALM
    },
    Profile {
        name: "two",
        slow: (300, 6_000),
        freeze: 15,
        lost: 10,
        watch: 300,
        relist: 5,
        ..CALM
    },
    Profile {
        name: "machines",
        machines: 25,
        brokers: 4,
        watch: 400,
        ..CALM
    },
    Profile {
        name: "approval",
        manual: 1_000,
        crash: 5,
        ..CALM
    },
    Profile {
        name: "stuck",
        stuck: 1_000,
        refused: 10,
        recreate: 0,
        ..CALM
    },
    Profile {
        name: "mixed",
        slow: (200, 5_000),
        lost: 20,
        refused: 20,
        crash: 8,
        freeze: 4,
        watch: 200,
        relist: 8,
        machines: 10,
        brokers: 3,
        manual: 200,
        stuck: 100,
        recreate: 80,
        ..CALM
    },
];

/// What one run goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Zones.
    pub zones: usize,
    /// The zones stand in the resource.
    pub named: bool,
    /// Brokers at the beginning.
    pub replicas: i32,
    /// Volumes cannot leave their node.
    pub pinned: bool,
    /// One broker after the other restarts, instead of one zone after the other.
    pub single: bool,
    /// Plans wait for approval.
    pub manual: bool,
    /// One volume cannot grow.
    pub stuck: bool,
    /// After all is done, another version of the operator comes.
    pub upgrade: bool,
    /// How long faults last, milliseconds.
    pub faulty: Time,
    /// How many times a person changes something.
    pub edits: u64,
    /// How long a process takes to start, milliseconds.
    pub start: (Time, Time),
    /// How long a broker takes to catch up, milliseconds.
    pub lag: (Time, Time),
}

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
    pub fn draw(&self, rng: &mut Rng) -> Settings {
        let zones = if rng.chance(800) {
            3
        } else {
            rng.within((1, 2)) as usize
        };
        let slow = rng.chance(250);
        Settings {
            zones,
            named: rng.chance(500),
            replicas: rng.within((3, 5)) as i32,
            pinned: rng.chance(500),
            single: rng.chance(300),
            manual: rng.chance(self.manual),
            stuck: rng.chance(self.stuck),
            upgrade: rng.chance(300),
            faulty: rng.within((60_000, 150_000)),
            edits: rng.within(self.edits),
            start: (1_000, 5_000),
            lag: if slow { (5_000, 40_000) } else { (200, 5_000) },
        }
    }
}
