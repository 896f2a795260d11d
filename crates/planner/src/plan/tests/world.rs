//! Kubernetes and the brokers, as far as the planner can tell: acts change it, and ticks let time pass.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_api::{MessageCluster, MessageClusterSpec};
use serde_json::{Value, json};

use crate::plan::{Operator, decide};
use crate::{
    Act, ClaimView, Decision, NodeView, Object, ObjectKey, Observed, PermitPurpose, PermitStage,
    PermitView, ServiceView, SetView, StepKind, StorageClassView,
};

pub(super) const GI: u64 = 1 << 30;

/// The world.
pub(super) struct World {
    pub(super) resource: MessageCluster,
    pub(super) observed: Observed,
    /// All acts that were carried out.
    pub(super) done: Vec<Act>,
    /// The brokers of each permit that was given to the operator.
    pub(super) permits: Vec<BTreeSet<i32>>,
    /// Brokers that the controller permits nobody to stop.
    pub(super) guarded: BTreeSet<i32>,
    /// An image that crashes.
    pub(super) broken_version: Option<String>,
    /// Brokers that do not start, whatever they run.
    pub(super) broken_brokers: BTreeSet<i32>,
    /// Load balancers get addresses.
    pub(super) balancers_answer: bool,
    pub(super) next: u64,
}

impl World {
    /// Six brokers wanted, in zones a, b and c, with two nodes each.
    pub(super) fn new() -> Self {
        Self::with(json!({
            "replicas": 6,
            "zones": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
            "storage": {"size": "100Gi", "class": "fast"},
            "version": "1.0.0",
        }))
    }

    pub(super) fn with(spec: Value) -> Self {
        let spec: MessageClusterSpec = serde_json::from_value(spec).expect("a spec");
        let mut resource = MessageCluster::new("orders", spec);
        resource.metadata.namespace = Some("shop".to_owned());
        resource.metadata.uid = Some("resource-uid".to_owned());
        resource.metadata.generation = Some(1);
        let mut observed = Observed {
            fresh_cluster_id: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            asked: true,
            ..Observed::default()
        };
        for zone in ["a", "b", "c", "d"] {
            for number in 1..=2 {
                let node = NodeView {
                    zone: Some(zone.to_owned()),
                    schedulable: true,
                    ready: true,
                    out_of_service: false,
                };
                observed.nodes.insert(format!("{zone}{number}"), node);
            }
        }
        let fast = StorageClassView {
            expandable: true,
            is_default: true,
            waits_for_pod: true,
        };
        observed.storage_classes.insert("fast".to_owned(), fast);
        Self {
            resource,
            observed,
            done: Vec::new(),
            permits: Vec::new(),
            guarded: BTreeSet::new(),
            broken_version: None,
            broken_brokers: BTreeSet::new(),
            balancers_answer: true,
            next: 1,
        }
    }

    /// One that is made and settled, with the acts of that forgotten.
    pub(super) fn settled() -> Self {
        let mut world = Self::new();
        world.settle();
        world.forget();
        world
    }

    pub(super) fn forget(&mut self) {
        self.done.clear();
        self.permits.clear();
    }

    /// Somebody edits the resource.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut MessageClusterSpec)) {
        change(&mut self.resource.spec);
        let generation = self.resource.metadata.generation.unwrap_or(0);
        self.resource.metadata.generation = Some(generation + 1);
    }

    pub(super) fn version(&mut self, version: &str) {
        self.edit(|spec| spec.version = Some(version.to_owned()));
    }

    pub(super) fn setting(&mut self, key: &str, value: &str) {
        self.edit(|spec| {
            spec.settings.insert(key.to_owned(), value.to_owned());
        });
    }

    pub(super) fn decide(&self) -> Decision {
        let operator = Operator {
            version: "1.0.0".to_owned(),
            ..Operator::default()
        };
        decide(&self.resource, &self.observed, &operator, &|_| Ok(()))
    }

    /// Decides, carries it out, and lets a moment pass.
    pub(super) fn step(&mut self) -> Decision {
        let decision = self.decide();
        self.check(&decision);
        for act in &decision.acts {
            self.carry_out(act);
        }
        let managed = decision.status.managed_settings.iter().cloned();
        self.observed.managed_settings = managed.collect();
        self.observed.plan = Some(decision.plan.clone());
        self.tick();
        decision
    }

    /// Until nothing is done any more, or it goes on for ever.
    pub(super) fn settle(&mut self) -> Decision {
        let mut quiet = 0;
        for _ in 0..300 {
            let decision = self.step();
            quiet = if decision.acts.is_empty() {
                quiet + 1
            } else {
                0
            };
            if quiet == 5 {
                return decision;
            }
        }
        self.decide()
    }

    /// What must hold in every decision.
    fn check(&self, decision: &Decision) {
        for act in &decision.acts {
            let Act::DeletePod { broker, why, .. } = act else {
                continue;
            };
            let serves = self.observed.cluster.as_ref().is_some_and(|view| {
                let decides = view.controller.is_some() && view.decides();
                decides && view.brokers.get(broker).is_some_and(|b| !b.fenced)
            });
            let permit = self
                .observed
                .cluster
                .as_ref()
                .and_then(|view| view.permit.as_ref());
            let permitted = permit.is_some_and(|permit| {
                permit.stage == PermitStage::Granted && permit.brokers.contains_key(broker)
            });
            assert!(!serves || permitted, "INV-ROLL-PERMIT: {broker} {why}");
        }
        let stored = serde_json::to_string(&decision.status).expect("a status");
        assert!(stored.len() < 64 * 1024);
    }

    pub(super) fn uid(&mut self) -> String {
        self.next += 1;
        format!("uid-{}", self.next)
    }

    fn carry_out(&mut self, act: &Act) {
        self.done.push(act.clone());
        match act {
            Act::CreateIdentity(identity) => {
                assert!(self.observed.identity.is_none(), "INV-FORM-ONCE");
                assert!(self.observed.claims.is_empty(), "INV-FORM-ONCE");
                self.observed.identity = Some(identity.clone());
            }
            Act::UpdateIdentity(identity) => self.observed.identity = Some(identity.clone()),
            Act::IssueCertificates { brokers } => self.observed.certified.extend(brokers),
            Act::Apply(object) => self.apply(object),
            Act::DeleteChild { key, .. } => {
                self.observed.children.remove(key);
            }
            Act::DeleteSetKeepPods { name, uid } => {
                let set = self.observed.sets.remove(name).expect("the set");
                assert_eq!(set.uid, *uid);
                self.observed.children.remove(&key("StatefulSet", name));
            }
            Act::GrowClaim { name, uid, size } => {
                let claim = self.observed.claims.get_mut(name).expect("the claim");
                assert_eq!(claim.uid, *uid);
                claim.requested_bytes = holdfast_api::quantity_bytes(size).expect("a size");
            }
            Act::DeletePod { uid, broker, .. } | Act::RemoveLostPod { uid, broker, .. } => {
                let pod = self.observed.pods.get(broker).expect("the pod");
                assert_eq!(pod.uid, *uid);
                self.stopped(*broker);
            }
            Act::Admit {
                broker,
                incarnation,
                ..
            } => self.register(*broker, incarnation),
            Act::AcquirePermit {
                brokers, purpose, ..
            } => self.acquire(brokers, *purpose),
            Act::EndPermit { id } => {
                let view = self.observed.cluster.as_mut().expect("a controller");
                assert_eq!(view.permit.take().map(|permit| permit.id), Some(*id));
            }
            Act::ChangeSettings(changes) => {
                let view = self.observed.cluster.as_mut().expect("a controller");
                for (key, value) in changes {
                    match value {
                        Some(value) => view.settings.insert(key.clone(), value.clone()),
                        None => view.settings.remove(key),
                    };
                }
            }
            Act::RaiseFeatureLevel(level) => {
                let view = self.observed.cluster.as_mut().expect("a controller");
                assert!(*level > view.feature_level);
                view.feature_level = *level;
            }
        }
    }

    fn acquire(&mut self, brokers: &BTreeSet<i32>, purpose: PermitPurpose) {
        self.next += 1;
        let id = self.next;
        let guarded = !brokers.is_disjoint(&self.guarded);
        let view = self.observed.cluster.as_mut().expect("a controller");
        assert!(view.permit.is_none(), "the slot is taken");
        view.permit_refused.clear();
        view.permit_refused_for.clear();
        if guarded {
            view.permit_refused = vec!["logs/3 would have 1 of 2 replicas".to_owned()];
            view.permit_refused_for.clone_from(brokers);
            return;
        }
        self.permits.push(brokers.clone());
        let epoch = |id: &i32| view.brokers.get(id).map(|broker| (*id, broker.epoch));
        view.permit = Some(PermitView {
            id,
            holder: "operator/shop/orders".to_owned(),
            brokers: brokers.iter().filter_map(epoch).collect(),
            stage: PermitStage::Draining,
            park: purpose == PermitPurpose::Park,
        });
    }

    /// The API server takes an object.
    fn apply(&mut self, object: &Object) {
        let name = &object.key.name;
        match object.key.kind.as_str() {
            "StatefulSet" => {
                let before = self.observed.sets.get(name).cloned();
                let uid = before.map_or_else(|| self.uid(), |set| set.uid);
                let set = set_view(uid, &object.value);
                self.observed.sets.insert(name.clone(), set);
            }
            "Service" => {
                let uid = self.uid();
                let service = ServiceView {
                    uid,
                    node_ports: BTreeMap::new(),
                    load_balancer: self.balancers_answer.then(|| "203.0.113.7".to_owned()),
                };
                self.observed.services.insert(name.clone(), service);
            }
            _ => {}
        }
        self.observed
            .children
            .insert(object.key.clone(), object.value.clone());
    }

    /// Somebody edits a set by hand.
    pub(super) fn edit_set(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let key = key("StatefulSet", name);
        let mut value = self.observed.children[&key].clone();
        change(&mut value);
        self.apply(&Object { key, value });
        self.tick();
    }

    /// The sets as another version of the operator would have written them, with their brokers.
    pub(super) fn written_by_an_older_operator(&mut self) {
        for name in ["orders-a", "orders-b", "orders-c"] {
            self.edit_set(name, |set| {
                set["spec"]["template"]["metadata"]["annotations"]["older"] = json!("yes");
                set["metadata"]["annotations"]["holdfast.io/digest"] = json!("of an older one");
            });
            let revision = self.observed.sets[name].update_revision.clone();
            let pods = self.observed.pods.values_mut();
            for pod in pods.filter(|pod| pod.name.starts_with(name)) {
                pod.revision.clone_from(&revision);
            }
        }
    }

    /// The file of all brokers as another version of the operator would have written it; all brokers
    /// run with it.
    pub(super) fn files_of_an_older_operator(&mut self) {
        let config = self
            .observed
            .children
            .get_mut(&key("ConfigMap", "orders-config"));
        let config = config.expect("the file");
        config["data"]["broker.properties"] = json!("older=yes\n");
        config["metadata"]["annotations"]["holdfast.io/digest"] = json!("of an older one");
        for id in self
            .observed
            .processes
            .keys()
            .copied()
            .collect::<Vec<i32>>()
        {
            let digest = self.configuration_of(id);
            let process = self.observed.processes.get_mut(&id).expect("the process");
            process.configuration = digest;
        }
    }

    pub(super) fn deleted(&self) -> Vec<i32> {
        let deletes = self.done.iter().filter_map(|act| match act {
            Act::DeletePod { broker, .. } => Some(*broker),
            _ => None,
        });
        deletes.collect()
    }

    pub(super) fn serving(&self) -> usize {
        let view = self.observed.cluster.as_ref();
        view.map_or(0, |view| {
            view.brokers.values().filter(|b| !b.fenced).count()
        })
    }

    pub(super) fn claim(&mut self, name: &str) -> &mut ClaimView {
        self.observed.claims.get_mut(name).expect("the claim")
    }
}

pub(super) fn key(kind: &str, name: &str) -> ObjectKey {
    ObjectKey {
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

/// The kinds of a decision's steps.
pub(super) fn kinds(decision: &Decision) -> Vec<StepKind> {
    decision.steps.iter().map(|step| step.kind).collect()
}

/// The reasons of its findings.
pub(super) fn reasons(decision: &Decision) -> Vec<&'static str> {
    decision
        .findings
        .iter()
        .map(|finding| finding.reason)
        .collect()
}

fn set_view(uid: String, value: &Value) -> SetView {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let claims = &value["spec"]["volumeClaimTemplates"][0]["spec"];
    SetView {
        uid,
        zone: text(&value["metadata"]["labels"]["holdfast.io/zone"]).expect("a zone"),
        replicas: i32::try_from(value["spec"]["replicas"].as_i64().expect("replicas"))
            .expect("a small number"),
        update_revision: crate::plan::steps::short(&[&value["spec"]["template"].to_string()]),
        // Its controller has not looked yet.
        observed: false,
        wish: text(&value["metadata"]["annotations"]["holdfast.io/wish"]),
        claim_size: text(&claims["resources"]["requests"]["storage"]).expect("a size"),
        deleting: false,
    }
}
