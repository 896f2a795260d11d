//! What feature level 2 added: restart permits, and what a broker's program is.

use holdfast_kernel::image::{
    BrokerRecord, Change, ChangeBatch, ClusterImage, Endpoint, PermitBroker, PermitId,
    PermitOutcome, PermitPurpose, PermitRecord, PermitStage,
};
use holdfast_model::{BrokerEpoch, BrokerId, Incarnation, StartNumber};

use super::{Sample, sample};
use crate::command::Command;
use crate::snapshot_store;

pub(super) const LEVEL: u32 = 2;

fn broker() -> BrokerRecord {
    BrokerRecord {
        id: BrokerId(1),
        incarnation: Incarnation(0xfeed),
        start: StartNumber(12),
        process: 7,
        epoch: BrokerEpoch(300),
        rack: None,
        endpoints: Vec::new(),
        rpc: Endpoint {
            listener: "RPC".to_owned(),
            host: "broker-1.example".to_owned(),
            port: 9192,
        },
        fenced: false,
        stopping: true,
        version: "1.2.3".to_owned(),
        max_feature_level: 2,
    }
}

fn permit(id: u64, stage: PermitStage, purpose: PermitPurpose) -> PermitRecord {
    PermitRecord {
        id: PermitId(id),
        holder: "alice".to_owned(),
        reason: "kernel update".to_owned(),
        purpose,
        brokers: vec![PermitBroker {
            broker: BrokerId(1),
            incarnation: Incarnation(0xfeed),
            epoch: BrokerEpoch(300),
        }],
        stage,
        allow_unavailable: ["orders".to_owned()].into(),
        force: true,
        forced: vec!["voters: 1 of 3".to_owned()],
        ttl_ms: 600_000,
        ran_out: false,
    }
}

fn changes() -> Vec<Change> {
    use PermitPurpose::{Park, Restart};
    use PermitStage::{Draining, Ending, Granted};
    let end = |id, end| Change::EndPermit {
        id: PermitId(id),
        end,
        because: vec!["broker 2 is fenced".to_owned()],
    };
    vec![
        Change::SetFeatureLevel(2),
        Change::PutBroker(broker()),
        Change::PutPermit(permit(1, Draining, Restart)),
        end(1, PermitOutcome::Cancelled),
        Change::PutPermit(permit(2, Granted, Park)),
        end(2, PermitOutcome::Parked),
        Change::PutPermit(permit(3, Granted, Restart)),
        end(3, PermitOutcome::Completed),
        Change::PutPermit(permit(4, Ending, Restart)),
        end(4, PermitOutcome::Broken),
        Change::PutPermit(permit(5, Granted, Restart)),
        end(5, PermitOutcome::Expired),
        Change::PutPermit(permit(6, Granted, Restart)),
    ]
}

fn image() -> ClusterImage {
    let mut image = ClusterImage::default();
    for change in changes() {
        image.apply(&change);
    }
    image.version = 42;
    image
}

fn reread_changes(bytes: &[u8]) -> Vec<u8> {
    let command: Command = rmp_serde::from_slice(bytes).expect("bytes");
    let batch = command.decode().expect("readable");
    let command = Command::encode(&batch).expect("encoded");
    rmp_serde::to_vec(&command).expect("encoded")
}

fn reread_snapshot(bytes: &[u8]) -> Vec<u8> {
    let image = snapshot_store::decode(bytes).expect("readable");
    snapshot_store::encode(&image).expect("encoded").to_vec()
}

pub(super) fn samples() -> Vec<Sample> {
    let batch = ChangeBatch {
        format: 2,
        decided_on: 41,
        changes: changes(),
    };
    let command = Command::encode(&batch).expect("encoded");
    let snapshot = snapshot_store::encode(&image()).expect("encoded");
    vec![
        sample(
            "changes",
            rmp_serde::to_vec(&command).expect("encoded"),
            reread_changes,
        ),
        Sample {
            grown: 3,
            ..sample("snapshot", snapshot.to_vec(), reread_snapshot)
        },
    ]
}
