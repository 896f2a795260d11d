//! What the controller does by itself as time passes.

use holdfast_model::{Monotonic, TopicPartition};

use super::election::hand_over;
use super::{Controller, Draft};
use crate::image::ClusterImage;

/// Partitions changed by one tick; the rest follow with the next entry, so that none grows without
/// bound.
pub(super) const CHANGES_PER_TICK: usize = 5_000;

impl Controller {
    /// Fences brokers whose session has ended, lets ready ones in, fills vacancies, moves leaders
    /// back to preferred replicas, carries the restart permit on.
    pub fn tick(&mut self, image: &ClusterImage, now: Monotonic) -> Draft {
        self.settle(image, now);
        self.look_at_permit(image, now);
        let mut draft = Draft::new(image);
        let timeout = self.options.session_timeout;
        // Before brokers had time to report, nobody could be elected in a fenced broker's place.
        let settled = self.has_heard_out(now);
        let brokers: Vec<_> = image.brokers.values().cloned().collect();
        for broker in &brokers {
            let lapsed = self.sessions.has_lapsed(broker.id, timeout, now);
            if !broker.fenced && lapsed && settled {
                self.fence(&mut draft, broker.id, now);
            } else if broker.fenced
                && !broker.stopping
                && self
                    .sessions
                    .is_ready(broker.id, broker.epoch, timeout, now)
            {
                draft.change_broker(broker.id, |record| record.fenced = false);
            }
        }
        self.replace_silent_leaders(&mut draft, now);
        self.fill_vacancies(&mut draft, CHANGES_PER_TICK, now);
        if now.since(self.last_preferred) >= self.options.preferred_interval {
            self.last_preferred = now;
            self.move_to_preferred(&mut draft, now);
        }
        // Last, so that a permit is granted on what everything else leaves.
        self.tend_permit(&mut draft, now);
        draft
    }

    /// Whether every broker has had the time to report to this controller.
    pub(super) fn has_heard_out(&self, now: Monotonic) -> bool {
        self.sessions.in_office_for(now) > self.options.heartbeat_interval.saturating_mul(2)
    }

    /// A leader whose broker was fenced while nobody else could lead is replaced once somebody can.
    /// (A fenced broker's partitions are given up when it is fenced; this catches those whose
    /// leader never existed in this office's time.)
    fn replace_silent_leaders(&self, draft: &mut Draft, now: Monotonic) {
        let fenced: Vec<_> = draft
            .image()
            .brokers
            .values()
            .filter(|b| b.fenced)
            .map(|b| b.id)
            .collect();
        if fenced.is_empty() {
            return;
        }
        let mut changes = Vec::new();
        for (id, topic) in draft.image().topics.iter() {
            for (index, record) in topic.partitions.iter().enumerate() {
                let Some(leader) = record.leader.filter(|leader| fenced.contains(leader)) else {
                    continue;
                };
                let at = TopicPartition {
                    topic: *id,
                    partition: index as i32,
                };
                if let Some(next) = self.elect(draft.image(), at, record, Some(leader), now) {
                    changes.push((at, next));
                }
                if changes.len() == CHANGES_PER_TICK {
                    break;
                }
            }
        }
        for (at, next) in changes {
            draft.put_partition(at, next);
        }
    }

    /// Leaders come back to the first replica, once it is in sync and has been there for a while.
    fn move_to_preferred(&self, draft: &mut Draft, now: Monotonic) {
        let mut changes = Vec::new();
        for (id, topic) in draft.image().topics.iter() {
            for (index, record) in topic.partitions.iter().enumerate() {
                if changes.len() == CHANGES_PER_TICK {
                    break;
                }
                let preferred = self.preferred(draft.image(), record, now).ok();
                if let Some(broker) = preferred.filter(|broker| self.is_settled(broker.id, now)) {
                    let at = TopicPartition {
                        topic: *id,
                        partition: index as i32,
                    };
                    changes.push((at, hand_over(record, broker)));
                }
            }
        }
        for (at, next) in changes {
            draft.put_partition(at, next);
        }
    }
}
