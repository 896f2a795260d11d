//! Leaders' wishes for other ISRs.

use std::borrow::Cow;

use holdfast_model::{BrokerEpoch, BrokerId, ErrorCode, TopicPartition};

use super::election::set_isr;
use super::{Command, Controller, Draft, Failure, Outcome};
use crate::image::{ClusterImage, IsrMember, PartitionRecord};
use crate::planted::Planted;
use crate::replica::IsrProposal;

impl Controller {
    pub(super) fn alter_isr(
        &self,
        draft: &mut Draft,
        broker: BrokerId,
        broker_epoch: BrokerEpoch,
        proposals: &[(TopicPartition, IsrProposal)],
    ) -> Outcome {
        if draft
            .image()
            .brokers
            .get(&broker)
            .is_none_or(|record| record.epoch != broker_epoch)
        {
            return Outcome::Failed(Failure::new(
                ErrorCode::StaleBrokerEpoch,
                format!("broker {broker} is not registered as {broker_epoch}"),
            ));
        }
        let mut results = Vec::with_capacity(proposals.len());
        for (at, proposal) in proposals {
            let code = match next_record(
                draft.image(),
                broker,
                broker_epoch,
                *at,
                &self.named(draft, proposal),
            ) {
                Ok(record) => {
                    draft.put_partition(*at, record);
                    ErrorCode::None
                }
                Err(code) => code,
            };
            results.push((*at, code));
        }
        Outcome::IsrAltered(results)
    }

    /// The change that is asked for. Only a planted bug makes another one of it.
    fn named<'a>(&self, draft: &Draft, proposal: &'a IsrProposal) -> Cow<'a, IsrProposal> {
        if self.options.planted != Planted::JoinOfStaleRegistration {
            return Cow::Borrowed(proposal);
        }
        let mut proposal = proposal.clone();
        for member in &mut proposal.isr {
            if let Some(present) = draft.image().brokers.get(&member.replica.broker) {
                member.replica = present.replica();
                member.broker_epoch = present.epoch;
            }
        }
        Cow::Owned(proposal)
    }
}

fn next_record(
    image: &ClusterImage,
    broker: BrokerId,
    broker_epoch: BrokerEpoch,
    at: TopicPartition,
    proposal: &IsrProposal,
) -> Result<PartitionRecord, ErrorCode> {
    let record = image
        .partition(at)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let leads = record.leader == Some(broker)
        && record.leader_registration == broker_epoch
        && record.leader_epoch == proposal.leader_epoch;
    if !leads {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if record.partition_epoch != proposal.partition_epoch {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    let mut isr = Vec::with_capacity(proposal.isr.len());
    for member in &proposal.isr {
        let assigned = record.replicas.contains(&member.replica.broker);
        let registered = image
            .replica(member.replica)
            .filter(|known| assigned && known.epoch == member.broker_epoch)
            .ok_or(ErrorCode::IneligibleReplica)?;
        let stays = record
            .isr
            .iter()
            .any(|old| old.replica == member.replica && old.epoch == member.broker_epoch);
        if !stays && !registered.is_countable() {
            return Err(ErrorCode::IneligibleReplica);
        }
        isr.push(IsrMember {
            replica: member.replica,
            epoch: member.broker_epoch,
        });
    }
    isr.sort_unstable();
    isr.dedup_by_key(|member| member.replica);
    if !isr.iter().any(|member| member.replica.broker == broker) {
        return Err(ErrorCode::InvalidRequest);
    }
    let mut next = record.clone();
    set_isr(&mut next, isr);
    Ok(next)
}

/// Whether a leader that was refused with this code must propose something else, because asking
/// again cannot help.
pub fn is_final(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::IneligibleReplica | ErrorCode::InvalidRequest
    )
}

impl Command {
    /// Whether nothing of it is to be committed.
    pub(super) fn only_validates(&self) -> bool {
        matches!(
            self,
            Self::CreateTopics {
                validate_only: true,
                ..
            } | Self::CreatePartitions {
                validate_only: true,
                ..
            } | Self::AlterConfigs {
                validate_only: true,
                ..
            } | Self::AlterClientQuotas {
                validate_only: true,
                ..
            }
        )
    }

    /// A name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::AlterIsr { .. } => "alter_isr",
            Self::Shutdown { .. } => "shutdown",
            Self::Resign { .. } => "resign",
            Self::CreateTopics { .. } => "create_topics",
            Self::DeleteTopics { .. } => "delete_topics",
            Self::CreatePartitions { .. } => "create_partitions",
            Self::AlterConfigs { .. } => "alter_configs",
            Self::AllocateProducerIds { .. } => "allocate_producer_ids",
            Self::Admit(_) => "admit",
            Self::AcquirePermit(_) => "acquire_permit",
            Self::EndPermit { .. } => "end_permit",
            Self::RaiseFeatureLevel { .. } => "raise_feature_level",
            Self::ElectLeaders { .. } => "elect_leaders",
            Self::AlterClientQuotas { .. } => "alter_client_quotas",
        }
    }
}
