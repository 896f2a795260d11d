//! The controller's side of an admission.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_kernel::controller::{Command, Controller, Outcome};
use holdfast_model::{BrokerId, ClusterId, Incarnation, ReplicaId};
use holdfast_quorum::{Error as QuorumError, Peer, Quorum, Status};
use holdfast_rpc::proto::{AdmitRequest, ConfirmReply, ConfirmRequest};
use holdfast_rpc::{Address, Channels, Class, Error as RpcError, Identity, call, limits};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{Admission, AdmissionRequest, address};
use crate::controller::{OfficeHandle, Refusal};

/// How long the disk's broker may take to say who it is.
const ANSWER: Duration = Duration::from_secs(2);

/// How often a disk that does not answer is asked, and the pause between.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(250);

/// Admits disks while this node is the controller, one at a time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admissions {
    office: OfficeHandle,
    quorum: Quorum,
    channels: Channels,
    identity: Identity,
    one_at_a_time: Arc<Semaphore>,
}

/// Why a disk was not admitted, or not wholly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This node is not the controller; nothing was done.
    #[error("not the controller")]
    NotController,
    /// Another admission is under way; nothing was done.
    #[error("another admission is under way")]
    Busy,
    /// It may not be, for a reason that asking again does not change.
    #[error("{0}")]
    Refused(String),
    /// Some steps may have been done; asking again does the rest.
    #[error("{0}; repeat the command to finish")]
    Unfinished(String),
}

impl AdmissionRequest {
    /// Reads a message; it came from a socket.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(message: &AdmitRequest) -> Result<Self, &'static str> {
        if message.version == 0 {
            return Err("message version 0");
        }
        let cluster = match message.cluster_id.len() {
            0 => None,
            16 => Uuid::from_slice(&message.cluster_id).ok().map(ClusterId),
            _ => return Err("a cluster id has 16 bytes"),
        };
        Ok(Self {
            cluster,
            replica: ReplicaId {
                broker: BrokerId(message.broker),
                incarnation: Incarnation(message.incarnation),
            },
            address: address(message.host.clone(), message.port)?,
            vote: message.vote,
            replaces: (message.replaces != 0).then_some(Incarnation(message.replaces)),
            only_ask: message.only_ask,
        })
    }
}

impl Admission {
    fn nothing_done(cluster: ClusterId, address: Address) -> Self {
        Self {
            cluster,
            address,
            newly_admitted: false,
            newly_member: false,
            votes: false,
            vote_taken_from: None,
        }
    }
}

impl Admissions {
    /// Admissions through this node's office.
    pub fn new(
        office: OfficeHandle,
        quorum: Quorum,
        channels: Channels,
        identity: Identity,
    ) -> Self {
        Self {
            office,
            quorum,
            channels,
            identity,
            one_at_a_time: Arc::new(Semaphore::new(1)),
        }
    }

    /// Lets a disk in: it may register, follows the metadata, and gets the vote of the older disk of
    /// its broker, if that has one.
    pub(crate) async fn admit(&self, request: &AdmissionRequest) -> Result<Admission, Error> {
        if !self.office.is_open() {
            return Err(Error::NotController);
        }
        let Ok(_turn) = self.one_at_a_time.try_acquire() else {
            return Err(Error::Busy);
        };
        let replica = request.replica;
        let here = self.identity.cluster;
        if let Some(other) = request.cluster.filter(|cluster| *cluster != here) {
            return Err(Error::Refused(format!(
                "this is cluster {here}, not {other}"
            )));
        }
        let image = self.quorum.image();
        let hindrance = Controller::hindrance(&image, replica)
            .or_else(|| Controller::hindrance_to_renewal(&image, replica, request.replaces?));
        if let Some(hindrance) = hindrance {
            return Err(Error::Refused(hindrance));
        }
        let status = self.quorum.status();
        let known = image
            .brokers
            .get(&replica.broker)
            .map(|broker| Address::new(broker.rpc.host.clone(), broker.rpc.port))
            .or_else(|| member(&status, replica.broker).map(Peer::address));
        let address = request.address.clone().or(known).ok_or_else(|| {
            Error::Refused(format!(
                "broker {} was never here; name its address for other brokers with --address",
                replica.broker
            ))
        })?;
        if request.only_ask {
            return Ok(Admission::nothing_done(here, address));
        }
        // A disk that nobody has seen at that address would be admitted for ever by a slip of the
        // pen.
        self.verify(&address, replica).await?;
        let newly_admitted = image.admitted.get(&replica.broker) != Some(&replica.incarnation);
        self.permit(replica).await?;
        let newly_member = self.join(replica, &address, &status).await?;
        let vote_taken_from = self.give_vote(replica, request.vote).await?;
        let votes = self.quorum.voters().contains(&replica);
        tracing::info!(disk = %replica, %address, votes, "admitted");
        Ok(Admission {
            cluster: here,
            address,
            newly_admitted,
            newly_member,
            votes,
            vote_taken_from,
        })
    }

    /// Asks whoever listens at an address which disk it has.
    async fn verify(&self, address: &Address, replica: ReplicaId) -> Result<(), Error> {
        if replica == self.identity.replica {
            return Ok(());
        }
        let request = ConfirmRequest {
            envelope: Some(self.identity.envelope()),
            attempt: Bytes::new(),
            target_broker: replica.broker.0,
            voters: Vec::new(),
        };
        let reply = self.confirmed(address, request).await.map_err(|error| {
            Error::Refused(match error {
                RpcError::Answered { message, .. } => format!("at {address}: {message}"),
                error => format!(
                    "disk {replica} does not answer at {address}: {error}; start its broker, or \
                     name its address for other brokers with --address"
                ),
            })
        })?;
        let sender = self
            .identity
            .check(reply.envelope.as_ref())
            .map_err(|status| Error::Refused(format!("at {address}: {}", status.message())))?;
        if sender.replica != replica {
            self.channels.forget(address);
            return Err(Error::Refused(format!(
                "at {address} is disk {}, not {replica}",
                sender.replica
            )));
        }
        Ok(())
    }

    /// The answer of whoever listens at an address. A broker that begins at a new address is found there
    /// once the name servers say so: it is asked again for a few seconds.
    async fn confirmed(
        &self,
        address: &Address,
        request: ConfirmRequest,
    ) -> Result<ConfirmReply, RpcError> {
        let mut left = TRIES;
        loop {
            let channel = self.channels.get(address, Class::Control)?;
            let mut client = limits::formation_client(channel);
            let asked = client.confirm(request.clone());
            left -= 1;
            match call(ANSWER, asked).await {
                Err(RpcError::Refused | RpcError::Unreachable(_)) if left > 0 => {
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// The disk may register.
    async fn permit(&self, replica: ReplicaId) -> Result<(), Error> {
        match self.office.submit(Command::Admit(replica)).await {
            Ok(Outcome::Admitted) => Ok(()),
            Ok(Outcome::Failed(failure)) => Err(Error::Refused(failure.message)),
            Ok(other) => Err(Error::Unfinished(format!("odd answer {other:?}"))),
            Err(Refusal::NotController) => Err(Error::NotController),
            Err(Refusal::Overloaded) => Err(Error::Busy),
            Err(Refusal::Unknown) => Err(Error::Unfinished("the quorum did not answer".to_owned())),
        }
    }

    /// The disk follows the metadata; true if it did not before.
    async fn join(
        &self,
        replica: ReplicaId,
        address: &Address,
        status: &Status,
    ) -> Result<bool, Error> {
        let before = status.voters.iter().chain(&status.learners);
        let before: BTreeSet<ReplicaId> = before.map(|member| member.replica).collect();
        let image = self.quorum.image();
        let record = image.brokers.get(&replica.broker);
        let zone = record.and_then(|record| record.rack.clone());
        let peer = Peer {
            host: address.host.clone(),
            port: address.port,
            zone: zone.or_else(|| member(status, replica.broker).and_then(|p| p.zone.clone())),
        };
        self.quorum.admit(replica, peer).await.map_err(unfinished)?;
        Ok(!before.contains(&replica))
    }

    /// The disk votes instead of an older one of its broker, which is answered.
    async fn give_vote(
        &self,
        replica: ReplicaId,
        anyway: bool,
    ) -> Result<Option<ReplicaId>, Error> {
        let mut voters = self.quorum.voters();
        let older = voters
            .iter()
            .find(|voter| voter.broker == replica.broker && **voter != replica)
            .copied();
        if let Some(older) = older {
            let replaced = self.quorum.replace_voter(older, replica).await;
            replaced.map_err(unfinished)?;
        } else if anyway && voters.insert(replica) {
            let changed = self.quorum.change_voters(voters).await;
            changed.map_err(unfinished)?;
        }
        Ok(older)
    }
}

/// The member of a broker, whatever its disk.
fn member(status: &Status, broker: BrokerId) -> Option<&Peer> {
    let mut members = status.voters.iter().chain(&status.learners);
    let found = members.find(|member| member.replica.broker == broker);
    found.map(|member| &member.peer)
}

fn unfinished(error: QuorumError) -> Error {
    match error {
        QuorumError::NotLeader { .. } => Error::NotController,
        QuorumError::TimedOut => Error::Unfinished(
            "the disk has not caught up with the metadata yet, or too few voters answer".to_owned(),
        ),
        error => Error::Unfinished(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> AdmitRequest {
        AdmitRequest {
            version: 1,
            cluster_id: Bytes::from_static(&[7; 16]),
            broker: 2,
            incarnation: 5,
            host: "h".to_owned(),
            port: 9192,
            vote: true,
            only_ask: true,
            replaces: 4,
        }
    }

    #[test]
    fn a_message_from_a_socket_is_bounded_and_checked() {
        let read = AdmissionRequest::read(&message()).unwrap();
        assert_eq!(read.replica.to_string(), "2@0000000000000005");
        assert_eq!(read.address, Some(Address::new("h", 9192)));
        assert_eq!(read.replaces, Some(Incarnation(4)));
        assert_eq!(read.cluster, Some(ClusterId(Uuid::from_bytes([7; 16]))));
        let bare = AdmitRequest {
            cluster_id: Bytes::new(),
            host: String::new(),
            port: 0,
            ..message()
        };
        let read = AdmissionRequest::read(&bare).unwrap();
        assert_eq!((read.cluster, read.address), (None, None));
        let wrong = [
            AdmitRequest {
                version: 0,
                ..message()
            },
            AdmitRequest {
                cluster_id: Bytes::from_static(&[7; 15]),
                ..message()
            },
            AdmitRequest {
                host: "h".repeat(crate::admission::HOST_BYTES + 1),
                ..message()
            },
            AdmitRequest {
                host: String::new(),
                ..message()
            },
            AdmitRequest {
                port: 0,
                ..message()
            },
            AdmitRequest {
                port: 65_536,
                ..message()
            },
        ];
        for message in wrong {
            AdmissionRequest::read(&message).unwrap_err();
        }
    }
}
