//! What a replica knows of its own log: ends, epochs, producers, virtual segments. No data.

pub mod epochs;
pub mod producers;
pub mod retention;
pub mod segments;
pub mod trusted_wall;

use holdfast_model::{BatchInfo, LeaderEpoch, LogCheckpoint, Offset, invariant};

pub use epochs::EpochHistory;
pub use producers::{ProducerTable, SequenceCheck};
pub use segments::{SegmentLimits, Segments};
pub use trusted_wall::TrustedWall;

/// The state of one replica's log, rebuilt identically on leaders, followers and after restarts,
/// because it is derived from the batches alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaLog {
    log_start: Offset,
    synced_start: Offset,
    log_end: Offset,
    synced_end: Offset,
    known_high_watermark: Offset,
    leader_epoch: LeaderEpoch,
    epochs: EpochHistory,
    producers: ProducerTable,
    segments: Segments,
}

impl ReplicaLog {
    /// The log of a replica that never held anything.
    pub fn empty() -> Self {
        Self::restore(&LogCheckpoint::default(), &[], SegmentLimits::default())
    }

    /// The log as read from disk: a checkpoint and the batches after it. All of it is synced.
    pub fn restore(
        checkpoint: &LogCheckpoint,
        entries: &[BatchInfo],
        limits: SegmentLimits,
    ) -> Self {
        let mut log = Self {
            log_start: checkpoint.log_start,
            synced_start: checkpoint.log_start,
            log_end: checkpoint.log_end,
            synced_end: checkpoint.log_end,
            known_high_watermark: checkpoint.high_watermark,
            leader_epoch: checkpoint.leader_epoch,
            epochs: EpochHistory::from_starts(checkpoint.epochs.clone()),
            producers: ProducerTable::from_entries(&checkpoint.producers),
            segments: Segments::from_list(checkpoint.segments.clone()),
        };
        for info in entries {
            log.append(info, limits);
        }
        log.synced_end = log.log_end;
        log
    }

    /// The state at the log end, to be stored once the high watermark has reached it.
    pub fn checkpoint(&self) -> LogCheckpoint {
        LogCheckpoint {
            log_start: self.log_start,
            log_end: self.log_end,
            high_watermark: self.known_high_watermark,
            leader_epoch: self.leader_epoch,
            epochs: self.epochs.starts().to_vec(),
            producers: self.producers.entries(),
            segments: self.segments.list().to_vec(),
        }
    }

    /// First offset still held.
    pub fn log_start(&self) -> Offset {
        self.log_start
    }

    /// What was deleted before it stays deleted, also after a power cut.
    pub fn synced_start(&self) -> Offset {
        self.synced_start
    }

    /// The offset of the next record.
    pub fn log_end(&self) -> Offset {
        self.log_end
    }

    /// Everything before it survives a power cut.
    pub fn synced_end(&self) -> Offset {
        self.synced_end
    }

    /// The highest high watermark ever learned.
    pub fn known_high_watermark(&self) -> Offset {
        self.known_high_watermark
    }

    /// The newest leader epoch ever accepted, with or without batches.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// Where the epochs begin.
    pub fn epochs(&self) -> &EpochHistory {
        &self.epochs
    }

    /// The producers' last batches.
    pub fn producers(&self) -> &ProducerTable {
        &self.producers
    }

    /// The virtual segments.
    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    /// Takes a batch in at the end. Offsets may leave a gap (compaction), never go back.
    pub fn append(&mut self, info: &BatchInfo, limits: SegmentLimits) {
        invariant!(
            "INV-LOG-CONTIGUOUS",
            (info.base_offset >= self.log_end || self.holds_start(info))
                && info.last_offset >= info.base_offset.prev()
                && info.leader_epoch >= self.epochs.last(),
            "batch {}..={} at log end {}",
            info.base_offset,
            info.last_offset,
            self.log_end
        );
        self.epochs.note(info.leader_epoch, info.base_offset);
        self.producers.note(info);
        self.segments.note(info, limits);
        self.log_end = info.end_offset();
        self.leader_epoch = self.leader_epoch.max(info.leader_epoch);
    }

    /// Whether this log is empty and a batch reaches across its start: records were deleted up to
    /// the middle of the batch, which the replica holds as a whole.
    pub fn holds_start(&self, info: &BatchInfo) -> bool {
        self.log_start == self.log_end
            && info.base_offset < self.log_start
            && info.last_offset >= self.log_start
    }

    /// Everything before `end` is synced now.
    pub fn synced(&mut self, end: Offset) {
        invariant!(
            "INV-SYNCED-LE-END",
            end <= self.log_end,
            "synced {end}, log end {}",
            self.log_end
        );
        self.synced_end = self.synced_end.max(end);
    }

    /// Learns a high watermark, as far as this log reaches.
    pub fn learn_high_watermark(&mut self, high_watermark: Offset) {
        let reached = high_watermark.min(self.log_end);
        self.known_high_watermark = self.known_high_watermark.max(reached);
    }

    /// A high watermark read back from disk; it may lie above what a damaged log still holds, and
    /// then keeps this replica from giving up more.
    pub fn restore_high_watermark(&mut self, high_watermark: Offset) {
        self.known_high_watermark = self.known_high_watermark.max(high_watermark);
    }

    /// A log start read back from disk; it may lie above everything that the log still holds.
    pub fn restore_start(&mut self, start: Offset) {
        self.log_start = self.log_start.max(start);
        self.synced_start = self.log_start;
        self.log_end = self.log_end.max(start);
        self.synced_end = self.synced_end.max(start);
        self.known_high_watermark = self.known_high_watermark.max(start);
        self.epochs.advance_start(start);
        self.segments.advance_start(start);
    }

    /// Accepts a leader epoch; from now on older leaders are refused.
    pub fn accept_epoch(&mut self, epoch: LeaderEpoch) {
        self.leader_epoch = self.leader_epoch.max(epoch);
    }

    /// Moves the log start up; never past the high watermark.
    pub fn advance_start(&mut self, start: Offset) {
        invariant!(
            "INV-LOG-START-BELOW-HW",
            start <= self.known_high_watermark,
            "start {start}, high watermark {}",
            self.known_high_watermark
        );
        if start <= self.log_start {
            return;
        }
        self.log_start = start;
        self.epochs.advance_start(start);
        self.segments.advance_start(start);
    }

    /// A move of the log start was synced.
    pub fn start_synced(&mut self, start: Offset) {
        self.synced_start = self.synced_start.max(start.min(self.log_start));
    }

    /// Lowers both ends at once for a truncation that is under way. Producers and segments are
    /// wrong until `rebuilt` brings them from disk.
    pub fn truncate_ends(&mut self, to: Offset) {
        self.log_end = self.log_end.min(to);
        self.synced_end = self.synced_end.min(to);
        self.epochs.truncate(to);
        invariant!("INV-SYNCED-LE-END", self.synced_end <= self.log_end);
    }

    /// Takes over the derived state of a log that was read back after a truncation or reset; what
    /// was learned from leaders stays.
    pub fn rebuilt(&mut self, from_disk: Self) {
        let known = self.known_high_watermark;
        let epoch = self.leader_epoch;
        *self = from_disk;
        self.known_high_watermark = self.known_high_watermark.max(known);
        self.leader_epoch = self.leader_epoch.max(epoch);
    }

    /// Forgets producers whose last record is older than the limit, by record time.
    pub fn expire_producers(&mut self, older_than_ms: i64) {
        self.producers.expire(older_than_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn batch(base: i64, count: i32, epoch: i32) -> BatchInfo {
        BatchInfo {
            base_offset: Offset(base),
            last_offset: Offset(base + i64::from(count) - 1),
            leader_epoch: LeaderEpoch(epoch),
            max_timestamp: base,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: count,
            attributes: 0,
            crc: 0,
            size: 100,
        }
    }

    #[test]
    fn a_log_restored_from_a_checkpoint_and_entries_equals_the_log_that_ran() {
        let limits = SegmentLimits {
            bytes: 250,
            age_ms: i64::MAX,
        };
        let batches: Vec<_> = (0..10).map(|i| batch(i * 5, 5, (i / 3) as i32)).collect();
        let mut ran = ReplicaLog::empty();
        let mut checkpoint = None;
        for (index, info) in batches.iter().enumerate() {
            ran.append(info, limits);
            ran.synced(ran.log_end());
            if index == 6 {
                checkpoint = Some(ran.checkpoint());
            }
        }
        let checkpoint = checkpoint.expect("taken at the seventh batch");
        assert_eq!(ReplicaLog::restore(&checkpoint, &batches[7..], limits), ran);
    }

    #[test]
    #[should_panic(expected = "INV-LOG-START-BELOW-HW")]
    fn the_log_start_cannot_pass_the_high_watermark() {
        let mut log = ReplicaLog::empty();
        log.append(&batch(0, 5, 0), SegmentLimits::default());
        log.learn_high_watermark(Offset(3));
        log.advance_start(Offset(4));
    }

    #[test]
    fn a_log_start_is_synced_once_the_writer_says_so() {
        let mut log = ReplicaLog::empty();
        log.append(&batch(0, 5, 0), SegmentLimits::default());
        log.learn_high_watermark(Offset(5));
        log.advance_start(Offset(2));
        log.advance_start(Offset(4));
        assert_eq!(
            (log.log_start(), log.synced_start()),
            (Offset(4), Offset(0))
        );
        log.start_synced(Offset(2));
        assert_eq!(log.synced_start(), Offset(2));
        log.start_synced(Offset(9));
        assert_eq!(log.synced_start(), Offset(4));
    }

    #[test]
    #[should_panic(expected = "INV-LOG-CONTIGUOUS")]
    fn offsets_never_go_back() {
        let mut log = ReplicaLog::empty();
        log.append(&batch(0, 5, 0), SegmentLimits::default());
        log.append(&batch(4, 5, 0), SegmentLimits::default());
    }
}
