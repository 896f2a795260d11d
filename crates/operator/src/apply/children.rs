//! Applies children, and asks for larger volumes.

use holdfast_planner::Object;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::{Done, Scene};
use crate::error::Error;
use crate::kinds::{Kind, MANAGED_BY, MANAGER, STATEFUL_SET};

impl Scene<'_> {
    /// Applies a child: what it says is ours, whoever wrote it before.
    pub(super) async fn apply_child(&self, object: &Object) -> Result<Done, Error> {
        let name = &object.key.name;
        let kind = kind(&object.key.kind)?;
        let seen = self.look.observed.children.get(&object.key);
        if seen.is_none() {
            self.check_absent(kind.name, name).await?;
        }
        let value = applied(object, kind, seen);
        let params = PatchParams::apply(MANAGER).force();
        self.objects(kind)
            .patch(name, &params, &Patch::Apply(&value))
            .await?;
        Ok(Done::All)
    }

    /// What was not seen may be there nevertheless: as somebody else's, whom nothing is taken away
    /// from, or because the look is old.
    pub(super) async fn check_absent(&self, of_kind: &str, name: &str) -> Result<(), Error> {
        let kind = kind(of_kind)?;
        let Some(found) = self.objects(kind).get_metadata_opt(name).await? else {
            return Ok(());
        };
        let labels = found.metadata.labels.unwrap_or_default();
        if labels
            .get(MANAGED_BY)
            .is_none_or(|manager| manager != MANAGER)
        {
            return Err(Error::Person(format!(
                "{of_kind} {name} exists without the label {MANAGED_BY}={MANAGER}: remove it, or \
                 label it if it is the operator's"
            )));
        }
        if of_kind == STATEFUL_SET {
            return Err(Error::Stale(format!("{of_kind} {name}")));
        }
        Ok(())
    }

    fn objects(&self, kind: &Kind) -> Api<DynamicObject> {
        let client = self.context.client.clone();
        Api::namespaced_with(client, &self.key.namespace, &kind.resource())
    }

    /// Asks for a larger volume.
    pub(super) async fn grow_claim(
        &self,
        name: &str,
        uid: &str,
        size: &str,
    ) -> Result<Done, Error> {
        let patch = json!({
            // The API server refuses to change another one's uid: so this is the one that was seen.
            "metadata": { "uid": uid },
            "spec": { "resources": { "requests": { "storage": size } } },
        });
        let api: Api<PersistentVolumeClaim> = self.api();
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        api.patch(name, &params, &Patch::Merge(&patch)).await?;
        Ok(Done::All)
    }
}

fn kind(name: &str) -> Result<&'static Kind, Error> {
    Kind::find(name).ok_or_else(|| Error::Refused(format!("a {name} is no child")))
}

/// A version that no object ever has: an apply in it makes what is not there, and the API server refuses
/// (409) to change what is.
const ABSENT: &str = "1";

/// What is sent. A set is changed only in the version that was seen, and made only if it is not there:
/// with an old number of replicas a process that lost the lease would stop brokers. The version alone
/// would not keep a set from being made again that was deleted meanwhile; its uid does.
fn applied(object: &Object, kind: &Kind, seen: Option<&Value>) -> Value {
    let mut value = object.value.clone();
    value["apiVersion"] = kind.api_version().into();
    value["kind"] = kind.name.into();
    if kind.name == STATEFUL_SET {
        let metadata = &mut value["metadata"];
        metadata["resourceVersion"] = ABSENT.into();
        if let Some(seen) = seen {
            for field in ["resourceVersion", "uid"] {
                metadata[field] = seen["metadata"][field].clone();
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use holdfast_planner::ObjectKey;

    use super::*;

    #[test]
    fn a_set_is_changed_only_in_the_version_that_was_seen() {
        let seen = json!({ "metadata": { "resourceVersion": "7", "uid": "u" } });
        let object = |kind: &str| Object {
            key: ObjectKey {
                kind: kind.to_owned(),
                name: "orders-a".to_owned(),
            },
            value: json!({ "metadata": { "name": "orders-a" } }),
        };
        let sent = |kind: &str, seen| applied(&object(kind), Kind::find(kind).unwrap(), seen);
        let set = sent("StatefulSet", Some(&seen));
        assert_eq!(set["metadata"]["resourceVersion"], "7");
        assert_eq!(set["metadata"]["uid"], "u");
        assert_eq!(set["apiVersion"], "apps/v1");
        let service = sent("Service", Some(&seen));
        assert_eq!(service["metadata"].get("resourceVersion"), None);
        let new = sent("StatefulSet", None);
        assert_eq!(new["metadata"]["resourceVersion"], "1");
        assert_eq!(new["metadata"].get("uid"), None);
    }
}
