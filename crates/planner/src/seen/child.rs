//! From a child, as the API server has it, to its view.

use std::collections::BTreeMap;

use holdfast_api::ZONE_LABEL;
use serde_json::Value;

use crate::build::WISH_ANNOTATION;
use crate::{ServiceView, SetView};

/// The view of a StatefulSet.
pub fn set(value: &Value) -> SetView {
    let metadata = &value["metadata"];
    let (spec, status) = (&value["spec"], &value["status"]);
    let storage = spec["volumeClaimTemplates"][0].pointer("/spec/resources/requests/storage");
    let generation = metadata["generation"].as_i64().unwrap_or(0);
    SetView {
        uid: text(&metadata["uid"]),
        zone: text(&metadata["labels"][ZONE_LABEL]),
        replicas: number(&spec["replicas"]).unwrap_or(1),
        update_revision: text(&status["updateRevision"]),
        observed: status["observedGeneration"].as_i64().unwrap_or(0) >= generation,
        wish: metadata["annotations"][WISH_ANNOTATION]
            .as_str()
            .map(str::to_owned),
        claim_size: storage.map(text).unwrap_or_default(),
        deleting: metadata["deletionTimestamp"].is_string(),
    }
}

/// The view of a Service.
pub fn service(value: &Value) -> ServiceView {
    let ports = value["spec"]["ports"].as_array();
    let node_ports: BTreeMap<i32, i32> = ports
        .into_iter()
        .flatten()
        .filter_map(|port| Some((number(&port["port"])?, number(&port["nodePort"])?)))
        .collect();
    let ingress = &value["status"]["loadBalancer"]["ingress"][0];
    let address = [&ingress["hostname"], &ingress["ip"]];
    ServiceView {
        uid: text(&value["metadata"]["uid"]),
        node_ports,
        load_balancer: address
            .iter()
            .find_map(|value| value.as_str())
            .map(str::to_owned),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|number| i32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_says_what_it_runs() {
        let live = json!({
            "metadata": {
                "uid": "u1", "generation": 4,
                "labels": { "holdfast.io/zone": "a" }, "annotations": { "holdfast.io/wish": "w" },
            },
            "spec": {
                "replicas": 2,
                "volumeClaimTemplates": [{ "spec": { "resources": { "requests": {
                    "storage": "100Gi",
                } } } }],
            },
            "status": { "observedGeneration": 4, "updateRevision": "orders-a-7f" },
        });
        let expected = SetView {
            uid: "u1".to_owned(),
            zone: "a".to_owned(),
            replicas: 2,
            update_revision: "orders-a-7f".to_owned(),
            observed: true,
            wish: Some("w".to_owned()),
            claim_size: "100Gi".to_owned(),
            deleting: false,
        };
        assert_eq!(set(&live), expected);
        let mut behind = live;
        behind["metadata"]["generation"] = 5.into();
        behind["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        let view = set(&behind);
        assert!(!view.observed && view.deleting);
    }

    #[test]
    fn a_service_says_what_kubernetes_gave_it() {
        let view = service(&json!({
            "metadata": { "uid": "u1" },
            "spec": { "ports": [{ "port": 9094, "nodePort": 31234 }, { "port": 1 }] },
            "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } },
        }));
        assert_eq!(view.node_ports, BTreeMap::from([(9094, 31234)]));
        assert_eq!(view.load_balancer.as_deref(), Some("192.0.2.1"));
        assert_eq!(service(&json!({})), ServiceView::default());
    }
}
