//! What the status and the conditions say.

use holdfast_api::{Approval, BrokerState, Condition, ConditionStatus};

use super::World;
use crate::plan::conditions;
use crate::{Decision, PartitionCounts};

const EARLY: &str = "2026-01-01T00:00:00Z";
const LATE: &str = "2026-01-02T00:00:00Z";

fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

fn status(decision: &Decision, kind: &str) -> Option<ConditionStatus> {
    condition(&conditions(decision, &[], EARLY, 1), kind).map(|condition| condition.status)
}

#[test]
fn a_settled_cluster_is_ready_and_safe_and_nothing_else() {
    let mut world = World::settled();
    let decision = world.settle();
    let all = conditions(&decision, &[], EARLY, 3);
    let kinds: Vec<&str> = all
        .iter()
        .map(|condition| condition.kind.as_str())
        .collect();
    assert_eq!(kinds, ["Ready", "Safe"]);
    assert!(all.iter().all(|c| c.status == ConditionStatus::True));
    assert!(all.iter().all(|c| c.observed_generation == Some(3)));
    let broker = &decision.status.brokers[0];
    assert_eq!((broker.id, broker.state), (1000, BrokerState::InSync));
    assert_eq!(
        decision.status.bootstrap.as_deref(),
        Some("orders-bootstrap.shop.svc:9092")
    );
}

#[test]
fn the_time_of_a_condition_changes_only_with_its_status() {
    let mut world = World::settled();
    let before = conditions(&world.settle(), &[], EARLY, 1);
    let same = conditions(&world.decide(), &before, LATE, 2);
    assert!(
        same.iter()
            .all(|condition| condition.last_transition_time == EARLY)
    );
    world.version("1.1.0");
    let rolling = conditions(&world.decide(), &before, LATE, 2);
    let ready = condition(&rolling, "Ready").expect("Ready");
    assert_eq!(ready.status, ConditionStatus::False);
    assert_eq!(ready.last_transition_time, LATE);
    let safe = condition(&rolling, "Safe").expect("Safe");
    assert_eq!(safe.last_transition_time, EARLY);
    assert!(condition(&rolling, "Reconciling").is_some());
    assert!(condition(&rolling, "Stalled").is_none());
}

#[test]
fn what_a_person_must_do_is_stalled_and_not_reconciling() {
    let mut world = World::settled();
    world.edit(|spec| spec.replicas = 3);
    let decision = world.settle();
    assert_eq!(status(&decision, "Stalled"), Some(ConditionStatus::True));
    assert_eq!(status(&decision, "Reconciling"), None);
    assert_eq!(status(&decision, "Ready"), Some(ConditionStatus::False));
}

#[test]
fn a_wish_that_waits_for_approval_is_not_ready_but_the_operators_is() {
    let mut world = World::settled();
    world.written_by_an_older_operator();
    assert_eq!(
        status(&world.settle(), "Ready"),
        Some(ConditionStatus::True)
    );
    world.edit(|spec| spec.approval = Approval::Manual);
    world.version("1.1.0");
    let decision = world.settle();
    let all = conditions(&decision, &[], EARLY, 1);
    let ready = condition(&all, "Ready").expect("Ready");
    assert_eq!(
        (ready.status, &*ready.reason),
        (ConditionStatus::False, "AwaitingApproval")
    );
    assert!(condition(&all, "Reconciling").is_none());
}

#[test]
fn the_safety_sentence_names_a_partition() {
    let mut world = World::settled();
    let view = world.observed.cluster.as_mut().expect("a cluster");
    view.partitions = PartitionCounts {
        all: 30,
        at_min: 2,
        example: Some("logs/3".to_owned()),
        ..PartitionCounts::default()
    };
    let decision = world.decide();
    let safety = decision.status.safety.clone().unwrap_or_default();
    assert_eq!(
        safety,
        "no: 2 partitions would refuse to be written, as logs/3"
    );
    assert_eq!(status(&decision, "Safe"), Some(ConditionStatus::False));
    let view = world.observed.cluster.as_mut().expect("a cluster");
    view.partitions = PartitionCounts::default();
    view.quorum[0].answers = false;
    view.quorum[1].answers = false;
    let safety = world.decide().status.safety.unwrap_or_default();
    assert!(safety.starts_with("no: 3 of 5 voters answer"), "{safety}");
}
