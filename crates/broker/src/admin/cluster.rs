//! The state of the cluster.

use std::collections::BTreeMap;

use holdfast_kernel::image::{BrokerRecord, ClusterImage, PartitionRecord};
use holdfast_model::BrokerId;
use holdfast_quorum::{MemberStatus, Status as QuorumStatus};
use holdfast_rpc::proto::Damage;
use holdfast_rpc::proto::admin::{
    Broker, DamagedReplica, DescribeClusterReply, Partitions, QuorumMember,
};

use super::{AdminApi, permit};
use crate::controller::ANSWERS_WITHIN_MS;
use crate::repair::damage_everywhere;

/// Partitions that are named one by one.
const EXAMPLES: usize = 100;

impl AdminApi {
    pub(super) async fn cluster(&self) -> DescribeClusterReply {
        let (status, stale) = match self.state.controller.describe_quorum().await {
            Ok(status) => (status, false),
            Err(error) => {
                tracing::debug!(%error, "the leader of the quorum says nothing");
                (self.state.quorum.status(), true)
            }
        };
        let image = self.state.image();
        let channels = self.state.controller.channels();
        let partitions = &self.state.partitions;
        let damaged = damage_everywhere(&image, channels, &self.identity, partitions).await;
        DescribeClusterReply {
            damaged: damaged.into_iter().map(damaged_replica).collect(),
            ..describe(&image, &status, stale)
        }
    }
}

fn describe(image: &ClusterImage, status: &QuorumStatus, stale: bool) -> DescribeClusterReply {
    let members = status.voters.iter().map(|member| (member, true));
    let members = members.chain(status.learners.iter().map(|member| (member, false)));
    // The leader answers itself at the moment of asking: its own time is the present.
    let now = status.voters.iter().chain(&status.learners);
    let now = now.filter_map(|member| member.last_answer_ms).max();
    let ended = image.permit_history.iter().map(permit::ended).collect();
    DescribeClusterReply {
        cluster_id: image
            .cluster_id
            .map_or_else(String::new, |id| id.to_string()),
        image_version: image.version,
        feature_level: image.feature_level,
        controller: status
            .leader
            .filter(|_| !stale)
            .map(|leader| leader.broker.0),
        term: status.term,
        quorum: members
            .map(|(member, votes)| quorum_member(member, votes, now))
            .collect(),
        brokers: brokers(image),
        partitions: Some(partitions(image)),
        topics: image.topics.len() as u32,
        permit: image.permit.as_deref().map(permit::shown),
        ended_permits: ended,
        settings: image.cluster_configs.clone().into_iter().collect(),
        stale,
        damaged: Vec::new(),
    }
}

fn damaged_replica((broker, damage): (BrokerId, Damage)) -> DamagedReplica {
    DamagedReplica {
        broker: broker.0,
        partition: damage.partition,
        reason: damage.reason,
        hindrance: damage.hindrance,
    }
}

fn quorum_member(member: &MemberStatus, votes: bool, now: Option<i64>) -> QuorumMember {
    let answers = member
        .last_answer_ms
        .zip(now)
        .is_some_and(|(answer, now)| now - answer < ANSWERS_WITHIN_MS);
    QuorumMember {
        broker: member.replica.broker.0,
        incarnation: member.replica.incarnation.to_string(),
        votes,
        answers,
        log_end: member.log_end,
    }
}

#[derive(Clone, Copy, Default)]
struct Load {
    replicas: u32,
    in_sync: u32,
    leads: u32,
}

fn brokers(image: &ClusterImage) -> Vec<Broker> {
    let mut loads: BTreeMap<BrokerId, Load> = BTreeMap::new();
    for (_, topic) in image.topics.iter() {
        for record in &topic.partitions {
            for id in &record.replicas {
                let load = loads.entry(*id).or_default();
                load.replicas += 1;
                load.leads += u32::from(record.leader == Some(*id));
                let current = image.brokers.get(id);
                let in_sync =
                    current
                        .zip(record.isr_member(*id))
                        .is_some_and(|(broker, member)| {
                            member.replica == broker.replica() && member.epoch == broker.epoch
                        });
                load.in_sync += u32::from(in_sync);
            }
        }
    }
    let load = |id| loads.get(id).copied().unwrap_or_default();
    let brokers = image.brokers.iter();
    brokers
        .map(|(id, record)| broker(record, load(id)))
        .collect()
}

fn broker(record: &BrokerRecord, load: Load) -> Broker {
    let endpoints = record.endpoints.iter();
    let endpoints = endpoints.map(|at| format!("{}://{}:{}", at.listener, at.host, at.port));
    Broker {
        id: record.id.0,
        incarnation: record.incarnation.to_string(),
        start: record.start.0,
        epoch: record.epoch.0,
        zone: record.rack.clone().unwrap_or_default(),
        fenced: record.fenced,
        stopping: record.stopping,
        version: record.version.clone(),
        max_feature_level: record.max_feature_level,
        replicas: load.replicas,
        in_sync: load.in_sync,
        leads: load.leads,
        endpoints: endpoints.collect(),
    }
}

/// How many in-sync replicas of a partition can be relied on now.
pub(super) fn reliable(image: &ClusterImage, record: &PartitionRecord) -> usize {
    let reliable = record.isr.iter().filter(|member| {
        image
            .replica(member.replica)
            .is_some_and(|broker| broker.epoch == member.epoch && broker.is_countable())
    });
    reliable.count()
}

fn partitions(image: &ClusterImage) -> Partitions {
    let mut counts = Partitions::default();
    // From bad to less bad.
    let mut named: [Vec<String>; 4] = Default::default();
    for (_, topic) in image.topics.iter() {
        for (index, record) in topic.partitions.iter().enumerate() {
            counts.all += 1;
            let (left, needed) = (reliable(image, record), record.needed());
            let states = [
                (record.leader.is_none(), &mut counts.offline),
                (left < needed, &mut counts.below_min),
                (
                    left == needed && record.replicas.len() > needed,
                    &mut counts.at_min,
                ),
                (left < record.replicas.len(), &mut counts.under_replicated),
            ];
            let mut worst = None;
            for (rank, (holds, count)) in states.into_iter().enumerate() {
                *count += u32::from(holds);
                if holds && worst.is_none() {
                    worst = Some(rank);
                }
            }
            if let Some(names) = worst.and_then(|rank| named.get_mut(rank))
                && names.len() < EXAMPLES
            {
                names.push(format!("{}/{index}", topic.name));
            }
        }
    }
    let worst = named.into_iter().find(|names| !names.is_empty());
    counts.examples = worst.unwrap_or_default();
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::testing;

    #[test]
    fn partitions_are_counted_by_what_can_be_relied_on() {
        let mut image = testing::image();
        testing::put_topic(&mut image, 7, "orders", 2);
        let counts = partitions(&image);
        assert_eq!(counts.all, 2);
        assert_eq!(counts.offline, 0);
        for broker in image.brokers.values_mut() {
            broker.fenced = true;
        }
        let counts = partitions(&image);
        assert_eq!((counts.below_min, counts.at_min), (2, 0));
        assert_eq!(counts.examples, ["orders/0", "orders/1"]);
    }
}
