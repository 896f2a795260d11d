//! The feature level: from when on new formats are written.

use holdfast_model::ErrorCode;

use super::{Controller, Draft, Failure, Outcome};
use crate::image::{BrokerRecord, Change, ClusterImage, FEATURE_LEVEL};

/// Brokers that one refusal names.
const NAMED: usize = 20;

impl Controller {
    /// Raises the level once every broker knows it. A fenced broker counts too: it could come back,
    /// and would not read what the others have written.
    pub(super) fn raise_feature_level(draft: &mut Draft, level: u32) -> Outcome {
        let image = draft.image();
        let present = image.feature_level;
        let refuse = |code, message: String| Outcome::Failed(Failure::new(code, message));
        if level < present {
            return refuse(
                ErrorCode::InvalidUpdateVersion,
                format!("the feature level is {present} and never goes back, here to {level}"),
            );
        }
        if level > FEATURE_LEVEL {
            return refuse(
                ErrorCode::InvalidUpdateVersion,
                format!("the controller knows feature levels up to {FEATURE_LEVEL}, not {level}"),
            );
        }
        if let Some(failure) = brokers_behind(image, level) {
            return Outcome::Failed(failure);
        }
        if level > present {
            draft.put(Change::SetFeatureLevel(level));
        }
        Outcome::FeatureLevel(level)
    }
}

/// Why a level cannot be raised yet: registered brokers that do not know it.
pub fn brokers_behind(image: &ClusterImage, level: u32) -> Option<Failure> {
    let brokers = image.brokers.values();
    let behind: Vec<&BrokerRecord> = brokers
        .filter(|broker| broker.max_feature_level < level)
        .collect();
    let refused = || Failure::new(ErrorCode::FeatureUpdateFailed, sentence(&behind, level));
    (!behind.is_empty()).then(refused)
}

fn sentence(behind: &[&BrokerRecord], level: u32) -> String {
    let names = behind.iter().take(NAMED).map(|broker| {
        let version = match broker.version.as_str() {
            "" => "of an unknown version",
            version => version,
        };
        let fenced = if broker.fenced { ", fenced" } else { "" };
        format!(
            "{} ({version}{fenced}: level {})",
            broker.id, broker.max_feature_level
        )
    });
    let names: Vec<String> = names.collect();
    let more = match behind.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "brokers do not know feature level {level}: {}{more}; start them with a newer version first",
        names.join(", ")
    )
}
