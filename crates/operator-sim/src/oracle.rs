//! What must hold whatever goes wrong. It sees everything, and the operators see nothing of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::Time;
use crate::Violation;
use crate::brokers::Cluster;
use crate::processes::Life;
use crate::store::{CLUSTER, Kind};
use crate::world::World;

/// What an operator is about to change.
#[derive(Debug)]
pub enum Deed<'a> {
    /// An object is made or changed.
    Writes {
        /// Of which kind.
        kind: &'static Kind,
        /// Its name.
        name: &'a str,
        /// How it was.
        before: Option<&'a Value>,
        /// What is written.
        after: &'a Value,
    },
    /// An object is deleted.
    Deletes {
        /// By which process.
        from: u32,
        /// Of which kind.
        kind: &'static Kind,
        /// How it is.
        there: &'a Value,
        /// The request names the uid that was seen.
        names_uid: bool,
        /// What it owns stays.
        orphans: bool,
        /// Nobody is asked to end it in its own time.
        at_once: bool,
    },
}

/// What the oracle knows.
#[derive(Debug, Default)]
pub struct Oracle {
    /// The first promise that was broken.
    pub violation: Option<Violation>,
    /// Requests that would change something, but for Events.
    pub writes: u64,
    /// The last of them.
    pub last_write: String,
    /// Brokers that serve and were stopped by an operator.
    pub stopped: u64,
    /// How often each broker may be restarted by all that people wished so far.
    pub allowed: BTreeMap<i32, u32>,
    /// Restarts that all brokers may have.
    pub allowed_all: u32,
    /// Brokers whose restart a person approved, in runs in which that is asked for.
    pub approved: Option<BTreeSet<i32>>,
    /// Brokers whose approval was void a while ago: what was decided before may still come.
    pub void_since: BTreeMap<i32, Time>,
    /// When processes began to look at what they act on now.
    pub began: BTreeMap<u32, Time>,
    /// How often each broker that served was stopped.
    stops: BTreeMap<i32, u32>,
    /// Brokers that were stopped by an operator and are not back, with their registration then.
    ours: BTreeMap<i32, u64>,
    cluster: Option<String>,
    ranges: BTreeMap<String, i64>,
    volumes: BTreeMap<i32, String>,
}

/// How long a decision may take to arrive after what it was made on has changed, milliseconds.
const STALE: Time = 30_000;

impl Oracle {
    /// A promise is broken; the first counts.
    pub fn broken(&mut self, invariant: &'static str, detail: String) {
        self.violation.get_or_insert_with(|| Violation {
            invariant: invariant.to_owned(),
            detail,
        });
    }

    /// A process of an operator wants to change something.
    pub fn wrote(&mut self, from: u32, method: &str, path: &str) {
        self.writes += 1;
        self.last_write = format!("operator {from}: {method} {path}");
    }

    /// An empty volume got a broker's identity.
    pub fn formatted(&mut self, broker: i32, volume: &str) {
        let before = self.volumes.insert(broker, volume.to_owned());
        if let Some(before) = before {
            let detail = format!("broker {broker} had {before} and starts on empty {volume}");
            self.broken("NothingDestroyed", detail);
        }
    }

    /// Brokers became one cluster.
    pub fn formed(&mut self, id: &str) {
        if self.cluster.as_deref() != Some(id) {
            let detail = format!("cluster {id} forms, but {:?} was written", self.cluster);
            self.broken("IdentityIsStable", detail);
        }
    }

    /// Brokers that an operator stopped may be back.
    pub fn caught_up(&mut self, cluster: Option<&Cluster>) {
        let Some(cluster) = cluster else {
            return;
        };
        self.ours.retain(|id, epoch| {
            let member = cluster.members.get(id);
            let back = member.is_some_and(|member| member.is_back_since(*epoch));
            !(back && cluster.is_caught_up(*id))
        });
    }

    /// Everybody may be restarted once more.
    pub fn allow_all(&mut self) {
        self.allowed_all += 1;
    }

    /// A broker may be restarted once more.
    pub fn allow(&mut self, broker: i32) {
        *self.allowed.entry(broker).or_default() += 1;
    }

    fn identity(&mut self, before: Option<&Value>, after: &Value) {
        let text = after["data"]["identity.json"].as_str().unwrap_or("{}");
        let identity: Value = serde_json::from_str(text).unwrap_or_default();
        let id = identity["clusterId"].as_str().unwrap_or_default();
        if let Some(known) = self.cluster.clone()
            && known != id
        {
            self.broken("IdentityIsStable", format!("{known} becomes {id}"));
        }
        if before.is_none() && self.cluster.is_some() {
            self.broken("IdentityIsStable", format!("{id} is written twice"));
        }
        self.cluster = Some(id.to_owned());
        for zone in identity["zones"].as_array().into_iter().flatten() {
            let name = zone["name"].as_str().unwrap_or_default().to_owned();
            let first = zone["firstId"].as_i64().unwrap_or(0);
            let known = *self.ranges.entry(name.clone()).or_insert(first);
            let twice = self.ranges.iter().any(|(n, f)| *f == first && *n != name);
            if known != first || twice {
                let detail = format!("zone {name} had {known} and gets {first}");
                self.broken("IdentityIsStable", detail);
            }
        }
        for zone in self.ranges.keys().cloned().collect::<Vec<_>>() {
            let listed = identity["zones"].as_array().into_iter().flatten();
            if !listed.into_iter().any(|z| z["name"] == zone.as_str()) {
                self.broken("IdentityIsStable", format!("zone {zone} is forgotten"));
            }
        }
    }
}

impl World {
    /// Judges what is about to happen.
    pub fn deed(&mut self, deed: &Deed<'_>) {
        match deed {
            Deed::Writes {
                kind,
                name,
                before,
                after,
            } => self.judge_write(kind, name, *before, after),
            Deed::Deletes {
                from,
                kind,
                there,
                names_uid,
                orphans,
                at_once,
            } => {
                let name = there["metadata"]["name"].as_str().unwrap_or_default();
                let what = format!("{} {name}", kind.kind);
                self.trace(|| format!("operator {from} deletes {what}"));
                if !names_uid {
                    let detail = format!("{what}: no uid is named");
                    self.oracle.broken("OnlyWhatWasSeen", detail);
                }
                match kind.plural {
                    "pods" if *at_once => self.judge_removal(there),
                    "pods" => self.judge_stop(*from, there),
                    "statefulsets" if *orphans => {}
                    "services" | "poddisruptionbudgets" | "networkpolicies" => {}
                    _ => self.oracle.broken("NothingDestroyed", what),
                }
            }
        }
    }

    fn judge_write(&mut self, kind: &Kind, name: &str, before: Option<&Value>, after: &Value) {
        self.trace(|| format!("writes {} {name}", kind.kind));
        match kind.plural {
            "configmaps" if name == format!("{CLUSTER}-identity") => {
                let claims = self.store.all("persistentvolumeclaims");
                if before.is_none() && !claims.is_empty() {
                    let detail = format!("a cluster is formed beside {} volumes", claims.len());
                    self.oracle.broken("IdentityIsStable", detail);
                }
                self.oracle.identity(before, after);
            }
            "statefulsets" => {
                let replicas = |set: &Value| set["spec"]["replicas"].as_i64();
                let (was, is) = (before.and_then(replicas), replicas(after));
                if was > is {
                    let detail = format!("set {name} had {was:?} brokers and gets {is:?}");
                    self.oracle.broken("NothingDestroyed", detail);
                }
            }
            "persistentvolumeclaims" => {
                let size = |claim: &Value| {
                    let text = claim["spec"]["resources"]["requests"]["storage"].as_str()?;
                    holdfast_api::quantity_bytes(text)
                };
                if before.and_then(size) > size(after) {
                    let detail = format!("volume {name} shrinks");
                    self.oracle.broken("NothingDestroyed", detail);
                }
            }
            _ => {}
        }
    }

    /// What is left of a pod is removed, and nobody is asked whether its process has ended.
    fn judge_removal(&mut self, pod: &Value) {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        if let Some(process) = self.processes.get(uid) {
            let detail = format!(
                "pod of broker {} is removed while its process runs on node {}",
                process.broker, process.node
            );
            self.oracle.broken("NeverTwoOfOneDisk", detail);
        }
    }

    /// A pod is told to end.
    fn judge_stop(&mut self, from: u32, pod: &Value) {
        if pod["metadata"]["deletionTimestamp"].is_string() {
            return;
        }
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let process = self.processes.get(uid);
        let Some(process) = process.filter(|p| p.life == Life::Serving).cloned() else {
            return;
        };
        let Some(cluster) = self.cluster.as_ref() else {
            return;
        };
        let id = process.broker;
        let Some(since) = cluster.serves_since(id) else {
            return;
        };
        let began = self.oracle.began.get(&from).copied().unwrap_or(0);
        let permit = cluster.permit.as_ref();
        let named = permit.is_some_and(|permit| {
            permit.stage == holdfast_rpc::proto::admin::PermitStage::Granted
                && permit.brokers.contains_key(&id)
        });
        // One that came to serve after the look is not stopped on purpose.
        if !named && since <= began {
            let detail = format!("broker {id} serves and is stopped under {permit:?}");
            self.oracle.broken("PermitBeforeStop", detail);
        }
        let epoch = cluster.members.get(&id).map_or(0, |member| member.epoch);
        self.oracle.ours.insert(id, epoch);
        self.oracle.stopped += 1;
        let starved = cluster.partitions.iter().find(|partition| {
            // One that is back counts where it is in sync, even if it still copies other partitions.
            let away = |id: &&i32| {
                let stopped = self.oracle.ours.get(*id);
                let member = cluster.members.get(*id);
                let back = |since: &u64| {
                    let back = member.is_some_and(|member| member.is_back_since(*since));
                    back && partition.isr.contains(*id)
                };
                stopped.is_some_and(|since| !back(since))
            };
            let left = partition.replicas.len() - partition.replicas.iter().filter(away).count();
            left < partition.needed
        });
        if let Some(partition) = starved.cloned() {
            let ours: Vec<&i32> = self.oracle.ours.keys().collect();
            let detail = format!("operators stopped {ours:?}: {partition:?}");
            self.oracle.broken("NeverBelowMinByOurAct", detail);
        }
        self.judge_reason(id, &process.node);
    }

    fn judge_reason(&mut self, id: i32, node: &str) {
        let drained = self.nodes.get(node).is_some_and(|node| node.cordoned);
        let now = self.now;
        let oracle = &mut self.oracle;
        if let Some(approved) = &oracle.approved {
            let void = oracle.void_since.get(&id);
            let recently = void.is_some_and(|since| now - since < STALE);
            if !approved.contains(&id) && !drained && !recently {
                let detail = format!("nobody approved a restart of broker {id}");
                oracle.broken("OnlyApprovedRestarts", detail);
            }
        }
        let stops = oracle.stops.entry(id).or_default();
        *stops += 1;
        let own = oracle.allowed.get(&id).copied().unwrap_or(0);
        if *stops > own + oracle.allowed_all {
            let detail = format!(
                "broker {id} restarts for the {stops}th time, and {} changes asked for it",
                own + oracle.allowed_all
            );
            oracle.broken("NoNeedlessRestart", detail);
        }
    }
}
