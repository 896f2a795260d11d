//! What can stand against a permit.

use std::fmt;

use holdfast_model::BrokerId;
use serde::{Deserialize, Serialize};

use crate::image::{PermitId, PermitStage};

/// One thing that stands against a permit; its text is a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum PermitObstacle {
    /// Somebody has the permit.
    #[error(
        "permit {id} of {holder} for {} has the slot and is {stage}",
        Names(brokers)
    )]
    SlotTaken {
        /// Which one.
        id: PermitId,
        /// Who.
        holder: String,
        /// For whom.
        brokers: Vec<BrokerId>,
        /// How far it has come.
        stage: PermitStage,
    },
    /// The controller took office a moment ago.
    #[error("the controller is new and has not heard from every broker yet; ask again in a moment")]
    JustInOffice,
    /// No such broker ever registered.
    #[error("broker {0} is not registered")]
    UnknownBroker(BrokerId),
    /// Several brokers that are not known to be in one zone.
    #[error(
        "several brokers stop together only if all are in one zone, and they are in {}",
        Zones(zones)
    )]
    ZonesMixed {
        /// The zone of each.
        zones: Vec<(BrokerId, Option<String>)>,
    },
    /// A partition would have, or has, too few in-sync replicas.
    #[error(
        "{topic}/{partition} would have {left} in-sync replicas on other live brokers and needs {needed}"
    )]
    BelowMin {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// In-sync replicas on live brokers that are not to stop.
        left: usize,
        /// How many it needs.
        needed: usize,
    },
    /// More partitions like those named.
    #[error("{0} more partitions would have too few in-sync replicas")]
    MoreBelowMin(usize),
    /// The quorum would lose its majority.
    #[error("{left} of {voters} voters would be left, and {majority} are a majority")]
    Quorum {
        /// How many there are.
        voters: usize,
        /// How many of them answer and are not to stop.
        left: usize,
        /// How many it takes.
        majority: usize,
    },
}

impl PermitObstacle {
    /// Whether force overcomes it.
    pub fn yields_to_force(&self) -> bool {
        match self {
            Self::SlotTaken { .. } | Self::JustInOffice | Self::UnknownBroker(_) => false,
            Self::ZonesMixed { .. }
            | Self::BelowMin { .. }
            | Self::MoreBelowMin(_)
            | Self::Quorum { .. } => true,
        }
    }
}

struct Names<'a>(&'a [BrokerId]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.0.len() == 1 {
            "broker"
        } else {
            "brokers"
        };
        let names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "{word} {}", names.join(", "))
    }
}

struct Zones<'a>(&'a [(BrokerId, Option<String>)]);

impl fmt::Display for Zones<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |(broker, zone): &(BrokerId, Option<String>)| match zone {
            Some(zone) => format!("{zone} ({broker})"),
            None => format!("no zone ({broker})"),
        };
        let zones: Vec<String> = self.0.iter().map(one).collect();
        f.write_str(&zones.join(", "))
    }
}
