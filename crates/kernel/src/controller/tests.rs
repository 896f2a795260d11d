//! The controller's decisions, one by one. The numbers in names of sections are those of the twenty
//! schedules in `docs/replication.md`.

mod admission;
mod brokers;
mod election_request;
mod elections;
mod features;
mod permit;
mod quotas;
mod topics;

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::{
    BrokerEpoch, BrokerId, Incarnation, LeaderEpoch, Monotonic, Offset, ReplicaId, StartNumber,
    TopicId, TopicPartition,
};
use uuid::Uuid;

use super::*;
use crate::image::{BrokerRecord, Endpoint, FEATURE_LEVEL, PartitionRecord};
use crate::replica::{IsrProposal, ProposedMember};

const AT: TopicPartition = TopicPartition {
    topic: TopicId(Uuid::from_u128(7)),
    partition: 0,
};

/// A controller in office, with a quorum that agrees at once.
struct Office {
    image: ClusterImage,
    controller: Controller,
    now: Monotonic,
}

fn disk(broker: i32, life: u64) -> ReplicaId {
    ReplicaId {
        broker: BrokerId(broker),
        incarnation: Incarnation(life),
    }
}

fn registration(broker: i32, life: u64, start: u64, process: u64) -> Registration {
    Registration {
        broker: BrokerId(broker),
        incarnation: Incarnation(life),
        start: StartNumber(start),
        process,
        rack: None,
        endpoints: Vec::new(),
        rpc: Endpoint {
            listener: String::new(),
            host: String::new(),
            port: 0,
        },
        logs: Vec::new(),
        version: "test".to_owned(),
        max_feature_level: FEATURE_LEVEL,
    }
}

impl Office {
    /// Brokers 0, 1, 2 of disk life 1 are registered and live; nothing else exists.
    fn of_three() -> Self {
        let mut image = ClusterImage::default();
        image.apply(&Change::SetFeatureLevel(FEATURE_LEVEL));
        for broker in 0..3 {
            image.apply(&Change::Admit(disk(broker, 1)));
        }
        let now = Monotonic(1);
        let controller = Controller::new(ControllerOptions::default(), &image, now);
        let mut office = Self {
            image,
            controller,
            now,
        };
        for broker in 0..3 {
            office.ask(&Command::Register(registration(broker, 1, 1, 1)));
        }
        office.beat(&[0, 1, 2]);
        office.tick();
        office
    }

    /// The same, with one partition on all three: led by 0, min.insync.replicas 2.
    fn with_topic() -> Self {
        let mut office = Self::of_three();
        let configs = [("min.insync.replicas".to_owned(), "2".to_owned())];
        let topic = NewTopic {
            id: AT.topic,
            name: "t".to_owned(),
            partitions: None,
            replication_factor: None,
            assignments: BTreeMap::from([(0, [0, 1, 2].map(BrokerId).to_vec())]),
            configs: configs.into(),
        };
        office.ask(&Command::CreateTopics {
            topics: vec![topic],
            validate_only: false,
        });
        assert_eq!(office.isr(), [0, 1, 2]);
        office
    }

    fn agree(&mut self, draft: Draft) -> usize {
        let batch = draft.into_batch(self.image.version);
        assert!(self.image.apply_batch(&batch));
        self.controller.observe(&batch.changes, self.now);
        batch.changes.len()
    }

    fn ask(&mut self, command: &Command) -> Outcome {
        let mut draft = Draft::new(&self.image);
        let outcome = self.controller.decide(&mut draft, command, self.now);
        self.agree(draft);
        outcome
    }

    fn tick(&mut self) -> usize {
        let draft = self.controller.tick(&self.image, self.now);
        self.agree(draft)
    }

    /// The quorum agrees, but the controller does not hear of it.
    fn tick_unheard(&mut self, batch: &crate::image::ChangeBatch) {
        assert!(self.image.apply_batch(batch));
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now.plus(Duration::from_millis(ms));
    }

    /// These brokers report in their present registrations, ready.
    fn beat(&mut self, brokers: &[i32]) {
        for broker in brokers {
            let epoch = self.broker(*broker).epoch;
            let id = BrokerId(*broker);
            self.controller
                .heartbeat(&self.image, id, epoch, true, self.now);
        }
    }

    /// Time passes while only these brokers report.
    fn pass(&mut self, ms: u64, heard: &[i32]) {
        for _ in 0..ms / 100 {
            self.wait(100);
            self.beat(heard);
            self.tick();
        }
    }

    /// Another controller takes office.
    fn succeed(&mut self) {
        self.controller = Controller::new(ControllerOptions::default(), &self.image, self.now);
    }

    /// A process starts again on the same disk and says where its log ends.
    fn restart(&mut self, broker: i32, last: i32, end: i64) -> Outcome {
        let start = self.broker(broker).start.0 + 1;
        let mut again = registration(broker, 1, start, start);
        again.logs = vec![(AT, LeaderEpoch(last), Offset(end))];
        self.ask(&Command::Register(again))
    }

    fn broker(&self, broker: i32) -> &BrokerRecord {
        &self.image.brokers[&BrokerId(broker)]
    }

    fn record(&self) -> &PartitionRecord {
        self.image.partition(AT).expect("the partition exists")
    }

    fn leader(&self) -> Option<i32> {
        self.record().leader.map(|leader| leader.0)
    }

    fn isr(&self) -> Vec<i32> {
        self.record()
            .isr
            .iter()
            .map(|member| member.replica.broker.0)
            .collect()
    }

    fn eligible(&self) -> Vec<i32> {
        self.record()
            .elr
            .iter()
            .map(|member| member.replica.broker.0)
            .collect()
    }

    /// A proposal of the present leader on top of the present record.
    fn proposal(&self, isr: &[i32]) -> IsrProposal {
        let member = |broker: &i32| ProposedMember {
            replica: self.broker(*broker).replica(),
            broker_epoch: self.broker(*broker).epoch,
        };
        IsrProposal {
            leader_epoch: self.record().leader_epoch,
            partition_epoch: self.record().partition_epoch,
            isr: isr.iter().map(member).collect(),
        }
    }

    fn propose(&mut self, broker: i32, proposal: IsrProposal) -> holdfast_model::ErrorCode {
        let broker_epoch = self.broker(broker).epoch;
        let outcome = self.ask(&Command::AlterIsr {
            broker: BrokerId(broker),
            broker_epoch,
            proposals: vec![(AT, proposal)],
        });
        match outcome {
            Outcome::IsrAltered(results) => results[0].1,
            other => panic!("{other:?}"),
        }
    }

    /// The leader asks for this ISR and gets it.
    fn set_isr(&mut self, isr: &[i32]) {
        let leader = self.leader().expect("a leader");
        let proposal = self.proposal(isr);
        assert_eq!(
            self.propose(leader, proposal),
            holdfast_model::ErrorCode::None
        );
    }
}

fn refusal(outcome: &Outcome) -> holdfast_model::ErrorCode {
    match outcome {
        Outcome::Failed(failure) => failure.code,
        other => panic!("{other:?} is no refusal"),
    }
}

fn epoch_of(outcome: &Outcome) -> BrokerEpoch {
    match outcome {
        Outcome::Registered(epoch) => *epoch,
        other => panic!("{other:?} is no registration"),
    }
}
