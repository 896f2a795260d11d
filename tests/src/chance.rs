//! The dice of a run, thrown again with the same seed.

use holdfast_model::{Clock, SystemClock};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::ops::Range;
use std::time::Duration;

/// Where a run's choices come from.
#[derive(Debug)]
pub struct Chance {
    seed: u64,
    dice: StdRng,
}

impl Chance {
    /// The seed in `HOLDFAST_SEED`, or one that the time gives. Processes are not simulated: the
    /// same seed makes the same choices, not the same run.
    ///
    /// # Errors
    /// The variable is not a number.
    pub fn from_environment() -> anyhow::Result<Self> {
        let seed = match std::env::var("HOLDFAST_SEED") {
            Ok(text) => text.parse()?,
            Err(_unset) => SystemClock::new().wall_ms().unsigned_abs(),
        };
        Ok(Self::of(seed))
    }

    /// The choices of a seed.
    pub fn of(seed: u64) -> Self {
        Self {
            seed,
            dice: StdRng::seed_from_u64(seed),
        }
    }

    /// Another seed, as this one has it.
    pub fn next_seed(&mut self) -> u64 {
        u64::from(self.dice.random::<u32>())
    }

    /// What to set `HOLDFAST_SEED` to for the same choices.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// One of `0..count`.
    pub fn one_of(&mut self, count: usize) -> usize {
        self.dice.random_range(0..count)
    }

    /// True in so many of a hundred throws.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.dice.random_range(0..100) < percent
    }

    /// A duration within a range of milliseconds.
    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.dice.random_range(range))
    }
}
