//! ApiVersions: what is answered here.

use std::sync::Arc;

use holdfast_kernel::image::CONSUMER_PROTOCOL_LEVEL;
use holdfast_model::ErrorCode;
use holdfast_wire::Api;
use holdfast_wire::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use holdfast_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};

use super::text::text;
use crate::state::BrokerState;

/// Clients say what they are from this version on.
const NAMED_FROM: i16 = 3;

/// From this version on a feature may have a level 0, which means that it is off.
const OFF_FROM: i16 = 4;

/// Kafka's name for the feature that the consumer protocol is.
pub(super) const GROUP_VERSION: &str = "group.version";

/// Announced where somebody receives what clients push.
const TELEMETRY: [Api; 2] = [Api::GetTelemetrySubscriptions, Api::PushTelemetry];

/// Answers with the table of APIs, and with the features that are on.
pub fn handle(
    broker: &Arc<BrokerState>,
    version: i16,
    request: &ApiVersionsRequest,
) -> ApiVersionsResponse {
    let named = is_word(&request.client_software_name) && is_word(&request.client_software_version);
    if version >= NAMED_FROM && !named {
        return ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code());
    }
    let served = Api::ALL
        .iter()
        .filter(|api| broker.telemetry.is_some() || !TELEMETRY.contains(api));
    let rows = served.map(|api| {
        let versions = api.advertised();
        ApiVersion::default()
            .with_api_key(api.key())
            .with_min_version(*versions.start())
            .with_max_version(*versions.end())
    });
    let response = ApiVersionsResponse::default().with_api_keys(rows.collect());
    if version < NAMED_FROM {
        return response;
    }
    let image = broker.image();
    let epoch = i64::try_from(image.version).unwrap_or(i64::MAX);
    with_features(response, version, image.feature_level, epoch)
}

/// Which features there are, and which are on at a level of the cluster.
fn with_features(
    response: ApiVersionsResponse,
    version: i16,
    level: u32,
    epoch: i64,
) -> ApiVersionsResponse {
    let is_on = level >= CONSUMER_PROTOCOL_LEVEL;
    let supported = SupportedFeatureKey::default()
        .with_name(text(GROUP_VERSION))
        .with_min_version(0)
        .with_max_version(1);
    let finalized = FinalizedFeatureKey::default()
        .with_name(text(GROUP_VERSION))
        .with_min_version_level(1)
        .with_max_version_level(1);
    let supported = (version >= OFF_FROM).then_some(supported);
    response
        .with_supported_features(supported.into_iter().collect())
        .with_finalized_features(is_on.then_some(finalized).into_iter().collect())
        .with_finalized_features_epoch(epoch)
}

/// Letters, digits, and between them `-` and `.`: what Kafka takes for a name or version.
fn is_word(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text
            .chars()
            .all(|c| alphanumeric(c) || c == '-' || c == '.')
}

#[cfg(test)]
mod tests {
    use holdfast_wire::response;

    use super::*;

    #[test]
    fn a_feature_is_shown_once_it_is_on() {
        for version in Api::ApiVersions
            .served()
            .filter(|version| *version >= NAMED_FROM)
        {
            for level in [CONSUMER_PROTOCOL_LEVEL - 1, CONSUMER_PROTOCOL_LEVEL] {
                let answer = with_features(ApiVersionsResponse::default(), version, level, 7);
                let shown = answer.finalized_features.len();
                assert_eq!(shown, usize::from(level == CONSUMER_PROTOCOL_LEVEL));
                assert_eq!(
                    answer.supported_features.len(),
                    usize::from(version >= OFF_FROM)
                );
                response::encode_message(1, Api::ApiVersions, version, &answer).unwrap();
            }
        }
    }

    #[test]
    fn names_are_words() {
        for good in ["librdkafka", "apache-kafka-java", "2.15.0", "a"] {
            assert!(is_word(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "a/b"] {
            assert!(!is_word(bad), "{bad}");
        }
    }
}
