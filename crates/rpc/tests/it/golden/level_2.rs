//! What feature level 2 added: the admin API, and what a controller says of its program.

use std::collections::HashMap;

use holdfast_rpc::proto::HeartbeatReply;
use holdfast_rpc::proto::admin::{
    AcquirePermitReply, AcquirePermitRequest, AdmitDiskReply, AdmitDiskRequest, Broker,
    ChangeSettingsRequest, DeleteTopicReply, DeleteTopicRequest, DescribeBrokerReply,
    DescribeClusterReply, DescribeTopicReply, DescribeTopicRequest, EndPermitReply,
    EndPermitRequest, EndedPermit, EnsureTopicReply, EnsureTopicRequest, Event, Lifecycle,
    Partitions, Permit, PermitBroker, PermitStage, QuorumMember, RaiseFeatureLevelReply,
    RaiseFeatureLevelRequest, Topic,
};

use super::{Sample, sample};

pub(super) const LEVEL: u32 = 2;

const INCARNATION: &str = "feedbeef01234567";

fn text(text: &str) -> String {
    text.to_owned()
}

/// One only: a map has no order.
fn settings() -> HashMap<String, String> {
    [(text("retention.ms"), text("1"))].into()
}

fn process() -> DescribeBrokerReply {
    DescribeBrokerReply {
        cluster_id: text("AAAAAAAAAAAAAAAAAAAAwQ"),
        broker: 1,
        incarnation: text(INCARNATION),
        start: 12,
        recovery_generation: 1,
        version: text("1.2.3"),
        max_feature_level: 2,
        lifecycle: Lifecycle::Replaced.into(),
        detail: text("registered again"),
        zone: text("a"),
        configuration_digest: text("00ff"),
        rpc_host: text("broker-1.example"),
        rpc_port: 9192,
        disk_bytes: 1 << 40,
        disk_free_bytes: 1 << 39,
        replicas: 300,
        replicas_offline: 1,
    }
}

fn permit() -> Permit {
    Permit {
        id: 4,
        holder: text("alice"),
        reason: text("kernel update"),
        park: true,
        brokers: vec![PermitBroker {
            broker: 1,
            incarnation: text(INCARNATION),
            epoch: 300,
        }],
        stage: PermitStage::Ending.into(),
        allow_unavailable: vec![text("orders")],
        forced: vec![text("1 of 3 voters would be left")],
        ttl_ms: 600_000,
    }
}

fn broker() -> Broker {
    Broker {
        id: 1,
        incarnation: text(INCARNATION),
        start: 12,
        epoch: 300,
        zone: text("a"),
        fenced: true,
        stopping: true,
        version: text("1.2.3"),
        max_feature_level: 2,
        replicas: 300,
        in_sync: 299,
        leads: 100,
        endpoints: vec![text("PLAINTEXT://broker-1.example:9092")],
    }
}

fn cluster() -> DescribeClusterReply {
    DescribeClusterReply {
        cluster_id: text("AAAAAAAAAAAAAAAAAAAAwQ"),
        image_version: 70_000,
        feature_level: 2,
        controller: Some(0),
        term: 3,
        quorum: vec![QuorumMember {
            broker: 1,
            incarnation: text(INCARNATION),
            votes: true,
            answers: true,
            log_end: Some(70_000),
        }],
        brokers: vec![broker()],
        partitions: Some(Partitions {
            all: 300,
            offline: 1,
            below_min: 2,
            at_min: 3,
            under_replicated: 4,
            examples: vec![text("orders/3")],
        }),
        topics: 5,
        permit: Some(permit()),
        ended_permits: vec![EndedPermit {
            permit: Some(permit()),
            outcome: text("completed"),
        }],
        settings: settings(),
        stale: true,
        // Added later: a level's bytes stay as they were.
        damaged: Vec::new(),
    }
}

fn permits() -> Vec<Sample> {
    let acquire = AcquirePermitRequest {
        holder: text("alice"),
        reason: text("kernel update"),
        brokers: vec![1, 2],
        park: true,
        allow_unavailable: vec![text("orders")],
        ttl_ms: 600_000,
        force: true,
    };
    let acquired = AcquirePermitReply {
        permit: Some(permit()),
        obstacles: vec![text("broker 9 is not registered")],
    };
    let end = EndPermitRequest {
        id: 4,
        holder: text("alice"),
        force: true,
    };
    let ended = EndPermitReply {
        permit: Some(permit()),
    };
    vec![
        sample("acquire-permit", &acquire),
        sample("acquired-permit", &acquired),
        sample("end-permit", &end),
        sample("ended-permit", &ended),
    ]
}

fn topics() -> Vec<Sample> {
    let name = || text("orders");
    let topic = || {
        Some(Topic {
            name: name(),
            id: text("AAAAAAAAAAAAAAAAAAAAwQ"),
            partitions: 3,
            replicas: 2,
            settings: settings(),
            below_min: 1,
        })
    };
    let ensure = EnsureTopicRequest {
        name: name(),
        partitions: 3,
        replicas: 2,
        settings: settings(),
    };
    let ensured = EnsureTopicReply {
        topic: topic(),
        changed: true,
    };
    vec![
        sample("describe-topic", &DescribeTopicRequest { name: name() }),
        sample("described-topic", &DescribeTopicReply { topic: topic() }),
        sample("ensure-topic", &ensure),
        sample("ensured-topic", &ensured),
        sample("delete-topic", &DeleteTopicRequest { name: name() }),
        sample("deleted-topic", &DeleteTopicReply { deleted: true }),
    ]
}

fn others() -> Vec<Sample> {
    let admit = AdmitDiskRequest {
        broker: 3,
        incarnation: text(INCARNATION),
        host: text("broker-3.example"),
        port: 9192,
        replace: true,
        ..AdmitDiskRequest::default()
    };
    let admitted = AdmitDiskReply {
        newly_admitted: true,
        votes: true,
        ..AdmitDiskReply::default()
    };
    let change = ChangeSettingsRequest {
        set: settings(),
        remove: vec![text("retention.bytes")],
    };
    let event = Event {
        at_ms: 1_700_000_000_000,
        image_version: 70_000,
        kind: text("BrokerFenced"),
        subject: text("broker 1"),
        message: text("broker 1 is fenced"),
    };
    let heard = HeartbeatReply {
        max_feature_level: 2,
        ..HeartbeatReply::default()
    };
    vec![
        sample("admit-disk", &admit),
        sample("admitted-disk", &admitted),
        sample("change-settings", &change),
        sample("raise-level", &RaiseFeatureLevelRequest { level: 2 }),
        sample("raised-level", &RaiseFeatureLevelReply { level: 2 }),
        sample("event", &event),
        sample("heartbeat-reply", &heard),
    ]
}

pub(super) fn samples() -> Vec<Sample> {
    let described = vec![sample("broker", &process()), sample("cluster", &cluster())];
    [described, permits(), topics(), others()]
        .into_iter()
        .flatten()
        .collect()
}
