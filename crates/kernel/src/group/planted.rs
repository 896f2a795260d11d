//! Bugs that tests switch on, to prove that the simulator of groups would catch them.

/// A bug planted in the group kernel. Production code always carries `Planted::None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Planted {
    /// No bug.
    #[default]
    None,
    /// A commit is answered, and shown, before its record is committed.
    CommitBeforeWritten,
    /// Members get an assignment before its record is committed.
    AssignmentBeforeWritten,
    /// A member of an older generation may commit.
    OldGenerationCommits,
    /// A member keeps its place after its session ended.
    SessionsNeverEnd,
    /// The rewriting of the log writes what a commit under way is about to replace.
    RewriteOverPending,
    /// A member of the consumer protocol gets partitions that another one has not given up.
    GivenBeforeGivenUp,
    /// A member of the consumer protocol is taken to have given up what it was only told to.
    GivenUpUnasked,
    /// A group that goes over to the consumer protocol forgets what its members read.
    GoesOverWithNothing,
}

impl Planted {
    /// Every bug that the group kernel can carry.
    pub const ALL: &[Self] = &[
        Self::CommitBeforeWritten,
        Self::AssignmentBeforeWritten,
        Self::OldGenerationCommits,
        Self::SessionsNeverEnd,
        Self::RewriteOverPending,
        Self::GivenBeforeGivenUp,
        Self::GivenUpUnasked,
        Self::GoesOverWithNothing,
    ];
}
