//! What happens in the world by itself.

use serde_json::Value;

use super::world::{World, key};
use crate::digest::sha256_hex;
use crate::{
    BrokerView, ClaimView, ClusterView, Lifecycle, PermitStage, PodPhase, PodView, ProcessView,
    QuorumMemberView,
};

impl World {
    /// A moment passes.
    pub(super) fn tick(&mut self) {
        self.sets_make_pods();
        self.pods_start();
        self.brokers_form();
        self.brokers_register();
        self.permit_moves_on();
    }

    fn sets_make_pods(&mut self) {
        for (name, set) in self.observed.sets.clone() {
            let live = &self.observed.children[&key("StatefulSet", &name)];
            let first = live["spec"]["ordinals"]["start"].as_i64().unwrap_or(0);
            let first = i32::try_from(first).expect("an id");
            for id in first..first + set.replicas {
                self.makes_pod(&name, &set.update_revision, &set.claim_size, id);
            }
            let set = self.observed.sets.get_mut(&name).expect("the set");
            set.observed = true;
        }
    }

    fn makes_pod(&mut self, set: &str, revision: &str, size: &str, id: i32) {
        if self.observed.pods.contains_key(&id) {
            return;
        }
        let claim = format!("data-{set}-{id}");
        if !self.observed.claims.contains_key(&claim) {
            let identity = self.observed.identity.as_ref().expect("an identity");
            let claim_view = ClaimView {
                broker: id,
                cluster_id: Some(identity.cluster_id.clone()),
                requested_bytes: holdfast_api::quantity_bytes(size).expect("a size"),
                class: Some("fast".to_owned()),
                uid: format!("uid-of-{claim}"),
                ..ClaimView::default()
            };
            self.observed.claims.insert(claim, claim_view);
        }
        let pod = PodView {
            name: format!("{set}-{id}"),
            uid: self.uid(),
            broker: id,
            revision: revision.to_owned(),
            ..PodView::default()
        };
        self.observed.pods.insert(id, pod);
    }

    fn pods_start(&mut self) {
        for id in self.observed.pods.keys().copied().collect::<Vec<i32>>() {
            let pod = self.observed.pods[&id].clone();
            if pod.phase != PodPhase::Pending || pod.trouble.is_some() {
                continue;
            }
            let zone = pod.name.split('-').nth(1).unwrap_or_default().to_owned();
            let mut nodes = self.observed.nodes.iter();
            let node = nodes.find(|(name, node)| node.schedulable && name.starts_with(&zone));
            let Some(node) = node.map(|(name, _)| name.clone()) else {
                continue;
            };
            let version = self.image_of(&pod.name);
            let broken =
                Some(&version) == self.broken_version.as_ref() || self.broken_brokers.contains(&id);
            let process = self.starts(id, version);
            let pod = self.observed.pods.get_mut(&id).expect("the pod");
            pod.phase = PodPhase::Running;
            pod.node = Some(node);
            if broken {
                pod.restarts = 5;
                pod.trouble = Some("CrashLoopBackOff".to_owned());
            } else {
                self.observed.processes.insert(id, process);
            }
        }
    }

    fn image_of(&self, pod: &str) -> String {
        let set = pod.rsplit_once('-').map_or(pod, |(set, _)| set);
        let live = &self.observed.children[&key("StatefulSet", set)];
        let image = live["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
        let image = image.expect("an image");
        image
            .rsplit_once(':')
            .map_or(image, |(_, version)| version)
            .to_owned()
    }

    fn file(&self, map: &str, file: &str) -> String {
        let data: &Value = &self.observed.children[&key("ConfigMap", map)]["data"];
        data[file].as_str().unwrap_or_default().to_owned()
    }

    /// The digest of the files as they stand there.
    pub(super) fn configuration_of(&self, id: i32) -> String {
        let own = self.file("orders-brokers", &format!("{id}.properties"));
        let common = self.file("orders-config", "broker.properties");
        sha256_hex(format!("{common}\0{own}\0").as_bytes())
    }

    /// A process loads its files and says what it is.
    fn starts(&self, id: i32, version: String) -> ProcessView {
        let own = self.file("orders-brokers", &format!("{id}.properties"));
        let identity = self.observed.identity.as_ref().expect("an identity");
        let known = self
            .observed
            .cluster
            .as_ref()
            .is_some_and(|v| v.brokers.contains_key(&id));
        let lifecycle = if own.contains("holdfast.parked=true") {
            Lifecycle::Parked
        } else if known {
            Lifecycle::Registering
        } else if identity.voters.contains(&id) && !identity.formed {
            Lifecycle::Forming
        } else {
            Lifecycle::WaitingForAdmission
        };
        let level = if version.starts_with("1.") { 2 } else { 3 };
        ProcessView {
            cluster_id: identity.cluster_id.clone(),
            broker: id,
            incarnation: format!("disk-{id}"),
            version,
            max_feature_level: level,
            lifecycle,
            configuration: self.configuration_of(id),
            rpc_host: format!("orders-{id}.shop.svc"),
            rpc_port: 9192,
            ..ProcessView::default()
        }
    }

    /// The voters form a cluster when all of them answer.
    fn brokers_form(&mut self) {
        let Some(identity) = self.observed.identity.clone() else {
            return;
        };
        let forming = |id: &i32| {
            let process = self.observed.processes.get(id);
            process.is_some_and(|process| process.lifecycle == Lifecycle::Forming)
        };
        if self.observed.cluster.is_some() || !identity.voters.iter().all(forming) {
            return;
        }
        assert!(identity.formation.is_some(), "formed without a document");
        let votes = |broker: &i32| QuorumMemberView {
            broker: *broker,
            votes: true,
            answers: true,
        };
        self.observed.cluster = Some(ClusterView {
            cluster_id: identity.cluster_id.clone(),
            controller: identity.voters.first().copied(),
            feature_level: 2,
            quorum: identity.voters.iter().map(votes).collect(),
            ..ClusterView::default()
        });
        for id in &identity.voters {
            self.register(*id, &format!("disk-{id}"));
        }
    }

    /// A broker gets into the cluster's view under a new registration.
    pub(super) fn register(&mut self, id: i32, incarnation: &str) {
        let process = self.observed.processes.get_mut(&id).expect("the process");
        process.lifecycle = Lifecycle::Serving;
        let (version, level) = (process.version.clone(), process.max_feature_level);
        let view = self.observed.cluster.as_mut().expect("a cluster");
        let before = view.brokers.get(&id).map_or(0, |broker| broker.epoch);
        let broker = BrokerView {
            id,
            incarnation: incarnation.to_owned(),
            epoch: before + 1,
            version,
            max_feature_level: level,
            replicas: 10,
            in_sync: 10,
            ..BrokerView::default()
        };
        view.brokers.insert(id, broker);
        if let Some(pod) = self.observed.pods.get_mut(&id) {
            pod.ready = true;
        }
    }

    fn brokers_register(&mut self) {
        let registering: Vec<(i32, String)> = self
            .observed
            .processes
            .values()
            .filter(|process| process.lifecycle == Lifecycle::Registering)
            .map(|process| (process.broker, process.incarnation.clone()))
            .collect();
        for (id, incarnation) in registering {
            self.register(id, &incarnation);
        }
    }

    /// A broker's pod and process are gone.
    pub(super) fn stopped(&mut self, id: i32) {
        self.observed.pods.remove(&id);
        self.observed.processes.remove(&id);
        if let Some(view) = &mut self.observed.cluster {
            if let Some(broker) = view.brokers.get_mut(&id) {
                broker.fenced = true;
                broker.in_sync = 0;
            }
            if view.controller == Some(id) {
                let mut others = view.brokers.values().filter(|broker| !broker.fenced);
                let next = others.next().map(|broker| broker.id);
                view.controller = next;
            }
        }
    }

    fn permit_moves_on(&mut self) {
        let Some(view) = &mut self.observed.cluster else {
            return;
        };
        let brokers = view.brokers.clone();
        let Some(permit) = &mut view.permit else {
            return;
        };
        if permit.stage == PermitStage::Draining {
            permit.stage = PermitStage::Granted;
            return;
        }
        let back = |(id, epoch): (&i32, &u64)| {
            brokers
                .get(id)
                .is_some_and(|b| b.epoch > *epoch && !b.fenced)
        };
        let fenced = |id: &i32| brokers.get(id).is_some_and(|b| b.fenced);
        let parked = permit.park && permit.brokers.keys().all(fenced);
        if parked || permit.brokers.iter().all(back) {
            view.permit = None;
        }
    }
}
