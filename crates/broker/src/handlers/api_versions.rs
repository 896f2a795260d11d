//! ApiVersions: what is answered here.

use std::sync::Arc;

use holdfast_model::ErrorCode;
use holdfast_wire::Api;
use holdfast_wire::messages::api_versions_response::ApiVersion;
use holdfast_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};

use crate::state::BrokerState;

/// Clients say what they are from this version on.
const NAMED_FROM: i16 = 3;

/// Answers with the table of APIs.
pub fn handle(
    _broker: &Arc<BrokerState>,
    version: i16,
    request: &ApiVersionsRequest,
) -> ApiVersionsResponse {
    let named = is_word(&request.client_software_name) && is_word(&request.client_software_version);
    if version >= NAMED_FROM && !named {
        return ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code());
    }
    let rows = Api::ALL.iter().map(|api| {
        let versions = api.advertised();
        ApiVersion::default()
            .with_api_key(api.key())
            .with_min_version(*versions.start())
            .with_max_version(*versions.end())
    });
    ApiVersionsResponse::default().with_api_keys(rows.collect())
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
    use super::*;

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
