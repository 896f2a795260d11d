//! From what brokers say to the planner's views.

use std::collections::BTreeSet;

use holdfast_planner::{
    BrokerView, ClusterView, Lifecycle, PartitionCounts, PermitStage, PermitView, ProcessView,
    QuorumMemberView,
};
use holdfast_rpc::proto::admin;

/// What a process says of itself. A state that this version does not know is one that does not serve.
pub(super) fn process(reply: admin::DescribeBrokerReply) -> ProcessView {
    let lifecycle = match reply.lifecycle() {
        admin::Lifecycle::Forming => Lifecycle::Forming,
        admin::Lifecycle::WaitingForAdmission => Lifecycle::WaitingForAdmission,
        admin::Lifecycle::Registering => Lifecycle::Registering,
        admin::Lifecycle::Serving => Lifecycle::Serving,
        admin::Lifecycle::Parked => Lifecycle::Parked,
        admin::Lifecycle::Replaced => Lifecycle::Replaced,
        admin::Lifecycle::Fenced | admin::Lifecycle::Unspecified => Lifecycle::Fenced,
    };
    ProcessView {
        cluster_id: reply.cluster_id,
        broker: reply.broker,
        incarnation: reply.incarnation,
        start: reply.start,
        version: reply.version,
        max_feature_level: reply.max_feature_level,
        lifecycle,
        detail: reply.detail,
        configuration: reply.configuration_digest,
        rpc_host: reply.rpc_host,
        rpc_port: u16::try_from(reply.rpc_port).unwrap_or(0),
        disk_bytes: reply.disk_bytes,
        disk_free_bytes: reply.disk_free_bytes,
    }
}

/// What the controller says of the cluster. What was refused is not known to it: it is remembered by
/// whoever asked.
pub(super) fn cluster(
    reply: admin::DescribeClusterReply,
    refused: Option<(BTreeSet<i32>, Vec<String>)>,
) -> ClusterView {
    let (permit_refused_for, permit_refused) = refused.unwrap_or_default();
    let brokers = reply.brokers.into_iter().map(broker);
    ClusterView {
        cluster_id: reply.cluster_id,
        controller: reply.controller,
        feature_level: reply.feature_level,
        brokers: brokers.map(|broker| (broker.id, broker)).collect(),
        quorum: reply.quorum.iter().map(member).collect(),
        partitions: counts(reply.partitions.unwrap_or_default()),
        permit: reply.permit.map(permit),
        permit_refused_for,
        permit_refused,
        settings: reply.settings.into_iter().collect(),
    }
}

fn broker(broker: admin::Broker) -> BrokerView {
    BrokerView {
        id: broker.id,
        incarnation: broker.incarnation,
        epoch: broker.epoch,
        fenced: broker.fenced,
        stopping: broker.stopping,
        version: broker.version,
        max_feature_level: broker.max_feature_level,
        replicas: broker.replicas,
        in_sync: broker.in_sync,
        leads: broker.leads,
    }
}

fn member(member: &admin::QuorumMember) -> QuorumMemberView {
    QuorumMemberView {
        broker: member.broker,
        votes: member.votes,
        answers: member.answers,
    }
}

fn counts(partitions: admin::Partitions) -> PartitionCounts {
    PartitionCounts {
        all: partitions.all,
        offline: partitions.offline,
        below_min: partitions.below_min,
        at_min: partitions.at_min,
        under_replicated: partitions.under_replicated,
        example: partitions.examples.into_iter().next(),
    }
}

fn permit(permit: admin::Permit) -> PermitView {
    let stage = match permit.stage() {
        admin::PermitStage::Granted => PermitStage::Granted,
        admin::PermitStage::Ending => PermitStage::Ending,
        // Nobody may stop under what this version does not know.
        admin::PermitStage::Draining | admin::PermitStage::Unspecified => PermitStage::Draining,
    };
    PermitView {
        id: permit.id,
        holder: permit.holder,
        brokers: permit.brokers.iter().map(|b| (b.broker, b.epoch)).collect(),
        stage,
        park: permit.park,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_version_does_not_know_neither_serves_nor_stops() {
        let reply = admin::DescribeBrokerReply {
            lifecycle: 99,
            rpc_port: 9192,
            ..admin::DescribeBrokerReply::default()
        };
        let view = process(reply);
        assert_eq!((view.lifecycle, view.rpc_port), (Lifecycle::Fenced, 9192));
        let unknown = admin::Permit {
            stage: 99,
            ..admin::Permit::default()
        };
        assert_eq!(permit(unknown).stage, PermitStage::Draining);
    }

    #[test]
    fn a_cluster_is_read_with_what_was_refused() {
        let reply = admin::DescribeClusterReply {
            controller: Some(1000),
            brokers: vec![admin::Broker {
                id: 1000,
                epoch: 7,
                ..admin::Broker::default()
            }],
            permit: Some(admin::Permit {
                id: 3,
                stage: admin::PermitStage::Granted.into(),
                brokers: vec![admin::PermitBroker {
                    broker: 1000,
                    epoch: 7,
                    ..admin::PermitBroker::default()
                }],
                ..admin::Permit::default()
            }),
            ..admin::DescribeClusterReply::default()
        };
        let refused = Some((BTreeSet::from([2000]), vec!["orders/1".to_owned()]));
        let view = cluster(reply, refused);
        assert_eq!(view.brokers[&1000].epoch, 7);
        assert_eq!(view.permit_refused, ["orders/1"]);
        let permit = view.permit.unwrap();
        assert_eq!(
            (permit.stage, permit.brokers[&1000]),
            (PermitStage::Granted, 7)
        );
    }
}
