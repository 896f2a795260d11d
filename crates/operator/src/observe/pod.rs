//! From a pod to what is kept of it.

use holdfast_planner::{PodView, seen};
use k8s_openapi::api::core::v1::Pod;

use super::rows::owner;
use crate::cache::Row;

/// A broker's pod, and where it can be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PodRow {
    pub(crate) view: PodView,
    pub(crate) address: Option<String>,
}

/// What is kept of a pod; none if it is no broker's.
pub(crate) fn row(pod: Pod) -> Option<Row<PodRow>> {
    let cluster = owner(&pod.metadata)?;
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
    let view = seen::pod(pod)?;
    Some(Row {
        cluster,
        name: view.name.clone(),
        value: PodRow {
            view,
            address: address.filter(|ip| !ip.is_empty()),
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_kept_with_where_it_can_be_asked() {
        let pod = |ip: &str| {
            let pod = json!({
                "metadata": {
                    "namespace": "data", "name": "orders-a-1000",
                    "labels": { "holdfast.io/cluster": "orders" },
                },
                "status": { "podIP": ip },
            });
            row(serde_json::from_value(pod).unwrap()).unwrap()
        };
        let row = pod("10.0.0.7");
        assert_eq!(
            (row.cluster.namespace.as_str(), row.cluster.name.as_str()),
            ("data", "orders")
        );
        assert_eq!(row.value.view.broker, 1000);
        assert_eq!(row.value.address.as_deref(), Some("10.0.0.7"));
        assert_eq!(pod("").value.address, None);
    }

    #[test]
    fn a_pod_of_somebody_else_is_of_no_interest() {
        for metadata in [
            json!({ "namespace": "data", "name": "orders-a-1000" }),
            json!({
                "namespace": "data", "name": "debug",
                "labels": { "holdfast.io/cluster": "orders" },
            }),
        ] {
            let pod = serde_json::from_value(json!({ "metadata": metadata })).unwrap();
            assert_eq!(row(pod), None);
        }
    }
}
