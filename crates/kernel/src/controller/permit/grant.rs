//! From the request to the grant: first leaders leave, then the rules are asked again.

use std::collections::BTreeSet;

use holdfast_model::{BrokerId, ErrorCode, Monotonic, TopicPartition, invariant};

use super::super::election::{Standing, hand_over};
use super::super::tick::CHANGES_PER_TICK;
use super::super::{Controller, Draft, Failure, Outcome, is_topic_name};
use super::{PermitObstacle, PermitRequest};
use crate::image::{
    BrokerRecord, Change, ClusterImage, MAX_PERMIT_BROKERS, MAX_PERMIT_HOLDER, MAX_PERMIT_REASON,
    MAX_PERMIT_TOPICS, PERMIT_FEATURE_LEVEL, PartitionRecord, PermitBroker, PermitId,
    PermitOutcome, PermitRecord, PermitStage,
};
use crate::planted::Planted;

/// The number of the first permit. An image begins with 0, also one that an older version wrote; to
/// people and programs 0 looks like none.
const FIRST_PERMIT: u64 = 1;

impl Controller {
    /// Takes the slot for a request that no rule speaks against, and begins to move leaders.
    pub(in super::super) fn acquire_permit(
        &mut self,
        draft: &mut Draft,
        request: &PermitRequest,
        now: Monotonic,
    ) -> Outcome {
        if let Err(failure) = check(draft.image(), request) {
            return Outcome::Failed(failure);
        }
        let brokers: BTreeSet<BrokerId> = request.brokers.iter().copied().collect();
        if let Some(held) = self.slot(draft.image()) {
            return again(draft, held, request, &brokers);
        }
        if !self.has_heard_out(now) {
            return Outcome::PermitRefused(vec![PermitObstacle::JustInOffice]);
        }
        let image = draft.image();
        let unknown: Vec<PermitObstacle> = brokers
            .iter()
            .filter(|id| !image.brokers.contains_key(id))
            .map(|id| PermitObstacle::UnknownBroker(*id))
            .collect();
        if !unknown.is_empty() {
            return Outcome::PermitRefused(unknown);
        }
        let mut permit = PermitRecord {
            id: PermitId(image.next_permit.max(FIRST_PERMIT)),
            holder: request.holder.clone(),
            reason: request.reason.clone(),
            purpose: request.purpose,
            brokers: as_registered(image, brokers.into_iter()),
            stage: PermitStage::Draining,
            allow_unavailable: request.allow_unavailable.clone(),
            force: request.force,
            forced: Vec::new(),
            ttl_ms: request.ttl_ms,
            ran_out: false,
        };
        let obstacles = self.obstacles(image, &permit, now);
        if !obstacles.is_empty() && !permit.force {
            return Outcome::PermitRefused(obstacles);
        }
        permit.forced = sentences(&obstacles);
        invariant!(
            "INV-PERMIT-SLOT",
            self.options.planted != Planted::None || image.permit.is_none(),
            "{permit:?}"
        );
        draft.put(Change::PutPermit(permit.clone()));
        self.drain(draft, &permit, now);
        Outcome::Permit(permit)
    }

    /// The permit that has the slot.
    fn slot<'a>(&self, image: &'a ClusterImage) -> Option<&'a PermitRecord> {
        let held = image.permit.as_deref()?;
        let forgotten = self.options.planted == Planted::PermitForgottenByNewController
            && self.inherited_permit == Some(held.id);
        (!forgotten).then_some(held)
    }

    /// Moves more leaders; once none is left that another could replace, grants the permit if the
    /// rules still allow it.
    pub(super) fn drain_or_grant(&self, draft: &mut Draft, permit: &PermitRecord, now: Monotonic) {
        if self.drain(draft, permit, now) > 0 || !self.has_heard_out(now) {
            return;
        }
        let obstacles = self.obstacles(draft.image(), permit, now);
        if !obstacles.is_empty() && !permit.force {
            draft.put(Change::EndPermit {
                id: permit.id,
                end: PermitOutcome::Cancelled,
                because: sentences(&obstacles),
            });
            return;
        }
        let mut granted = permit.clone();
        granted.stage = PermitStage::Granted;
        granted.brokers = as_registered(draft.image(), permit.broker_ids().into_iter());
        for sentence in sentences(&obstacles) {
            if !granted.forced.contains(&sentence) {
                granted.forced.push(sentence);
            }
        }
        invariant!(
            "INV-PERMIT-MIN",
            self.options.planted != Planted::None
                || granted.force
                || draft.image().starved_by(&granted).is_none(),
            "{granted:?}"
        );
        draft.put(Change::PutPermit(granted));
    }

    /// A grant that was decided a moment ago must still be right with what was decided after it for
    /// the same entry; if not, it is decided again on what comes of that.
    pub(in super::super) fn take_back_grant(&self, draft: &mut Draft) {
        if !draft.grants() || self.options.planted == Planted::PermitCountsFencedMembers {
            return;
        }
        let image = draft.image();
        let wrong = image.permit.as_deref().filter(|permit| {
            let granted = permit.stage == PermitStage::Granted && !permit.force;
            granted && image.starved_by(permit).is_some()
        });
        if let Some(mut permit) = wrong.cloned() {
            permit.stage = PermitStage::Draining;
            draft.put(Change::PutPermit(permit));
        }
    }

    /// Gives partitions that a permit's brokers lead to others in sync; all stay members until they
    /// stop. Returns how many moved.
    fn drain(&self, draft: &mut Draft, permit: &PermitRecord, now: Monotonic) -> usize {
        let image = draft.image();
        let mut changes = Vec::new();
        for (id, topic) in image.topics.iter() {
            for (index, record) in topic.partitions.iter().enumerate() {
                if changes.len() == CHANGES_PER_TICK {
                    break;
                }
                if !record.leader.is_some_and(|leader| permit.covers(leader)) {
                    continue;
                }
                if let Some(next) = self.successor(image, permit, record, now) {
                    let at = TopicPartition {
                        topic: *id,
                        partition: index as i32,
                    };
                    changes.push((at, hand_over(record, next)));
                }
            }
        }
        let moved = changes.len();
        for (at, next) in changes {
            draft.put_partition(at, next);
        }
        moved
    }

    /// Who can take a leadership over without being out of sync for a moment.
    fn successor<'a>(
        &self,
        image: &'a ClusterImage,
        permit: &PermitRecord,
        record: &PartitionRecord,
        now: Monotonic,
    ) -> Option<&'a BrokerRecord> {
        let able = record.replicas.iter().filter(|id| {
            !permit.covers(**id)
                && record
                    .isr_member(**id)
                    .is_some_and(|m| self.standing(image, m, now) == Standing::RanThrough)
        });
        let chosen = able.min_by_key(|id| !self.is_settled(**id, now))?;
        image.brokers.get(chosen)
    }
}

/// The answer while the slot is taken: to its holder, who asks again, how far the permit has come.
fn again(
    draft: &Draft,
    held: &PermitRecord,
    request: &PermitRequest,
    brokers: &BTreeSet<BrokerId>,
) -> Outcome {
    let same = held.is_in_force()
        && held.holder == request.holder
        && held.purpose == request.purpose
        && held
            .brokers
            .iter()
            .map(|named| &named.broker)
            .eq(brokers.iter());
    if !same {
        return Outcome::PermitRefused(vec![PermitObstacle::SlotTaken {
            id: held.id,
            holder: held.holder.clone(),
            brokers: held.broker_ids(),
            stage: held.stage,
        }]);
    }
    let mut record = held.clone();
    if draft.grants() {
        // Decided in this very entry, and what follows in it may still take the grant back.
        record.stage = PermitStage::Draining;
    }
    Outcome::Permit(record)
}

/// Why no permit can be written at the cluster's feature level.
pub fn below_permit_level(image: &ClusterImage) -> Option<Failure> {
    let refused = || {
        let text = format!(
            "restart permits need feature level {PERMIT_FEATURE_LEVEL} and the cluster is at {}; \
             raise it once every broker runs a version that knows it",
            image.feature_level
        );
        Failure::new(ErrorCode::UnsupportedVersion, text)
    };
    (image.feature_level < PERMIT_FEATURE_LEVEL).then(refused)
}

/// What a request must be whatever the state of the cluster.
fn check(image: &ClusterImage, request: &PermitRequest) -> Result<(), Failure> {
    if let Some(failure) = below_permit_level(image) {
        return Err(failure);
    }
    let invalid = |message: String| Err(Failure::new(ErrorCode::InvalidRequest, message));
    if request.brokers.is_empty() || request.brokers.len() > MAX_PERMIT_BROKERS {
        return invalid(format!(
            "a permit is for 1 to {MAX_PERMIT_BROKERS} brokers, not for {}",
            request.brokers.len()
        ));
    }
    if request.holder.is_empty() || request.holder.len() > MAX_PERMIT_HOLDER {
        return invalid(format!(
            "a holder's name has 1 to {MAX_PERMIT_HOLDER} bytes, not {}",
            request.holder.len()
        ));
    }
    if request.reason.len() > MAX_PERMIT_REASON {
        return invalid(format!(
            "a reason has at most {MAX_PERMIT_REASON} bytes, not {}",
            request.reason.len()
        ));
    }
    if request.allow_unavailable.len() > MAX_PERMIT_TOPICS {
        return invalid(format!(
            "a permit allows at most {MAX_PERMIT_TOPICS} topics to be unavailable, not {}",
            request.allow_unavailable.len()
        ));
    }
    if let Some(name) = request
        .allow_unavailable
        .iter()
        .find(|name| !is_topic_name(name))
    {
        return invalid(format!(
            "'{}' is no topic name",
            name.chars().take(80).collect::<String>()
        ));
    }
    if request.ttl_ms == 0 {
        return invalid("a permit that runs out at once is of no use".to_owned());
    }
    Ok(())
}

/// Brokers as the image has them registered now.
fn as_registered(
    image: &ClusterImage,
    brokers: impl Iterator<Item = BrokerId>,
) -> Vec<PermitBroker> {
    brokers
        .filter_map(|id| image.brokers.get(&id))
        .map(|broker| PermitBroker {
            broker: broker.id,
            incarnation: broker.incarnation,
            epoch: broker.epoch,
        })
        .collect()
}

fn sentences(obstacles: &[PermitObstacle]) -> Vec<String> {
    obstacles.iter().map(ToString::to_string).collect()
}
