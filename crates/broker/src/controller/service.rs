//! What other brokers ask of the controller here.

use bytes::Bytes;
use holdfast_kernel::controller::{Command, HeartbeatAnswer};
use holdfast_model::BrokerEpoch;
use holdfast_quorum::Quorum;
use holdfast_rpc::proto::controller_server::Controller;
use holdfast_rpc::proto::{
    AdmitReply, AdmitRequest, ControllerError, ControllerReply, ControllerRequest,
    DescribeQuorumRequest, HeartbeatReply, HeartbeatRequest, LeaderHint,
};
use holdfast_rpc::{Identity, Request, Response, Status, async_trait};

use super::OfficeHandle;
use super::office::Refusal;
use crate::admission::{AdmissionError, AdmissionRequest, Admissions};

/// Serves commands and heartbeats of other brokers.
#[derive(Clone, Debug)]
pub struct ControllerService {
    office: OfficeHandle,
    quorum: Quorum,
    identity: Identity,
    admissions: Admissions,
}

impl ControllerService {
    /// A service in front of this node's office.
    pub fn new(
        office: OfficeHandle,
        quorum: Quorum,
        identity: Identity,
        admissions: Admissions,
    ) -> Self {
        Self {
            office,
            quorum,
            identity,
            admissions,
        }
    }

    fn hint(&self) -> Option<LeaderHint> {
        let leadership = self.quorum.leadership().borrow().clone();
        leadership.leader.map(|leader| LeaderHint {
            broker: leader.replica.broker.0,
            incarnation: leader.replica.incarnation.0,
            host: leader.address.host,
            port: u32::from(leader.address.port),
            term: leadership.term,
        })
    }

    fn reply(&self, error: ControllerError, detail: &str, payload: Bytes) -> ControllerReply {
        ControllerReply {
            envelope: Some(self.identity.envelope()),
            payload,
            error: error.into(),
            detail: detail.to_owned(),
            leader: self.hint(),
        }
    }
}

#[async_trait]
impl Controller for ControllerService {
    async fn submit(
        &self,
        request: Request<ControllerRequest>,
    ) -> Result<Response<ControllerReply>, Status> {
        let request = request.into_inner();
        self.identity.check(request.envelope.as_ref())?;
        let command: Command = rmp_serde::from_slice(&request.payload)
            .map_err(|error| Status::invalid_argument(format!("unreadable command: {error}")))?;
        let reply = match self.office.submit(command).await {
            Ok(outcome) => match rmp_serde::to_vec_named(&outcome) {
                Ok(payload) => self.reply(ControllerError::None, "", payload.into()),
                Err(error) => self.reply(
                    ControllerError::UnknownOutcome,
                    &error.to_string(),
                    Bytes::new(),
                ),
            },
            Err(Refusal::NotController) => self.reply(
                ControllerError::NotLeader,
                "not the controller",
                Bytes::new(),
            ),
            Err(Refusal::Overloaded) => self.reply(
                ControllerError::Overloaded,
                "the controller is busy",
                Bytes::new(),
            ),
            Err(Refusal::Unknown) => self.reply(
                ControllerError::UnknownOutcome,
                "the quorum did not answer",
                Bytes::new(),
            ),
        };
        Ok(Response::new(reply))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatReply>, Status> {
        let request = request.into_inner();
        let sender = self.identity.check(request.envelope.as_ref())?;
        let image_version = self.quorum.image().version;
        let answer = self.office.heartbeat(
            sender.replica.broker,
            BrokerEpoch(request.broker_epoch),
            request.ready,
        );
        let known = |fenced, report| (ControllerError::None, fenced, false, report);
        let (error, fenced, stale, report) = match answer {
            None => (ControllerError::NotLeader, false, false, false),
            Some(HeartbeatAnswer::Known { fenced, report }) => known(fenced, report),
            Some(HeartbeatAnswer::Unknown) => (ControllerError::None, true, true, false),
        };
        Ok(Response::new(HeartbeatReply {
            envelope: Some(self.identity.envelope()),
            error: error.into(),
            leader: self.hint(),
            stale_registration: stale,
            fenced,
            image_version,
            report_wanted: report,
        }))
    }

    async fn describe_quorum(
        &self,
        request: Request<DescribeQuorumRequest>,
    ) -> Result<Response<ControllerReply>, Status> {
        self.identity.check(request.get_ref().envelope.as_ref())?;
        let status = self.quorum.status();
        let leads = status.leader == Some(self.identity.replica);
        let reply = match rmp_serde::to_vec_named(&status) {
            Ok(payload) if leads => self.reply(ControllerError::None, "", payload.into()),
            Ok(_) => self.reply(
                ControllerError::NotLeader,
                "does not lead the quorum",
                Bytes::new(),
            ),
            Err(error) => return Err(Status::internal(error.to_string())),
        };
        Ok(Response::new(reply))
    }

    async fn admit(&self, request: Request<AdmitRequest>) -> Result<Response<AdmitReply>, Status> {
        let request =
            AdmissionRequest::read(request.get_ref()).map_err(Status::invalid_argument)?;
        let mut reply = AdmitReply {
            envelope: Some(self.identity.envelope()),
            leader: self.hint(),
            ..AdmitReply::default()
        };
        match self.admissions.admit(&request).await {
            Ok(done) => {
                reply.newly_admitted = done.newly_admitted;
                reply.newly_member = done.newly_member;
                reply.votes = done.votes;
                let older = done.vote_taken_from;
                reply.vote_taken_from = older.map_or(0, |disk| disk.incarnation.0);
                reply.host = done.address.host;
                reply.port = u32::from(done.address.port);
            }
            Err(error) => {
                reply.detail = error.to_string();
                let code = match error {
                    AdmissionError::NotController => ControllerError::NotLeader,
                    AdmissionError::Busy => ControllerError::Overloaded,
                    AdmissionError::Refused(_) => ControllerError::Refused,
                    AdmissionError::Unfinished(_) => ControllerError::UnknownOutcome,
                };
                reply.set_error(code);
            }
        }
        Ok(Response::new(reply))
    }
}
