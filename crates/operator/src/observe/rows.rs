//! Whose an object is, for the caches.

use holdfast_planner::seen;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::cache::ClusterKey;

/// The cluster that an object's label names.
pub(super) fn owner(metadata: &ObjectMeta) -> Option<ClusterKey> {
    let name = seen::cluster_of(metadata)?;
    Some(ClusterKey::new(metadata.namespace.as_deref()?, name))
}
