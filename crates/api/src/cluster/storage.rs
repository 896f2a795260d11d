//! The disk of a broker.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{patterns, rules};

/// The disk of a broker. It is never deleted by the operator, whatever happens to the resource.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::STORAGE_CLASS_FIXED)]
pub struct Storage {
    /// Its size, as 100Gi. It may grow where the storage class allows it, never shrink.
    #[schemars(length(min = 1, max = 32), pattern(patterns::SIZE))]
    #[x_kube(validation = rules::STORAGE_SIZE, validation = rules::STORAGE_SHRINKS)]
    pub size: String,
    /// The storage class; unset means the default class of the Kubernetes cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class: Option<String>,
    /// By whom the volume may be mounted. ReadWriteOncePod: one pod in the whole cluster, so that the
    /// storage itself refuses a second process. ReadWriteOnce: the pods of one node. A change holds
    /// for volumes that are made after it.
    #[serde(default)]
    pub access_mode: AccessMode,
}

/// How a volume may be mounted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessMode {
    /// By one pod in the whole cluster: the storage itself refuses a second process.
    ReadWriteOncePod,
    /// By the pods of one node.
    #[default]
    ReadWriteOnce,
}
