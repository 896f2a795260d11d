//! What the model remembers: three replicas, the partition's record, and messages that are late.

use crate::log::Log;
use crate::members::Members;

/// How many brokers there are; each holds a replica.
pub const BROKERS: usize = 3;

/// A broker's number.
pub type Broker = usize;

/// One broker: its disk, and the process that runs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    /// The log.
    pub log: Log,
    /// What is certainly on the disk. It is decided late: it grows when somebody relies on it, and a
    /// power cut may take everything above. Whatever was really synced earlier, these are all the
    /// runs that there are.
    pub synced: u8,
    /// Up to where its process would say that it has synced, though that was before a cut. Always 0 unless
    /// the rule against it is left out.
    pub claimed: u8,
    /// The newest leader epoch that this process accepted; a restart forgets it, which is harsher
    /// than the store.
    pub accepted: u8,
    /// The epoch of the conversation that is open here; 0 if none is.
    pub conversation: u8,
    /// Which disk it is: 0, or 1 once the first was wiped.
    pub disk: u8,
    /// Which process it is: 1, 2, ...
    pub process: u8,
    /// What it knows as a leader.
    pub lead: Option<Leadership>,
}

/// What a leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leadership {
    /// Its epoch.
    pub epoch: u8,
    /// The committed ISR, as far as it has heard.
    pub isr: Members,
    /// The minimum, likewise.
    pub minimum: u8,
    /// Whether that is how the record stands. Stands for the partition epoch.
    pub is_current: bool,
    /// The change in flight.
    pub wish: Option<Members>,
    /// The high watermark.
    pub high_watermark: u8,
    /// Which process of each broker is registered, as far as it has heard.
    pub registered: [u8; BROKERS],
    /// The process of each follower with which a conversation is open; 0 if none is.
    pub with: [u8; BROKERS],
}

/// What the controllers have agreed on. A quorum is one place here: that it is, is Raft's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    /// Who leads, and as which process.
    pub leader: Option<(u8, u8)>,
    /// The newest leader epoch.
    pub epoch: u8,
    /// Replicas in sync.
    pub isr: Members,
    /// Eligible leader replicas.
    pub eligible: Members,
    /// The effective minimum.
    pub minimum: u8,
    /// The process and the disk under which each broker is registered.
    pub registered: [(u8, u8); BROKERS],
    /// Who is fenced.
    pub fenced: [bool; BROKERS],
}

/// A wish of a leader on its way to the controller. It may arrive at any time, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proposal {
    /// The leader's epoch.
    pub epoch: u8,
    /// What the ISR shall be.
    pub isr: Members,
    /// Who joins, and as which process.
    pub joins: Option<(u8, u8)>,
}

/// A message between replicas that is held up, and may outlive both processes. All others arrive at
/// once or never: a sender that goes on for ever sends as late as any network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Late {
    /// A follower has synced up to an offset.
    Acked {
        /// Who says so.
        from: u8,
        /// As which process.
        process: u8,
        /// On which disk.
        disk: u8,
        /// To the leader of this epoch.
        epoch: u8,
        /// The synced end.
        synced: u8,
    },
    /// A batch for a follower.
    Append {
        /// Who shall take it.
        to: u8,
        /// The process that the conversation is with.
        process: u8,
        /// The leader's epoch.
        epoch: u8,
        /// Where it belongs.
        offset: u8,
        /// The epoch of the batch before it.
        previous: u8,
        /// The batch.
        batch: crate::log::Batch,
    },
}

/// How often each thing may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bounds {
    /// Leader epochs.
    pub epochs: u8,
    /// Batches.
    pub batches: u8,
    /// Power cuts or kills of a broker.
    pub crashes: u8,
    /// Wishes of leaders to change the ISR, and suspicions of brokers that are well.
    pub changes: u8,
    /// Disks that are lost.
    pub wipes: u8,
    /// Changes of the minimum.
    pub settings: u8,
    /// Messages that are held up.
    pub late: u8,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breach {
    /// A batch was committed beside another one at the same offset.
    CommittedTwice,
    /// A leader began without a committed batch.
    LeaderLacks,
}

/// A state of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// The brokers.
    pub replicas: [Replica; BROKERS],
    /// The partition's record.
    pub record: Record,
    /// A change on its way to the controller.
    pub proposal: Option<Proposal>,
    /// A message that is held up.
    pub late: Option<Late>,
    /// What was ever below a high watermark: everything that was acknowledged, and perhaps more.
    pub committed: Log,
    /// What may still happen.
    pub left: Bounds,
    /// What went wrong.
    pub breach: Option<Breach>,
}

impl State {
    /// Three registered brokers with empty disks, all in sync, and no leader yet.
    pub fn new(left: Bounds) -> Self {
        let replica = Replica {
            log: Log::default(),
            synced: 0,
            claimed: 0,
            accepted: 0,
            conversation: 0,
            disk: 0,
            process: 1,
            lead: None,
        };
        let all = (0..BROKERS).fold(Members::default(), |all, broker| all.with(broker, 0));
        Self {
            replicas: [replica; BROKERS],
            record: Record {
                leader: None,
                epoch: 0,
                isr: all,
                eligible: Members::default(),
                minimum: 2,
                registered: [(1, 0); BROKERS],
                fenced: [false; BROKERS],
            },
            proposal: None,
            late: None,
            committed: Log::default(),
            left,
            breach: None,
        }
    }

    /// Every replica that the record allows to be elected, now or once others are gone, holds every
    /// committed batch on its synced disk. This is what all the rules are for.
    pub fn members_hold(&self) -> bool {
        let may_lead = self.record.isr.union(self.record.eligible);
        self.replicas.iter().enumerate().all(|(broker, replica)| {
            !may_lead.has(broker, replica.disk)
                || (replica.log.begins_with(&self.committed)
                    && replica.synced >= self.committed.len())
        })
    }
}
