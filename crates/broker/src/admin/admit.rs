//! A disk is let in: that of a new broker, or, if a person says so, one in the place of an older one.

use std::time::Duration;

use holdfast_model::{BrokerId, Incarnation, ReplicaId};
use holdfast_rpc::proto::admin::{AdmitDiskReply, AdmitDiskRequest};
use holdfast_rpc::{Address, Status};

use super::AdminApi;
use crate::admission::{self, AdmissionRequest, AskError};

/// How long the controller and the disk may take together.
const PATIENCE: Duration = Duration::from_secs(20);

impl AdminApi {
    pub(super) async fn admit(&self, asked: AdmitDiskRequest) -> Result<AdmitDiskReply, Status> {
        let replica = self.read(&asked)?;
        let request = AdmissionRequest {
            cluster: Some(self.identity.cluster),
            replica,
            address: admission::address(asked.host, asked.port)
                .map_err(Status::invalid_argument)?,
            vote: asked.vote,
            replaces: None,
            only_ask: false,
        };
        let image = self.state.image();
        let brokers: Vec<Address> = image
            .brokers
            .values()
            .map(|broker| Address::new(broker.rpc.host.clone(), broker.rpc.port))
            .collect();
        match admission::ask(&brokers, &request, PATIENCE).await {
            Ok(done) => Ok(AdmitDiskReply {
                newly_admitted: done.newly_admitted,
                votes: done.votes,
                newly_member: done.newly_member,
                vote_taken_from: done
                    .vote_taken_from
                    .map_or_else(String::new, |older| older.to_string()),
                host: done.address.host,
                port: u32::from(done.address.port),
            }),
            Err(AskError::Refused(reason)) => Err(Status::failed_precondition(reason)),
            Err(error) => Err(Status::unavailable(error.to_string())),
        }
    }

    /// The disk, if nothing but its newness stands for it: one that takes an older disk's place is
    /// for a person to decide.
    fn read(&self, asked: &AdmitDiskRequest) -> Result<ReplicaId, Status> {
        let incarnation = u64::from_str_radix(&asked.incarnation, 16).map_err(|_wrong| {
            Status::invalid_argument("an incarnation has 16 hexadecimal digits")
        })?;
        let replica = ReplicaId {
            broker: BrokerId(asked.broker),
            incarnation: Incarnation(incarnation),
        };
        let image = self.state.image();
        let known = image.incarnation(replica.broker);
        let known = known.or_else(|| image.admitted.get(&replica.broker).copied());
        match known {
            Some(other) if other != replica.incarnation && !asked.replace => {
                Err(Status::failed_precondition(format!(
                    "broker {} is known with disk {other}: a person decides whether {} takes its \
                     place",
                    replica.broker, replica
                )))
            }
            _new_or_same => Ok(replica),
        }
    }
}
