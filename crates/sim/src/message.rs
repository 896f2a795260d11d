//! What brokers, the controller and clients say to each other in a run.

use std::sync::Arc;

use holdfast_kernel::controller::{Command, HeartbeatAnswer, Outcome};
use holdfast_kernel::image::ChangeBatch;
use holdfast_kernel::replica::{
    Acked, AppendHeader, IsrProposal, Opened, RefusedReason, SessionId, Start,
};
use holdfast_model::{
    BatchInfo, BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, TopicPartition,
};

use crate::replica::PartitionName;

/// A message of any kind.
#[derive(Clone, Debug)]
pub enum Message {
    /// A leader opens a conversation.
    Open(TopicPartition, LeaderEpoch, SessionId),
    /// The follower's answer.
    Opened(TopicPartition, Opened),
    /// From where the follower goes on.
    Start(TopicPartition, Box<Start>),
    /// Batches, or a high watermark alone.
    Append(TopicPartition, AppendHeader, Vec<BatchInfo>),
    /// How far the follower has come.
    Acked(TopicPartition, Acked),
    /// Why the follower does not follow.
    Refused(TopicPartition, SessionId, RefusedReason),
    /// A broker reports to the controller, and tells which image it knows.
    Heartbeat {
        /// The broker.
        broker: BrokerId,
        /// Its registration, if it has one.
        epoch: Option<BrokerEpoch>,
        /// Whether it can serve.
        ready: bool,
        /// The version of its image.
        version: u64,
    },
    /// The controller's answer.
    Heard(BrokerEpoch, HeartbeatAnswer),
    /// A request to the controller.
    Ask(u64, Box<Command>),
    /// Its outcome, once committed.
    Outcome(u64, Box<Outcome>),
    /// Committed changes, in order.
    Image(Vec<Arc<ChangeBatch>>),
    /// A client's batch.
    Produce(Produce),
    /// What became of it.
    Produced {
        /// Which producer.
        producer: usize,
        /// The batch's identity.
        batch: u32,
        /// The outcome.
        code: ErrorCode,
        /// Where it is, if it was taken.
        base_offset: Offset,
    },
    /// A producer asks who leads its partition.
    WhoLeads(usize, TopicPartition),
    /// The answer, as far as the asked broker knows.
    Leads(usize, Option<BrokerId>),
    /// A client deletes records up to a part of the log, in thousandths of what is committed.
    DeleteRecords(TopicPartition, u32),
}

/// A client's batch, still without offsets.
#[derive(Clone, Copy, Debug)]
pub struct Produce {
    /// Which producer sent it.
    pub producer: usize,
    /// Where to.
    pub at: TopicPartition,
    /// What describes it; its CRC is its identity in the whole run.
    pub info: BatchInfo,
    /// Whether it wants to be acknowledged by all in-sync replicas, or by nobody.
    pub acks_all: bool,
}

impl Message {
    /// What it says, in one short line for the trace.
    pub fn describe(&self) -> String {
        match self {
            Self::Open(at, epoch, session) => {
                format!(
                    "open {} epoch {epoch} session {}",
                    at.partition_name(),
                    session.0
                )
            }
            Self::Opened(at, opened) => format!(
                "opened {} session {} log {}..{} synced {} epochs {:?}",
                at.partition_name(),
                opened.session.0,
                opened.log_start,
                opened.log_end,
                opened.synced_end,
                opened
                    .epochs
                    .iter()
                    .map(|e| (e.epoch.0, e.start.0))
                    .collect::<Vec<_>>(),
            ),
            Self::Start(at, start) => format!(
                "start {} session {} from {} reset {} high watermark {}",
                at.partition_name(),
                start.session.0,
                start.from,
                start.reset,
                start.high_watermark
            ),
            Self::Append(at, header, batches) => format!(
                "append {} session {} at {} epoch {} high watermark {} batches {:?}",
                at.partition_name(),
                header.session.0,
                header.previous_end,
                header.leader_epoch,
                header.high_watermark,
                batches
                    .iter()
                    .map(|b| (b.base_offset.0, b.last_offset.0))
                    .collect::<Vec<_>>(),
            ),
            Self::Acked(at, acked) => format!(
                "acked {} session {} epoch {} end {} synced {}",
                at.partition_name(),
                acked.session.0,
                acked.leader_epoch,
                acked.log_end,
                acked.synced_end
            ),
            Self::Refused(at, session, reason) => {
                format!(
                    "refused {} session {}: {reason:?}",
                    at.partition_name(),
                    session.0
                )
            }
            other => other.describe_talk(),
        }
    }

    /// The rest: talk with the controller and with clients.
    fn describe_talk(&self) -> String {
        match self {
            Self::Heartbeat {
                broker,
                epoch,
                ready,
                version,
            } => {
                format!("heartbeat {broker} {epoch:?} ready {ready} image {version}")
            }
            Self::Heard(_, answer) => format!("heard {answer:?}"),
            Self::Ask(number, command) => match &**command {
                Command::AlterIsr { proposals, .. } => {
                    format!("ask {number} alter_isr {}", describe_proposals(proposals))
                }
                other => format!("ask {number} {}", other.name()),
            },
            Self::Outcome(number, outcome) => format!("outcome {number} {outcome:?}"),
            Self::Image(batches) => {
                let first = batches.first().map_or(0, |batch| batch.decided_on);
                format!("image {first} and {} more", batches.len().saturating_sub(1))
            }
            Self::Produce(produce) => format!(
                "produce {} batch {} sequence {} producer {}",
                produce.at.partition_name(),
                produce.info.crc,
                produce.info.base_sequence,
                produce.producer
            ),
            Self::Produced {
                producer,
                batch,
                code,
                base_offset,
            } => {
                format!("produced {producer} batch {batch}: {code} at {base_offset}")
            }
            Self::WhoLeads(producer, at) => {
                format!("who leads {} asks {producer}", at.partition_name())
            }
            Self::Leads(producer, leader) => format!("leads {leader:?} tells {producer}"),
            Self::DeleteRecords(at, permille) => {
                format!("delete {} by {permille}", at.partition_name())
            }
            Self::Open(..)
            | Self::Opened(..)
            | Self::Start(..)
            | Self::Append(..)
            | Self::Acked(..)
            | Self::Refused(..) => self.describe(),
        }
    }
}

fn describe_proposals(proposals: &[(TopicPartition, IsrProposal)]) -> String {
    let one = |(at, proposal): &(TopicPartition, IsrProposal)| {
        let isr: Vec<i32> = proposal
            .isr
            .iter()
            .map(|member| member.replica.broker.0)
            .collect();
        format!(
            "{} version {} isr {isr:?}",
            at.partition_name(),
            proposal.partition_epoch
        )
    };
    proposals.iter().map(one).collect::<Vec<_>>().join(", ")
}
