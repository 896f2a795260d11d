//! Changes of settings, as AlterConfigs and IncrementalAlterConfigs share them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::controller::{
    AlterConfig, Command, ConfigOperation, ConfigResource, Failure, Outcome,
};
use holdfast_kernel::image::ClusterImage;
use holdfast_model::{BrokerId, ErrorCode};

use super::repeated::repeated;
use super::resource_kind::{BROKER, TOPIC};
use super::{CLUSTER, Operation, RequestContext, failure, wait};
use crate::state::BrokerState;

/// How long an answer waits until the change shows here, so that a client sees what it wrote.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a client wishes for one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Kafka's number for what has the settings.
    pub(super) kind: i8,
    /// The resource's name.
    pub(super) name: String,
    /// Whether settings that are not named fall back.
    pub(super) replace_all: bool,
    /// Setting, Kafka's number of the operation, value.
    pub(super) changes: Vec<(String, i8, Option<String>)>,
}

/// Kafka's numbers of operations.
pub(super) const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Has the wishes decided; the results have their order.
pub(super) async fn decide(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    wishes: &[Wish],
    validate_only: bool,
) -> Vec<Result<(), Failure>> {
    let twice = repeated(wishes.iter().map(|wish| (wish.kind, &*wish.name)));
    let mut results: Vec<Result<(), Failure>> = Vec::with_capacity(wishes.len());
    let mut places = Vec::new();
    let mut alterations = Vec::new();
    for (place, wish) in wishes.iter().enumerate() {
        match alteration(broker.id(), context, wish, &twice) {
            Ok(alteration) => {
                places.push(place);
                alterations.push(alteration);
                results.push(Ok(()));
            }
            Err(failure) => results.push(Err(failure)),
        }
    }
    if alterations.is_empty() {
        return results;
    }
    let command = Command::AlterConfigs {
        alterations: alterations.clone(),
        validate_only,
    };
    let outcomes = match broker.decide(command).await {
        Outcome::ConfigsAltered(outcomes) => outcomes,
        other => {
            let failure = failure::of_all(other);
            alterations.iter().map(|_| Err(failure.clone())).collect()
        }
    };
    let done: Vec<&AlterConfig> = alterations
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| outcome.is_ok() && !validate_only)
        .map(|(alteration, _)| alteration)
        .collect();
    // Late is not wrong: the change is committed.
    wait::until(broker, PATIENCE, |image| {
        done.iter().all(|done| shows(image, done))
    })
    .await;
    for (place, outcome) in places.into_iter().zip(outcomes) {
        results[place] = outcome;
    }
    results
}

fn alteration(
    me: BrokerId,
    context: &RequestContext,
    wish: &Wish,
    twice: &HashSet<(i8, &str)>,
) -> Result<AlterConfig, Failure> {
    let invalid = |message: String| Failure::new(ErrorCode::InvalidRequest, message);
    if twice.contains(&(wish.kind, &*wish.name)) {
        return Err(invalid(
            "Each resource must appear at most once.".to_owned(),
        ));
    }
    let resource = match wish.kind {
        TOPIC if !context.authorize(Operation::Alter, &wish.name) => {
            return Err(failure::topic_denied());
        }
        TOPIC => ConfigResource::Topic(wish.name.clone()),
        BROKER if !context.authorize(Operation::Alter, CLUSTER) => {
            let code = ErrorCode::ClusterAuthorizationFailed;
            return Err(Failure::new(code, "Cluster authorization failed."));
        }
        BROKER if wish.name.is_empty() => ConfigResource::Cluster,
        BROKER => match wish.name.parse::<i32>() {
            Ok(id) if id == me.0 => ConfigResource::Broker(me),
            Ok(id) => {
                let message = format!("Unexpected broker id, expected {me}, but received {id}");
                return Err(invalid(message));
            }
            Err(_) => {
                let message = format!("Node id must be an integer, but it is: {}", wish.name);
                return Err(invalid(message));
            }
        },
        kind => return Err(invalid(format!("Unknown resource type {kind}"))),
    };
    if !repeated(wish.changes.iter().map(|(key, _, _)| key)).is_empty() {
        return Err(invalid("Error due to duplicate config keys".to_owned()));
    }
    let nulls: Vec<&str> = wish
        .changes
        .iter()
        .filter(|(_, operation, value)| *operation != DELETE && value.is_none())
        .map(|(key, _, _)| key.as_str())
        .collect();
    if !nulls.is_empty() {
        return Err(invalid(format!(
            "Null value not supported for : {}",
            nulls.join(",")
        )));
    }
    let operations = wish.changes.iter().map(|(key, operation, value)| {
        let value = value.clone().unwrap_or_default();
        let operation = match *operation {
            SET => ConfigOperation::Set(value),
            DELETE => ConfigOperation::Delete,
            APPEND => ConfigOperation::Append(value),
            SUBTRACT => ConfigOperation::Subtract(value),
            unknown => return Err(invalid(format!("Unknown operation type {unknown}"))),
        };
        Ok((key.clone(), operation))
    });
    let operations = operations.collect::<Result<_, _>>()?;
    Ok(AlterConfig {
        resource,
        replace_all: wish.replace_all,
        operations,
    })
}

/// Whether an image shows a change. Lists are taken at their word: what they become depends on what
/// they were.
fn shows(image: &ClusterImage, alteration: &AlterConfig) -> bool {
    let configs = match &alteration.resource {
        ConfigResource::Topic(name) => match image.topic_by_name(name) {
            Some(topic) => &topic.configs,
            None => return true,
        },
        ConfigResource::Cluster => &image.cluster_configs,
        ConfigResource::Broker(_) => return true,
    };
    alteration
        .operations
        .iter()
        .all(|(key, operation)| match operation {
            ConfigOperation::Set(value) => configs.get(key) == Some(value),
            ConfigOperation::Delete => !configs.contains_key(key),
            ConfigOperation::Append(_) | ConfigOperation::Subtract(_) => true,
        })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{context, image, put_topic_with};
    use super::*;

    fn wish(kind: i8, name: &str, changes: &[(&str, i8, Option<&str>)]) -> Wish {
        let changes = changes.iter().map(|(key, operation, value)| {
            ((*key).to_owned(), *operation, value.map(str::to_owned))
        });
        Wish {
            kind,
            name: name.to_owned(),
            replace_all: false,
            changes: changes.collect(),
        }
    }

    fn ask(wish: &Wish) -> Result<AlterConfig, Failure> {
        alteration(BrokerId(1), &context(), wish, &HashSet::new())
    }

    #[test]
    fn every_operation_comes_through() {
        let changes: &[(&str, i8, Option<&str>)] = &[
            ("a", SET, Some("1")),
            ("b", DELETE, None),
            ("c", 2, Some("x")),
            ("d", 3, Some("y")),
        ];
        let altered = ask(&wish(TOPIC, "t", changes)).unwrap();
        assert_eq!(altered.resource, ConfigResource::Topic("t".to_owned()));
        let operations: Vec<_> = altered.operations.into_iter().map(|(_, op)| op).collect();
        assert_eq!(
            operations,
            [
                ConfigOperation::Set("1".to_owned()),
                ConfigOperation::Delete,
                ConfigOperation::Append("x".to_owned()),
                ConfigOperation::Subtract("y".to_owned()),
            ]
        );
    }

    #[test]
    fn brokers_are_asked_themselves_and_all_of_them_by_no_name() {
        assert_eq!(
            ask(&wish(BROKER, "", &[])).unwrap().resource,
            ConfigResource::Cluster
        );
        let own = ask(&wish(BROKER, "1", &[])).unwrap().resource;
        assert_eq!(own, ConfigResource::Broker(BrokerId(1)));
        for name in ["2", "one"] {
            let code = ask(&wish(BROKER, name, &[])).unwrap_err().code;
            assert_eq!(code, ErrorCode::InvalidRequest, "{name}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused: [&[(&str, i8, Option<&str>)]; 3] = [
            &[("a", SET, Some("1")), ("a", DELETE, None)],
            &[("a", SET, None)],
            &[("a", 9, Some("1"))],
        ];
        for changes in refused {
            let failure = ask(&wish(TOPIC, "t", changes)).unwrap_err();
            assert_eq!(failure.code, ErrorCode::InvalidRequest, "{changes:?}");
        }
        assert_eq!(
            ask(&wish(77, "t", &[])).unwrap_err().message,
            "Unknown resource type 77"
        );
        let topic = wish(TOPIC, "t", &[]);
        let twice = HashSet::from([(TOPIC, "t")]);
        let failure = alteration(BrokerId(1), &context(), &topic, &twice).unwrap_err();
        assert_eq!(failure.message, "Each resource must appear at most once.");
    }

    #[test]
    fn a_change_shows_once_the_image_has_it() {
        let mut image = image();
        put_topic_with(&mut image, 1, "t", 1, &[("a", "1")]);
        let shown = |changes: &[(&str, i8, Option<&str>)]| {
            shows(&image, &ask(&wish(TOPIC, "t", changes)).unwrap())
        };
        assert!(shown(&[("a", SET, Some("1"))]));
        assert!(!shown(&[("a", SET, Some("2"))]));
        assert!(!shown(&[("a", DELETE, None)]));
        assert!(shown(&[("b", DELETE, None)]));
    }
}
