//! Nodes, the scheduler with its volumes, and kubelets.

use serde_json::{Value, json};

use crate::Time;
use crate::processes::{Life, Process};
use crate::store::NAMESPACE;
use crate::world::World;

/// A machine.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its zone.
    pub zone: String,
    /// It has power.
    pub up: bool,
    /// Its kubelet does not reach the API server; what runs on it goes on.
    pub cut: bool,
    /// It takes no new pods.
    pub cordoned: bool,
    /// A person said that it will not come back by itself.
    pub out_of_service: bool,
    /// Its object is missing from the API server.
    pub vanished: bool,
    /// When it stopped to report.
    pub silent_since: Option<Time>,
}

/// After how long without a report a node counts as not ready, and after how long its pods are told to
/// end, milliseconds.
const NOT_READY: Time = 10_000;
const EVICTED: Time = 60_000;

impl Node {
    /// A new one.
    pub fn new(zone: &str) -> Self {
        Self {
            zone: zone.to_owned(),
            up: true,
            cut: false,
            cordoned: false,
            out_of_service: false,
            vanished: false,
            silent_since: None,
        }
    }

    fn reports(&self) -> bool {
        self.up && !self.cut
    }
}

impl World {
    /// Writes what there is to say of nodes, and tells the pods of silent ones to end.
    pub fn tend_nodes(&mut self) {
        for (name, node) in self.nodes.clone() {
            let silent_since = match (node.reports(), node.silent_since) {
                (true, _) => None,
                (false, since) => since.or(Some(self.now)),
            };
            if let Some(node) = self.nodes.get_mut(&name) {
                node.silent_since = silent_since;
            }
            if node.vanished {
                self.store.remove("nodes", &name);
                continue;
            }
            let silent = silent_since.map_or(0, |since| self.now - since);
            let ready = if silent < NOT_READY {
                "True"
            } else {
                "Unknown"
            };
            let mut value = json!({
                "metadata": { "labels": {
                    "topology.kubernetes.io/zone": node.zone, "kubernetes.io/hostname": name,
                } },
                "spec": {},
                "status": { "conditions": [{ "type": "Ready", "status": ready }] },
            });
            if node.cordoned {
                value["spec"]["unschedulable"] = true.into();
            }
            if node.out_of_service {
                value["spec"]["taints"] = json!([{
                    "key": "node.kubernetes.io/out-of-service", "effect": "NoExecute",
                }]);
            }
            self.store.put("nodes", &name, value);
            if silent >= NOT_READY {
                self.lose_sight(&name, silent >= EVICTED);
            }
        }
    }

    /// Pods of a silent node are not ready, and after a while are told to end: nobody hears it.
    fn lose_sight(&mut self, node: &str, evicted: bool) {
        for (name, pod) in self.store.all("pods") {
            if pod["spec"]["nodeName"] != node {
                continue;
            }
            self.set_ready(&name, false);
            if evicted && !pod["metadata"]["deletionTimestamp"].is_string() {
                self.mark_deleted(&name);
            }
        }
    }

    /// The scheduler places pods, and binds volumes where it places them.
    pub fn schedule(&mut self) {
        for (name, pod) in self.store.all("pods") {
            let placed = pod["spec"]["nodeName"].is_string();
            if placed || pod["metadata"]["deletionTimestamp"].is_string() {
                continue;
            }
            let claim = format!("data-{name}");
            let Some(bound) = self.store.get("persistentvolumeclaims", &claim).cloned() else {
                continue;
            };
            let volume = bound["spec"]["volumeName"].as_str().map(str::to_owned);
            match self.place(&pod, volume.as_deref()) {
                Some(node) => {
                    if volume.is_none() {
                        self.bind(&claim, &node);
                    }
                    self.store.edit("pods", &name, |pod| {
                        pod["spec"]["nodeName"] = node.as_str().into();
                        pod["status"] = json!({ "phase": "Pending" });
                    });
                }
                None => self.store.edit("pods", &name, |pod| {
                    pod["status"]["conditions"] = json!([{
                        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                        "message": "no node takes it",
                    }]);
                }),
            }
        }
    }

    fn place(&mut self, pod: &Value, volume: Option<&str>) -> Option<String> {
        let zone = pod["spec"]["nodeSelector"]["topology.kubernetes.io/zone"].as_str();
        let volume = volume.and_then(|name| self.store.get("persistentvolumes", name));
        let pinned = volume.and_then(|volume| {
            let terms = &volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"];
            terms[0]["matchExpressions"][0]["values"][0].as_str()
        });
        let fits = |(name, node): &(&String, &Node)| {
            let silent = node.silent_since.is_some_and(|t| self.now - t >= NOT_READY);
            let open = !node.cordoned && !node.vanished && !node.out_of_service && !silent;
            open && zone == Some(node.zone.as_str()) && pinned.is_none_or(|pin| pin == *name)
        };
        let fitting: Vec<String> = self
            .nodes
            .iter()
            .filter(fits)
            .map(|(name, _)| name.clone())
            .collect();
        let chosen = self.rng.index(fitting.len());
        fitting.get(chosen).cloned()
    }

    fn bind(&mut self, claim: &str, node: &str) {
        let volume = format!("pv-{claim}-{}", self.store.fresh_uid());
        let mut value = json!({ "metadata": {}, "spec": {} });
        if self.pinned {
            value["spec"]["nodeAffinity"] = json!({ "required": { "nodeSelectorTerms": [{
                "matchExpressions": [{
                    "key": "kubernetes.io/hostname", "operator": "In", "values": [node],
                }],
            }] } });
        }
        self.store.put("persistentvolumes", &volume, value);
        self.store.edit("persistentvolumeclaims", claim, |claim| {
            claim["spec"]["volumeName"] = volume.as_str().into();
            claim["status"]["capacity"] = claim["spec"]["resources"]["requests"].clone();
        });
    }

    /// Volumes become as large as they are asked to be.
    pub fn grow_volumes(&mut self) {
        for (name, claim) in self.store.all("persistentvolumeclaims") {
            let wanted = &claim["spec"]["resources"]["requests"];
            if claim["spec"]["volumeName"].is_string() && claim["status"]["capacity"] != *wanted {
                let wanted = wanted.clone();
                self.store.edit("persistentvolumeclaims", &name, |claim| {
                    claim["status"]["capacity"] = wanted;
                });
            }
        }
    }

    /// The kubelets that reach the API server start pods, say how they are, and end them.
    pub fn tend_kubelets(&mut self) {
        for (name, pod) in self.store.all("pods") {
            let Some(node) = pod["spec"]["nodeName"].as_str() else {
                continue;
            };
            // A kubelet registers its node before it does anything else.
            let registered = self.store.get("nodes", node).is_some();
            if !registered || !self.nodes.get(node).is_some_and(Node::reports) {
                continue;
            }
            let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
            let deleting = pod["metadata"]["deletionTimestamp"].is_string();
            let life = self.processes.get(uid).map(|process| process.life);
            match (life, deleting) {
                (None, true) => {
                    self.store.remove("pods", &name);
                }
                (Some(_), true) => self.stop_process(uid),
                (None, false) => self.start_pod(&name, &pod, node),
                (Some(life), false) => {
                    let ready = matches!(life, Life::Serving | Life::Parked);
                    self.set_ready(&name, ready);
                }
            }
        }
        self.end_strays();
    }

    /// A kubelet ends what runs on its node and has no pod any more.
    fn end_strays(&mut self) {
        let pods = self.store.all("pods");
        let known: Vec<&str> = pods
            .iter()
            .filter_map(|(_, pod)| pod["metadata"]["uid"].as_str())
            .collect();
        let strays: Vec<String> = self
            .processes
            .iter()
            .filter(|(uid, _)| !known.contains(&uid.as_str()))
            .filter(|(_, process)| self.nodes.get(&process.node).is_some_and(Node::reports))
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in strays {
            self.stop_process(&uid);
        }
    }

    fn start_pod(&mut self, name: &str, pod: &Value, node: &str) {
        let claim = format!("data-{name}");
        let bound = self.store.get("persistentvolumeclaims", &claim);
        let volume = bound.and_then(|claim| claim["spec"]["volumeName"].as_str());
        let broker = name.rsplit_once('-').and_then(|(_, id)| id.parse().ok());
        let (Some(volume), Some(broker)) = (volume.map(str::to_owned), broker) else {
            return;
        };
        let Some((configuration, parked)) = self.files_of(broker) else {
            // Its files are not there yet: the kubelet tries again.
            return;
        };
        if !self.has_certificate(broker) || !self.format(broker, &volume) {
            return;
        }
        let image = pod["spec"]["containers"][0]["image"].as_str();
        let version = image.and_then(|image| Some(image.rsplit_once(':')?.1.to_owned()));
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_i64();
        self.addresses += 1;
        let host = format!("10.0.{}.{}", self.addresses / 200, self.addresses % 200);
        let until = self.now + self.rng.within(self.settings.start);
        let process = Process {
            broker,
            node: node.to_owned(),
            host: host.clone(),
            disk: volume,
            version: version.unwrap_or_default(),
            configuration,
            parked,
            life: Life::Starting,
            until,
        };
        self.trace(|| format!("node {node} starts pod {name} {uid}"));
        self.processes.insert(uid.to_owned(), process);
        let count = restarts.map_or(0, |restarts| restarts + 1);
        self.store.edit("pods", name, |pod| {
            pod["status"] = json!({
                "phase": "Running", "podIP": host,
                "conditions": [{ "type": "Ready", "status": "False" }],
                "containerStatuses": [{
                    "name": "broker", "image": "", "imageID": "", "ready": false,
                    "restartCount": count, "state": { "running": {} },
                }],
            });
        });
    }

    fn has_certificate(&self, broker: i32) -> bool {
        let name = format!("{}-broker-tls", crate::store::CLUSTER);
        let secret = self.store.get("secrets", &name);
        secret.is_some_and(|secret| secret["data"][format!("{broker}.crt")].is_string())
    }

    fn set_ready(&mut self, pod: &str, ready: bool) {
        let text = if ready { "True" } else { "False" };
        let there = self.store.get("pods", pod);
        let is_so = there.is_none_or(|pod| pod["status"]["conditions"][0]["status"] == text);
        if !is_so {
            self.store.edit("pods", pod, |pod| {
                pod["status"]["conditions"] = json!([{ "type": "Ready", "status": text }]);
            });
        }
    }

    /// A pod is told to end: at once if no kubelet has it, else when its kubelet says so.
    pub fn end_pod(&mut self, name: &str) {
        let Some(pod) = self.store.get("pods", name) else {
            return;
        };
        if pod["spec"]["nodeName"].is_string() {
            self.mark_deleted(name);
        } else {
            self.store.remove("pods", name);
        }
    }

    fn mark_deleted(&mut self, name: &str) {
        self.store.edit("pods", name, |pod| {
            pod["metadata"]["namespace"] = NAMESPACE.into();
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:01:00Z".into();
        });
    }

    /// A machine loses its power, and all that runs on it.
    pub fn power_off(&mut self, node: &str) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.up = false;
        }
        let on_it: Vec<String> = self
            .processes
            .iter()
            .filter(|(_, process)| process.node == node)
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in on_it {
            self.kill_process(&uid);
        }
    }
}
