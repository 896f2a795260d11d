//! The plan as it stands in the status.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator intends to do, step by step.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPlan {
    /// Names the plan for spec.approvedPlan; made of the steps and their targets alone.
    #[schemars(length(max = 64))]
    pub hash: String,
    /// The generation of the resource that it fulfils.
    pub generation: i64,
    /// How far it is. Idle: there is nothing to do. AwaitingApproval: it waits for approvedPlan.
    /// Running: it is being carried out. Blocked: a step cannot go on, and says why. Paused: the
    /// cluster is paused.
    pub state: PlanState,
    /// One line for people.
    #[schemars(length(max = 512))]
    pub summary: String,
    /// The steps, in order; 100 at most, the rest is counted in moreSteps.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub steps: Vec<PlanStep>,
    /// How many steps are not shown.
    #[serde(default)]
    pub more_steps: i32,
}

/// How far a plan is.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlanState {
    /// There is nothing to do.
    #[default]
    Idle,
    /// It waits for its approval.
    AwaitingApproval,
    /// It is being carried out.
    Running,
    /// A step cannot go on; it says why.
    Blocked,
    /// The cluster is paused.
    Paused,
}

/// One step of a plan.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanStep {
    /// What is done, as RollBrokers.
    #[schemars(length(max = 64))]
    pub action: String,
    /// To what, as zone a or broker 1000.
    #[schemars(length(max = 256))]
    pub target: String,
    /// To which state, as a digest: with action and target a part of the plan's hash. Absent for
    /// upkeep, which no approval is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub towards: Option<String>,
    /// Why.
    #[schemars(length(max = 512))]
    pub reason: String,
    /// What can be felt or cannot be undone.
    #[schemars(length(max = 512))]
    pub risk: String,
    /// The brokers that restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 300))]
    pub restarts: Vec<i32>,
    /// How far it is. Waiting: its turn has not come. Running: it is being done. Done: it is done.
    /// Blocked: it cannot go on.
    pub state: StepState,
    /// What it waits for, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub waiting_for: Option<String>,
}

/// How far a step is.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepState {
    /// Its turn has not come.
    #[default]
    Waiting,
    /// It is being done.
    Running,
    /// It is done.
    Done,
    /// It cannot go on.
    Blocked,
}
