//! What the client knows of the cluster.

use std::collections::BTreeMap;

use holdfast_model::{ErrorCode, TopicId};
use holdfast_wire::messages::MetadataResponse;
use holdfast_wire::messages::metadata_response::MetadataResponseTopic;

/// A broker as clients reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its number.
    pub id: i32,
    /// Host and port.
    pub address: String,
    /// Its zone.
    pub rack: Option<String>,
}

/// A partition and who serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number in the topic.
    pub index: i32,
    /// The leader's number; -1 for none.
    pub leader: i32,
    /// The leader's epoch; -1 if the broker did not say.
    pub leader_epoch: i32,
    /// The replicas.
    pub replicas: Vec<i32>,
    /// The in-sync ones.
    pub isr: Vec<i32>,
    /// Those on brokers that are gone.
    pub offline: Vec<i32>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its identity; nil if the broker did not say.
    pub id: TopicId,
    /// Whether it is one of the cluster's own.
    pub internal: bool,
    /// Its partitions, by number.
    pub partitions: BTreeMap<i32, Partition>,
    /// Why there are none.
    pub error: Option<ErrorCode>,
}

/// The cluster as one broker described it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster's identity.
    pub cluster_id: Option<String>,
    /// The controller's number; -1 for none.
    pub controller: i32,
    /// The brokers that are up, by number.
    pub brokers: BTreeMap<i32, Broker>,
    /// The topics that were asked for, by name.
    pub topics: BTreeMap<String, Topic>,
}

impl Cluster {
    /// Lays an answer over what is known. A partition whose leader epoch is older than the known
    /// one keeps what is known: the answer comes from a broker that lags behind.
    pub(crate) fn update(&mut self, answer: MetadataResponse) {
        self.cluster_id = answer.cluster_id.map(|id| id.to_string());
        self.controller = answer.controller_id.0;
        self.brokers = answer
            .brokers
            .into_iter()
            .map(|b| {
                let host = b.host.as_str();
                let address = if host.contains(':') {
                    format!("[{host}]:{}", b.port)
                } else {
                    format!("{host}:{}", b.port)
                };
                let rack = b.rack.map(|rack| rack.to_string());
                (
                    b.node_id.0,
                    Broker {
                        id: b.node_id.0,
                        address,
                        rack,
                    },
                )
            })
            .collect();
        for topic in answer.topics {
            if let Some(topic) = read_topic(topic) {
                self.merge(topic);
            }
        }
    }

    fn merge(&mut self, mut topic: Topic) {
        if let Some(known) = self.topics.get(&topic.name)
            && known.id == topic.id
        {
            for (index, partition) in &mut topic.partitions {
                if let Some(old) = known.partitions.get(index)
                    && old.leader_epoch > partition.leader_epoch
                {
                    partition.clone_from(old);
                }
            }
        }
        self.topics.insert(topic.name.clone(), topic);
    }

    /// The name of the topic with an identity.
    pub fn name_of(&self, id: TopicId) -> Option<&str> {
        self.topics
            .values()
            .find(|topic| topic.id == id)
            .map(|topic| topic.name.as_str())
    }
}

fn read_topic(topic: MetadataResponseTopic) -> Option<Topic> {
    let name = topic.name?.0.to_string();
    let error = match ErrorCode::from_code(topic.error_code) {
        Some(ErrorCode::None) => None,
        Some(code) => Some(code),
        None => Some(ErrorCode::UnknownServerError),
    };
    let numbers = |ids: Vec<holdfast_wire::messages::BrokerId>| ids.iter().map(|id| id.0).collect();
    let partitions = topic
        .partitions
        .into_iter()
        .map(|p| {
            let partition = Partition {
                index: p.partition_index,
                leader: p.leader_id.0,
                leader_epoch: p.leader_epoch,
                replicas: numbers(p.replica_nodes),
                isr: numbers(p.isr_nodes),
                offline: numbers(p.offline_replicas),
            };
            (partition.index, partition)
        })
        .collect();
    Some(Topic {
        name,
        id: TopicId(topic.topic_id),
        internal: topic.is_internal,
        partitions,
        error,
    })
}

#[cfg(test)]
mod tests {
    use holdfast_wire::StrBytes;
    use holdfast_wire::messages::metadata_response::MetadataResponsePartition;
    use holdfast_wire::messages::{BrokerId, TopicName};

    use super::*;

    fn answer(leader: i32, epoch: i32) -> MetadataResponse {
        let partition = MetadataResponsePartition::default()
            .with_partition_index(0)
            .with_leader_id(BrokerId(leader))
            .with_leader_epoch(epoch);
        let topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str("t"))))
            .with_partitions(vec![partition]);
        MetadataResponse::default().with_topics(vec![topic])
    }

    #[test]
    fn a_broker_that_lags_behind_does_not_bring_an_old_leader_back() {
        let mut cluster = Cluster::default();
        let leader = |cluster: &Cluster| cluster.topics["t"].partitions[&0].leader;
        cluster.update(answer(1, 5));
        cluster.update(answer(0, 4));
        assert_eq!(leader(&cluster), 1);
        cluster.update(answer(2, 6));
        assert_eq!(leader(&cluster), 2);
    }
}
