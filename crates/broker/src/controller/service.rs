//! What other brokers ask of the controller here.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_kernel::controller::Command;
use holdfast_model::Clock;
use holdfast_quorum::Quorum;
use holdfast_rpc::proto::controller_server::Controller;
use holdfast_rpc::proto::{
    AdmitReply, AdmitRequest, ControllerError, ControllerReply, ControllerRequest,
    DescribeQuorumRequest, HeartbeatReply, HeartbeatRequest,
};
use holdfast_rpc::{Identity, Request, Response, Status, async_trait};

use super::heartbeat_answer::{answer_heartbeat, hint};
use super::office::Refusal;
use super::{Isolated, OfficeHandle};
use crate::admission::{AdmissionError, AdmissionRequest, Admissions};

/// Serves commands and heartbeats of other brokers.
#[derive(Clone, Debug)]
pub struct ControllerService {
    office: OfficeHandle,
    quorum: Quorum,
    identity: Identity,
    admissions: Admissions,
    isolated: Isolated,
    clock: Arc<dyn Clock>,
}

impl ControllerService {
    /// A service in front of this node's office.
    pub fn new(
        office: OfficeHandle,
        quorum: Quorum,
        identity: Identity,
        admissions: Admissions,
        isolated: Isolated,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            office,
            quorum,
            identity,
            admissions,
            isolated,
            clock,
        }
    }

    fn reply(&self, error: ControllerError, detail: &str, payload: Bytes) -> ControllerReply {
        ControllerReply {
            envelope: Some(self.identity.envelope()),
            payload,
            error: error.into(),
            detail: detail.to_owned(),
            leader: hint(&self.quorum),
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
        let reply = answer_heartbeat(
            &self.office,
            &self.quorum,
            &self.identity,
            sender.replica.broker,
            &request,
        );
        let now = self.clock.monotonic();
        Ok(Response::new(HeartbeatReply {
            controller_answered_ms: self.isolated.controller_answered_ms(now),
            ..reply
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
            leader: hint(&self.quorum),
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

#[cfg(test)]
mod tests {
    use holdfast_kernel::controller::{
        AlterConfig, ConfigOperation, ConfigResource, Failure, NewTopic, Outcome, Registration,
    };
    use holdfast_kernel::image::Endpoint;
    use holdfast_model::{
        BrokerId, ErrorCode, Incarnation, LeaderEpoch, Offset, ReplicaId, StartNumber, TopicId,
        TopicPartition,
    };
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::mutate;

    fn named<T: Serialize>(value: &T) -> Vec<u8> {
        rmp_serde::to_vec_named(value).unwrap()
    }

    /// Whatever is read must be written and read back as the same.
    fn meet<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
        if let Ok(value) = rmp_serde::from_slice::<T>(bytes) {
            let written = named(&value);
            let again: T = rmp_serde::from_slice(&written).unwrap();
            assert_eq!(named(&again), written);
        }
    }

    fn commands() -> Vec<Command> {
        let endpoint = Endpoint {
            listener: "PLAINTEXT".to_owned(),
            host: "broker-1".to_owned(),
            port: 9092,
        };
        let topic = NewTopic {
            id: TopicId::default(),
            name: "topic".to_owned(),
            partitions: Some(3),
            replication_factor: None,
            assignments: [(0, vec![BrokerId(1)])].into(),
            configs: [("retention.ms".to_owned(), "1".to_owned())].into(),
        };
        let alteration = AlterConfig {
            resource: ConfigResource::Topic("topic".to_owned()),
            replace_all: false,
            operations: vec![("retention.ms".to_owned(), ConfigOperation::Delete)],
        };
        vec![
            Command::Register(Registration {
                broker: BrokerId(1),
                incarnation: Incarnation(7),
                start: StartNumber(2),
                process: u64::MAX,
                rack: Some("a".to_owned()),
                endpoints: vec![endpoint.clone()],
                rpc: endpoint,
                logs: vec![(TopicPartition::default(), LeaderEpoch(3), Offset(9))],
                version: "1.0.0".to_owned(),
                max_feature_level: 2,
            }),
            Command::CreateTopics {
                topics: vec![topic],
                validate_only: true,
            },
            Command::AlterConfigs {
                alterations: vec![alteration],
                validate_only: false,
            },
            Command::Admit(ReplicaId::default()),
        ]
    }

    #[test]
    fn hostile_commands_and_answers_are_read_or_refused_and_never_panic() {
        let refused = Failure::new(ErrorCode::UnknownServerError, "no");
        let answers = [
            Outcome::ProducerIds(5),
            Outcome::ConfigsAltered(vec![Ok(()), Err(refused)]),
        ];
        let mut seeds: Vec<Vec<u8>> = commands().iter().map(named).collect();
        seeds.extend(answers.iter().map(named));
        mutate::each(&seeds, 10_000, |bytes| {
            meet::<Command>(bytes);
            meet::<Outcome>(bytes);
        });
    }
}
