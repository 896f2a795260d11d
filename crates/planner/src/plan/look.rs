//! What there is, read from the side of one valid cluster.

use std::collections::BTreeSet;

use super::children::Child;
use super::sets::ZoneSet;
use crate::{
    BrokerName, BrokerView, ClusterView, Finding, Lifecycle, Observed, PodPhase, PodView,
    ProcessView, ValidCluster,
};

/// A container that ended this often is not on its way up any more.
const CRASH_LOOP: u32 = 3;

/// The cluster with what was seen of it.
#[derive(Debug)]
pub(super) struct Look<'a> {
    /// With at least the brokers that there are.
    pub(super) cluster: &'a ValidCluster,
    pub(super) observed: &'a Observed,
    /// What the controller says, if one answers and speaks for this cluster.
    pub(super) view: Option<&'a ClusterView>,
    pub(super) names: Vec<BrokerName>,
    pub(super) zones: Vec<ZoneSet<'a>>,
    pub(super) children: Vec<Child>,
    /// The addresses that Kubernetes has not given yet.
    pub(super) addresses_missing: Vec<String>,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        cluster: &'a ValidCluster,
        observed: &'a Observed,
        kept_zones: &BTreeSet<String>,
    ) -> Self {
        let view = observed.cluster.as_ref().filter(|view| {
            view.cluster_id == cluster.identity.cluster_id && view.controller.is_some()
        });
        let zones: Vec<ZoneSet<'a>> = cluster
            .zones
            .iter()
            .map(|zone| ZoneSet::new(cluster, observed, zone, kept_zones.contains(&zone.name)))
            .collect();
        let children = Child::all(cluster, observed, &zones);
        Self {
            cluster,
            observed,
            view,
            names: cluster.brokers(),
            zones,
            children,
            addresses_missing: crate::build::addresses_missing(cluster, &observed.services),
        }
    }

    /// By this name the operator asks for permits.
    pub(super) fn holder(&self) -> String {
        format!("operator/{}/{}", self.cluster.namespace, self.cluster.name)
    }

    pub(super) fn pod(&self, id: i32) -> Option<&'a PodView> {
        self.observed.pods.get(&id)
    }

    /// What a process of this cluster says of itself.
    pub(super) fn process(&self, id: i32) -> Option<&'a ProcessView> {
        let process = self.observed.processes.get(&id)?;
        (process.cluster_id == self.cluster.identity.cluster_id).then_some(process)
    }

    pub(super) fn lifecycle(&self, id: i32) -> Option<Lifecycle> {
        self.process(id).map(|process| process.lifecycle)
    }

    /// What the cluster knows of a broker.
    pub(super) fn known(&self, id: i32) -> Option<&'a BrokerView> {
        self.view?.brokers.get(&id)
    }

    /// Whether a broker votes in the metadata quorum.
    pub(super) fn votes(&self, id: i32) -> bool {
        self.view
            .is_some_and(|view| view.quorum.iter().any(|m| m.broker == id && m.votes))
    }

    pub(super) fn serves(&self, id: i32) -> bool {
        match self.view {
            Some(_) => self.known(id).is_some_and(|b| !b.fenced && !b.stopping),
            None => self.lifecycle(id) == Some(Lifecycle::Serving),
        }
    }

    /// Whether a pod does not come up, as far as Kubernetes can tell.
    pub(super) fn fails(&self, id: i32) -> bool {
        self.pod(id).is_some_and(|pod| {
            !pod.ready && !pod.deleting && (pod.restarts >= CRASH_LOOP || pod.trouble.is_some())
        })
    }

    /// Whether a pod is on a node that reports, or on none yet.
    pub(super) fn is_on_a_node(&self, pod: &PodView) -> bool {
        let node = pod.node.as_ref();
        node.is_none_or(|node| self.observed.nodes.get(node).is_some_and(|node| node.ready))
    }

    /// Whether a broker is down for certain, so that stopping its pod takes nothing from anybody.
    /// A broker that is merely on its way up is not: it may serve by the time the pod is deleted.
    pub(super) fn is_down(&self, id: i32) -> bool {
        let Some(pod) = self.pod(id).filter(|pod| !pod.deleting) else {
            return false;
        };
        match self.lifecycle(id) {
            Some(Lifecycle::Serving) => return false,
            Some(Lifecycle::Parked) => return true,
            _ => {}
        }
        let not_running = matches!(pod.phase, PodPhase::Pending | PodPhase::Ended);
        let silent = self.process(id).is_none();
        if self.view.is_none() {
            return not_running || (self.fails(id) && silent);
        }
        match self.known(id) {
            Some(broker) => broker.fenced && (not_running || self.fails(id)),
            // Never registered: it holds nothing.
            None => !self.votes(id) || not_running || (self.fails(id) && silent),
        }
    }

    /// The state that the operator's files have, see [`Child`].
    pub(super) fn child(&self, suffix: &str) -> Option<&Child> {
        let name = format!("{}-{suffix}", self.cluster.name);
        let mut maps = self.children.iter();
        maps.find(|c| c.object.key.kind == "ConfigMap" && c.object.key.name == name)
    }

    /// The zone's set.
    pub(super) fn zone_of(&self, id: i32) -> Option<&ZoneSet<'a>> {
        let name = self.names.iter().find(|name| name.id == id)?;
        self.zones.iter().find(|zone| zone.zone.name == name.zone)
    }

    /// The addresses that Kubernetes has not given yet, as one text; empty if there are none.
    pub(super) fn missing_addresses(&self) -> String {
        super::steps::bounded(&self.addresses_missing.join(", "), 500)
    }

    /// Whether there is another zone to carry on.
    pub(super) fn several_zones(&self) -> bool {
        self.zones
            .iter()
            .filter(|zone| zone.zone.replicas > 0)
            .count()
            > 1
    }

    /// Volumes and processes that belong to another cluster.
    pub(super) fn foreign(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.taken().into_iter().collect();
        findings.extend(self.strangers());
        findings
    }

    /// Objects of somebody else under the names of children.
    fn taken(&self) -> Option<Finding> {
        let children = self.children.iter().filter(|child| child.taken);
        let children = children.map(|child| &child.object.key);
        let sets = self
            .zones
            .iter()
            .filter(|zone| zone.taken)
            .map(|zone| &zone.object.key);
        let keys: Vec<String> = children
            .chain(sets)
            .take(5)
            .map(|key| format!("{} {}", key.kind, key.name))
            .collect();
        (!keys.is_empty()).then(|| Finding {
            reason: "NameTaken",
            message: format!(
                "{} stands there already and is not of this cluster: remove it, or give the cluster \
                 another name. It is left alone",
                keys.join(", ")
            ),
            stalled: true,
        })
    }

    fn strangers(&self) -> Option<Finding> {
        let ours = &self.cluster.identity.cluster_id;
        let claims = self.observed.claims.iter().filter_map(|(name, claim)| {
            let theirs = claim.cluster_id.as_ref().filter(|id| *id != ours)?;
            Some(format!("volume {name} belongs to cluster {theirs}"))
        });
        let processes = self.observed.processes.values().filter_map(|process| {
            let theirs = &process.cluster_id;
            let foreign = theirs != ours && !theirs.is_empty();
            foreign.then(|| {
                format!(
                    "broker {} runs on a disk of cluster {theirs}",
                    process.broker
                )
            })
        });
        let what: Vec<String> = claims.chain(processes).take(5).collect();
        if what.is_empty() {
            return None;
        }
        Some(Finding {
            reason: "ForeignCluster",
            message: format!(
                "{}, and this is cluster {ours}: restore the ConfigMap {}-identity that belongs to \
                 the volumes, or move the volumes away",
                what.join("; "),
                self.cluster.name
            ),
            stalled: true,
        })
    }
}
