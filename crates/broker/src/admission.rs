//! An operator lets a disk into the cluster: one that was formatted in the place of a lost one, or
//! that of a new broker.
//!
//! The controller alone does it ([`Admissions`]); whoever asks may ask any broker ([`ask`]). Every
//! step may be repeated, so an admission of which nobody knows how it ended is simply asked again.

mod ask;
mod grant;

use holdfast_model::{ClusterId, Incarnation, ReplicaId};
use holdfast_rpc::Address;

pub use ask::{Error as AskError, ask};
pub use grant::{Admissions, Error as AdmissionError};
/// Host and port of a broker for other brokers.
pub use holdfast_rpc::Address as RpcAddress;

/// Longest host name that is looked at, DNS's limit.
const HOST_BYTES: usize = 255;

/// Which disk is to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionRequest {
    /// The cluster; none means that of whoever is asked.
    pub cluster: Option<ClusterId>,
    /// The disk.
    pub replica: ReplicaId,
    /// Where its broker listens for other brokers; none means where it was known to listen.
    pub address: Option<Address>,
    /// It gets a vote even if no older disk of its broker has one.
    pub vote: bool,
    /// The older disk of its broker, if the broker itself asks.
    pub replaces: Option<Incarnation>,
    /// Nothing is changed.
    pub only_ask: bool,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The cluster that the disk belongs to now.
    pub cluster: ClusterId,
    /// Where the disk was found.
    pub address: Address,
    /// It was not admitted before.
    pub newly_admitted: bool,
    /// It was not a member of the metadata quorum before.
    pub newly_member: bool,
    /// It has a vote in the metadata quorum now.
    pub votes: bool,
    /// The older disk whose vote it was given.
    pub vote_taken_from: Option<ReplicaId>,
}

/// Reads an address; it came from a socket. Nothing at all is none.
pub(crate) fn address(host: String, port: u32) -> Result<Option<Address>, &'static str> {
    let port = u16::try_from(port).map_err(|_large| "no such port")?;
    match (host.len(), port) {
        (0, 0) => Ok(None),
        (1..=HOST_BYTES, 1..) => Ok(Some(Address::new(host, port))),
        _ => Err("no usable address"),
    }
}

/// The command with which a person admits a disk, as a waiting broker names it.
pub fn command(
    cluster: ClusterId,
    replica: ReplicaId,
    address: &Address,
    admin_api: bool,
) -> String {
    let command = format!("holdfast cluster admit {replica} --address {address}");
    if admin_api {
        return format!("{command} --admin HOST:PORT");
    }
    format!("{command} --cluster-id {cluster} --rpc HOST:PORT")
}
