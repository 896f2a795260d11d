//! The rules of the protocol, each of which can be left out.

/// A rule of `docs/replication.md`. The model obeys all but the one it is told to leave out, and each
/// has a test that shows what is lost without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Rule {
    /// The high watermark counts what is synced, not what is written.
    CountWhatIsSynced,
    /// It waits for every member of the ISR, not only for as many as the minimum.
    EveryMemberHolds,
    /// It waits for the members of a change in flight as well.
    PendingHolds,
    /// Only the committed ISR counts towards the minimum, not a change in flight.
    CommittedCounts,
    /// It moves only while the ISR has its minimum.
    MinimumCounts,
    /// Who joins has reached the start of the leader's epoch.
    JoinAtEpochStart,
    /// Who joins has reached the high watermark.
    JoinAtHighWatermark,
    /// Who joins has synced so far.
    JoinSynced,
    /// Who joins is registered as the process that the leader talked to.
    JoinByRegistration,
    /// A leader epoch is of one process.
    EpochIsOneProcess,
    /// ISR and eligible leaders are disks: a new disk under an old broker id is somebody else.
    MembersAreDisks,
    /// A follower refuses whoever leads an older epoch than it has accepted.
    OldEpochRefused,
    /// A leader talks to processes that are registered as it has heard. Who has heard of a process has
    /// heard of every leadership before it, and knows whether it is over.
    OpenByRegistration,
    /// What a log holds counts as accepted: a restarted follower refuses leaders older than its log.
    LogNamesEpoch,
    /// An acknowledgement names the process that gives it.
    AckNamesProcess,
    /// An append names the conversation that it belongs to.
    AppendNamesConversation,
    /// An append names the batch before it.
    AppendNamesPrevious,
    /// A follower cuts its log to where both histories agree, and not less.
    CompareHistories,
    /// What a log is cut to bounds what counts as synced.
    CutLowersSynced,
    /// A leader is elected from the ISR, or from the eligible ones if nobody of it is there.
    ElectEligible,
    /// Eligible leaders are forgotten once the ISR has its minimum again, and while it has.
    EligibleForgotten,
    /// A change of the minimum corrects the eligible leaders in the same commit.
    MinimumWithEligible,
    /// A change of the ISR names the record it was made from.
    ChangeNamesRecord,
    /// A change is in flight until a record settles it.
    ChangeUntilSettled,
}

impl Rule {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::CountWhatIsSynced,
        Self::EveryMemberHolds,
        Self::PendingHolds,
        Self::CommittedCounts,
        Self::MinimumCounts,
        Self::JoinAtEpochStart,
        Self::JoinAtHighWatermark,
        Self::JoinSynced,
        Self::JoinByRegistration,
        Self::EpochIsOneProcess,
        Self::MembersAreDisks,
        Self::OldEpochRefused,
        Self::OpenByRegistration,
        Self::LogNamesEpoch,
        Self::AckNamesProcess,
        Self::AppendNamesConversation,
        Self::AppendNamesPrevious,
        Self::CompareHistories,
        Self::CutLowersSynced,
        Self::ElectEligible,
        Self::EligibleForgotten,
        Self::MinimumWithEligible,
        Self::ChangeNamesRecord,
        Self::ChangeUntilSettled,
    ];
}
