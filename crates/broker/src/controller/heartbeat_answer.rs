//! What the controller answers to a heartbeat, whichever way it came.

use holdfast_kernel::controller::HeartbeatAnswer;
use holdfast_kernel::image::FEATURE_LEVEL;
use holdfast_model::{BrokerEpoch, BrokerId};
use holdfast_quorum::Quorum;
use holdfast_rpc::Identity;
use holdfast_rpc::proto::{ControllerError, HeartbeatReply, HeartbeatRequest, LeaderHint};

use super::OfficeHandle;

/// Answers a broker's heartbeat, from the office here.
pub(super) fn answer_heartbeat(
    office: &OfficeHandle,
    quorum: &Quorum,
    identity: &Identity,
    broker: BrokerId,
    request: &HeartbeatRequest,
) -> HeartbeatReply {
    let image_version = quorum.image().version;
    let answer = office.heartbeat(broker, BrokerEpoch(request.broker_epoch), request.ready);
    let known = |fenced, report| (ControllerError::None, fenced, false, report);
    let (error, fenced, stale, report) = match answer {
        None => (ControllerError::NotLeader, false, false, false),
        Some(HeartbeatAnswer::Known { fenced, report }) => known(fenced, report),
        Some(HeartbeatAnswer::Unknown) => (ControllerError::None, true, true, false),
    };
    HeartbeatReply {
        envelope: Some(identity.envelope()),
        error: error.into(),
        leader: hint(quorum),
        stale_registration: stale,
        fenced,
        image_version,
        report_wanted: report,
        max_feature_level: FEATURE_LEVEL,
        controller_answered_ms: 0,
    }
}

/// Who leads the quorum, as far as is known here.
pub(super) fn hint(quorum: &Quorum) -> Option<LeaderHint> {
    let leadership = quorum.leadership().borrow().clone();
    leadership.leader.map(|leader| LeaderHint {
        broker: leader.replica.broker.0,
        incarnation: leader.replica.incarnation.0,
        host: leader.address.host,
        port: u32::from(leader.address.port),
        term: leadership.term,
    })
}
