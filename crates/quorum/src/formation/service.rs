//! Answers the questions of an initiator.

use std::sync::Arc;

use holdfast_model::BrokerId;
use holdfast_rpc::proto::formation_server::Formation;
use holdfast_rpc::proto::{self, ConfirmReply, ConfirmRequest};
use holdfast_rpc::{Request, Response, Sender, Status, async_trait};

use super::ballot::Question;
use super::{Answer, Ballot, Verdict};
use crate::storage::blocking;

/// The quorum's side of the `Formation` service.
#[derive(Clone, Debug)]
pub struct FormationService {
    ballot: Arc<Ballot>,
}

impl FormationService {
    pub(crate) fn new(ballot: Arc<Ballot>) -> Self {
        Self { ballot }
    }
}

#[async_trait]
impl Formation for FormationService {
    async fn confirm(
        &self,
        request: Request<ConfirmRequest>,
    ) -> Result<Response<ConfirmReply>, Status> {
        let request = request.into_inner();
        let sender = self.check(&request)?;
        let attempt = match request.attempt.len() {
            0 => None,
            _ => Some(
                <[u8; 16]>::try_from(request.attempt.as_ref())
                    .map_err(|_length| Status::invalid_argument("an attempt has 16 bytes"))?,
            ),
        };
        let question = Question {
            initiator: sender.replica.broker,
            target: BrokerId(request.target_broker),
            attempt,
            voters: request.voters.into_iter().map(BrokerId).collect(),
        };
        let ballot = Arc::clone(&self.ballot);
        let answer = blocking(move || ballot.confirm(&question)).await;
        let answer = answer.map_err(|error| {
            tracing::error!(%error, "formation could not be confirmed");
            Status::unavailable(error.to_string())
        })?;
        Ok(Response::new(self.reply(answer)))
    }
}

impl FormationService {
    /// Looks at the envelope. A blank disk learns nothing from its own generation: it was formatted
    /// for one, and says so instead of calling the sender foreign.
    fn check(&self, request: &ConfirmRequest) -> Result<Sender, Status> {
        let me = self.ballot.identity();
        let envelope = request.envelope.as_ref();
        me.check(envelope).map_err(|status| match envelope {
            Some(sender)
                if sender.cluster_id.as_ref() == me.cluster.0.as_bytes()
                    && sender.recovery != me.recovery.0
                    && self.ballot.is_blank() =>
            {
                Status::failed_precondition(format!(
                    "disk {} was formatted for recovery generation {} of its cluster, which has {}; \
                     format it anew with --recovery-generation {2}",
                    me.replica, me.recovery, sender.recovery
                ))
            }
            _ => status,
        })
    }

    fn reply(&self, answer: Answer) -> ConfirmReply {
        let (verdict, incarnation) = match answer.verdict {
            Verdict::Bound(incarnation) => (proto::Verdict::Bound, incarnation.0),
            Verdict::Formed => (proto::Verdict::Formed, 0),
            Verdict::OtherAttempt => (proto::Verdict::OtherAttempt, 0),
            Verdict::OtherDocument => (proto::Verdict::OtherDocument, 0),
            Verdict::Unused => (proto::Verdict::Unspecified, 0),
        };
        ConfirmReply {
            envelope: Some(self.ballot.identity().envelope()),
            verdict: verdict.into(),
            incarnation,
            detail: answer.detail,
        }
    }
}
