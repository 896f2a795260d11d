//! Whether the world is as the resource asks: judged on the world itself, not on what the operator
//! says.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::processes::Life;
use crate::store::CLUSTER;
use crate::world::World;

impl World {
    /// What is not as it should be; none if all is.
    pub fn unconverged(&self) -> Option<String> {
        self.unfinished_brokers()
            .or_else(|| self.unfinished_cluster())
            .or_else(|| self.unfinished_plan())
    }

    fn processes_by_broker(&self) -> BTreeMap<i32, &crate::processes::Process> {
        let all = self.processes.values();
        all.map(|process| (process.broker, process)).collect()
    }

    fn parked(&self) -> Option<i32> {
        let id = self.wish.spec["brokers"][0]["id"].as_i64()?;
        i32::try_from(id).ok()
    }

    fn unfinished_brokers(&self) -> Option<String> {
        let processes = self.processes_by_broker();
        let wanted = usize::try_from(self.wish.brokers).unwrap_or(0);
        if processes.len() < wanted {
            return Some(format!("{} of {wanted} brokers run", processes.len()));
        }
        for (id, process) in &processes {
            let parked = self.parked() == Some(*id);
            let life = if parked { Life::Parked } else { Life::Serving };
            if process.life != life {
                return Some(format!("broker {id} is {:?}", process.life));
            }
            if process.version != self.wish.spec["version"].as_str().unwrap_or_default() {
                return Some(format!("broker {id} runs {}", process.version));
            }
            let files = self.files_of(*id);
            if files.map(|(digest, _)| digest).as_ref() != Some(&process.configuration) {
                return Some(format!("broker {id} runs with old files"));
            }
        }
        for (name, set) in self.store.all("statefulsets") {
            for (pod_name, pod) in self.store.all("pods") {
                let of_set = pod_name.starts_with(&format!("{name}-"));
                let revision = &pod["metadata"]["labels"]["controller-revision-hash"];
                if of_set && *revision != set["status"]["updateRevision"] {
                    return Some(format!("pod {pod_name} is of an old revision"));
                }
            }
        }
        None
    }

    fn unfinished_cluster(&self) -> Option<String> {
        let Some(cluster) = &self.cluster else {
            return Some("the cluster is not formed".to_owned());
        };
        let settings = &self.wish.spec["settings"];
        let common = self.store.get("configmaps", &format!("{CLUSTER}-config"));
        let text = common.and_then(|map| map["data"]["broker.properties"].as_str());
        let threads = settings["background.threads"].as_str().unwrap_or_default();
        if !text.is_some_and(|text| text.contains(&format!("background.threads={threads}\n"))) {
            return Some(format!("background.threads={threads} is in no file"));
        }
        let retention = settings["log.retention.ms"].as_str();
        if cluster.settings.get("log.retention.ms").map(String::as_str) != retention {
            return Some(format!("log.retention.ms is not {retention:?}"));
        }
        if let Some(id) = cluster
            .members
            .keys()
            .find(|id| !cluster.is_caught_up(**id))
        {
            return Some(format!("broker {id} is not caught up"));
        }
        if let Some(permit) = &cluster.permit {
            return Some(format!("a permit is left: {permit:?}"));
        }
        let identity = self.store.get("configmaps", &format!("{CLUSTER}-identity"));
        let document = identity.map(|map| map["data"]["formation.toml"].is_string());
        if document != Some(false) {
            return Some("the formation document is still there".to_owned());
        }
        let size = self.wish.spec["storage"]["size"].clone();
        let small = self.store.all("persistentvolumeclaims").into_iter();
        let mut small =
            small.filter(|(_, c)| c["spec"]["resources"]["requests"]["storage"] != size);
        let (name, _) = small.find(|(name, _)| self.stuck_claim.as_ref() != Some(name))?;
        Some(format!("volume {name} is not {size}"))
    }

    /// What the operator says: it must have noticed that nothing is left to do.
    fn unfinished_plan(&self) -> Option<String> {
        let resource = self.store.get("messageclusters", CLUSTER);
        let Some(resource) = resource else {
            return Some("there is no resource".to_owned());
        };
        if self.is_stuck() {
            // Its plan cannot be fulfilled; all else was judged above.
            return None;
        }
        let (status, metadata) = (&resource["status"], &resource["metadata"]);
        if status["observedGeneration"] != metadata["generation"] {
            return Some("the status is about an older wish".to_owned());
        }
        let plan: &Value = &status["plan"];
        if plan["state"] != "Idle" {
            return Some(format!(
                "the plan is {}: {}",
                plan["state"], plan["summary"]
            ));
        }
        None
    }

    /// Whether something that the wish needs cannot be had.
    pub fn is_stuck(&self) -> bool {
        let size = &self.wish.spec["storage"]["size"];
        let claim = self.stuck_claim.as_ref();
        let claim = claim.and_then(|name| self.store.get("persistentvolumeclaims", name));
        claim.is_some_and(|claim| claim["spec"]["resources"]["requests"]["storage"] != *size)
    }
}
