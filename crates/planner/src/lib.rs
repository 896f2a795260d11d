//! Decides what happens to a cluster on Kubernetes: from the wish ([`ValidCluster`]) and what there is
//! ([`Observed`]) to a [`Decision`]: the plan as people read it, the acts that may be done now, and the
//! state that the status shows. The operator and `holdfast plan` run the same code.
//!
//! Knows nothing about a Kubernetes client, gRPC, time or randomness: what those give comes in as
//! data.
//!
//! Invariants:
//! - No act deletes a claim, a volume or an identity: there is none in [`Act`].
//! - A pod of a broker that serves is deleted only under a permit in force that names it
//!   (`INV-ROLL-PERMIT`).
//! - A formation document is issued only where neither an identity nor a claim of the cluster exists
//!   (`INV-FORM-ONCE`).
//! - What there is may be stale: every act that removes something names a uid, every act on brokers is
//!   decided again by their controller.
//! - The same wish and the same observation give the same decision; a fulfilled wish gives no act.

mod act;
pub mod build;
mod cluster_view;
mod decision;
mod digest;
mod identity;
mod observed;
mod plan;
pub mod planted;
pub mod seen;
mod valid;

pub use act::{Act, Object, ObjectKey, PermitPurpose};
pub use cluster_view::{
    BrokerView, ClusterView, Lifecycle, PartitionCounts, PermitStage, PermitView, ProcessView,
    QuorumMemberView,
};
pub use decision::{Decision, Finding, Step, StepKind, Urgency};
pub use identity::{Identity, ZoneRange, extended, formed, new_identity};
pub use observed::{
    ClaimView, NodeView, Observed, PodPhase, PodView, ServiceView, SetView, StorageClassView,
};
pub use plan::{ChildFate, Fate, Operator, conditions, decide, fates};
pub use valid::{BrokerName, ValidCluster, ValidZone};
