//! What the handlers' tests share: somebody who asks, and a small cluster image.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_kernel::image::{
    BrokerRecord, Change, ClusterImage, Endpoint, IsrMember, PartitionRecord,
};
use holdfast_model::{
    BrokerEpoch, BrokerId, Incarnation, LeaderEpoch, PartitionEpoch, StartNumber, TopicId,
    TopicPartition,
};
use uuid::Uuid;

use super::RequestContext;

/// Somebody on the listener `CLIENT`.
pub(super) fn context() -> RequestContext {
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    RequestContext::new(Arc::from("CLIENT"), peer)
}

/// The id of the topic with a number.
pub(super) fn topic_id(number: u128) -> TopicId {
    TopicId(Uuid::from_u128(number))
}

/// Three brokers, the third fenced.
pub(crate) fn image() -> ClusterImage {
    let mut image = ClusterImage::default();
    for id in 0..3 {
        image.apply(&Change::PutBroker(broker(id)));
    }
    image
}

fn broker(id: i32) -> BrokerRecord {
    let endpoint = |listener: &str, port| Endpoint {
        listener: listener.to_owned(),
        host: format!("host-{id}"),
        port,
    };
    BrokerRecord {
        id: BrokerId(id),
        incarnation: Incarnation(id as u64 + 1),
        start: StartNumber(1),
        process: 1,
        epoch: BrokerEpoch(id as u64 + 1),
        rack: Some(format!("zone-{id}")),
        endpoints: vec![endpoint("CLIENT", 9092), endpoint("OTHER", 9093)],
        rpc: endpoint("RPC", 9192),
        fenced: id == 2,
        stopping: false,
        version: "1.0.0".to_owned(),
        max_feature_level: 2,
    }
}

/// Adds a topic on the brokers 0, 1, 2: led by 0, with 0 in the ISR and 1 eligible.
pub(crate) fn put_topic(image: &mut ClusterImage, number: u128, name: &str, partitions: i32) {
    put_topic_with(image, number, name, partitions, &[]);
}

/// Adds a topic with settings of its own.
pub(super) fn put_topic_with(
    image: &mut ClusterImage,
    number: u128,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) {
    let configs: BTreeMap<String, String> = configs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    image.apply(&Change::PutTopic {
        id: topic_id(number),
        name: name.to_owned(),
        configs,
    });
    let member = |id: i32| IsrMember {
        replica: image.brokers[&BrokerId(id)].replica(),
        epoch: BrokerEpoch(id as u64 + 1),
    };
    let record = PartitionRecord {
        replicas: vec![BrokerId(0), BrokerId(1), BrokerId(2)],
        leader: Some(BrokerId(0)),
        leader_registration: BrokerEpoch(1),
        leader_epoch: LeaderEpoch(4),
        isr: vec![member(0)],
        elr: vec![member(1)],
        min_isr: 2,
        partition_epoch: PartitionEpoch(7),
    };
    for partition in 0..partitions {
        let at = TopicPartition {
            topic: topic_id(number),
            partition,
        };
        image.apply(&Change::PutPartition {
            at,
            record: record.clone(),
        });
    }
}
