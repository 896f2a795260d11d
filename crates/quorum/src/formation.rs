//! How a cluster begins, once.
//!
//! `holdfast format` puts the same document on every voter's disk. The voter with the lowest broker
//! id is the initiator: it draws an attempt, syncs it, and asks every voter to confirm that its disk
//! never belonged to a cluster and to bind itself, synced, to that attempt. When all have answered
//! in one round, the first membership is written with their disks in it. A disk keeps its word for
//! ever; once it holds anything of a quorum it confirms nothing more. So two wiped disks cannot form
//! the cluster a second time: the third voter refuses.

mod ballot;
mod document;
mod founder;
mod service;

pub(crate) use ballot::{Answer, Ballot, Verdict};
pub use document::{Document, DocumentError, Voter};
pub(crate) use founder::Founder;
pub use service::FormationService;

use holdfast_model::BrokerId;

use crate::log_store::LogStore;

/// How far a broker has come on its way into the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The cluster is being formed.
    Forming {
        /// The voters that have not confirmed yet, as far as this broker knows.
        waiting_for: Vec<BrokerId>,
        /// What holds the formation up, for people.
        reason: String,
    },
    /// The cluster exists without this disk; the controller must admit it.
    WaitingForAdmission {
        /// Why, for people.
        reason: String,
    },
    /// This disk is a member, with or without a vote.
    Member,
}

impl Phase {
    /// Before anything was heard of anybody.
    pub(crate) fn first(log: &LogStore) -> Self {
        if log.is_blank() {
            Self::WaitingForAdmission {
                reason: "this disk is new".to_owned(),
            }
        } else {
            Self::Member
        }
    }
}
