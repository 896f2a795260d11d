//! Bugs that tests switch on, to prove that the simulator of the operator would catch them. Each is
//! modelled on one that operators of other products had.

/// A bug planted in the planner, or in the operator that carries its decisions out. Production code
/// always carries `Planted::None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Planted {
    /// No bug.
    #[default]
    None,
    /// Volumes go with the set that made them.
    ClaimsGoWithTheirSet,
    /// A pod is lost as soon as its node does not report, whatever else still speaks for it.
    LostByTimeAlone,
    /// A roll goes on when all pods look ready in the caches, without a permit.
    RollsByItsCache,
    /// Pods are found by their ordinal, as if every zone began at the first id.
    AddressesByOrdinal,
    /// What only a new version of the operator wants needs no approval.
    UpgradeNeedsNoApproval,
    /// Brokers are stopped while their leaders are still being moved away.
    DrainingCountsAsGranted,
    /// A permit is the operator's own only while its process remembers having got it.
    PermitKnownByMemory,
    /// The number of brokers stands in their pods' template.
    RestartsWhenScaled,
    /// Once the first brokers of a roll run again, the next are stopped under the same permit.
    NextBeforeCaughtUp,
    /// The first act that fails ends the reconcile.
    FirstFailureEndsAll,
}

/// Every bug that the planner and the operator can carry.
pub const ALL: &[Planted] = &[
    Planted::ClaimsGoWithTheirSet,
    Planted::LostByTimeAlone,
    Planted::RollsByItsCache,
    Planted::AddressesByOrdinal,
    Planted::UpgradeNeedsNoApproval,
    Planted::DrainingCountsAsGranted,
    Planted::PermitKnownByMemory,
    Planted::RestartsWhenScaled,
    Planted::NextBeforeCaughtUp,
    Planted::FirstFailureEndsAll,
];
