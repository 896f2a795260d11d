//! After a truncation or reset: the log's state is read back from disk.

use holdfast_kernel::log::{ReplicaLog, SegmentLimits};
use holdfast_model::{ErrorCode, Offset};
use holdfast_store::{Op, RecoveredPartition};

use super::Partition;
use super::health::Health;
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

impl Partition {
    /// A read of the disk from an offset on failed; the code for whoever asked. Damage takes this
    /// replica offline, nothing else does. The last replica keeps its place and refuses only what it
    /// cannot read: nobody else has the rest.
    pub fn on_read_error(&self, from: Offset, error: &holdfast_store::Error) -> ErrorCode {
        if error.class() != holdfast_store::Class::PartitionDamaged {
            return ErrorCode::KafkaStorageError;
        }
        let alone = {
            let state = self.state.lock();
            // What expired, or is being cut, while it was read is no damage.
            let cutting = matches!(&state.role, Role::Follower(one) if one.is_cutting());
            if from < state.role.log().log_start() || cutting || state.deleted {
                return ErrorCode::OffsetOutOfRange;
            }
            let leader = state.role.leader();
            leader.is_some_and(holdfast_kernel::replica::Leader::stands_alone)
        };
        self.environment.metrics.damaged_reads.inc();
        if alone {
            tracing::error!(
                topic = self.topic_name(), partition = self.at.partition, %error,
                "the only replica in sync is damaged: it goes on with what it can read"
            );
            return ErrorCode::KafkaStorageError;
        }
        self.take_offline_damaged(&error.to_string());
        ErrorCode::KafkaStorageError
    }

    /// This replica serves nothing any more, nor after a restart.
    fn take_offline_damaged(&self, reason: &str) {
        let op = Op::PutMeta {
            partition: self.at,
            meta: Health::Damaged(reason.to_owned()).encode(),
        };
        if self.submit_control(0, op).is_err() {
            tracing::error!(partition = %self.at, "damage is not written down: found again by reading");
        }
        self.take_offline(reason);
    }
}
