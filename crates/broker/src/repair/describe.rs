//! What is damaged, here and on the other brokers.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use holdfast_kernel::image::ClusterImage;
use holdfast_model::BrokerId;
use holdfast_rpc::proto::{Damage, DescribeDamageRequest};
use holdfast_rpc::{Address, Channels, Class, Identity, Request, call, limits};

use crate::partitions::Partitions;

/// How long one broker may take to answer.
const ANSWER: Duration = Duration::from_millis(400);

/// Most replicas that a broker names.
const MOST: usize = 100;

/// What is damaged here, in the order of names.
pub(super) fn here(partitions: &Partitions) -> Vec<Damage> {
    let all = partitions.all();
    let damaged = all.iter().filter_map(|partition| {
        let found = partition.damaged()?;
        Some(Damage {
            partition: format!("{}/{}", partition.topic_name(), partition.at().partition),
            reason: found.reason,
            hindrance: found.status,
        })
    });
    let mut damaged: Vec<Damage> = damaged.collect();
    damaged.sort_by(|one, other| one.partition.cmp(&other.partition));
    damaged.truncate(MOST);
    damaged
}

/// What is damaged on every broker that serves and answers in time, in the order of brokers.
pub async fn damage_everywhere(
    image: &ClusterImage,
    channels: &Channels,
    identity: &Identity,
    partitions: &Partitions,
) -> Vec<(BrokerId, Damage)> {
    let me = identity.replica.broker;
    let others = image.brokers.values();
    let others = others.filter(|broker| broker.id != me && !broker.fenced);
    let mut asked: FuturesUnordered<_> = others
        .map(|broker| {
            let address = Address::new(broker.rpc.host.clone(), broker.rpc.port);
            async move { (broker.id, there(channels, identity, &address).await) }
        })
        .collect();
    let mut all: Vec<(BrokerId, Damage)> = Vec::new();
    all.extend(here(partitions).into_iter().map(|damage| (me, damage)));
    while let Some((id, found)) = asked.next().await {
        all.extend(found.into_iter().take(MOST).map(|damage| (id, damage)));
    }
    // Stable: what one broker said stays in its order.
    all.sort_by_key(|(id, _)| *id);
    all
}

async fn there(channels: &Channels, identity: &Identity, address: &Address) -> Vec<Damage> {
    let Ok(channel) = channels.get(address, Class::Control) else {
        return Vec::new();
    };
    let mut client = limits::repair_client(channel);
    let request = DescribeDamageRequest {
        envelope: Some(identity.envelope()),
    };
    // One that is silent, or of a version that knows no repair, names nothing.
    let reply = call(ANSWER, client.describe_damage(Request::new(request))).await;
    match reply {
        Ok(reply) if identity.check(reply.envelope.as_ref()).is_ok() => reply.damaged,
        Ok(_) | Err(_) => Vec::new(),
    }
}
