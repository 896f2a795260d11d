//! Who approves what.

use holdfast_api::{Approval, OperatorChanges, PlanState, StepState};

use super::World;
use super::world::kinds;
use crate::{Act, StepKind};

fn manual() -> World {
    let mut world = World::settled();
    world.edit(|spec| spec.approval = Approval::Manual);
    assert_eq!(world.step().plan.state, PlanState::Idle);
    world
}

fn approve(world: &mut World, hash: &str) {
    let hash = hash.to_owned();
    world.edit(|spec| spec.approved_plan = Some(hash));
}

#[test]
fn nothing_happens_before_an_approval_and_all_of_the_plan_after_it() {
    let mut world = manual();
    world.version("1.1.0");
    world.setting("num.io.threads", "16");
    let plan = world.settle().plan;
    assert!(world.done.is_empty(), "{:?}", world.done);
    assert_eq!(plan.state, PlanState::AwaitingApproval);
    let expected = format!(
        "awaiting approval of {}: restarts 6 brokers in 3 rounds",
        plan.hash
    );
    assert_eq!(plan.summary, expected);
    approve(&mut world, &plan.hash);
    for _ in 0..100 {
        let now = world.step().plan;
        assert!(
            now.hash == plan.hash || now.state == PlanState::Idle,
            "{now:#?}"
        );
    }
    assert_eq!(world.permits.len(), 3);
    assert_eq!(world.decide().plan.state, PlanState::Idle);
}

#[test]
fn an_edit_voids_the_approval_in_the_middle() {
    let mut world = manual();
    world.version("1.1.0");
    let hash = world.step().plan.hash;
    approve(&mut world, &hash);
    while world.deleted().is_empty() {
        world.step();
    }
    let kept = world.step().plan;
    assert_eq!(kept.hash, hash);
    assert!(
        kept.steps.iter().any(|step| step.state == StepState::Done),
        "{kept:#?}"
    );
    world.version("1.2.0");
    world.forget();
    let plan = world.settle().plan;
    assert_eq!(plan.state, PlanState::AwaitingApproval);
    assert_ne!(plan.hash, hash);
    assert!(world.deleted().is_empty() && world.permits.is_empty());
    approve(&mut world, &plan.hash);
    world.settle();
    assert_eq!(world.deleted().len(), 6);
}

#[test]
fn a_new_cluster_needs_one_too() {
    let mut world = World::new();
    world.edit(|spec| spec.approval = Approval::Manual);
    let plan = world.settle().plan;
    assert!(world.done.is_empty(), "{:?}", world.done);
    approve(&mut world, &plan.hash);
    world.settle();
    assert_eq!(world.serving(), 6);
    assert_eq!(world.decide().plan.state, PlanState::Idle);
}

#[test]
fn upkeep_neither_waits_nor_voids() {
    let mut world = manual();
    world.version("1.1.0");
    let hash = world.step().plan.hash;
    world.observed.certified.clear();
    let with_upkeep = world.step();
    assert_eq!(with_upkeep.plan.hash, hash);
    assert_eq!(world.done.len(), 1, "{:?}", world.done);
    assert!(matches!(world.done[0], Act::IssueCertificates { .. }));
}

#[test]
fn what_only_the_operators_version_changed_is_held_back() {
    let mut world = World::settled();
    world.written_by_an_older_operator();
    let decision = world.settle();
    assert!(world.done.is_empty(), "{:?}", world.done);
    assert_eq!(decision.plan.state, PlanState::AwaitingApproval);
    assert!(
        decision
            .plan
            .summary
            .ends_with("restarts 6 brokers in 3 rounds")
    );
    // Scaling out goes on meanwhile, with the template that is there.
    world.edit(|spec| spec.replicas = 9);
    let decision = world.settle();
    assert_eq!(world.serving(), 9);
    assert!(world.deleted().is_empty(), "{:?}", world.deleted());
    approve(&mut world, &decision.plan.hash);
    world.settle();
    assert_eq!(world.deleted().len(), 9);
    assert_eq!(world.decide().plan.state, PlanState::Idle);
}

#[test]
fn a_file_that_only_the_operators_version_changed_is_held_back_too() {
    let mut world = World::settled();
    world.files_of_an_older_operator();
    let decision = world.settle();
    assert!(world.done.is_empty(), "{:?}", world.done);
    assert_eq!(decision.plan.state, PlanState::AwaitingApproval);
    approve(&mut world, &decision.plan.hash);
    world.settle();
    assert_eq!(world.permits.len(), 3);
    assert_eq!(world.decide().plan.state, PlanState::Idle);
    world.forget();
    world.files_of_an_older_operator();
    world.setting("num.io.threads", "16");
    world.settle();
    assert_eq!(
        world.permits.len(),
        3,
        "a setting that restarts anyway takes it along"
    );
}

#[test]
fn addresses_that_come_late_do_not_void_an_approval() {
    let mut world = manual();
    world.balancers_answer = false;
    world.edit(|spec| {
        let listener = serde_json::json!(
            {"name": "EXTERNAL", "port": 9094, "type": "LoadBalancer"}
        );
        spec.listeners
            .push(serde_json::from_value(listener).expect("a listener"));
    });
    let hash = world.step().plan.hash;
    approve(&mut world, &hash);
    let waiting = world.settle().plan;
    assert_eq!(waiting.hash, hash);
    assert!(world.permits.is_empty());
    let text = waiting
        .steps
        .iter()
        .filter_map(|step| step.waiting_for.as_deref());
    assert!(
        text.clone().any(|text| text.starts_with("addresses: ")),
        "{waiting:#?}"
    );
    for service in world.observed.services.values_mut() {
        service.load_balancer = Some("203.0.113.7".to_owned());
    }
    assert_eq!(world.step().plan.hash, hash);
    let last = world.settle();
    assert_eq!(world.permits.len(), 3);
    assert_eq!(last.plan.state, PlanState::Idle, "{:#?}", last.plan);
}

#[test]
fn a_change_that_restarts_anyway_takes_the_operators_along() {
    let mut world = World::settled();
    world.written_by_an_older_operator();
    world.version("1.1.0");
    world.settle();
    assert_eq!(world.deleted().len(), 6);
    assert_eq!(world.decide().plan.state, PlanState::Idle);
}

#[test]
fn the_operators_changes_roll_out_where_that_is_wanted() {
    let mut world = World::settled();
    world.written_by_an_older_operator();
    world.edit(|spec| spec.upgrade.operator_changes = OperatorChanges::Auto);
    world.settle();
    assert_eq!(world.deleted().len(), 6);
    assert_eq!(world.permits.len(), 3);
}

#[test]
fn a_paused_cluster_is_only_looked_at() {
    let mut world = World::settled();
    world.observed.certified.clear();
    world.version("1.1.0");
    world.edit(|spec| spec.paused = true);
    let decision = world.settle();
    assert!(world.done.is_empty());
    assert_eq!(decision.plan.state, PlanState::Paused);
    assert!(
        decision
            .plan
            .summary
            .starts_with("paused; would do: restarts 6 brokers")
    );
    assert!(kinds(&decision).contains(&StepKind::RollBrokers));
    assert_eq!(decision.status.serving.as_deref(), Some("6/6"));
    world.edit(|spec| spec.paused = false);
    world.settle();
    assert_eq!(world.permits.len(), 3);
}

#[test]
fn a_broker_that_comes_back_before_the_approval_is_named_too() {
    let restarts = |plan: &holdfast_api::ClusterPlan| {
        let steps = plan.steps.iter();
        steps.flat_map(|step| &step.restarts).count()
    };
    for change in [
        |world: &mut World| world.version("1.1.0"),
        |world: &mut World| world.setting("num.io.threads", "16"),
    ] {
        let mut world = manual();
        let pod = world.observed.pods.get_mut(&2000).expect("the pod");
        pod.deleting = true;
        change(&mut world);
        let plan = world.step().plan;
        assert_eq!(restarts(&plan), 6, "{plan:#?}");
        world.observed.pods.remove(&2000);
        let plan = world.step().plan;
        assert_eq!(restarts(&plan), 6, "{plan:#?}");
    }
}

#[test]
fn a_plan_that_restarts_nobody_keeps_its_name_while_a_broker_is_away() {
    let mut world = manual();
    world.edit(|spec| spec.replicas = 9);
    let plan = world.step().plan;
    let pod = world.observed.pods.get_mut(&2000).expect("the pod");
    pod.deleting = true;
    assert_eq!(world.step().plan.hash, plan.hash);
    world.observed.pods.remove(&2000);
    let later = world.step().plan;
    assert_eq!(later.hash, plan.hash);
    assert!(
        later.steps.iter().all(|step| step.restarts.is_empty()),
        "{later:#?}"
    );
}

#[test]
fn a_broker_that_comes_back_with_an_old_file_of_its_own_is_named_too() {
    let mut world = manual();
    world.edit(|spec| {
        let external = serde_json::json!({ "name": "EXTERNAL", "port": 9094, "type": "NodePort", "nodePort": 31094,
            "advertisedHost": "one.example" });
        spec.listeners.push(serde_json::from_value(external).expect("a listener"));
        spec.approval = Approval::Auto;
    });
    world.settle();
    world.forget();
    let pod = world.observed.pods.get_mut(&2000).expect("the pod");
    pod.deleting = true;
    world.edit(|spec| {
        let external = spec.listeners.last_mut().expect("it");
        external.advertised_host = Some("other.example".to_owned());
        spec.approval = Approval::Manual;
    });
    let plan = world.step().plan;
    let steps = plan.steps.iter();
    let restarts = steps.flat_map(|step| &step.restarts).count();
    assert_eq!(restarts, 6, "{plan:#?}");
}
