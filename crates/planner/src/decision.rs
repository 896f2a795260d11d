//! What was decided.

use holdfast_api::{ClusterPlan, MessageClusterStatus};

use crate::Act;

/// What kind of step it is; the order is the order of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepKind {
    /// A new cluster's identity is written.
    CreateIdentity,
    /// Certificates are made or renewed.
    IssueCertificates,
    /// Children that restart nothing are applied (Services, ConfigMaps, disruption budgets...).
    ApplyChildren,
    /// A zone's first StatefulSet is made, or gets more brokers.
    AddBrokers,
    /// The brokers become one cluster.
    FormCluster,
    /// A new broker's disk is let in.
    AdmitBrokers,
    /// Volumes grow.
    GrowVolumes,
    /// A set is made again, without a restart, because its claims are larger now.
    RecreateSet,
    /// Settings are changed while the brokers run.
    ChangeSettings,
    /// A zone's template changes; nothing restarts by that.
    UpdateTemplate,
    /// Brokers restart under a permit, one zone at a time.
    RollBrokers,
    /// Brokers are stopped for a while, under a permit.
    ParkBrokers,
    /// Brokers that were parked start again.
    UnparkBrokers,
    /// Brokers leave a node that is being drained, under a permit.
    LeaveNode,
    /// What is left of a pod of a lost node is removed.
    RemoveLostPods,
    /// Children that are no longer wanted go.
    RemoveChildren,
    /// New formats are allowed.
    RaiseFeatureLevel,
}

/// Who wants a step: decides whether it needs an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Upkeep that changes nothing that anybody asked for: certificates, lost pods, admission. Never
    /// waits for an approval.
    Upkeep,
    /// The resource changed.
    Wish,
    /// Only the operator's version changed.
    Operator,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub kind: StepKind,
    /// To what, as zone a.
    pub target: String,
    /// To which state, as a digest: what is hashed beside kind and target.
    pub towards: String,
    /// Why.
    pub reason: String,
    /// What can be felt or cannot be undone.
    pub risk: String,
    /// The brokers that restart.
    pub restarts: Vec<i32>,
    /// Who wants it.
    pub urgency: Urgency,
    /// What it waits for, if it cannot go on now.
    pub waiting_for: Option<String>,
}

/// Something that a person should know, for the conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// One word for programs, as DiskReplaced.
    pub reason: &'static str,
    /// A sentence with the way out.
    pub message: String,
    /// Nothing goes on until a person acts.
    pub stalled: bool,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The steps that are left, in order.
    pub steps: Vec<Step>,
    /// The plan for the status, with what is done already.
    pub plan: ClusterPlan,
    /// What may be done now, in order. Acts of one decision do not depend on each other's answers.
    pub acts: Vec<Act>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// The status, without the conditions' times.
    pub status: MessageClusterStatus,
}
