//! IncrementalAlterConfigs: changes single settings of a resource.

use std::sync::Arc;

use holdfast_wire::messages::incremental_alter_configs_request::AlterConfigsResource;
use holdfast_wire::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use holdfast_wire::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::RequestContext;
use super::config_change::{Wish, decide};
use super::text::text;
use crate::state::BrokerState;

/// Answers for each resource.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let wishes: Vec<Wish> = request.resources.iter().map(wish).collect();
    let results = decide(broker, context, &wishes, request.validate_only).await;
    let answers = request
        .resources
        .into_iter()
        .zip(results)
        .map(|(resource, result)| {
            let answer = AlterConfigsResourceResponse::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name);
            match result {
                Ok(()) => answer.with_error_message(None),
                Err(failure) => answer
                    .with_error_code(failure.code.code())
                    .with_error_message(Some(text(failure.message))),
            }
        });
    IncrementalAlterConfigsResponse::default().with_responses(answers.collect())
}

fn wish(resource: &AlterConfigsResource) -> Wish {
    let changes = resource.configs.iter().map(|config| {
        let value = config.value.as_ref().map(ToString::to_string);
        (config.name.to_string(), config.config_operation, value)
    });
    Wish {
        kind: resource.resource_type,
        name: resource.resource_name.to_string(),
        replace_all: false,
        changes: changes.collect(),
    }
}

#[cfg(test)]
mod tests {
    use holdfast_wire::messages::incremental_alter_configs_request::AlterableConfig;

    use super::*;

    #[test]
    fn operations_come_through_and_the_rest_stays() {
        let config = AlterableConfig::default()
            .with_name(text("a"))
            .with_config_operation(3)
            .with_value(Some(text("1")));
        let resource = AlterConfigsResource::default()
            .with_resource_type(4)
            .with_resource_name(text("0"))
            .with_configs(vec![config]);
        let changes = vec![("a".to_owned(), 3, Some("1".to_owned()))];
        let expected = Wish {
            kind: 4,
            name: "0".to_owned(),
            replace_all: false,
            changes,
        };
        assert_eq!(wish(&resource), expected);
    }
}
