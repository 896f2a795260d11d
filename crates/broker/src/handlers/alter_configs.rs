//! AlterConfigs: replaces all settings of a resource.

use std::sync::Arc;

use holdfast_wire::messages::alter_configs_response::AlterConfigsResourceResponse;
use holdfast_wire::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::RequestContext;
use super::config_change::{SET, Wish, decide};
use super::text::text;
use crate::state::BrokerState;

/// Answers for each resource.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let wishes = wishes(&request);
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
    AlterConfigsResponse::default().with_responses(answers.collect())
}

fn wishes(request: &AlterConfigsRequest) -> Vec<Wish> {
    let wish = |resource: &holdfast_wire::messages::alter_configs_request::AlterConfigsResource| {
        let changes = resource.configs.iter().map(|config| {
            (
                config.name.to_string(),
                SET,
                config.value.as_ref().map(ToString::to_string),
            )
        });
        Wish {
            kind: resource.resource_type,
            name: resource.resource_name.to_string(),
            replace_all: true,
            changes: changes.collect(),
        }
    };
    request.resources.iter().map(wish).collect()
}

#[cfg(test)]
mod tests {
    use holdfast_wire::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};

    use super::*;

    #[test]
    fn every_named_setting_is_set_and_the_rest_falls_back() {
        let config = AlterableConfig::default()
            .with_name(text("a"))
            .with_value(Some(text("1")));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_configs(vec![config]);
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        let changes = vec![("a".to_owned(), SET, Some("1".to_owned()))];
        let expected = Wish {
            kind: 2,
            name: "t".to_owned(),
            replace_all: true,
            changes,
        };
        assert_eq!(wishes(&request), [expected]);
    }
}
