//! A zone and what is different in it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Storage, pod};
use crate::patterns;

/// A zone, and what is different in it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Zone {
    /// The value of the topology label on the zone's nodes.
    #[schemars(length(min = 1, max = 63), pattern(patterns::ZONE_NAME))]
    pub name: String,
    /// How many brokers this zone has; unset means an even share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,
    /// The disks of this zone, in place of spec.storage: what is unset here is not taken from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// CPU and memory of this zone's brokers, in place of spec.resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pod::resources_schema")]
    pub resources: Option<ResourceRequirements>,
    /// Labels that this zone's nodes must have besides those of spec.pod.nodeSelector.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "pod::labels_schema")]
    pub node_selector: BTreeMap<String, String>,
}

/// A zone as names of pods and Services hold it: a DNS label has no capitals, dots or underscores.
/// [`crate::validate::validate_zones`] sees to it that two zones of a cluster stay distinct.
pub fn zone_label(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_becomes_a_part_of_a_pods_name() {
        assert_eq!(zone_label("eu-west-1a"), "eu-west-1a");
        assert_eq!(zone_label("Rack_7.B"), "rack-7-b");
    }
}
