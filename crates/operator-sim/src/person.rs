//! Whoever has the resource: changes it, approves plans, drains nodes, edits by hand.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::store::{CLUSTER, NAMESPACE};
use crate::world::World;

/// The most brokers that are asked for.
const MOST: i64 = 6;

/// What the resource asks for, as the person has it in a file.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The spec.
    pub spec: Value,
    /// The most brokers that were ever asked for while there was an operator to see it.
    pub brokers: i64,
    /// Edits that are still to come.
    pub left: u64,
}

impl World {
    /// The resource is made.
    pub fn create_resource(&mut self) {
        let settings = &self.settings;
        let zones = ["a", "b", "c"];
        let mut spec = json!({
            "replicas": settings.replicas,
            "storage": { "size": "100Gi", "class": "fast" },
            "version": "1.0.0",
            "settings": { "background.threads": "10" },
        });
        if settings.named {
            let names = zones.iter().take(settings.zones);
            spec["zones"] = names.map(|name| json!({ "name": name })).collect();
        }
        if settings.single {
            spec["upgrade"]["parallelism"] = "Broker".into();
        }
        if settings.manual {
            spec["approval"] = "Manual".into();
        }
        self.wish = Wish {
            brokers: i64::from(settings.replicas),
            left: settings.edits,
            spec,
        };
        self.write_resource();
    }

    /// Writes the wish, as `kubectl apply` does.
    pub fn write_resource(&mut self) {
        let spec = self.wish.spec.clone();
        let there = self.store.get("messageclusters", CLUSTER);
        let mut value = match there {
            Some(there) => Value::clone(there),
            None => json!({ "metadata": { "namespace": NAMESPACE } }),
        };
        value["spec"] = spec;
        self.store.put("messageclusters", CLUSTER, value);
    }

    /// A person does something, as often as the profile says.
    pub fn person_acts(&mut self) {
        if self.wish.left == 0 || self.now < self.next_edit {
            return;
        }
        self.wish.left -= 1;
        let gap = self.settings.faulty / (self.settings.edits + 1);
        self.next_edit = self.now + self.rng.within((gap / 4, gap * 3 / 2));
        if self.rng.chance(self.profile.recreate) {
            self.trace(|| "person deletes the resource".to_owned());
            self.store.remove("messageclusters", CLUSTER);
            self.recreate_at = Some(self.now + self.rng.within((500, 20_000)));
            return;
        }
        match self.rng.below(13) {
            0..=2 => {
                let number = self.rng.within((1, 60)).to_string();
                let setting = &mut self.wish.spec["settings"]["background.threads"];
                // Whoever writes what is there changes nothing.
                if *setting != number.as_str() {
                    *setting = number.into();
                    self.all_may_restart();
                }
            }
            3 | 4 => {
                let number = self.rng.within((1, 60)) * 3_600_000;
                self.wish.spec["settings"]["log.retention.ms"] = number.to_string().into();
            }
            5 => self.change_version(),
            6 => {
                let before = self.wish.spec["replicas"].as_i64().unwrap_or(3);
                let more = (before + self.rng.within((1, 3)) as i64).min(MOST);
                self.wish.spec["replicas"] = more.into();
                self.wish.brokers = self.wish.brokers.max(more);
            }
            7 => {
                let before = self.wish.spec["replicas"].as_i64().unwrap_or(3);
                self.wish.spec["replicas"] = (before - 1).max(3).into();
            }
            8 => self.park(),
            9 => {
                let paused = self.wish.spec["paused"] == true;
                self.wish.spec["paused"] = (!paused).into();
            }
            10 => self.wish.spec["storage"]["size"] = "200Gi".into(),
            11 => self.cordon(),
            _ => self.edit_set(),
        }
        let spec = self.wish.spec.to_string();
        self.trace(|| format!("person wants {spec}"));
        if self.recreate_at.is_none() {
            self.write_resource();
        }
    }

    /// A change for which every broker restarts once; what was approved before is void.
    fn all_may_restart(&mut self) {
        self.oracle.allow_all();
        let now = self.now;
        if let Some(approved) = &mut self.oracle.approved {
            for id in std::mem::take(approved) {
                self.oracle.void_since.insert(id, now);
            }
        }
    }

    fn change_version(&mut self) {
        let is_old = self.wish.spec["version"] == "1.0.0";
        let raised = self.cluster.as_ref().is_some_and(|c| c.level > 2);
        if is_old || !raised {
            let next = if is_old { "1.1.0" } else { "1.0.0" };
            self.wish.spec["version"] = next.into();
            self.all_may_restart();
        }
    }

    fn park(&mut self) {
        if self.wish.spec["brokers"].is_array() {
            if let Some(spec) = self.wish.spec.as_object_mut() {
                spec.remove("brokers");
            }
            return;
        }
        let known = self
            .cluster
            .iter()
            .flat_map(|cluster| cluster.members.keys());
        let known: Vec<i32> = known.copied().collect();
        let chosen = self.rng.index(known.len());
        if let Some(id) = known.get(chosen) {
            self.wish.spec["brokers"] = json!([{ "id": id, "mode": "Parked" }]);
            self.oracle.allow(*id);
            let (id, now) = (*id, self.now);
            if let Some(approved) = &mut self.oracle.approved
                && approved.remove(&id)
            {
                self.oracle.void_since.insert(id, now);
            }
        }
    }

    /// A node is drained: what runs on it shall leave.
    fn cordon(&mut self) {
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        let chosen = self.rng.index(names.len());
        let Some(name) = names.get(chosen) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        node.cordoned = !node.cordoned;
        let is_cordoned = node.cordoned;
        for id in self.brokers_on(name) {
            if is_cordoned {
                self.oracle.allow(id);
            } else {
                // Whoever looked before may go on with it.
                self.oracle.void_since.insert(id, self.now);
            }
        }
        self.trace(|| format!("person cordons or uncordons {name}"));
    }

    /// Those whose processes run on a node, and those whose pods will start there.
    fn brokers_on(&self, node: &str) -> BTreeSet<i32> {
        let all = self.processes.values();
        let on_it = all.filter(|process| process.node == *node);
        let pods = self.store.all("pods");
        let placed = pods
            .iter()
            .filter(|(_, pod)| pod["spec"]["nodeName"] == node)
            .filter_map(|(name, _)| name.rsplit_once('-')?.1.parse().ok());
        on_it.map(|process| process.broker).chain(placed).collect()
    }

    /// A set is changed by hand; the operator puts it right. A pod that is made meanwhile restarts
    /// once more.
    fn edit_set(&mut self) {
        let sets = self.store.all("statefulsets");
        let chosen = self.rng.index(sets.len());
        let Some((name, _)) = sets.get(chosen) else {
            return;
        };
        self.oracle.allow_all();
        self.store.edit("statefulsets", name, |set| {
            set["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1.into();
        });
    }

    /// The resource comes back, whether what it owned is gone or not.
    pub fn person_recreates(&mut self) {
        if self.recreate_at.is_some_and(|at| at <= self.now) {
            self.recreate_at = None;
            self.trace(|| "person makes the resource again".to_owned());
            self.write_resource();
        }
    }

    /// A plan that waits is approved, after somebody has read it.
    pub fn person_approves(&mut self) {
        let Some(resource) = self.store.get("messageclusters", CLUSTER) else {
            return;
        };
        let plan = &resource["status"]["plan"];
        let hash = plan["hash"].as_str().unwrap_or_default().to_owned();
        let waits = plan["state"] == "AwaitingApproval" || plan["state"] == "Running";
        if !waits || hash.is_empty() || self.wish.spec["approvedPlan"] == hash.as_str() {
            return;
        }
        if self.oracle.approved.is_none() {
            return;
        }
        let steps = plan["steps"].as_array().into_iter().flatten();
        let restarts: Vec<i32> = steps
            .flat_map(|step| step["restarts"].as_array().into_iter().flatten())
            .filter_map(|id| i32::try_from(id.as_i64()?).ok())
            .collect();
        if let Some(approved) = &mut self.oracle.approved {
            approved.extend(restarts);
        }
        self.trace(|| format!("person approves {hash}"));
        self.wish.spec["approvedPlan"] = hash.into();
        if self.recreate_at.is_none() {
            self.write_resource();
        }
    }

    /// No plan is approved any more. An approval stands as long as it stands in the resource: then it is good
    /// for the same steps again.
    pub fn person_takes_approval_back(&mut self) {
        if let Some(spec) = self.wish.spec.as_object_mut()
            && spec.remove("approvedPlan").is_some()
        {
            self.write_resource();
        }
    }

    /// All that a person set for a while is taken back, so that the wish is stable and can be had.
    pub fn person_settles(&mut self) {
        self.wish.left = 0;
        self.wish.spec["replicas"] = self.wish.brokers.into();
        self.wish.spec["paused"] = false.into();
        // While a replica stays away, others may not restart.
        if let Some(spec) = self.wish.spec.as_object_mut() {
            spec.remove("brokers");
        }
        let cordoned = self.nodes.iter().filter(|(_, node)| node.cordoned);
        let drained: Vec<i32> = cordoned
            .flat_map(|(name, _)| self.brokers_on(name))
            .collect();
        for id in drained {
            self.oracle.void_since.insert(id, self.now);
        }
        for node in self.nodes.values_mut() {
            *node = crate::machines::Node::new(&node.zone);
        }
        if self.recreate_at.is_some() {
            self.recreate_at = Some(self.now);
        } else {
            self.write_resource();
        }
    }
}
