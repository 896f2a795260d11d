//! What the operator knows of each cluster: `holdfast_operator_cluster_*`. The labels are bounded by the
//! clusters that there are and by words of our own; the series of a cluster go with its resource.
//!
//! The cluster's labels are not called namespace and name: a scrape gives the operator's own under these.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_api::{ConditionStatus, MessageClusterStatus, PlanState, StepState, condition_types};
use holdfast_runtime::metrics::Area;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Unit;

use crate::cache::ClusterKey;
use crate::certificates::Life;

/// The conditions that are shown, whether a status has them or not.
const CONDITIONS: [&str; 4] = [
    condition_types::READY,
    condition_types::SAFE,
    condition_types::RECONCILING,
    condition_types::STALLED,
];

const STATUSES: [(ConditionStatus, &str); 3] = [
    (ConditionStatus::True, "True"),
    (ConditionStatus::False, "False"),
    (ConditionStatus::Unknown, "Unknown"),
];

const STATES: [(PlanState, &str); 5] = [
    (PlanState::Idle, "Idle"),
    (PlanState::AwaitingApproval, "AwaitingApproval"),
    (PlanState::Running, "Running"),
    (PlanState::Blocked, "Blocked"),
    (PlanState::Paused, "Paused"),
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cluster {
    holdfast_namespace: String,
    holdfast_cluster: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCondition {
    holdfast_namespace: String,
    holdfast_cluster: String,
    condition: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPlan {
    holdfast_namespace: String,
    holdfast_cluster: String,
    state: &'static str,
}

/// What one look brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight<'a> {
    pub(crate) status: &'a MessageClusterStatus,
    /// Of the certificate that ends first, if the Secrets were read.
    pub(crate) certificates: Option<Life>,
    pub(crate) wall_ms: i64,
}

/// All of them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ClusterMetrics {
    conditions: Family<OfCondition, Gauge>,
    plan: Family<OfPlan, Gauge>,
    single: Arc<Single>,
    /// The plan that each cluster waits to be approved, and since when. Whoever changes the series
    /// of a cluster holds it, so that one that is gone does not come back.
    waiting: Arc<Mutex<BTreeMap<ClusterKey, (String, i64)>>>,
}

/// What has one value for each cluster.
#[derive(Debug)]
struct Single {
    waits_since: Family<Cluster, Gauge>,
    steps_left: Family<Cluster, Gauge>,
    wanted: Family<Cluster, Gauge>,
    serving: Family<Cluster, Gauge>,
    certificate_end: Family<Cluster, Gauge>,
    certificate_due: Family<Cluster, Gauge>,
    last_success: Family<Cluster, Gauge>,
}

impl ClusterMetrics {
    pub(crate) fn new(area: &Area) -> Self {
        let plain = |name: &str, help: &str| area.register(name, help, Family::default());
        let time = |name: &str, help: &str| {
            area.register_with_unit(name, help, Unit::Seconds, Family::default())
        };
        Self {
            conditions: area.register(
                "cluster_condition",
                "1 for the status that a condition of the cluster has, 0 for the others",
                Family::default(),
            ),
            plan: area.register(
                "cluster_plan_state",
                "1 for the state that the cluster's plan has, 0 for the others",
                Family::default(),
            ),
            single: Arc::new(Single {
                waits_since: time(
                    "cluster_plan_waits_since_timestamp",
                    "Since when the plan waits for its approval, as far as this process saw it; 0 if \
                     it does not wait",
                ),
                steps_left: plain(
                    "cluster_plan_steps_left",
                    "Steps of the plan that are not done",
                ),
                wanted: plain(
                    "cluster_brokers_wanted",
                    "Brokers that the cluster shall have",
                ),
                serving: plain("cluster_brokers_serving", "Brokers that serve"),
                certificate_end: time(
                    "cluster_certificate_expiry_timestamp",
                    "When the first certificate of the cluster's admin API ends",
                ),
                certificate_due: time(
                    "cluster_certificate_renewal_timestamp",
                    "When the first certificate of the cluster's admin API is to be renewed; later \
                     than now if all is well",
                ),
                last_success: time(
                    "cluster_last_success_timestamp",
                    "When a look at the cluster last did all it should",
                ),
            }),
            waiting: Arc::default(),
        }
    }

    /// Shows what was seen; nothing of a cluster that is not there any more when it is asked.
    pub(crate) fn saw(&self, key: &ClusterKey, sight: Sight<'_>, is_there: impl Fn() -> bool) {
        let mut waiting = self.waiting.lock();
        if !is_there() {
            return;
        }
        self.condition(key, |kind| {
            let found = sight.status.conditions.iter().find(|c| c.kind == kind);
            // One that is absent does not hold.
            found.map_or(ConditionStatus::False, |condition| condition.status)
        });
        let (state, hash, left) = match &sight.status.plan {
            Some(plan) => {
                let open = plan
                    .steps
                    .iter()
                    .filter(|step| step.state != StepState::Done);
                let more = i64::from(plan.more_steps);
                (
                    plan.state,
                    plan.hash.as_str(),
                    i64::try_from(open.count()).unwrap_or(0) + more,
                )
            }
            None => (PlanState::Idle, "", 0),
        };
        for (one, name) in STATES {
            let label = OfPlan {
                holdfast_namespace: key.namespace.clone(),
                holdfast_cluster: key.name.clone(),
                state: name,
            };
            self.plan.get_or_create(&label).set(i64::from(one == state));
        }
        let since = if state == PlanState::AwaitingApproval {
            let now = (hash.to_owned(), sight.wall_ms / 1000);
            let known = waiting.get(key).filter(|(before, _)| before == hash);
            let kept = known.cloned().unwrap_or(now);
            waiting.insert(key.clone(), kept.clone());
            kept.1
        } else {
            waiting.remove(key);
            0
        };
        let label = cluster(key);
        let single = &self.single;
        single.waits_since.get_or_create(&label).set(since);
        single.steps_left.get_or_create(&label).set(left);
        let status = sight.status;
        single
            .wanted
            .get_or_create(&label)
            .set(i64::from(status.replicas));
        single
            .serving
            .get_or_create(&label)
            .set(i64::from(status.ready_replicas));
        if let Some(life) = sight.certificates {
            single
                .certificate_end
                .get_or_create(&label)
                .set(seconds(life.end));
            single
                .certificate_due
                .get_or_create(&label)
                .set(seconds(life.due));
        }
    }

    /// A look did all it should.
    pub(crate) fn succeeded(&self, key: &ClusterKey, wall_ms: i64, is_there: impl Fn() -> bool) {
        let _held = self.waiting.lock();
        if is_there() {
            let gauge = self
                .single
                .last_success
                .get_or_create(&cluster(key))
                .clone();
            gauge.set(wall_ms / 1000);
        }
    }

    /// The resource cannot be read: a person must act, and nothing else is known of it.
    pub(crate) fn unreadable(&self, key: &ClusterKey, is_there: impl Fn() -> bool) {
        self.forget(key);
        let _held = self.waiting.lock();
        if is_there() {
            self.condition(key, |kind| match kind {
                condition_types::READY | condition_types::SAFE => ConditionStatus::Unknown,
                condition_types::STALLED => ConditionStatus::True,
                _ => ConditionStatus::False,
            });
        }
    }

    /// The cluster's resource is gone.
    pub(crate) fn forget(&self, key: &ClusterKey) {
        let mut waiting = self.waiting.lock();
        waiting.remove(key);
        for condition in CONDITIONS {
            for (_, status) in STATUSES {
                self.conditions
                    .remove(&of_condition(key, condition, status));
            }
        }
        for (_, state) in STATES {
            self.plan.remove(&OfPlan {
                holdfast_namespace: key.namespace.clone(),
                holdfast_cluster: key.name.clone(),
                state,
            });
        }
        let label = cluster(key);
        let single = &self.single;
        for family in [
            &single.waits_since,
            &single.steps_left,
            &single.wanted,
            &single.serving,
            &single.certificate_end,
            &single.certificate_due,
            &single.last_success,
        ] {
            family.remove(&label);
        }
    }

    fn condition(&self, key: &ClusterKey, said: impl Fn(&str) -> ConditionStatus) {
        for kind in CONDITIONS {
            let holds = said(kind);
            for (one, name) in STATUSES {
                let gauge = self
                    .conditions
                    .get_or_create(&of_condition(key, kind, name));
                gauge.set(i64::from(one == holds));
            }
        }
    }
}

fn cluster(key: &ClusterKey) -> Cluster {
    Cluster {
        holdfast_namespace: key.namespace.clone(),
        holdfast_cluster: key.name.clone(),
    }
}

fn of_condition(key: &ClusterKey, condition: &'static str, status: &'static str) -> OfCondition {
    OfCondition {
        holdfast_namespace: key.namespace.clone(),
        holdfast_cluster: key.name.clone(),
        condition,
        status,
    }
}

fn seconds(unsigned: u64) -> i64 {
    i64::try_from(unsigned).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use holdfast_api::{ClusterPlan, Condition, PlanStep};
    use holdfast_runtime::Metrics;

    use super::*;

    fn key() -> ClusterKey {
        ClusterKey::new("shop", "orders")
    }

    fn status(state: PlanState, hash: &str) -> MessageClusterStatus {
        let condition = |kind: &str, status| Condition {
            kind: kind.to_owned(),
            status,
            ..Condition::default()
        };
        let step = |state| PlanStep {
            state,
            ..PlanStep::default()
        };
        MessageClusterStatus {
            conditions: vec![
                condition("Ready", ConditionStatus::False),
                condition("Safe", ConditionStatus::True),
            ],
            replicas: 6,
            ready_replicas: 5,
            plan: Some(ClusterPlan {
                state,
                hash: hash.to_owned(),
                steps: vec![step(StepState::Done), step(StepState::Waiting)],
                ..ClusterPlan::default()
            }),
            ..MessageClusterStatus::default()
        }
    }

    fn shown(metrics: &Metrics, name: &str) -> Vec<String> {
        let front = format!("holdfast_operator_cluster_{name}{{");
        let text = metrics.encode();
        let lines = text.lines().filter(|line| line.starts_with(&front));
        lines.map(|line| line.replacen(&front, "", 1)).collect()
    }

    const OF: &str = r#"holdfast_namespace="shop",holdfast_cluster="orders""#;

    fn saw(clusters: &ClusterMetrics, status: &MessageClusterStatus, wall_ms: i64) {
        let certificates = Some(Life { due: 60, end: 90 });
        let sight = Sight {
            status,
            certificates,
            wall_ms,
        };
        clusters.saw(&key(), sight, || true);
    }

    #[test]
    fn a_cluster_shows_how_it_is() {
        let metrics = Metrics::new();
        let clusters = ClusterMetrics::new(&metrics.area("operator"));
        saw(&clusters, &status(PlanState::Running, "x"), 5000);
        clusters.succeeded(&key(), 7999, || true);
        for (name, labels, value) in [
            ("condition", r#",condition="Ready",status="False""#, "1"),
            ("condition", r#",condition="Ready",status="True""#, "0"),
            ("condition", r#",condition="Safe",status="True""#, "1"),
            ("condition", r#",condition="Stalled",status="False""#, "1"),
            ("plan_state", r#",state="Running""#, "1"),
            ("plan_state", r#",state="Idle""#, "0"),
            ("plan_waits_since_timestamp_seconds", "", "0"),
            ("plan_steps_left", "", "1"),
            ("brokers_wanted", "", "6"),
            ("brokers_serving", "", "5"),
            ("certificate_expiry_timestamp_seconds", "", "90"),
            ("certificate_renewal_timestamp_seconds", "", "60"),
            ("last_success_timestamp_seconds", "", "7"),
        ] {
            let line = format!("{OF}{labels}}} {value}");
            let lines = shown(&metrics, name);
            assert!(lines.contains(&line), "{name}: {line} not in {lines:?}");
        }
    }

    #[test]
    fn a_plan_waits_since_it_was_first_seen_to_wait() {
        let metrics = Metrics::new();
        let clusters = ClusterMetrics::new(&metrics.area("operator"));
        let since = |clusters: &ClusterMetrics, state, hash, ms| {
            saw(clusters, &status(state, hash), ms);
            let lines = shown(&metrics, "plan_waits_since_timestamp_seconds");
            lines[0].rsplit(' ').next().unwrap_or_default().to_owned()
        };
        assert_eq!(
            since(&clusters, PlanState::AwaitingApproval, "x", 5000),
            "5"
        );
        assert_eq!(
            since(&clusters, PlanState::AwaitingApproval, "x", 9000),
            "5"
        );
        assert_eq!(
            since(&clusters, PlanState::AwaitingApproval, "y", 11_000),
            "11"
        );
        assert_eq!(since(&clusters, PlanState::Running, "y", 12_000), "0");
    }

    #[test]
    fn of_a_resource_that_cannot_be_read_only_that_is_shown() {
        let metrics = Metrics::new();
        let clusters = ClusterMetrics::new(&metrics.area("operator"));
        saw(&clusters, &status(PlanState::Idle, ""), 5000);
        clusters.unreadable(&key(), || true);
        assert_eq!(shown(&metrics, "brokers_wanted"), [""; 0]);
        let line = format!(r#"{OF},condition="Stalled",status="True"}} 1"#);
        assert!(shown(&metrics, "condition").contains(&line));
    }

    #[test]
    fn a_cluster_that_is_gone_is_shown_no_more_and_does_not_come_back() {
        let metrics = Metrics::new();
        let clusters = ClusterMetrics::new(&metrics.area("operator"));
        saw(&clusters, &status(PlanState::AwaitingApproval, "x"), 5000);
        clusters.succeeded(&key(), 5000, || true);
        assert!(metrics.encode().contains("orders"));
        clusters.forget(&key());
        assert!(!metrics.encode().contains("orders"), "{}", metrics.encode());
        // A look that had begun before ends.
        let status = status(PlanState::Idle, "");
        let sight = Sight {
            status: &status,
            certificates: None,
            wall_ms: 6000,
        };
        clusters.saw(&key(), sight, || false);
        clusters.succeeded(&key(), 6000, || false);
        assert!(!metrics.encode().contains("orders"));
        assert!(clusters.waiting.lock().is_empty());
    }
}
