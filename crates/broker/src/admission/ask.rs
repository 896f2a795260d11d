//! Asks for an admission, from outside the cluster.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_model::{BrokerId, Clock, ClusterId, Incarnation, ReplicaId, SystemClock};
use holdfast_rpc::proto::{AdmitReply, AdmitRequest, ControllerError};
use holdfast_rpc::{Address, Channels, Class, Error as RpcError, Options, call, limits};
use uuid::Uuid;

use super::{Admission, AdmissionRequest, address};

/// The version of the message written today.
const VERSION: u32 = 1;

/// How long one answer may take: the disk must catch up with the metadata first.
const ANSWER: Duration = Duration::from_mins(1);

/// Pause before asking again when nobody could do it just then.
const PAUSE: Duration = Duration::from_millis(200);

/// Why a disk was not admitted, or nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address answered.
    #[error("no broker answers at {addresses}: {reason}")]
    Unreachable {
        /// Where it was tried.
        addresses: String,
        /// The last reason.
        reason: String,
    },
    /// The controller refused; asking again changes nothing.
    #[error("{0}")]
    Refused(String),
    /// It was not finished in time; asking again does the rest.
    #[error("not finished: {0}")]
    Unfinished(String),
}

/// What came of one question.
enum Answer {
    Done(Admission),
    /// Ask there.
    Elsewhere(Address),
    /// Ask again: nobody could do it just then, or not wholly.
    Later(String),
    /// Nobody is there.
    Silent(String),
}

/// Has a disk admitted by the controller of the cluster to which these brokers belong. Asks again,
/// at most for `patience`, while there is no controller or an admission is not finished.
///
/// # Errors
/// [`Error`].
pub async fn ask(
    brokers: &[Address],
    request: &AdmissionRequest,
    patience: Duration,
) -> Result<Admission, Error> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let channels = Channels::new(Options::default(), Arc::clone(&clock));
    let start = clock.monotonic();
    let mut unfinished = None;
    let mut silent = "no address given".to_owned();
    loop {
        for broker in brokers {
            let mut answer = ask_one(&channels, broker, request).await?;
            if let Answer::Elsewhere(controller) = &answer {
                let there = ask_one(&channels, controller, request).await?;
                answer = match there {
                    Answer::Silent(reason) => {
                        Answer::Later(format!("the controller at {controller}: {reason}"))
                    }
                    there => there,
                };
            }
            match answer {
                Answer::Done(admission) => return Ok(admission),
                Answer::Elsewhere(_) => unfinished = Some("the controller changes".to_owned()),
                Answer::Later(reason) => unfinished = Some(reason),
                Answer::Silent(reason) => silent = reason,
            }
        }
        if clock.monotonic().since(start) >= patience {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let names: Vec<String> = brokers.iter().map(ToString::to_string).collect();
    Err(match unfinished {
        Some(reason) => Error::Unfinished(reason),
        None => Error::Unreachable {
            addresses: names.join(","),
            reason: silent,
        },
    })
}

async fn ask_one(
    channels: &Channels,
    broker: &Address,
    request: &AdmissionRequest,
) -> Result<Answer, Error> {
    let address = request.address.as_ref();
    let cluster = request.cluster.map(|cluster| *cluster.0.as_bytes());
    let message = AdmitRequest {
        version: VERSION,
        cluster_id: cluster.map_or_else(Bytes::new, |id| Bytes::copy_from_slice(&id)),
        broker: request.replica.broker.0,
        incarnation: request.replica.incarnation.0,
        host: address.map_or_else(String::new, |address| address.host.clone()),
        port: address.map_or(0, |address| u32::from(address.port)),
        vote: request.vote,
        only_ask: request.only_ask,
        replaces: request.replaces.unwrap_or_default().0,
    };
    let answer = async {
        let channel = channels.get(broker, Class::Control)?;
        call(ANSWER, limits::controller_client(channel).admit(message)).await
    };
    match answer.await {
        Ok(reply) => read(&reply, request.replica.broker),
        Err(RpcError::Answered { message, .. }) => Err(Error::Refused(message)),
        // It may have had its effect.
        Err(error @ RpcError::TimedOut(_)) => Ok(Answer::Later(error.to_string())),
        Err(error) => Ok(Answer::Silent(error.to_string())),
    }
}

/// Reads an answer; it came from a socket.
fn read(reply: &AdmitReply, broker: BrokerId) -> Result<Answer, Error> {
    let odd = || Error::Unfinished("the answer cannot be read".to_owned());
    match reply.error() {
        ControllerError::None => {
            let envelope = reply.envelope.as_ref().ok_or_else(odd)?;
            let cluster = Uuid::from_slice(&envelope.cluster_id).map_err(|_length| odd())?;
            let older = Incarnation(reply.vote_taken_from);
            Ok(Answer::Done(Admission {
                cluster: ClusterId(cluster),
                address: found(&reply.host, reply.port).ok_or_else(odd)?,
                newly_admitted: reply.newly_admitted,
                newly_member: reply.newly_member,
                votes: reply.votes,
                vote_taken_from: (older.0 != 0).then_some(ReplicaId {
                    broker,
                    incarnation: older,
                }),
            }))
        }
        ControllerError::NotLeader => {
            let leader = reply.leader.as_ref();
            let hint = leader.and_then(|leader| found(&leader.host, leader.port));
            Ok(hint.map_or_else(
                || Answer::Later("there is no controller".to_owned()),
                Answer::Elsewhere,
            ))
        }
        ControllerError::Refused => Err(Error::Refused(reply.detail.clone())),
        ControllerError::NotReady
        | ControllerError::Overloaded
        | ControllerError::UnknownOutcome => Ok(Answer::Later(reply.detail.clone())),
    }
}

fn found(host: &str, port: u32) -> Option<Address> {
    address(host.to_owned(), port).ok().flatten()
}
