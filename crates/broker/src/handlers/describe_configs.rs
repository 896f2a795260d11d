//! DescribeConfigs: settings in force, where each comes from, and what it falls back to.

mod broker;
pub(super) mod setting;
pub(super) mod topic;

use std::collections::HashSet;
use std::sync::Arc;

use holdfast_kernel::controller::{Failure, is_topic_name};
use holdfast_kernel::image::ClusterImage;
use holdfast_model::ErrorCode;
use holdfast_wire::messages::describe_configs_request::DescribeConfigsResource;
use holdfast_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use holdfast_wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::resource_kind::{BROKER, BROKER_LOGGER, TOPIC};
use super::text::text;
use super::{CLUSTER, Operation, RequestContext, resource_kind};
use crate::state::BrokerState;
use setting::Setting;
use topic::Layers;

/// Settings in one answer: those of 10,000 topics, about 60 MB. One resource of five bytes asks for
/// thirty, so that the request's size bounds nothing.
const MOST_SETTINGS: usize = 300_000;

/// How much of each setting is shown.
#[derive(Clone, Copy, Debug)]
struct Detail {
    synonyms: bool,
    documentation: bool,
}

/// Answers for each resource, once for one that is named more often.
pub fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let image = broker.image();
    let detail = Detail {
        synonyms: request.include_synonyms,
        documentation: request.include_documentation,
    };
    let mut seen = HashSet::new();
    let mut left = MOST_SETTINGS;
    let mut results = Vec::new();
    for resource in request.resources {
        if !seen.insert((resource.resource_type, resource.resource_name.clone())) {
            continue;
        }
        let described = describe(broker, context, &image, &resource)
            .and_then(|settings| within(settings, &resource, &mut left));
        results.push(answer(resource, described, detail));
    }
    DescribeConfigsResponse::default().with_results(results)
}

fn describe<'a>(
    state: &'a BrokerState,
    context: &RequestContext,
    image: &'a ClusterImage,
    resource: &DescribeConfigsResource,
) -> Result<Vec<Setting<'a>>, Failure> {
    let name = &*resource.resource_name;
    let invalid = |message: String| Err(Failure::new(ErrorCode::InvalidRequest, message));
    let layers = Layers::of(state, image);
    match resource.resource_type {
        TOPIC => {
            if !context.authorize(Operation::Describe, name) {
                return Err(super::failure::topic_denied());
            }
            topic_settings(image, name, &layers)
        }
        BROKER | BROKER_LOGGER if !context.authorize(Operation::Describe, CLUSTER) => {
            Err(Failure::new(
                ErrorCode::ClusterAuthorizationFailed,
                "Cluster authorization failed.",
            ))
        }
        BROKER if name.is_empty() => Ok(broker::changed(&layers)),
        BROKER => {
            let asked: Result<i32, _> = name.parse();
            match asked {
                Ok(id) if id == state.id().0 => {
                    Ok(broker::settings(state.id(), &state.config, &layers))
                }
                Ok(id) => invalid(format!(
                    "Unexpected broker id, expected {} or empty string, but received {id}",
                    state.id()
                )),
                Err(_) => invalid(format!("Broker id must be an integer, but it is: {name}")),
            }
        }
        kind => invalid(format!(
            "Unexpected resource type {} for resource {name}",
            resource_kind::name(kind)
        )),
    }
}

fn topic_settings<'a>(
    image: &'a ClusterImage,
    name: &str,
    layers: &Layers<'a>,
) -> Result<Vec<Setting<'a>>, Failure> {
    let record = image.topic_by_name(name).ok_or_else(|| {
        if is_topic_name(name) {
            let message = "This server does not host this topic-partition.";
            Failure::new(ErrorCode::UnknownTopicOrPartition, message)
        } else {
            Failure::new(
                ErrorCode::InvalidTopicException,
                format!("Topic name {name} is invalid"),
            )
        }
    })?;
    Ok(topic::settings(&record.configs, layers).collect())
}

/// The settings that were asked for, while there is room for them.
fn within<'a>(
    mut settings: Vec<Setting<'a>>,
    resource: &DescribeConfigsResource,
    left: &mut usize,
) -> Result<Vec<Setting<'a>>, Failure> {
    if let Some(keys) = resource
        .configuration_keys
        .as_ref()
        .filter(|keys| !keys.is_empty())
    {
        let keys: HashSet<&str> = keys.iter().map(|key| &**key).collect();
        settings.retain(|setting| keys.contains(setting.name));
    }
    *left = left.checked_sub(settings.len()).ok_or_else(|| {
        let message = format!("one answer shows at most {MOST_SETTINGS} settings: ask for fewer");
        Failure::new(ErrorCode::PolicyViolation, message)
    })?;
    Ok(settings)
}

fn answer(
    resource: DescribeConfigsResource,
    described: Result<Vec<Setting<'_>>, Failure>,
    detail: Detail,
) -> DescribeConfigsResult {
    let answer = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name);
    match described {
        Ok(settings) => answer.with_error_message(None).with_configs(
            settings
                .iter()
                .map(|setting| row(setting, detail))
                .collect(),
        ),
        Err(failure) => answer
            .with_error_code(failure.code.code())
            .with_error_message(Some(text(failure.message))),
    }
}

fn row(setting: &Setting<'_>, detail: Detail) -> DescribeConfigsResourceResult {
    let synonyms = if detail.synonyms {
        setting.synonyms.as_slice()
    } else {
        &[]
    };
    let synonyms = synonyms.iter().map(|synonym| {
        DescribeConfigsSynonym::default()
            .with_name(text(synonym.name))
            .with_value(synonym.value.as_deref().map(text))
            .with_source(synonym.source.number())
    });
    DescribeConfigsResourceResult::default()
        .with_name(text(setting.name))
        .with_value(setting.value().map(text))
        .with_read_only(setting.read_only)
        .with_config_source(setting.source().number())
        .with_is_sensitive(false)
        .with_synonyms(synonyms.collect())
        .with_config_type(setting.kind.number())
        .with_documentation(detail.documentation.then(|| text(setting.documentation)))
}

#[cfg(test)]
mod tests;
