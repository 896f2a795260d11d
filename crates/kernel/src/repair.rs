//! Mending a replica whose stored bytes are damaged, from any other replica.
//!
//! The index names each batch: epoch, first and last offset, checksum, size. Such a name belongs to one
//! batch for ever (`INV-ONE-BATCH-PER-NAME`), so whoever holds a batch of that name holds the same bytes,
//! whether it leads, follows or is damaged elsewhere. A mended log is therefore the log as it was before
//! the damage, byte for byte: no rule of replication is touched, and nothing is cut.
//!
//! What this machine never does is to guess: a batch that nobody holds is neither dropped nor cut away
//! here. It stays wanted until somebody who has it answers, or until the log starts behind it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_model::{BatchInfo, BrokerId, Offset};

/// Most damaged batches that are worked on together; what is behind them is found by the next check.
pub const MOST_BATCHES: usize = 16 * 1024;

/// Most names in one question.
pub const MOST_NAMES: usize = 64;

/// Most bytes that one question asks for, unless it names a single batch.
pub const MOST_BYTES: u64 = 1024 * 1024;

/// What a replica says of one batch that it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It sent it, and what came is the batch of that name.
    Sent,
    /// Its log has another batch there, or none.
    Absent,
    /// It could not say: its own bytes are damaged, or what came was not that batch.
    Unknown,
}

/// The damaged batches of one replica, and who is known not to have them.
#[derive(Clone, Debug, Default)]
pub struct Repair {
    wanted: BTreeMap<Offset, Wanted>,
}

#[derive(Clone, Debug)]
struct Wanted {
    info: BatchInfo,
    /// As many as the partition has replicas.
    absent: BTreeSet<BrokerId>,
}

impl Repair {
    /// A check found these damaged. Takes at most [`MOST_BATCHES`] together.
    pub fn found(&mut self, damaged: &[BatchInfo]) {
        for info in damaged {
            if self.wanted.len() == MOST_BATCHES {
                return;
            }
            let absent = BTreeSet::new();
            let wanted = Wanted {
                info: *info,
                absent,
            };
            // The index may name another batch by now, where the log was cut.
            self.wanted.insert(info.base_offset, wanted);
        }
    }

    /// Whether no batch is wanted.
    pub fn is_done(&self) -> bool {
        self.wanted.is_empty()
    }

    /// How many batches are wanted.
    pub fn wanted(&self) -> usize {
        self.wanted.len()
    }

    /// What to ask a replica next, of what is behind `after`: what it is not known to lack, a bounded
    /// part of it.
    pub fn question(&self, peer: BrokerId, after: Option<Offset>) -> Vec<BatchInfo> {
        let (mut names, mut bytes) = (Vec::new(), 0);
        for wanted in self.wanted.values() {
            let info = wanted.info;
            if after.is_some_and(|after| info.base_offset <= after) || wanted.absent.contains(&peer)
            {
                continue;
            }
            bytes += u64::from(info.size);
            let is_full = names.len() == MOST_NAMES || bytes > MOST_BYTES;
            if is_full && !names.is_empty() {
                break;
            }
            names.push(info);
        }
        names
    }

    /// What a replica said of a batch. What it sent stays wanted until it is on this replica's disk.
    pub fn on_answer(&mut self, peer: BrokerId, info: &BatchInfo, answer: Answer) {
        if let Some(wanted) = self.wanted.get_mut(&info.base_offset)
            && wanted.info == *info
        {
            match answer {
                Answer::Absent => {
                    wanted.absent.insert(peer);
                }
                Answer::Sent | Answer::Unknown => {}
            }
        }
    }

    /// A batch was read back from this replica's own disk, whole.
    pub fn mended(&mut self, info: &BatchInfo) {
        if self
            .wanted
            .get(&info.base_offset)
            .is_some_and(|wanted| wanted.info == *info)
        {
            self.wanted.remove(&info.base_offset);
        }
    }

    /// This replica's log starts here: what is wholly below is wanted no more.
    pub fn log_starts_at(&mut self, start: Offset) {
        self.wanted
            .retain(|_, wanted| wanted.info.end_offset() > start);
    }

    /// Where this replica's log may start because another's does, if that makes a wanted batch
    /// needless. A log start never passes a high watermark (`INV-LOG-START-BELOW-HW`), so what lies
    /// below another's was committed and then deleted.
    pub fn start_to(
        &self,
        theirs: Offset,
        own: Offset,
        known_high_watermark: Offset,
    ) -> Option<Offset> {
        let allowed = theirs.min(known_high_watermark);
        let helps = self
            .wanted
            .values()
            .any(|wanted| wanted.info.end_offset() <= allowed);
        (allowed > own && helps).then_some(allowed)
    }

    /// The first batch that every one of these replicas is known to lack: nothing can be done for it
    /// without a person.
    pub fn lost(&self, peers: &[BrokerId]) -> Option<BatchInfo> {
        let nobody = |wanted: &&Wanted| {
            !peers.is_empty() && peers.iter().all(|peer| wanted.absent.contains(peer))
        };
        self.wanted.values().find(nobody).map(|wanted| wanted.info)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_model::LeaderEpoch;

    use super::*;

    const PEER: BrokerId = BrokerId(2);
    const OTHER: BrokerId = BrokerId(3);

    fn batch(base: i64, size: u32) -> BatchInfo {
        BatchInfo {
            base_offset: Offset(base),
            last_offset: Offset(base + 4),
            leader_epoch: LeaderEpoch(1),
            max_timestamp: 0,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 5,
            attributes: 0,
            crc: base as u32,
            size,
        }
    }

    fn of(batches: &[BatchInfo]) -> Repair {
        let mut repair = Repair::default();
        repair.found(batches);
        repair
    }

    #[test]
    fn a_question_is_bounded_but_never_empty_while_something_is_wanted() {
        let large = batch(0, 5 << 20);
        let repair = of(&[large, batch(5, 100)]);
        assert_eq!(repair.question(PEER, None), [large]);
        assert_eq!(repair.question(PEER, Some(Offset(0))), [batch(5, 100)]);
        let many: Vec<BatchInfo> = (0..200).map(|n| batch(n * 5, 100)).collect();
        assert_eq!(of(&many).question(PEER, None).len(), MOST_NAMES);
    }

    #[test]
    fn what_was_sent_is_wanted_until_it_is_on_the_disk() {
        let mut repair = of(&[batch(0, 100)]);
        repair.on_answer(PEER, &batch(0, 100), Answer::Sent);
        assert!(!repair.is_done());
        repair.mended(&batch(0, 100));
        assert!(repair.is_done());
    }

    #[test]
    fn another_batch_at_the_same_offset_settles_nothing() {
        let mut repair = of(&[batch(0, 100)]);
        let newer = BatchInfo {
            leader_epoch: LeaderEpoch(2),
            ..batch(0, 100)
        };
        repair.mended(&newer);
        repair.on_answer(PEER, &newer, Answer::Absent);
        assert_eq!(repair.question(PEER, None), [batch(0, 100)]);
    }

    #[test]
    fn who_lacks_a_batch_is_not_asked_again_and_only_all_of_them_make_it_lost() {
        let mut repair = of(&[batch(0, 100)]);
        repair.on_answer(PEER, &batch(0, 100), Answer::Absent);
        repair.on_answer(OTHER, &batch(0, 100), Answer::Unknown);
        assert!(repair.question(PEER, None).is_empty());
        assert_eq!(repair.lost(&[PEER, OTHER]), None);
        assert_eq!(repair.lost(&[]), None);
        repair.on_answer(OTHER, &batch(0, 100), Answer::Absent);
        assert_eq!(repair.lost(&[PEER, OTHER]), Some(batch(0, 100)));
        // Found again by another check, everybody is asked again.
        repair.found(&[batch(0, 100)]);
        assert_eq!(repair.lost(&[PEER, OTHER]), None);
    }

    #[test]
    fn a_log_start_is_taken_over_only_below_what_is_known_to_be_committed() {
        let repair = of(&[batch(10, 100)]);
        let (own, committed) = (Offset(0), Offset(40));
        assert_eq!(
            repair.start_to(Offset(15), own, committed),
            Some(Offset(15))
        );
        assert_eq!(repair.start_to(Offset(14), own, committed), None, "no help");
        assert_eq!(repair.start_to(Offset(90), own, committed), Some(committed));
        assert_eq!(repair.start_to(Offset(90), own, Offset(12)), None);
        let mut repair = repair;
        repair.log_starts_at(Offset(14));
        assert!(!repair.is_done());
        repair.log_starts_at(Offset(15));
        assert!(repair.is_done());
    }
}
