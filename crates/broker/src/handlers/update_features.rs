//! UpdateFeatures: Kafka's name for raising the feature level.

use std::sync::Arc;

use holdfast_kernel::controller::{Command, Failure, Outcome, brokers_behind};
use holdfast_kernel::image::{CONSUMER_PROTOCOL_LEVEL, ClusterImage};
use holdfast_model::ErrorCode;
use holdfast_wire::messages::update_features_request::FeatureUpdateKey;
use holdfast_wire::messages::update_features_response::UpdatableFeatureResult;
use holdfast_wire::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use super::api_versions::GROUP_VERSION;
use super::text::text;
use super::{CLUSTER, Operation, RequestContext, failure, wait};
use crate::state::BrokerState;

/// From this version on there are no results of single features.
const WHOLE_FROM: i16 = 2;

/// What a request may say of the direction: up, down, down at any price.
const DIRECTIONS: std::ops::RangeInclusive<i8> = 1..=3;

/// Turns features on: all that are named, or none.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: UpdateFeaturesRequest,
) -> UpdateFeaturesResponse {
    let outcome = update(broker, context, &request).await;
    let (code, message) = match &outcome {
        Ok(()) => (ErrorCode::None, None),
        Err(failure) => (failure.code, Some(text(&failure.message))),
    };
    let response = UpdateFeaturesResponse::default()
        .with_error_code(code.code())
        .with_error_message(message);
    if version >= WHOLE_FROM || code != ErrorCode::None {
        return response;
    }
    let results = request.feature_updates.into_iter().map(|update| {
        UpdatableFeatureResult::default()
            .with_feature(update.feature)
            .with_error_message(None)
    });
    response.with_results(results.collect())
}

async fn update(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: &UpdateFeaturesRequest,
) -> Result<(), Failure> {
    if !context.authorize(Operation::Alter, CLUSTER) {
        let message = "Authorization failed.";
        return Err(Failure::new(ErrorCode::ClusterAuthorizationFailed, message));
    }
    let image = broker.image();
    let mut raises = false;
    for update in &request.feature_updates {
        raises |= check(&image, update)?;
    }
    if !raises {
        return Ok(());
    }
    let level = CONSUMER_PROTOCOL_LEVEL;
    if request.validate_only {
        return brokers_behind(&image, level).map_or(Ok(()), Err);
    }
    match broker.decide(Command::RaiseFeatureLevel { level }).await {
        Outcome::FeatureLevel(_) => {}
        other => return Err(failure::of_all(other)),
    }
    let limit = wait::limit(request.timeout_ms);
    wait::until(broker, limit, |image| image.feature_level >= level).await;
    Ok(())
}

/// Whether the level has to be raised for one feature.
fn check(image: &ClusterImage, update: &FeatureUpdateKey) -> Result<bool, Failure> {
    let wrong = |message: String| Err(Failure::new(ErrorCode::InvalidUpdateVersion, message));
    let (name, wanted) = (&*update.feature, update.max_version_level);
    if !DIRECTIONS.contains(&update.upgrade_type) {
        return wrong(format!(
            "{name}: {} is no kind of update",
            update.upgrade_type
        ));
    }
    if name != GROUP_VERSION {
        return wrong(format!(
            "{name} is no feature here: {GROUP_VERSION} is; all else comes with the feature level of the \
             cluster (holdfast cluster state)"
        ));
    }
    let is_on = image.feature_level >= CONSUMER_PROTOCOL_LEVEL;
    match wanted {
        0 if is_on => wrong(format!("{name} is on, and what is on stays on")),
        0 => Ok(false),
        1 => Ok(!is_on),
        _ => wrong(format!("{name} has the levels 0 and 1, not {wanted}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::image;
    use super::*;

    #[test]
    fn a_feature_goes_on_and_never_off() {
        let mut image = image();
        let mut outcome = |level, name: &str, wanted| {
            image.feature_level = level;
            let update = FeatureUpdateKey::default()
                .with_feature(text(name))
                .with_max_version_level(wanted)
                .with_upgrade_type(1);
            check(&image, &update).map_err(|failure| failure.code)
        };
        let (off, on) = (CONSUMER_PROTOCOL_LEVEL - 1, CONSUMER_PROTOCOL_LEVEL);
        assert_eq!(outcome(off, GROUP_VERSION, 1), Ok(true));
        assert_eq!(outcome(off, GROUP_VERSION, 0), Ok(false));
        assert_eq!(outcome(on, GROUP_VERSION, 1), Ok(false));
        let wrong = Err(ErrorCode::InvalidUpdateVersion);
        assert_eq!(outcome(on, GROUP_VERSION, 0), wrong);
        assert_eq!(outcome(off, GROUP_VERSION, 2), wrong);
        assert_eq!(outcome(off, "metadata.version", 27), wrong);
    }
}
