//! Messages that a version of feature level 1 can make. Made of nothing that level 1 did not have, so
//! that this file compiles in its last build, which wrote `tests/golden/level-1` with it.

use bytes::Bytes;
use holdfast_rpc::proto::{
    AdmitReply, AdmitRequest, ConfirmReply, ConfirmRequest, ControllerError, ControllerReply,
    ControllerRequest, DescribeQuorumRequest, Envelope, HeartbeatReply, HeartbeatRequest,
    LeaderHint, RaftReply, RaftRequest, SnapshotPart, Verdict,
};

use super::{Sample, sample};

const INCARNATION: u64 = 0xfeed_beef_0123_4567;

fn envelope() -> Envelope {
    Envelope {
        version: 1,
        cluster_id: Bytes::from_static(&[7; 16]),
        broker: 2,
        incarnation: INCARNATION,
        start: 70_000,
        recovery: 1,
        // A later version's field: zero is not written.
        process: 0,
    }
}

fn hint() -> LeaderHint {
    LeaderHint {
        broker: 1,
        incarnation: INCARNATION,
        host: "broker-1.example".to_owned(),
        port: 9192,
        term: 300,
    }
}

pub(super) fn heartbeat() -> HeartbeatRequest {
    HeartbeatRequest {
        envelope: Some(envelope()),
        broker_epoch: 300,
        ready: true,
        image_version: 70_000,
    }
}

fn admission() -> Vec<Sample> {
    let request = AdmitRequest {
        version: 1,
        cluster_id: Bytes::from_static(&[7; 16]),
        broker: 3,
        incarnation: INCARNATION,
        host: "broker-3.example".to_owned(),
        port: 9192,
        vote: true,
        // Added later: a level's bytes stay as they were.
        only_ask: false,
        replaces: 0,
    };
    let reply = AdmitReply {
        envelope: Some(envelope()),
        error: ControllerError::Refused.into(),
        detail: "no".to_owned(),
        leader: Some(hint()),
        newly_admitted: true,
        newly_member: true,
        votes: true,
        vote_taken_from: INCARNATION,
        host: "broker-3.example".to_owned(),
        port: 9192,
    };
    vec![sample("admit", &request), sample("admitted", &reply)]
}

fn formation() -> Vec<Sample> {
    let request = ConfirmRequest {
        envelope: Some(envelope()),
        attempt: Bytes::from_static(&[9; 16]),
        target_broker: 1,
        voters: vec![0, 1, 2],
    };
    let reply = ConfirmReply {
        envelope: Some(envelope()),
        verdict: Verdict::OtherAttempt.into(),
        incarnation: INCARNATION,
        detail: "bound to another attempt".to_owned(),
    };
    vec![sample("confirm", &request), sample("confirmed", &reply)]
}

fn quorum() -> Vec<Sample> {
    let request = RaftRequest {
        envelope: Some(envelope()),
        target_broker: 1,
        target_incarnation: INCARNATION,
        payload: Bytes::from_static(b"payload"),
    };
    let reply = RaftReply {
        envelope: Some(envelope()),
        payload: Bytes::from_static(b"payload"),
    };
    let part = SnapshotPart {
        header: Some(request.clone()),
        data: Bytes::from_static(b"data"),
        total_bytes: 100_000,
    };
    vec![
        sample("raft-request", &request),
        sample("raft-reply", &reply),
        sample("snapshot-part", &part),
    ]
}

fn controller() -> Vec<Sample> {
    let request = ControllerRequest {
        envelope: Some(envelope()),
        payload: Bytes::from_static(b"payload"),
    };
    let reply = ControllerReply {
        envelope: Some(envelope()),
        payload: Bytes::from_static(b"payload"),
        error: ControllerError::NotLeader.into(),
        detail: "not the controller".to_owned(),
        leader: Some(hint()),
    };
    // A later version's further fields are left out: zero is not written.
    let told = HeartbeatReply {
        envelope: Some(envelope()),
        error: ControllerError::NotReady.into(),
        leader: Some(hint()),
        stale_registration: true,
        fenced: true,
        image_version: 70_000,
        report_wanted: true,
        ..HeartbeatReply::default()
    };
    let describe = DescribeQuorumRequest {
        envelope: Some(envelope()),
    };
    vec![
        sample("command", &request),
        sample("answer", &reply),
        sample("heartbeat", &heartbeat()),
        sample("heartbeat-reply", &told),
        sample("describe-quorum", &describe),
    ]
}

pub(super) fn samples() -> Vec<Sample> {
    [quorum(), formation(), controller(), admission()]
        .into_iter()
        .flatten()
        .collect()
}
