//! Nobody evicts a broker: the operator sees that a node is cordoned, gets a permit and stops the
//! brokers of that node itself.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{labels, object};
use crate::{Object, ValidCluster};

pub(super) fn build(cluster: &ValidCluster) -> Object {
    object(&PodDisruptionBudget {
        metadata: labels::metadata(cluster, cluster.name.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(0)),
            selector: Some(labels::select_cluster(cluster)),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}
