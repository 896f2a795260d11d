//! Resources that cannot be read at all: an older definition let them in, or a newer one did. They are
//! said to be stalled; nothing else is done to them, and nobody else is kept waiting.

use holdfast_api::{Condition, ConditionStatus, GROUP, VERSION, condition_types};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::ObjectMeta;
use serde_json::json;

use crate::context::Context;
use crate::error::Error;
use crate::status::STATUS_MANAGER;

/// Says it in the status, once for each version of the resource.
///
/// # Errors
/// The API server's.
pub(crate) async fn report(
    context: &Context,
    kind: &'static str,
    metadata: &ObjectMeta,
    error: &str,
) -> Result<(), Error> {
    let name = metadata.name.clone().unwrap_or_default();
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let key = format!("{kind} {namespace}/{name}");
    let version = format!("{:?} {:?}", metadata.uid, metadata.generation);
    if context.unreadable.lock().get(&key) == Some(&version) {
        return Ok(());
    }
    tracing::warn!(kind, namespace, name, error, "the resource cannot be read");
    context.leadership.check()?;
    let resource = ApiResource {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
    };
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &namespace, &resource);
    let patch = json!({
        "apiVersion": resource.api_version,
        "kind": kind,
        "metadata": { "name": name, "uid": metadata.uid },
        "status": {
            "observedGeneration": metadata.generation,
            "conditions": conditions(error, &context.now_text(), metadata.generation),
        },
    });
    let params = PatchParams::apply(STATUS_MANAGER).force();
    api.patch_status(&name, &params, &Patch::Apply(&patch))
        .await?;
    context.unreadable.lock().insert(key, version);
    Ok(())
}

/// What is said of it.
fn conditions(error: &str, now: &str, generation: Option<i64>) -> Vec<Condition> {
    let message: String = format!("the resource cannot be read: {error}")
        .chars()
        .take(1000)
        .collect();
    let condition = |kind: &str, status| Condition {
        kind: kind.to_owned(),
        status,
        reason: "Unreadable".to_owned(),
        message: message.clone(),
        last_transition_time: now.to_owned(),
        observed_generation: generation,
    };
    vec![
        condition(condition_types::READY, ConditionStatus::False),
        condition(condition_types::STALLED, ConditionStatus::True),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_stalled() {
        let conditions = conditions("missing field `storage`", "2026-01-01T00:00:00Z", Some(3));
        let of = |kind| conditions.iter().find(|c| c.kind == kind).unwrap();
        assert_eq!(of("Ready").status, ConditionStatus::False);
        assert_eq!(of("Stalled").status, ConditionStatus::True);
        assert!(of("Stalled").message.contains("storage"));
    }
}
