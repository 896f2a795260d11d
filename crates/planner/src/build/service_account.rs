//! The account of the brokers' pods, which may do nothing.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::{labels, object};
use crate::{Object, ValidCluster};

pub(super) fn build(cluster: &ValidCluster) -> Object {
    object(&ServiceAccount {
        metadata: labels::metadata(cluster, cluster.name.clone()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
}
