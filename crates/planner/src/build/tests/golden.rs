//! All children of two clusters, as files that a person can read. `HOLDFAST_BLESS=1` writes them
//! anew.

use std::path::Path;

use super::*;

fn check(name: &str, objects: &[Object]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/build/tests/golden")
        .join(name);
    let without_digest = objects.iter().map(|object| {
        let mut value = object.value.clone();
        // Follows from the rest.
        value["metadata"]["annotations"][DIGEST_ANNOTATION] = json!("...");
        value
    });
    let actual: Value = without_digest.collect();
    if std::env::var_os("HOLDFAST_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&actual).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let expected: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let expected = expected.as_array().unwrap();
    for (expected, object) in expected.iter().zip(actual.as_array().unwrap()) {
        assert_eq!(object, expected, "{name}: {}", object["metadata"]["name"]);
    }
    assert_eq!(objects.len(), expected.len());
}

fn all(cluster: &ValidCluster, services: &BTreeMap<String, ServiceView>) -> Vec<Object> {
    let mut all = children(cluster, services);
    all.extend(cluster.zones.iter().map(|zone| stateful_set(cluster, zone)));
    all.push(identity_object(
        &cluster.namespace,
        &cluster.name,
        &cluster.identity,
    ));
    all
}

#[test]
fn a_minimal_cluster() {
    check("minimal.json", &all(&minimal(), &BTreeMap::new()));
}

#[test]
fn six_brokers_in_three_zones_with_node_ports() {
    check("large.json", &all(&large(), &node_ports()));
}

#[test]
fn no_object_holds_a_null_or_a_status() {
    fn has_null(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Array(items) => items.iter().any(has_null),
            Value::Object(fields) => fields.values().any(has_null),
            _ => false,
        }
    }
    for object in all(&large(), &node_ports()) {
        assert!(!has_null(&object.value), "{:?}", object.key);
        assert!(object.value.get("status").is_none(), "{:?}", object.key);
    }
}

#[test]
fn pods_are_within_the_restricted_pod_security_standard() {
    for cluster in [minimal(), large()] {
        for zone in &cluster.zones {
            let set = stateful_set(&cluster, zone).value;
            let pod = &set["spec"]["template"]["spec"];
            let security = &pod["securityContext"];
            assert_eq!(security["runAsNonRoot"], true);
            assert_eq!(security["runAsUser"], 10001);
            assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
            for field in ["hostNetwork", "hostPID", "hostIPC"] {
                assert_eq!(pod[field], Value::Null);
            }
            let containers = ["containers", "initContainers"].map(|list| pod[list].as_array());
            for container in containers.into_iter().flatten().flatten() {
                let security = &container["securityContext"];
                assert_eq!(security["allowPrivilegeEscalation"], false);
                assert_eq!(security["capabilities"], json!({ "drop": ["ALL"] }));
                assert_eq!(security["readOnlyRootFilesystem"], true);
            }
            for volume in pod["volumes"].as_array().unwrap() {
                assert_eq!(volume["hostPath"], Value::Null);
            }
        }
    }
}

#[test]
fn what_outlives_the_resource_has_no_owner() {
    let cluster = large();
    let identity = identity_object(&cluster.namespace, &cluster.name, &cluster.identity).value;
    assert_eq!(identity["metadata"]["ownerReferences"], Value::Null);
    let back: Identity =
        serde_json::from_str(identity["data"]["identity.json"].as_str().unwrap()).unwrap();
    assert_eq!(back, cluster.identity);
    let set = stateful_set(&cluster, &cluster.zones[0]).value;
    let claim = &set["spec"]["volumeClaimTemplates"][0];
    assert_eq!(claim["metadata"]["ownerReferences"], Value::Null);
    assert_eq!(
        claim["metadata"]["annotations"]["holdfast.io/cluster-id"],
        CLUSTER_ID
    );
    let policy = &set["spec"]["persistentVolumeClaimRetentionPolicy"];
    assert_eq!(
        *policy,
        json!({ "whenDeleted": "Retain", "whenScaled": "Retain" })
    );
}
