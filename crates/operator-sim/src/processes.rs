//! Broker processes and their disks, and what they say when they are asked.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_rpc::proto::admin;

use crate::Time;
use crate::brokers::{Cluster, level_of};
use crate::store::CLUSTER;
use crate::wire::{Question, Said};
use crate::world::World;

/// What a broker wrote on its disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The cluster.
    pub cluster: String,
    /// The broker.
    pub broker: i32,
    /// The life of the disk.
    pub incarnation: String,
    /// The voters of the formation document with which it was formatted.
    pub voters: Vec<i32>,
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It opens its disk.
    Starting,
    /// It forms the cluster with the others.
    Forming,
    /// It waits to be let in.
    Waiting,
    /// It looks for the controller.
    Registering,
    /// It serves.
    Serving,
    /// It only holds the disk.
    Parked,
    /// It ends in its own time.
    Stopping,
}

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its broker.
    pub broker: i32,
    /// Its machine.
    pub node: String,
    /// Its address.
    pub host: String,
    /// Its volume.
    pub disk: String,
    /// Its version.
    pub version: String,
    /// The digest of the files that it loaded.
    pub configuration: String,
    /// Its files park it.
    pub parked: bool,
    /// Where it stands.
    pub life: Life,
    /// Until when.
    pub until: Time,
}

/// How long a process takes to stop, milliseconds.
const STOPS: (Time, Time) = (300, 3_000);

/// How long the controller waits for a broker that says nothing, milliseconds.
const SESSION: Time = 3_000;

impl World {
    /// Gives an empty disk its identity; false if the disk is somebody else's.
    pub fn format(&mut self, broker: i32, volume: &str) -> bool {
        // A volume is attached to nobody else while it is in use.
        if self.processes.values().any(|p| p.disk == volume) {
            return false;
        }
        let identity = self
            .store
            .get("configmaps", &format!("{CLUSTER}-identity"))
            .cloned();
        let Some(identity) = identity else {
            return false;
        };
        let text = identity["data"]["identity.json"].as_str().unwrap_or("{}");
        let parsed: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let cluster = parsed["clusterId"].as_str().unwrap_or_default().to_owned();
        if let Some(disk) = self.disks.get(volume) {
            let same = disk.broker == broker && disk.cluster == cluster;
            if !same {
                let detail = format!("broker {broker} of {cluster} starts on {disk:?}");
                self.oracle.broken("IdentityIsStable", detail);
            }
            return same;
        }
        let has_document = identity["data"]["formation.toml"].is_string();
        let voters = parsed["voters"].as_array().into_iter().flatten();
        let voters: Vec<i32> = voters
            .filter_map(|id| i32::try_from(id.as_i64()?).ok())
            .filter(|_| has_document)
            .collect();
        self.incarnations += 1;
        let disk = Disk {
            cluster,
            broker,
            incarnation: format!("{:016x}", self.incarnations),
            voters,
        };
        self.oracle.formatted(broker, volume);
        self.disks.insert(volume.to_owned(), disk);
        true
    }

    /// The voters that answer.
    pub fn answering(&self) -> BTreeSet<i32> {
        let voters = self.cluster.iter().flat_map(|cluster| &cluster.voters);
        let alive = |id: &i32| {
            let mut all = self.processes.values();
            let lives = [Life::Registering, Life::Serving];
            all.any(|p| p.broker == *id && lives.contains(&p.life))
        };
        voters.copied().filter(alive).collect()
    }

    /// The broker that decides.
    pub fn controller(&self) -> Option<i32> {
        let cluster = self.cluster.as_ref()?;
        let answering = self.answering();
        let enough = answering.len() > cluster.voters.len() / 2;
        answering.first().copied().filter(|_| enough)
    }

    /// Time passes for processes and for their cluster.
    pub fn tend_processes(&mut self) {
        let due: Vec<String> = self
            .processes
            .iter()
            .filter(|(_, process)| process.until <= self.now)
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in due {
            self.tend_process(&uid);
        }
        self.form();
        let silent: Vec<i32> = self
            .silent
            .iter()
            .filter(|(_, at)| **at <= self.now)
            .map(|(id, _)| *id)
            .collect();
        let controller = self.controller();
        for id in silent {
            self.silent.remove(&id);
            if let Some(cluster) = &mut self.cluster {
                cluster.leaves(id);
            }
        }
        let (now, answering) = (self.now, self.answering());
        if let (Some(cluster), Some(_)) = (&mut self.cluster, controller) {
            cluster.tick(now, &answering);
        }
        self.oracle.caught_up(self.cluster.as_ref());
    }

    fn tend_process(&mut self, uid: &str) {
        let Some(process) = self.processes.get(uid).cloned() else {
            return;
        };
        match process.life {
            Life::Starting => {
                let next = self.begins(&process);
                if let Some(process) = self.processes.get_mut(uid) {
                    process.life = next;
                    process.until = self.now + 500;
                }
            }
            Life::Waiting if self.is_admitted(&process) => {
                if let Some(process) = self.processes.get_mut(uid) {
                    process.life = Life::Registering;
                }
            }
            Life::Registering if self.controller().is_some() => self.registers(uid, &process),
            Life::Stopping => {
                self.processes.remove(uid);
                self.silent.remove(&process.broker);
                if let Some(cluster) = &mut self.cluster {
                    cluster.leaves(process.broker);
                }
            }
            _ => {}
        }
    }

    fn begins(&self, process: &Process) -> Life {
        let forms = self.disks.get(&process.disk);
        let forms = forms.is_some_and(|disk| disk.voters.contains(&process.broker));
        if process.parked {
            Life::Parked
        } else if self.is_admitted(process) {
            Life::Registering
        } else if forms && self.cluster.is_none() {
            Life::Forming
        } else {
            Life::Waiting
        }
    }

    fn is_admitted(&self, process: &Process) -> bool {
        let (Some(cluster), Some(disk)) = (&self.cluster, self.disks.get(&process.disk)) else {
            return false;
        };
        cluster.admitted.get(&process.broker) == Some(&disk.incarnation)
    }

    fn registers(&mut self, uid: &str, process: &Process) {
        let Some(disk) = self.disks.get(&process.disk).cloned() else {
            return;
        };
        let zone = self.nodes.get(&process.node).map(|node| node.zone.clone());
        let caught_up = self.now + self.rng.within(self.settings.lag);
        self.silent.remove(&process.broker);
        if let Some(cluster) = &mut self.cluster {
            let is = (
                disk.incarnation.as_str(),
                process.version.as_str(),
                zone.as_deref().unwrap_or_default(),
            );
            cluster.register(process.broker, is, self.now, caught_up);
        }
        if let Some(process) = self.processes.get_mut(uid) {
            process.life = Life::Serving;
        }
        let broker = process.broker;
        self.trace(|| format!("broker {broker} serves"));
    }

    /// The voters become one cluster when all of them are there.
    fn form(&mut self) {
        if self.cluster.is_some() {
            return;
        }
        let forming: BTreeMap<i32, (String, Vec<i32>, String)> = self
            .processes
            .values()
            .filter(|process| process.life == Life::Forming)
            .filter_map(|process| {
                let disk = self.disks.get(&process.disk)?;
                let said = (
                    disk.cluster.clone(),
                    disk.voters.clone(),
                    disk.incarnation.clone(),
                );
                Some((process.broker, said))
            })
            .collect();
        let Some((id, voters, _)) = forming.values().next().cloned() else {
            return;
        };
        let agree = |voter: &i32| {
            let said = forming.get(voter);
            said.is_some_and(|(other, with, _)| *other == id && *with == voters)
        };
        if !voters.iter().all(agree) {
            return;
        }
        let disks = voters
            .iter()
            .filter_map(|voter| Some((*voter, forming.get(voter)?.2.clone())))
            .collect();
        self.oracle.formed(&id);
        self.trace(|| format!("cluster {id} forms of {voters:?}"));
        self.cluster = Some(Cluster::new(id, disks, self.settings.lag));
        let processes = self.processes.values_mut();
        for process in processes.filter(|p| p.life == Life::Forming) {
            process.life = Life::Registering;
        }
    }

    /// A process is asked to end.
    pub fn stop_process(&mut self, uid: &str) {
        let wait = self.rng.within(STOPS);
        let Some(process) = self.processes.get_mut(uid) else {
            return;
        };
        if process.life == Life::Stopping {
            return;
        }
        process.life = Life::Stopping;
        process.until = self.now + wait;
        let broker = process.broker;
        let member = self
            .cluster
            .as_mut()
            .and_then(|cluster| cluster.members.get_mut(&broker));
        if let Some(member) = member.filter(|member| !member.fenced) {
            member.stopping = true;
        }
    }

    /// A process is gone at once; the controller notices after a while.
    pub fn kill_process(&mut self, uid: &str) {
        if let Some(process) = self.processes.remove(uid) {
            self.silent.insert(process.broker, self.now + SESSION);
        }
    }

    /// What the broker at an address answers.
    pub fn ask_broker(
        &mut self,
        broker: i32,
        host: &str,
        question: &Question,
    ) -> Result<Said, holdfast_rpc::Error> {
        let mut all = self.processes.values();
        let process = all.find(|process| process.host == host && process.broker == broker);
        let Some(process) = process.cloned() else {
            return Err(holdfast_rpc::Error::Refused);
        };
        if matches!(process.life, Life::Starting | Life::Stopping) {
            return Err(holdfast_rpc::Error::Refused);
        }
        let (now, answering) = (self.now, self.answering());
        let controller = self.controller();
        let refusal = |message: String| holdfast_rpc::Error::Answered {
            code: tonic::Code::FailedPrecondition,
            message,
        };
        if let Question::Broker = question {
            return Ok(Said::Broker(Box::new(self.describe(&process))));
        }
        let Some(cluster) = &mut self.cluster else {
            return Err(refusal("the cluster is not formed".to_owned()));
        };
        if let Question::Cluster = question {
            let reply = cluster.describe(controller, &answering);
            return Ok(Said::Cluster(Box::new(reply)));
        }
        if controller.is_none() {
            return Err(refusal("there is no controller".to_owned()));
        }
        match question {
            Question::Acquire(wish) => Ok(Said::Acquired(cluster.acquire(wish, now, &answering))),
            Question::End(wish) => {
                let ended = cluster.end_permit(wish, now);
                ended.map(Said::Ended).map_err(refusal)
            }
            Question::Admit(wish) => {
                let known = cluster.admitted.get(&wish.broker).cloned();
                if known.as_ref().is_some_and(|disk| *disk != wish.incarnation) {
                    return Err(refusal("it has another disk".to_owned()));
                }
                let disk = wish.incarnation.clone();
                cluster.admitted.insert(wish.broker, disk);
                Ok(Said::Admitted(admin::AdmitDiskReply {
                    newly_admitted: known.is_none(),
                    ..admin::AdmitDiskReply::default()
                }))
            }
            Question::Settings(wish) => {
                for key in &wish.remove {
                    cluster.settings.remove(key);
                }
                cluster.settings.extend(wish.set.clone());
                Ok(Said::Changed)
            }
            Question::Raise(wish) => {
                cluster.level = cluster.level.max(wish.level);
                Ok(Said::Raised(cluster.level))
            }
            Question::Broker | Question::Cluster => Err(holdfast_rpc::Error::Refused),
        }
    }

    fn describe(&self, process: &Process) -> admin::DescribeBrokerReply {
        let disk = self.disks.get(&process.disk);
        let member = self
            .cluster
            .as_ref()
            .and_then(|cluster| cluster.members.get(&process.broker));
        let lifecycle = match process.life {
            Life::Forming => admin::Lifecycle::Forming,
            Life::Waiting => admin::Lifecycle::WaitingForAdmission,
            Life::Starting | Life::Registering => admin::Lifecycle::Registering,
            Life::Serving if member.is_some_and(|member| member.fenced) => admin::Lifecycle::Fenced,
            Life::Serving | Life::Stopping => admin::Lifecycle::Serving,
            Life::Parked => admin::Lifecycle::Parked,
        };
        admin::DescribeBrokerReply {
            cluster_id: disk.map(|disk| disk.cluster.clone()).unwrap_or_default(),
            broker: process.broker,
            incarnation: disk
                .map(|disk| disk.incarnation.clone())
                .unwrap_or_default(),
            version: process.version.clone(),
            max_feature_level: level_of(&process.version),
            lifecycle: lifecycle.into(),
            configuration_digest: process.configuration.clone(),
            rpc_host: format!("broker-{}", process.broker),
            rpc_port: 9192,
            ..admin::DescribeBrokerReply::default()
        }
    }
}
