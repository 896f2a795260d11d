//! A look at a replica's positions.

use holdfast_kernel::replica::PartitionView;
use holdfast_model::{EpochStart, LeaderEpoch, Offset, ProducerEntry, Segment};

use super::{Partition, Role};

/// Where a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// First offset held.
    pub log_start: Offset,
    /// Everything before it may be served.
    pub high_watermark: Offset,
    /// The offset of the next record.
    pub log_end: Offset,
    /// Everything before it is synced here.
    pub synced_end: Offset,
    /// The newest leader epoch known.
    pub leader_epoch: LeaderEpoch,
    /// Whether this replica leads.
    pub leads: bool,
    /// Whether it leads by its image, but another leads by now, or may.
    pub aside: bool,
    /// Whether the high watermark is exact: a leader's is once it has reached its epoch's start.
    pub settled: bool,
    /// Bytes of all segments.
    pub bytes: u64,
}

impl Partition {
    /// Where this replica stands now.
    pub fn offsets(&self) -> Offsets {
        let state = self.state.lock();
        let log = state.role.log();
        let leader = state.role.leader();
        Offsets {
            log_start: log.log_start(),
            high_watermark: state.role.high_watermark(),
            log_end: log.log_end(),
            synced_end: log.synced_end(),
            leader_epoch: leader
                .map_or(log.leader_epoch(), holdfast_kernel::replica::Leader::epoch),
            leads: leader.is_some(),
            aside: self.stands_aside(&state),
            settled: leader.is_some_and(holdfast_kernel::replica::Leader::is_settled),
            bytes: log.segments().bytes(),
        }
    }

    /// The largest epoch not above the one asked for, and where it ends; none if it never was, as
    /// far as is known here.
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let state = self.state.lock();
        let log = state.role.log();
        if state
            .role
            .leader()
            .is_some_and(|leader| leader.epoch() == epoch)
        {
            return Some((epoch, log.log_end()));
        }
        log.epochs()
            .end_of(epoch, log.leader_epoch(), log.log_end())
    }

    /// The epoch of the batch at an offset.
    pub fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        self.state.lock().role.log().epochs().epoch_at(offset)
    }

    /// Where epochs begin.
    pub fn epochs(&self) -> Vec<EpochStart> {
        self.state.lock().role.log().epochs().starts().to_vec()
    }

    /// The idempotent producers that are remembered.
    pub fn producers(&self) -> Vec<ProducerEntry> {
        self.state.lock().role.log().producers().entries()
    }

    /// The virtual segments.
    pub fn segments(&self) -> Vec<Segment> {
        self.state.lock().role.log().segments().list().to_vec()
    }

    /// Where this replica's log ends, for a registration: (last epoch, log end).
    pub fn log_report(&self) -> (LeaderEpoch, Offset) {
        let state = self.state.lock();
        (state.role.log().epochs().last(), state.role.log().log_end())
    }

    /// Why the replica serves nothing, if so.
    pub fn offline_reason(&self) -> Option<String> {
        match &self.state.lock().role {
            Role::Offline { reason, .. } => Some(reason.clone()),
            Role::Idle(_) | Role::Leader(_) | Role::Follower(_) => None,
        }
    }

    /// The partition as the image showed it last.
    pub fn view(&self) -> Option<PartitionView> {
        self.state.lock().view.clone()
    }
}
