//! What feature level 2 added: restart permits, the level itself, and what a broker's program is.

use holdfast_kernel::controller::{Command, Outcome, PermitObstacle, PermitRequest, Registration};
use holdfast_kernel::image::{
    Endpoint, PermitBroker, PermitEnd, PermitId, PermitOutcome, PermitPurpose, PermitRecord,
    PermitStage,
};
use holdfast_model::{BrokerEpoch, BrokerId, Incarnation, StartNumber};

use super::{Sample, named};

pub(super) const LEVEL: u32 = 2;

fn registration() -> Registration {
    Registration {
        broker: BrokerId(1),
        incarnation: Incarnation(0xfeed),
        start: StartNumber(12),
        process: 7,
        rack: None,
        endpoints: Vec::new(),
        rpc: Endpoint {
            listener: "RPC".to_owned(),
            host: "broker-1.example".to_owned(),
            port: 9192,
        },
        logs: Vec::new(),
        version: "1.2.3".to_owned(),
        max_feature_level: 2,
    }
}

fn record() -> PermitRecord {
    PermitRecord {
        id: PermitId(4),
        holder: "alice".to_owned(),
        reason: "kernel update".to_owned(),
        purpose: PermitPurpose::Park,
        brokers: vec![PermitBroker {
            broker: BrokerId(1),
            incarnation: Incarnation(0xfeed),
            epoch: BrokerEpoch(300),
        }],
        stage: PermitStage::Granted,
        allow_unavailable: ["orders".to_owned()].into(),
        force: false,
        forced: Vec::new(),
        ttl_ms: 600_000,
        ran_out: true,
    }
}

fn obstacles() -> Vec<PermitObstacle> {
    vec![
        PermitObstacle::SlotTaken {
            id: PermitId(4),
            holder: "alice".to_owned(),
            brokers: vec![BrokerId(1)],
            stage: PermitStage::Draining,
        },
        PermitObstacle::JustInOffice,
        PermitObstacle::UnknownBroker(BrokerId(9)),
        PermitObstacle::ZonesMixed {
            zones: vec![(BrokerId(0), None), (BrokerId(1), Some("a".to_owned()))],
        },
        PermitObstacle::BelowMin {
            topic: "orders".to_owned(),
            partition: 3,
            left: 1,
            needed: 2,
        },
        PermitObstacle::MoreBelowMin(7),
        PermitObstacle::Quorum {
            left: 1,
            voters: 3,
            majority: 2,
        },
    ]
}

pub(super) fn samples() -> Vec<Sample> {
    let request = PermitRequest {
        holder: "alice".to_owned(),
        reason: "kernel update".to_owned(),
        purpose: PermitPurpose::Restart,
        brokers: vec![BrokerId(1)],
        allow_unavailable: ["orders".to_owned()].into(),
        ttl_ms: 600_000,
        force: true,
    };
    let end = Command::EndPermit {
        id: PermitId(4),
        holder: "alice".to_owned(),
        force: false,
    };
    let ended = PermitEnd {
        permit: record(),
        end: PermitOutcome::Completed,
        because: vec!["it is done".to_owned()],
    };
    vec![
        named("command-register", &Command::Register(registration())),
        named("command-acquire-permit", &Command::AcquirePermit(request)),
        named("command-end-permit", &end),
        named(
            "command-raise-level",
            &Command::RaiseFeatureLevel { level: 2 },
        ),
        named("answer-permit", &Outcome::Permit(record())),
        named("answer-permit-ended", &Outcome::PermitEnded(ended)),
        named(
            "answer-permit-refused",
            &Outcome::PermitRefused(obstacles()),
        ),
        named("answer-level", &Outcome::FeatureLevel(2)),
    ]
}
