//! The restart permit: who may stop brokers on purpose, and when the next may.
//!
//! A permit is asked for, drains its brokers of leaders, is granted on the image that this leaves,
//! and keeps its slot until the brokers are back in every ISR. All of it is in the image; what is
//! kept here besides is since when this controller knows.

mod end;
mod grant;
mod obstacle;
mod rules;

use std::collections::BTreeSet;

use holdfast_model::{BrokerId, Monotonic, ReplicaId};
use serde::{Deserialize, Serialize};

pub use grant::below_permit_level;
pub use obstacle::PermitObstacle;

use super::Controller;
use crate::image::{ClusterImage, PermitId, PermitPurpose, PermitStage};

/// What somebody who wants to stop brokers asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitRequest {
    /// Who asks; the same name asks again and gives back.
    pub holder: String,
    /// Why, for those who look.
    pub reason: String,
    /// What for.
    pub purpose: PermitPurpose,
    /// Whom to stop: one broker, or several of one zone.
    pub brokers: Vec<BrokerId>,
    /// Topics that may be without enough replicas meanwhile.
    pub allow_unavailable: BTreeSet<String>,
    /// How long after its grant the permit runs out, milliseconds.
    pub ttl_ms: u64,
    /// Whether to grant it whatever speaks against it.
    pub force: bool,
}

/// The voters of the quorum, as whoever leads it sees them. The controller knows no Raft.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuorumView {
    /// Each voter, and whether it answers.
    pub voters: Vec<(ReplicaId, bool)>,
}

/// A permit in one stage, and since when this controller knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct PermitSight {
    id: PermitId,
    stage: PermitStage,
    since: Monotonic,
}

impl Controller {
    /// Takes note of a permit, or of its next stage. A new controller counts anew.
    pub(super) fn look_at_permit(&mut self, image: &ClusterImage, now: Monotonic) {
        self.permit_seen = image.permit.as_ref().map(|permit| {
            let known = self
                .permit_seen
                .filter(|seen| seen.id == permit.id && seen.stage == permit.stage);
            known.unwrap_or(PermitSight {
                id: permit.id,
                stage: permit.stage,
                since: now,
            })
        });
    }
}
