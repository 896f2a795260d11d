//! How a permit ends: its brokers are back, or away for good, or never stopped.

use std::time::Duration;

use holdfast_model::{BrokerId, ErrorCode, Monotonic};

use super::super::{Controller, Draft, Failure, Outcome};
use crate::image::{
    Change, ClusterImage, PermitEnd, PermitId, PermitOutcome, PermitPurpose, PermitRecord,
    PermitStage,
};
use crate::planted::Planted;

impl Controller {
    /// Carries the permit on as time passes.
    pub(in super::super) fn tend_permit(&self, draft: &mut Draft, now: Monotonic) {
        let Some(permit) = draft.image().permit.clone() else {
            return;
        };
        if permit.stage == PermitStage::Draining {
            self.drain_or_grant(draft, &permit, now);
            return;
        }
        let Some(seen) = self.permit_seen.filter(|seen| seen.id == permit.id) else {
            return;
        };
        if let Some(end) = self.conclusion(draft.image(), &permit, seen.since) {
            draft.put(end_of(&permit, end));
        } else if permit.stage == PermitStage::Granted
            && now.since(seen.since) >= Duration::from_millis(permit.ttl_ms)
        {
            let mut ending = PermitRecord::clone(&permit);
            ending.stage = PermitStage::Ending;
            ending.ran_out = true;
            draft.put(Change::PutPermit(ending));
        }
    }

    /// The holder is done, or somebody breaks the permit.
    ///
    /// A granted permit keeps its slot until each broker was heard from once more: its holder may
    /// have killed one a moment ago, and the image would not show it yet.
    pub(in super::super) fn give_back_permit(
        draft: &mut Draft,
        id: PermitId,
        holder: &str,
        force: bool,
    ) -> Outcome {
        let held = draft.image().permit.clone();
        let Some(permit) = held.filter(|permit| permit.id == id) else {
            return ended(draft.image(), id);
        };
        if force {
            return end(draft, &permit, PermitOutcome::Broken);
        }
        if permit.holder != holder {
            let message = format!("permit {id} is held by {}, not by {holder}", permit.holder);
            return Outcome::Failed(Failure::new(ErrorCode::PolicyViolation, message));
        }
        if permit.stage == PermitStage::Draining && is_untouched(draft.image(), &permit) {
            return end(draft, &permit, PermitOutcome::Cancelled);
        }
        let mut ending = PermitRecord::clone(&permit);
        if permit.stage != PermitStage::Ending {
            ending.stage = PermitStage::Ending;
            draft.put(Change::PutPermit(ending.clone()));
        }
        Outcome::Permit(ending)
    }

    /// What has become of a permit that was granted; none while a broker of it is not back.
    ///
    /// A broker is back once it is caught up in a later registration than at the grant, or, if the
    /// permit was given back, in any in which it was heard from since.
    fn conclusion(
        &self,
        image: &ClusterImage,
        permit: &PermitRecord,
        since: Monotonic,
    ) -> Option<PermitOutcome> {
        let (mut parked, mut restarted) = (false, false);
        for named in &permit.brokers {
            if permit.purpose == PermitPurpose::Park && is_away(image, permit, named.broker) {
                parked = true;
                continue;
            }
            let broker = image.brokers.get(&named.broker)?;
            let again = broker.epoch > named.epoch;
            let back = match permit.stage {
                PermitStage::Draining => false,
                PermitStage::Granted => again,
                PermitStage::Ending => self.sessions.is_heard_since(broker.id, broker.epoch, since),
            };
            let caught_up = || {
                self.options.planted == Planted::PermitEndsBeforeCaughtUp
                    || image.is_caught_up(broker)
            };
            if !back || !broker.is_countable() || !caught_up() {
                return None;
            }
            restarted |= again;
        }
        Some(match (parked, restarted, permit.ran_out) {
            (true, _, _) => PermitOutcome::Parked,
            (_, true, _) => PermitOutcome::Completed,
            (_, _, true) => PermitOutcome::Expired,
            _ => PermitOutcome::Cancelled,
        })
    }
}

/// Whether no broker of a permit has stopped.
fn is_untouched(image: &ClusterImage, permit: &PermitRecord) -> bool {
    permit.brokers.iter().all(|named| {
        image.brokers.get(&named.broker).is_some_and(|broker| {
            broker.epoch == named.epoch && broker.is_countable() && image.is_caught_up(broker)
        })
    })
}

/// Whether a broker is stopped, or about to, and nobody who stays waits for it: where only brokers
/// of the same permit are members, nobody is left to take it out.
fn is_away(image: &ClusterImage, permit: &PermitRecord, id: BrokerId) -> bool {
    let Some(broker) = image.brokers.get(&id) else {
        return true;
    };
    let missed = || {
        image.topics.iter().any(|(_, topic)| {
            topic.partitions.iter().any(|record| {
                record.isr_member(id).is_some()
                    && record
                        .isr
                        .iter()
                        .any(|member| !permit.covers(member.replica.broker))
            })
        })
    };
    !broker.is_countable() && !missed()
}

/// The answer about a permit that does not have the slot.
fn ended(image: &ClusterImage, id: PermitId) -> Outcome {
    let mut history = image.permit_history.iter();
    match history.find(|ended| ended.permit.id == id) {
        Some(ended) => Outcome::PermitEnded(ended.clone()),
        None => Outcome::Failed(Failure::new(
            ErrorCode::InvalidRequest,
            format!("no permit {id} is known"),
        )),
    }
}

fn end(draft: &mut Draft, permit: &PermitRecord, end: PermitOutcome) -> Outcome {
    draft.put(end_of(permit, end));
    Outcome::PermitEnded(PermitEnd {
        permit: permit.clone(),
        end,
        because: Vec::new(),
    })
}

fn end_of(permit: &PermitRecord, end: PermitOutcome) -> Change {
    Change::EndPermit {
        id: permit.id,
        end,
        because: Vec::new(),
    }
}
