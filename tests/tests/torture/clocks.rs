//! Wall clocks of brokers that jump or drift.

use std::time::Duration;

use holdfast_tests::cluster::BROKERS;

use super::{Round, load};

/// How far ahead of the machine's a clock may be, in milliseconds: by more than an hour, by days, behind.
const JUMPS: &[i64] = &[
    4_000_000,
    90_000_000,
    2_592_000_000,
    -4_000_000,
    -90_000_000,
];

/// How far a clock that drifts goes in a step, milliseconds, and how many steps there are.
const STEP_MS: [i64; 2] = [150, -50];
const STEP: Duration = Duration::from_millis(100);
const STEPS: i64 = 60;

/// What a broker says of a clock that is further ahead than it can be.
const NOTICED: &str = "the wall clock jumped ahead";

/// The first segments are full within a minute, and may expire.
const SEGMENTS: &str = "segment.bytes=1048576";

impl Round {
    pub(super) fn keep(&self) {
        let age = format!("retention.ms={}", self.keeps.as_millis());
        let words = ["topic", "alter", load::TOPIC, "-c", &age, "-c", SEGMENTS];
        self.load.cluster.tool(&words).unwrap();
    }

    /// The clock of a broker, or of all, is wrong for some seconds.
    pub(super) async fn clock_jumps(&mut self, n: usize) {
        let everywhere = self.chance.percent(30);
        let brokers: Vec<usize> = if everywhere {
            (0..BROKERS).collect()
        } else {
            vec![n]
        };
        let mut set = Vec::new();
        if self.chance.percent(30) {
            self.drift(&brokers).await;
        } else {
            for broker in &brokers {
                let ahead = JUMPS[self.chance.one_of(JUMPS.len())];
                println!("  {ahead} ms for broker {broker}");
                let before = self.load.cluster.said(*broker, NOTICED).unwrap();
                self.load.cluster.set_clock(*broker, ahead).unwrap();
                set.push((*broker, ahead, before));
            }
            tokio::time::sleep(self.chance.millis(3_000..8_000)).await;
            for (broker, ahead, before) in set {
                let noticed = self.load.cluster.said(broker, NOTICED).unwrap() > before;
                assert_eq!(noticed, ahead > 0, "{ahead} ms for broker {broker}");
            }
        }
        self.load.progress().await;
        // To be put right is a jump too.
        for broker in brokers {
            self.load.cluster.set_clock(broker, 0).unwrap();
        }
    }

    /// Clocks run more than twice as fast as time does, or half as fast.
    async fn drift(&mut self, brokers: &[usize]) {
        let step = STEP_MS[self.chance.one_of(STEP_MS.len())];
        for number in 1..=STEPS {
            for broker in brokers {
                self.load.cluster.set_clock(*broker, number * step).unwrap();
            }
            tokio::time::sleep(STEP).await;
        }
    }
}
