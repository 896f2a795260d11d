//! Damaged bytes of a replica: out of service at once, back once they are mended.

use holdfast_kernel::repair::Repair;
use holdfast_model::{ErrorCode, Offset};
use holdfast_store::Op;

use super::Partition;
use super::health::Health;
use super::role::Role;

/// What is known of a replica's damage.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// How often damage was met since the start.
    met: u64,
    /// Why it could not be mended so far.
    status: String,
}

/// A replica whose bytes are damaged, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedReplica {
    /// What is damaged.
    pub reason: String,
    /// Why it could not be mended yet; empty while that is under way.
    pub status: String,
}

impl Partition {
    /// A read of the disk from an offset on failed; the code for whoever asked. Damage takes this
    /// replica offline, nothing else does.
    pub fn on_read_error(&self, from: Offset, error: &holdfast_store::Error) -> ErrorCode {
        if error.class() != holdfast_store::Class::PartitionDamaged {
            return ErrorCode::KafkaStorageError;
        }
        self.on_damage(from, &error.to_string())
    }

    /// What is stored at an offset is damaged. The last replica keeps its place and refuses only what it
    /// cannot read: nobody else has the rest.
    pub fn on_damage(&self, from: Offset, reason: &str) -> ErrorCode {
        let alone = {
            let mut state = self.state.lock();
            // What expired, or is being cut, while it was read is no damage.
            let cutting = matches!(&state.role, Role::Follower(one) if one.is_cutting());
            if from < state.role.log().log_start() || cutting || state.deleted {
                return ErrorCode::OffsetOutOfRange;
            }
            state.damage.met += 1;
            let leader = state.role.leader();
            leader.is_some_and(holdfast_kernel::replica::Leader::stands_alone)
        };
        self.environment.metrics.repair.damaged_reads.inc();
        self.environment.work.damaged.add(self.at);
        if alone {
            tracing::error!(
                topic = self.topic_name(),
                partition = self.at.partition,
                reason,
                "the only replica in sync is damaged: it goes on with what it can read"
            );
        } else {
            self.take_offline_damaged(reason);
        }
        ErrorCode::KafkaStorageError
    }

    /// This replica serves nothing until it is mended, nor after a restart.
    pub(super) fn take_offline_damaged(&self, reason: &str) {
        let op = Op::PutMeta {
            partition: self.at,
            meta: Health::Damaged(reason.to_owned()).encode(),
        };
        if self.submit_control(0, op).is_err() {
            tracing::error!(partition = %self.at, "damage is not written down: found again by reading");
        }
        self.go_offline(reason, true);
    }

    /// As the disk of an earlier process says, this replica's bytes are damaged.
    pub fn was_damaged(&self, reason: &str) {
        self.go_offline(reason, true);
        self.environment.work.damaged.add(self.at);
    }

    /// How often damage was met: whoever mends looks whether more came meanwhile.
    pub fn damage(&self) -> u64 {
        self.state.lock().damage.met
    }

    /// Every byte was read, and is what the index says, since [`Self::damage`] was asked: the replica goes
    /// on.
    ///
    /// # Errors
    /// Why it does not yet.
    pub fn is_whole(&self, damage: u64) -> Result<(), String> {
        let is_waiting = {
            let mut state = self.state.lock();
            if state.damage.met != damage {
                return Err("more damage was found meanwhile".to_owned());
            }
            state.damage.status.clear();
            matches!(state.role, Role::Offline { damaged: true, .. })
        };
        if self.environment.broker_epoch().is_none() {
            return Err("this broker is not registered".to_owned());
        }
        let op = Op::PutMeta {
            partition: self.at,
            meta: Health::Sound.encode(),
        };
        let written = self.submit_control(0, op);
        written.map_err(|_refused| "the writer is busy".to_owned())?;
        if is_waiting {
            self.come_back();
        }
        Ok(())
    }

    /// The log of a damaged follower may start where another replica's does, if its damage is below: where
    /// it starts then.
    pub fn start_of_mended(&self, repair: &Repair, theirs: Offset) -> Option<Offset> {
        let mut state = self.state.lock();
        if state.role.leader().is_some() || state.deleted {
            return None;
        }
        let log = state.role.log();
        let known = log.known_high_watermark().min(log.log_end());
        let start = repair.start_to(theirs, log.log_start(), known)?;
        let op = Op::AdvanceLogStart {
            partition: self.at,
            offset: start,
        };
        self.submit_control(start.0.unsigned_abs(), op).ok()?;
        state.role.log_mut().advance_start(start);
        Some(start)
    }

    /// Why the damage could not be mended yet, for people.
    pub fn set_repair_status(&self, status: &str) {
        status.clone_into(&mut self.state.lock().damage.status);
    }

    /// What is damaged here, if anything is and keeps the replica from serving.
    pub fn damaged(&self) -> Option<DamagedReplica> {
        let state = self.state.lock();
        match &state.role {
            Role::Offline {
                reason,
                damaged: true,
                ..
            } => Some(DamagedReplica {
                reason: reason.clone(),
                status: state.damage.status.clone(),
            }),
            Role::Offline { .. } | Role::Idle(_) | Role::Leader(_) | Role::Follower(_) => None,
        }
    }
}
