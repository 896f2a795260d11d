//! After a truncation or reset: the log's state is read back from disk.

use holdfast_kernel::log::{ReplicaLog, SegmentLimits};
use holdfast_store::RecoveredPartition;

use super::Partition;
use super::role::{Answers, Role};

/// A replica's log as the disk holds it.
pub fn restore(recovered: &RecoveredPartition, limits: SegmentLimits) -> ReplicaLog {
    let mut log = ReplicaLog::restore(&recovered.checkpoint, &recovered.entries, limits);
    log.restore_high_watermark(recovered.high_watermark);
    log.restore_start(recovered.log_start);
    log.accept_epoch(recovered.leader_epoch);
    log
}

impl Partition {
    /// Reads the log's state back. Blocks on the disk.
    pub fn rebuild(&self) {
        let recovered = match self.environment.store.recover(self.at) {
            Ok(recovered) => recovered,
            Err(error) => {
                self.take_offline_damaged(&format!("its state cannot be read back: {error}"));
                return;
            }
        };
        let log = restore(&recovered, self.segment_limits());
        let mut answers = Answers::new();
        {
            let mut state = self.state.lock();
            let Role::Follower(follower) = &mut state.role else {
                return;
            };
            if !follower.is_cutting() {
                return;
            }
            follower.cut(log);
            self.send_ack(&state);
            if let Some(registration) = self.environment.broker_epoch() {
                self.reconcile(&mut state, registration, &mut answers);
            }
        }
        Self::finish(answers);
    }
}
