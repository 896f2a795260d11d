//! `holdfast plan` reads what kubectl prints, and asks nobody: what it decides must be what the operator
//! decides, down to the plan's hash.

use holdfast_api::{Approval, ClusterPlan, MessageCluster, PlanState, PlanStep};
use serde_json::{Value, json};

use super::World;
use crate::build::identity_object;
use crate::plan::{Fate, Operator, decide, fates};
use crate::seen::{self, State};
use crate::{ClaimView, Decision, PodPhase, PodView, StepKind};

fn operator() -> Operator {
    Operator {
        version: "1.0.0".to_owned(),
        ..Operator::default()
    }
}

/// The resource as it stands in Kubernetes: with the status that the operator wrote last.
fn live(world: &World) -> MessageCluster {
    let mut live = world.resource.clone();
    live.status = Some(world.decide().status);
    live
}

fn pod(pod: &PodView) -> Value {
    let phase = match pod.phase {
        PodPhase::Running => "Running",
        _ => "Pending",
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": "shop", "name": pod.name, "uid": pod.uid,
            "labels": {
                "holdfast.io/cluster": "orders", "controller-revision-hash": pod.revision,
            },
        },
        "spec": { "nodeName": pod.node, "containers": [] },
        "status": {
            "phase": phase,
            "conditions": [{ "type": "Ready", "status": if pod.ready { "True" } else { "False" } }],
        },
    })
}

fn claim(name: &str, claim: &ClaimView) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {
            "namespace": "shop", "name": name, "uid": claim.uid,
            "labels": { "holdfast.io/cluster": "orders" },
            "annotations": { "holdfast.io/cluster-id": claim.cluster_id },
        },
        "spec": {
            "storageClassName": claim.class,
            "resources": { "requests": { "storage": claim.requested_bytes.to_string() } },
        },
    })
}

/// What `kubectl get ... --output json` prints of the world.
fn printed(world: &World) -> Value {
    let observed = &world.observed;
    let mut items = vec![serde_json::to_value(live(world)).unwrap()];
    for (key, child) in &observed.children {
        let mut child = child.clone();
        child["metadata"]["uid"] = json!("some-uid");
        if key.kind == "StatefulSet" {
            let set = &observed.sets[&key.name];
            child["metadata"]["generation"] = 3.into();
            child["status"] = json!({
                "observedGeneration": 3, "updateRevision": set.update_revision,
            });
        }
        items.push(child);
    }
    let identity = observed.identity.as_ref().unwrap();
    items.push(identity_object("shop", "orders", identity).value);
    items.extend(observed.pods.values().map(pod));
    items.extend(observed.claims.iter().map(|(name, view)| claim(name, view)));
    items.push(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "x",
        "metadata": { "name": "fast" }, "allowVolumeExpansion": true,
    }));
    items.push(json!({ "kind": "Secret", "metadata": { "namespace": "shop", "name": "x" } }));
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

fn read(world: &World) -> State {
    let cluster = ("shop", "orders");
    let mut state = seen::state(cluster, "zone", &[printed(world)]).unwrap();
    seen::believe(&mut state, &|_| Ok(()));
    state
}

/// What `holdfast plan` decides about the resource as it is now, with a state of earlier.
fn offline(world: &World, state: &State) -> Decision {
    decide(&world.resource, &state.observed, &operator(), &|_| Ok(()))
}

#[test]
fn a_settled_cluster_needs_nothing() {
    let world = World::settled();
    let decision = offline(&world, &read(&world));
    assert_eq!(decision.plan.state, PlanState::Idle, "{:#?}", decision.plan);
    assert_eq!(decision.findings, []);
}

#[test]
fn a_file_gives_the_plan_and_the_hash_that_the_operator_will_give() {
    type Edit = fn(&mut World);
    let edits: [(Edit, StepKind); 8] = [
        (|w| w.version("1.1.0"), StepKind::RollBrokers),
        (|w| w.setting("num.io.threads", "16"), StepKind::RollBrokers),
        (
            |w| w.setting("log.retention.ms", "1000"),
            StepKind::ChangeSettings,
        ),
        (|w| w.edit(|s| s.replicas = 9), StepKind::AddBrokers),
        (
            |w| w.edit(|s| s.storage.size = "200Gi".to_owned()),
            StepKind::GrowVolumes,
        ),
        (
            |w| w.edit(|s| s.network_policy = false),
            StepKind::RemoveChildren,
        ),
        (|w| w.edit(|s| s.brokers = parked()), StepKind::ParkBrokers),
        (
            |w| w.edit(|s| s.pod.termination_grace_period_seconds = 600),
            StepKind::RollBrokers,
        ),
    ];
    for (edit, kind) in edits {
        let mut world = World::settled();
        world.edit(|spec| spec.approval = Approval::Manual);
        world.settle();
        for child in world.observed.children.values_mut() {
            child["metadata"]["uid"] = json!("some-uid");
        }
        let state = read(&world);
        edit(&mut world);
        let (there, here) = (world.decide(), offline(&world, &state));
        assert!(
            here.steps.iter().any(|step| step.kind == kind),
            "{kind:?}: {:#?}",
            here.plan
        );
        assert_eq!(here.plan, there.plan, "{kind:?}");
        assert!(!here.plan.hash.is_empty());
    }
}

fn parked() -> Vec<holdfast_api::BrokerOverride> {
    vec![holdfast_api::BrokerOverride {
        id: 1000,
        mode: holdfast_api::BrokerMode::Parked,
    }]
}

/// The state is one in which the operator waits for the approval of the same plan.
#[test]
fn a_plan_that_waits_in_the_cluster_is_the_same_plan_here() {
    let mut world = World::settled();
    world.edit(|spec| spec.approval = Approval::Manual);
    world.settle();
    world.version("1.1.0");
    world.setting("num.io.threads", "16");
    world.setting("log.retention.ms", "1000");
    let waits = world.settle().plan;
    assert_eq!(waits.state, PlanState::AwaitingApproval);
    let here = offline(&world, &read(&world)).plan;
    // Which settings differ is not known here: that they do is.
    let without_reasons = |plan: ClusterPlan| -> Vec<PlanStep> {
        let steps = plan.steps.into_iter();
        let reason = String::new;
        steps
            .map(|step| PlanStep {
                reason: reason(),
                ..step
            })
            .collect()
    };
    assert_eq!(here.hash, waits.hash);
    assert_eq!(without_reasons(here), without_reasons(waits));
}

#[test]
fn in_the_middle_of_a_roll_what_is_left_is_left_here_too() {
    let mut world = World::settled();
    world.setting("num.io.threads", "16");
    while world.deleted().len() < 3 {
        world.step();
    }
    world.step();
    let (there, here) = (world.decide().plan, offline(&world, &read(&world)).plan);
    let rolls = |plan: &holdfast_api::ClusterPlan| -> Vec<(String, Vec<i32>)> {
        let open = plan
            .steps
            .iter()
            .filter(|step| step.state != holdfast_api::StepState::Done);
        open.map(|step| (step.target.clone(), step.restarts.clone()))
            .collect()
    };
    assert_eq!(here.hash, there.hash);
    assert_eq!(rolls(&here), rolls(&there));
}

#[test]
fn a_new_cluster_has_the_same_hash_before_anybody_stored_it() {
    let world = World::new();
    let mut file = world.resource.clone();
    file.metadata.uid = None;
    file.metadata.generation = None;
    let state = State::default();
    let here = decide(&file, &state.observed, &operator(), &|_| Ok(()));
    assert_eq!(here.plan.hash, world.decide().plan.hash);
    assert!(!here.plan.hash.is_empty());
}

#[test]
fn what_becomes_of_children_is_told() {
    let mut world = World::settled();
    let told = |world: &World| {
        let state = read(world);
        let all = fates(&world.resource, &state.observed, &operator(), &|_| Ok(())).unwrap();
        let told = |fate: Fate| -> Vec<String> {
            let those = all.iter().filter(|child| child.fate == fate);
            those
                .map(|child| format!("{} {}", child.key.kind, child.key.name))
                .collect()
        };
        (told(Fate::Made), told(Fate::Changed), told(Fate::Removed))
    };
    let none = (Vec::new(), Vec::new(), Vec::new());
    assert_eq!(told(&world), none);
    let state = read(&world);
    world.edit(|spec| spec.network_policy = false);
    world.edit(|spec| spec.replicas = 7);
    let all = fates(&world.resource, &state.observed, &operator(), &|_| Ok(())).unwrap();
    let moved: Vec<(Fate, &str)> = all
        .iter()
        .filter(|child| child.fate != Fate::Kept)
        .map(|child| (child.fate, child.key.kind.as_str()))
        .collect();
    assert!(moved.contains(&(Fate::Changed, "StatefulSet")), "{moved:?}");
    assert!(
        moved.contains(&(Fate::Made, "PersistentVolumeClaim")),
        "{moved:?}"
    );
    assert!(
        moved.contains(&(Fate::Removed, "NetworkPolicy")),
        "{moved:?}"
    );
}

#[test]
fn new_brokers_whose_addresses_are_to_come_change_no_common_file() {
    let mut world = World::new();
    world.edit(|spec| {
        let external = json!({"name": "EXTERNAL", "port": 9094, "type": "LoadBalancer"});
        let external = serde_json::from_value(external).expect("a listener");
        spec.listeners.push(external);
    });
    world.settle();
    let state = read(&world);
    world.edit(|spec| spec.replicas = 8);
    let all = fates(&world.resource, &state.observed, &operator(), &|_| Ok(())).unwrap();
    let of = |name: &str| {
        let mut named = all.iter().filter(|child| child.key.name == name);
        named
            .find(|child| child.key.kind == "ConfigMap")
            .map(|child| child.fate)
    };
    assert_eq!(of("orders-config"), Some(Fate::Kept));
    assert_eq!(of("orders-brokers"), Some(Fate::Changed));
}

#[test]
fn a_state_that_lacks_what_there_is_gives_no_plan() {
    let world = World::settled();
    let whole = printed(&world);
    for kind in ["Pod", "StatefulSet", "ConfigMap", "PersistentVolumeClaim"] {
        let mut part = whole.clone();
        let items = part["items"].as_array_mut().unwrap();
        items.retain(|item| item["kind"] != kind);
        let error = seen::state(("shop", "orders"), "zone", &[part]).unwrap_err();
        assert!(error.contains(&format!("no {kind}")), "{error}");
        assert!(error.contains("kubectl --namespace shop get"), "{error}");
    }
    // Another cluster's is not this one's.
    let other = seen::state(("shop", "payments"), "zone", &[whole]).unwrap();
    assert_eq!((other.live, other.observed.pods.len()), (None, 0));
}

#[test]
fn without_storage_classes_volumes_are_taken_to_grow_and_that_is_said() {
    let mut world = World::settled();
    let mut list = printed(&world);
    let items = list["items"].as_array_mut().unwrap();
    items.retain(|item| item["kind"] != "StorageClass");
    let state = seen::state(("shop", "orders"), "zone", &[list]).unwrap();
    assert!(
        state.assumed[0].contains("no StorageClass"),
        "{:?}",
        state.assumed
    );
    world.edit(|spec| spec.storage.size = "200Gi".to_owned());
    assert_eq!(offline(&world, &state).findings, []);
}
