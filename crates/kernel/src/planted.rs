//! Bugs that tests switch on, to prove that the simulator would catch them.

/// A bug planted in the production kernel. Production code always carries `Planted::None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Planted {
    /// No bug.
    #[default]
    None,
    /// A leader counts written bytes as synced, so that it acknowledges before the sync.
    AckBeforeSync,
    /// The high watermark follows the fastest `min.insync.replicas` of a larger ISR.
    AckByMinIsr,
    /// A follower truncates to its high watermark instead of comparing epochs.
    TruncateToHighWatermark,
    /// A restarted leader goes on in the epoch that it led before.
    EpochUsedAgain,
    /// A follower joins the ISR once it reached the high watermark, below the epoch's start.
    JoinBelowEpochStart,
    /// An ISR growth in flight counts toward the minimum.
    PendingIsrCounted,
    /// A waiter is completed by its offset alone, whatever the epoch.
    WaiterByOffset,
    /// A retry is answered as soon as its original is found, before that is synced everywhere.
    DuplicateAnsweredEarly,
    /// A follower goes on to acknowledge what it had synced before its log was cut.
    SyncedOutlivesTruncation,
    /// A follower cuts its log in memory and not on disk: a start reads back what was given up.
    TruncationNotWritten,
    /// A topic that the image does not know is taken for one that was deleted.
    AbsenceIsDeletion,
    /// A follower takes appends of any conversation and epoch, as long as they go on where its log ends.
    AppendOfAnyConversation,
    /// A leader counts acknowledgements of any process and disk of a broker.
    AckOfAnyConversation,
    /// The controller takes a broker into the ISR as it is registered, whoever of it was meant.
    JoinOfStaleRegistration,
    /// A leader forgets a change in flight that was refused, though an earlier copy may be committed.
    WishSettledByRefusal,
    /// A follower joins the ISR by what it has written, before it is synced.
    JoinUnsynced,
    /// A leader does not wait for members of the ISR that are fenced or stopping.
    FencedMembersSkipped,
    /// An empty disk takes the place of the one before it in ISR and eligible leaders.
    WipedDiskStaysInIsr,
    /// Where every member restarted, the first one is elected, however short its log.
    ReportsIgnored,
    /// The minimum is lowered, and whoever could lead while it was higher still may.
    MinimumLoweredAlone,
    /// What is remembered of a producer goes with the log start.
    ProducersGoWithTheStart,
    /// Retention goes by the wall clock, however far it jumped ahead.
    TrustWallClock,
    /// A restart permit counts every member of an ISR, also those that are fenced or restarted.
    PermitCountsFencedMembers,
    /// A new controller does not look whether a restart permit was given before its time.
    PermitForgottenByNewController,
    /// A restart permit ends once its brokers are registered again, before they are caught up.
    PermitEndsBeforeCaughtUp,
    /// A restart permit is granted whatever it leaves of the quorum.
    PermitIgnoresQuorum,
}

/// Every bug that the kernel can carry.
pub const ALL: &[Planted] = &[
    Planted::AckBeforeSync,
    Planted::AckByMinIsr,
    Planted::TruncateToHighWatermark,
    Planted::EpochUsedAgain,
    Planted::JoinBelowEpochStart,
    Planted::PendingIsrCounted,
    Planted::WaiterByOffset,
    Planted::DuplicateAnsweredEarly,
    Planted::SyncedOutlivesTruncation,
    Planted::TruncationNotWritten,
    Planted::AbsenceIsDeletion,
    Planted::AppendOfAnyConversation,
    Planted::AckOfAnyConversation,
    Planted::JoinOfStaleRegistration,
    Planted::WishSettledByRefusal,
    Planted::JoinUnsynced,
    Planted::FencedMembersSkipped,
    Planted::WipedDiskStaysInIsr,
    Planted::ReportsIgnored,
    Planted::MinimumLoweredAlone,
    Planted::ProducersGoWithTheStart,
    Planted::TrustWallClock,
    Planted::PermitCountsFencedMembers,
    Planted::PermitForgottenByNewController,
    Planted::PermitEndsBeforeCaughtUp,
    Planted::PermitIgnoresQuorum,
];
