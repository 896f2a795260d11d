//! The leading controller's decisions: who is alive, who leads, which changes are committed.
//!
//! Decisions are made on the newest image and become plain [`Change`]s; the quorum commits them and
//! every broker applies them. What is kept here besides (sessions, reports) is volatile: a new
//! controller starts without it and grants every broker a full session.

mod admission;
mod brokers;
pub mod command;
mod configs;
pub mod draft;
mod election;
mod election_request;
mod features;
mod isr;
pub mod permit;
pub mod placement;
mod quotas;
mod sessions;
mod tick;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_model::{BrokerEpoch, BrokerId, Monotonic, TopicPartition};

pub use command::{
    AlterConfig, AlterQuotas, Command, ConfigOperation, ConfigResource, CreatePartitionsRequest,
    Failure, NewTopic, Outcome, Registration, ReplicaReport, TopicCreated, TopicReference,
};
pub use draft::Draft;
pub use features::brokers_behind;
pub use isr::is_final;
pub use permit::{PermitObstacle, PermitRequest, QuorumView, below_permit_level};
pub use sessions::{HeartbeatAnswer, Sessions};
pub use topics::is_topic_name;

use crate::image::{Change, ClusterImage, PermitId};
use crate::planted::Planted;
use permit::PermitSight;

/// What steers the controller.
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    /// A broker not heard from for so long is fenced.
    pub session_timeout: Duration,
    /// How often brokers report.
    pub heartbeat_interval: Duration,
    /// How long a partition whose ISR members all restarted waits for absent ones (ADR 0005).
    pub election_wait: Duration,
    /// How often leaders are moved back to the preferred replica.
    pub preferred_interval: Duration,
    /// How long a broker must have been unfenced before leaders are moved back to it, and before it
    /// is as good a choice in an election as one that was there all along.
    pub settle_time: Duration,
    /// Partitions of a topic created without a number.
    pub default_partitions: i32,
    /// Replication factor of a topic created without one.
    pub default_replication_factor: i16,
    /// The static broker settings that give topic defaults, by the broker's names.
    pub topic_defaults: BTreeMap<String, String>,
    /// For tests of the tests.
    pub planted: Planted,
}

impl Default for ControllerOptions {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(1),
            heartbeat_interval: Duration::from_millis(100),
            election_wait: Duration::from_secs(3),
            preferred_interval: Duration::from_secs(2),
            // How long librdkafka waits at most before it connects again to a broker that it lost.
            settle_time: Duration::from_secs(10),
            default_partitions: 1,
            default_replication_factor: 3,
            topic_defaults: BTreeMap::new(),
            planted: Planted::None,
        }
    }
}

/// The controller of one term in office.
#[derive(Debug)]
pub struct Controller {
    options: ControllerOptions,
    sessions: Sessions,
    /// What restarted brokers say their logs hold.
    reports: BTreeMap<BrokerId, ReplicaReport>,
    /// Partitions without a leader, and since when this controller knows.
    vacant: BTreeMap<TopicPartition, Monotonic>,
    unfenced_since: BTreeMap<BrokerId, Monotonic>,
    last_preferred: Monotonic,
    /// The version of the image on which a decision was made of whose commit nothing is known.
    unsettled: Option<u64>,
    /// Which voters of the quorum answer, as far as whoever runs this controller has said.
    quorum: QuorumView,
    /// The permit in its present stage, and since when this controller knows.
    permit_seen: Option<PermitSight>,
    /// The permit that was there before this controller; only for a planted bug.
    inherited_permit: Option<PermitId>,
}

impl Controller {
    /// Takes office with an image that holds everything committed before.
    pub fn new(options: ControllerOptions, image: &ClusterImage, now: Monotonic) -> Self {
        let mut controller = Self {
            sessions: Sessions::new(now),
            reports: BTreeMap::new(),
            vacant: BTreeMap::new(),
            unfenced_since: BTreeMap::new(),
            last_preferred: now,
            unsettled: None,
            quorum: QuorumView::default(),
            permit_seen: None,
            inherited_permit: image.permit.as_ref().map(|permit| permit.id),
            options,
        };
        controller.look_at(image, now);
        controller
    }

    /// Learns from a whole image who is there and which partitions lack a leader; what was known
    /// before keeps its time.
    fn look_at(&mut self, image: &ClusterImage, now: Monotonic) {
        let mut vacant = BTreeMap::new();
        for (id, topic) in image.topics.iter() {
            for (index, record) in topic.partitions.iter().enumerate() {
                if record.leader.is_none() {
                    let at = TopicPartition {
                        topic: *id,
                        partition: index as i32,
                    };
                    let since = self.vacant.get(&at).copied().unwrap_or(now);
                    vacant.insert(at, since);
                }
            }
        }
        self.vacant = vacant;
        let since = |id: &BrokerId| self.unfenced_since.get(id).copied().unwrap_or(now);
        self.unfenced_since = image
            .brokers
            .values()
            .filter(|broker| !broker.fenced)
            .map(|broker| (broker.id, since(&broker.id)))
            .collect();
    }

    /// A decision on this version of the image may or may not be committed. No other one can be on
    /// the same version: once there is a newer one, it shows what became of it.
    pub fn lost_sight(&mut self, version: u64) {
        self.unsettled = Some(version);
    }

    /// Looks at an image that settles a decision of which nothing was known.
    pub(super) fn settle(&mut self, image: &ClusterImage, now: Monotonic) {
        if self
            .unsettled
            .is_some_and(|version| image.version > version)
        {
            self.unsettled = None;
            self.look_at(image, now);
        }
    }

    /// What steers it.
    pub fn options(&self) -> &ControllerOptions {
        &self.options
    }

    /// The sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The sessions, to take note of heartbeats.
    pub fn sessions_mut(&mut self) -> &mut Sessions {
        &mut self.sessions
    }

    /// Which voters of the quorum answer now. Whoever runs the controller says so before it decides:
    /// a controller that was told nothing grants no restart permit.
    pub fn set_quorum_view(&mut self, view: QuorumView) {
        self.quorum = view;
    }

    /// A broker reports. While partitions wait for a leader it is asked where its logs end, if that
    /// is not known here: what an earlier controller was told went with it.
    pub fn heartbeat(
        &mut self,
        image: &ClusterImage,
        broker: BrokerId,
        epoch: BrokerEpoch,
        ready: bool,
        now: Monotonic,
    ) -> HeartbeatAnswer {
        let answer = self.sessions.heartbeat(image, broker, epoch, ready, now);
        let known = self.reports.get(&broker).is_some_and(|r| r.epoch == epoch);
        match answer {
            HeartbeatAnswer::Known { fenced, .. } => HeartbeatAnswer::Known {
                fenced,
                report: !known && !self.vacant.is_empty(),
            },
            HeartbeatAnswer::Unknown => HeartbeatAnswer::Unknown,
        }
    }

    /// Partitions that wait for a leader.
    pub fn vacant(&self) -> BTreeSet<TopicPartition> {
        self.vacant.keys().copied().collect()
    }

    /// Decides one command on a draft. A refused command leaves the draft as it was.
    pub fn decide(&mut self, draft: &mut Draft, command: &Command, now: Monotonic) -> Outcome {
        let before = draft.mark();
        let outcome = self.carry_out(draft, command, now);
        let refused = matches!(outcome, Outcome::Failed(_));
        if refused || command.only_validates() {
            draft.reset(&before);
        }
        if refused && let Command::Register(registration) = command {
            Self::shut_out(draft, registration);
        }
        self.take_back_grant(draft);
        outcome
    }

    fn carry_out(&mut self, draft: &mut Draft, command: &Command, now: Monotonic) -> Outcome {
        match command {
            Command::Register(registration) => self.register(draft, registration, now),
            Command::AlterIsr {
                broker,
                broker_epoch,
                proposals,
            } => self.alter_isr(draft, *broker, *broker_epoch, proposals),
            Command::Shutdown {
                broker,
                broker_epoch,
            } => self.shut_down(draft, *broker, *broker_epoch, now),
            Command::Resign {
                broker,
                broker_epoch,
                partitions,
            } => self.resign(draft, *broker, *broker_epoch, partitions, now),
            Command::CreateTopics { topics, .. } => self.create_topics(draft, topics, now),
            Command::DeleteTopics { topics } => Self::delete_topics(draft, topics),
            Command::CreatePartitions { topics, .. } => self.create_partitions(draft, topics, now),
            Command::AlterConfigs { alterations, .. } => self.alter_configs(draft, alterations),
            Command::AllocateProducerIds {
                broker,
                broker_epoch,
                count,
            } => Self::allocate_producer_ids(draft, *broker, *broker_epoch, *count),
            Command::Admit(replica) => Self::admit(draft, *replica),
            Command::AcquirePermit(request) => self.acquire_permit(draft, request, now),
            Command::EndPermit { id, holder, force } => {
                Self::give_back_permit(draft, *id, holder, *force)
            }
            Command::RaiseFeatureLevel { level } => Self::raise_feature_level(draft, *level),
            Command::ElectLeaders { partitions, any } => {
                self.elect_on_request(draft, partitions.as_deref(), *any, now)
            }
            Command::AlterClientQuotas { alterations, .. } => {
                Self::alter_client_quotas(draft, alterations)
            }
        }
    }

    /// Takes note of changes that were committed.
    pub fn observe(&mut self, changes: &[Change], now: Monotonic) {
        for change in changes {
            match change {
                Change::PutPartition { at, record } => {
                    if record.leader.is_none() {
                        self.vacant.entry(*at).or_insert(now);
                    } else {
                        self.vacant.remove(at);
                    }
                }
                Change::DeleteTopic(id) => self.vacant.retain(|at, _| at.topic != *id),
                Change::PutBroker(record) if record.fenced => {
                    self.unfenced_since.remove(&record.id);
                }
                Change::PutBroker(record) => {
                    self.unfenced_since.entry(record.id).or_insert(now);
                }
                Change::SetClusterId(_)
                | Change::SetFeatureLevel(_)
                | Change::SetNextBrokerEpoch(_)
                | Change::SetNextProducerId(_)
                | Change::Admit(_)
                | Change::Retire { .. }
                | Change::PutTopic { .. }
                | Change::SetClusterConfig { .. }
                | Change::SetBrokerConfig { .. }
                | Change::PutPermit(_)
                | Change::EndPermit { .. }
                | Change::SetClientQuota { .. } => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
