//! From a storage class to what is kept of it.

use holdfast_planner::{StorageClassView, seen};
use k8s_openapi::api::storage::v1::StorageClass;

use crate::cache::{ClusterKey, Row};

/// What is kept of a storage class.
#[expect(
    clippy::unnecessary_wraps,
    reason = "as the rows of all kinds are made"
)]
pub(crate) fn row(class: StorageClass) -> Option<Row<StorageClassView>> {
    Some(Row {
        cluster: ClusterKey::default(),
        value: seen::storage_class(&class),
        name: class.metadata.name.unwrap_or_default(),
    })
}
