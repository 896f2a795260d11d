//! ListConfigResources: what has settings that can be shown.

use std::sync::Arc;

use holdfast_model::ErrorCode;
use holdfast_wire::messages::list_config_resources_response::ConfigResource;
use holdfast_wire::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

use super::resource_kind::{BROKER, TOPIC};
use super::text::text;
use super::{CLUSTER, Operation, RequestContext};
use crate::state::BrokerState;

/// The first version asks for client metrics alone, of which there are none.
const KINDS_FROM: i16 = 1;

/// Topics, brokers, their loggers, client metrics, groups: what Kafka keeps settings of.
const KINDS: [i8; 5] = [TOPIC, BROKER, 8, 16, 32];

/// Lists the kinds asked for; all if none is named. Kinds that do not exist here have no members.
pub fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    version: i16,
    request: &ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let response = ListConfigResourcesResponse::default();
    if !context.authorize(Operation::Describe, CLUSTER) {
        return response.with_error_code(ErrorCode::ClusterAuthorizationFailed.code());
    }
    if version < KINDS_FROM {
        return response;
    }
    let kinds = &request.resource_types;
    if kinds.iter().any(|kind| !KINDS.contains(kind)) {
        return response.with_error_code(ErrorCode::UnsupportedVersion.code());
    }
    let asked = |kind: i8| kinds.is_empty() || kinds.contains(&kind);
    let image = broker.image();
    let mut names: Vec<(i8, String)> = Vec::new();
    if asked(TOPIC) {
        let topics = image.topics.iter().map(|(_, topic)| topic.name.clone());
        names.extend(topics.map(|name| (TOPIC, name)));
    }
    if asked(BROKER) {
        let brokers = image.brokers.keys().map(ToString::to_string);
        names.extend(brokers.map(|id| (BROKER, id)));
    }
    names.sort_unstable();
    let resources = names.into_iter().map(|(kind, name)| {
        ConfigResource::default()
            .with_resource_name(text(name))
            .with_resource_type(kind)
    });
    response.with_config_resources(resources.collect())
}
