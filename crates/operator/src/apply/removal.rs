//! All that the operator deletes: pods, sets without their pods, and children that hold nothing.
//!
//! No other file of this crate may delete, and this one knows no claim, volume, Secret or identity: a
//! test reads it.

use holdfast_planner::ObjectKey;
use holdfast_planner::planted::Planted;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Preconditions, PropagationPolicy};
use kube::core::NamespaceResourceScope;
use serde::de::DeserializeOwned;

use super::{Done, Scene};
use crate::error::{Error, is_not_found};
use crate::kinds::Kind;
use crate::observe::node_row;

impl Scene<'_> {
    /// Deletes a child that is no longer wanted.
    pub(super) async fn delete_child(&self, key: &ObjectKey, uid: &str) -> Result<Done, Error> {
        let kind = Kind::find(&key.kind).filter(|kind| kind.deletable);
        let kind = kind.ok_or_else(|| {
            Error::Refused(format!(
                "a {} is never deleted, so {} stays",
                key.kind, key.name
            ))
        })?;
        let client = self.context.client.clone();
        let api: Api<DynamicObject> =
            Api::namespaced_with(client, &self.key.namespace, &kind.resource());
        delete(&api, &key.name, &as_seen(uid, None)).await
    }

    /// Deletes a set and leaves its pods: they go on, and the set that is made again finds them.
    pub(super) async fn delete_set_keep_pods(&self, name: &str, uid: &str) -> Result<Done, Error> {
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Orphan),
            ..as_seen(uid, None)
        };
        delete(&self.api::<StatefulSet>(), name, &params).await
    }

    /// Stops a broker in its own time: its set makes the pod again. With a version only if the pod is
    /// still in that state.
    pub(super) async fn delete_pod(
        &self,
        name: &str,
        uid: &str,
        resource_version: Option<String>,
    ) -> Result<Done, Error> {
        let params = as_seen(uid, resource_version);
        delete(&self.api::<Pod>(), name, &params).await
    }

    /// Removes a pod whose node is gone: nobody is there to say that its processes have ended. The
    /// caches of nodes and of pods are filled by two watches, and that of nodes may be behind: so the
    /// API server itself is asked for the node.
    pub(super) async fn remove_lost_pod(&self, name: &str, uid: &str) -> Result<Done, Error> {
        let stale = || Error::Stale(format!("pod {name}"));
        let mut pods = self.look.observed.pods.values();
        let pod = pods.find(|pod| pod.uid == uid).ok_or_else(stale)?;
        let node = pod.node.clone().ok_or_else(stale)?;
        let nodes: Api<Node> = Api::all(self.context.client.clone());
        let there = nodes.get_opt(&node).await?.and_then(node_row);
        let certain = there.is_some_and(|row| row.value.is_out_of_service());
        if !certain && self.context.planted != Planted::LostByTimeAlone {
            return Err(Error::Stale(format!("node {node}")));
        }
        // Whoever waited for that answer may have lost the lease meanwhile.
        self.context.leadership.check()?;
        // Should this arrive late, when the node has come back after all, its kubelet has written to the pod.
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            ..as_seen(uid, Some(pod.version.clone()))
        };
        delete(&self.api::<Pod>(), name, &params).await
    }

    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.context.client.clone(), &self.key.namespace)
    }
}

/// The one that was seen, and no other of its name; with a version only in that state.
fn as_seen(uid: &str, resource_version: Option<String>) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version,
        }),
        ..DeleteParams::default()
    }
}

async fn delete<K>(api: &Api<K>, name: &str, params: &DeleteParams) -> Result<Done, Error>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    match api.delete(name, params).await {
        Ok(_deleted) => Ok(Done::All),
        Err(error) if is_not_found(&error) => Ok(Done::Nothing),
        Err(error) => Err(error.into()),
    }
}
