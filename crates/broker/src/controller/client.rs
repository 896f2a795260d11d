//! Asks whoever is the controller.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_kernel::controller::{Command, Outcome};
use holdfast_model::Clock;
use holdfast_quorum::{Leader, Quorum, Status};
use holdfast_rpc::proto::{
    ControllerError, ControllerReply, ControllerRequest, DescribeQuorumRequest, HeartbeatReply,
    HeartbeatRequest,
};
use holdfast_rpc::{Address, Channels, Class, Identity, Request, call, limits};

use super::OfficeHandle;
use super::heartbeat_answer::answer_heartbeat;
use super::office::{Refusal, no_controller};

/// Pause before asking again when there is no controller.
const RETRY: Duration = Duration::from_millis(20);

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one heartbeat may take: shorter than a session.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(400);

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody leads the quorum, as far as is known here.
    #[error("there is no controller")]
    NoController,
    /// The call failed.
    #[error("the controller did not answer: {0}")]
    Call(#[from] holdfast_rpc::Error),
    /// The answer cannot be read.
    #[error("the controller's answer cannot be read: {0}")]
    Answer(String),
}

/// The way to the controller, wherever it is. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ControllerClient {
    office: OfficeHandle,
    quorum: Quorum,
    channels: Channels,
    identity: Identity,
    clock: Arc<dyn Clock>,
}

enum Attempt {
    Done(Outcome),
    /// Surely not decided: ask again.
    Again(String),
    /// Decided or not: only the image can tell.
    Unknown(String),
}

impl ControllerClient {
    /// A client that also knows the way into this node's own office.
    pub fn new(
        office: OfficeHandle,
        quorum: Quorum,
        channels: Channels,
        identity: Identity,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            office,
            quorum,
            channels,
            identity,
            clock,
        }
    }

    /// Has a command decided. Asks again while there is no controller, at most for `patience`. An outcome that
    /// is not known is answered as a failure: the caller may ask again, every command can be repeated. If the
    /// controller is another broker, this node's own image may not have the decision yet.
    pub async fn submit(&self, command: Command, patience: Duration) -> Outcome {
        let start = self.clock.monotonic();
        let mut last;
        loop {
            match self.attempt(&command).await {
                Attempt::Done(outcome) => return outcome,
                Attempt::Unknown(reason) => return no_controller(&reason),
                Attempt::Again(reason) => last = reason,
            }
            if self.clock.monotonic().since(start) >= patience {
                return no_controller(&last);
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn attempt(&self, command: &Command) -> Attempt {
        if self.office.is_open() {
            return match self.office.submit(command.clone()).await {
                Ok(outcome) => Attempt::Done(outcome),
                Err(Refusal::NotController) => Attempt::Again("no controller".to_owned()),
                Err(Refusal::Overloaded) => Attempt::Again("the controller is busy".to_owned()),
                Err(Refusal::Unknown) => Attempt::Unknown("the quorum did not answer".to_owned()),
            };
        }
        let Ok(leader) = self.leader() else {
            return Attempt::Again("there is no controller".to_owned());
        };
        let payload = match rmp_serde::to_vec_named(command) {
            Ok(payload) => Bytes::from(payload),
            Err(error) => return Attempt::Unknown(error.to_string()),
        };
        let request = ControllerRequest {
            envelope: Some(self.identity.envelope()),
            payload,
        };
        let reply = self.call(&leader, request).await;
        match reply {
            Ok(reply) => read(&reply),
            // Nothing was sent where nobody listens.
            Err(Error::Call(
                error @ (holdfast_rpc::Error::Refused | holdfast_rpc::Error::Unreachable(_)),
            )) => Attempt::Again(error.to_string()),
            Err(error) => Attempt::Unknown(error.to_string()),
        }
    }

    async fn call(
        &self,
        leader: &Leader,
        request: ControllerRequest,
    ) -> Result<ControllerReply, Error> {
        let channel = self.channels.get(&leader.address, Class::Control)?;
        let mut client = limits::controller_client(channel);
        Ok(call(CALL_TIMEOUT, client.submit(Request::new(request))).await?)
    }

    /// Learns where every broker is, any of which may be the controller next. What takes the present
    /// one may take the servers of names with it.
    pub fn remember_brokers(&self) {
        let image = self.quorum.image();
        let hosts = image.brokers.values().map(|broker| &*broker.rpc.host);
        self.channels.remember(hosts);
    }

    /// Reports to the controller, wherever it is.
    ///
    /// # Errors
    /// There is none, or it did not answer in time.
    pub async fn heartbeat(&self, request: HeartbeatRequest) -> Result<HeartbeatReply, Error> {
        let leader = self.leader()?;
        if leader.replica == self.identity.replica {
            // To oneself no network is in the way, nor a name that nobody resolves.
            return Ok(answer_heartbeat(
                &self.office,
                &self.quorum,
                &self.identity,
                self.identity.replica.broker,
                &request,
            ));
        }
        let channel = self.channels.get(&leader.address, Class::Control)?;
        let mut client = limits::controller_client(channel);
        let mut request = request;
        request.envelope = Some(self.identity.envelope());
        let reply = call(HEARTBEAT_TIMEOUT, client.heartbeat(Request::new(request))).await?;
        let sender = self.identity.check(reply.envelope.as_ref());
        if sender.is_ok_and(|sender| sender.replica != leader.replica) {
            // Its address is another broker's by now.
            self.channels.forget(&leader.address);
        }
        Ok(reply)
    }

    /// The state of the quorum as its leader knows it.
    ///
    /// # Errors
    /// There is no leader, or it did not answer in time.
    pub async fn describe_quorum(&self) -> Result<Status, Error> {
        let leader = self.leader()?;
        if leader.replica == self.identity.replica {
            return Ok(self.quorum.status());
        }
        let channel = self.channels.get(&leader.address, Class::Control)?;
        let mut client = limits::controller_client(channel);
        let request = DescribeQuorumRequest {
            envelope: Some(self.identity.envelope()),
        };
        let asked = client.describe_quorum(Request::new(request));
        let reply = call(HEARTBEAT_TIMEOUT, asked).await?;
        if reply.error() != ControllerError::None {
            return Err(Error::NoController);
        }
        rmp_serde::from_slice(&reply.payload).map_err(|error| Error::Answer(error.to_string()))
    }

    /// What a broker answers to a heartbeat that is not meant for it, if it answers anything at all: that it is
    /// not the controller, and whether it hears one.
    pub async fn ask_another(&self, address: &Address) -> Option<HeartbeatReply> {
        let channel = self.channels.get(address, Class::Control).ok()?;
        let mut client = limits::controller_client(channel);
        let request = HeartbeatRequest {
            envelope: Some(self.identity.envelope()),
            ..HeartbeatRequest::default()
        };
        let answer = call(HEARTBEAT_TIMEOUT, client.heartbeat(Request::new(request))).await;
        answer.ok()
    }

    /// The connections to other brokers.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// The quorum as seen from here.
    pub fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// This node's own office, if it is open.
    pub fn office(&self) -> &OfficeHandle {
        &self.office
    }

    fn leader(&self) -> Result<Leader, Error> {
        self.quorum
            .leadership()
            .borrow()
            .leader
            .clone()
            .ok_or(Error::NoController)
    }
}

fn read(reply: &ControllerReply) -> Attempt {
    match reply.error() {
        ControllerError::None => match rmp_serde::from_slice(&reply.payload) {
            Ok(outcome) => Attempt::Done(outcome),
            Err(error) => Attempt::Unknown(error.to_string()),
        },
        ControllerError::NotLeader | ControllerError::NotReady | ControllerError::Overloaded => {
            Attempt::Again(reply.detail.clone())
        }
        ControllerError::Refused | ControllerError::UnknownOutcome => {
            Attempt::Unknown(reply.detail.clone())
        }
    }
}
