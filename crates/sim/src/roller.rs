//! Whoever stops brokers on purpose, with a permit, as an operator does: asks, waits for the grant,
//! stops, sees them start, gives the permit back. It dies and forgets, and then looks at what it holds.

use std::collections::BTreeSet;

use holdfast_kernel::controller::{Outcome, PermitRequest};
use holdfast_kernel::image::{PermitId, PermitPurpose, PermitRecord, PermitStage};
use holdfast_model::BrokerId;

use crate::Time;
use crate::profile::{Rolls, Settings};
use crate::rng::Rng;

/// The name under which it asks.
pub const HOLDER: &str = "roller";

/// Zones over which brokers are spread.
const ZONES: usize = 3;

/// The zone of a broker, in runs with rolls.
pub fn zone_of(node: usize) -> String {
    format!("z{}", node % ZONES)
}

/// How long a permit of the roller runs, milliseconds.
const TTL_MS: (u64, u64) = (4_000, 8_000);

/// The roller's memory.
#[derive(Debug, Default)]
pub struct Roller {
    /// What it is at.
    pub plan: Option<Plan>,
    /// A permit that it left lying: it runs out.
    pub left_lying: Option<PermitId>,
}

/// One roll.
#[derive(Debug)]
pub struct Plan {
    /// What is asked for.
    pub request: PermitRequest,
    /// Since when; the grant is later.
    pub began: Option<Time>,
    /// The permit, once there is one.
    pub permit: Option<PermitId>,
    /// Whether brokers may stop.
    pub granted: bool,
    /// Brokers that were stopped, or found stopped.
    pub stopped: BTreeSet<usize>,
    /// Whether the permit is being given back.
    pub gives_back: bool,
}

impl Roller {
    /// Hears the answer to a request.
    pub fn on_outcome(&mut self, outcome: &Outcome) {
        let Some(plan) = &mut self.plan else {
            return;
        };
        match outcome {
            Outcome::Permit(record) if plan.is_for(record) => {
                plan.permit = Some(record.id);
                plan.granted = record.stage == PermitStage::Granted;
                // An older permit for the same brokers, whose age it forgot with the rest.
                if record.reason != plan.request.reason {
                    plan.began = None;
                }
            }
            Outcome::PermitEnded(ended) if plan.permit == Some(ended.permit.id) => self.plan = None,
            Outcome::PermitRefused(_) | Outcome::Failed(_) if plan.permit.is_none() => {
                self.plan = None;
            }
            _ => {}
        }
    }
}

impl Plan {
    /// A new roll: one broker, or one zone.
    pub fn draw(topics: &[String], settings: &Settings, now: Time, rng: &mut Rng) -> Self {
        let zone = rng.index(ZONES);
        let whole = rng.chance(500);
        let one = rng.index(settings.brokers);
        let wanted = |node: &usize| {
            if whole {
                node % ZONES == zone
            } else {
                *node == one
            }
        };
        let reckless = settings.rolls == Rolls::WithFaults;
        let allows = reckless && rng.chance(100);
        let request = PermitRequest {
            holder: HOLDER.to_owned(),
            // Tells the permits of this roll from older ones for the same brokers.
            reason: format!("roll {:x}", rng.next_u64()),
            purpose: if rng.chance(150) {
                PermitPurpose::Park
            } else {
                PermitPurpose::Restart
            },
            brokers: (0..settings.brokers)
                .filter(wanted)
                .map(|node| BrokerId(node as i32))
                .collect(),
            allow_unavailable: topics.iter().filter(|_| allows).cloned().collect(),
            ttl_ms: rng.within(TTL_MS),
            force: reckless && rng.chance(30),
        };
        Self {
            request,
            began: Some(now),
            permit: None,
            granted: false,
            stopped: BTreeSet::new(),
            gives_back: false,
        }
    }

    /// What is left of a roll to whoever forgot it and looks at the permit. It cannot know how old
    /// the permit is.
    pub fn found(record: &PermitRecord) -> Self {
        Self {
            request: PermitRequest {
                holder: record.holder.clone(),
                reason: record.reason.clone(),
                purpose: record.purpose,
                brokers: record.broker_ids(),
                allow_unavailable: record.allow_unavailable.clone(),
                ttl_ms: record.ttl_ms,
                force: record.force,
            },
            began: None,
            permit: Some(record.id),
            granted: record.stage == PermitStage::Granted,
            stopped: BTreeSet::new(),
            gives_back: record.stage == PermitStage::Ending,
        }
    }

    /// Its brokers.
    pub fn nodes(&self) -> Vec<usize> {
        let brokers = self.request.brokers.iter();
        brokers.map(|broker| broker.0 as usize).collect()
    }

    /// Whether it is sure that the permit has not run out. A permit may end in the moment in which a
    /// holder acts on it, so half of its time is left unused.
    pub fn is_in_time(&self, now: Time) -> bool {
        self.began
            .is_some_and(|began| now - began < self.request.ttl_ms * 1_000 / 2)
    }

    fn is_for(&self, record: &PermitRecord) -> bool {
        record.holder == self.request.holder
            && record.purpose == self.request.purpose
            && record.broker_ids() == self.request.brokers
            && self.permit.is_none_or(|id| id == record.id)
    }
}
