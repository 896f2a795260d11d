use std::path::Path;

use holdfast_planner::build::names;
use serde_json::json;

use super::*;
use crate::output::Paint;

fn example(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples");
    folder.join(name)
}

fn arguments(file: &Path, zones: &[&str]) -> Plan {
    Plan {
        file: file.to_owned(),
        state: Vec::new(),
        namespace: Some("shop".to_owned()),
        zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
    }
}

fn plan_of(document: &Value, states: &[Value]) -> anyhow::Result<(Value, u8)> {
    let plan = arguments(Path::new("x"), &["a", "b", "c"]);
    let (shown, code) = planned(&plan, document, states)?;
    Ok((serde_json::to_value(&shown)?, code))
}

#[test]
fn every_example_of_a_cluster_can_be_planned() {
    let mut clusters = 0;
    for entry in std::fs::read_dir(example("")).unwrap() {
        let path = entry.unwrap().path();
        let documents = files::documents(&path).unwrap();
        if documents
            .iter()
            .all(|document| document["kind"] != "MessageCluster")
        {
            assert!(files::only_cluster(&path).is_err());
            continue;
        }
        clusters += 1;
        let document = files::only_cluster(&path).unwrap();
        let (shown, code) = planned(&arguments(&path, &["a", "b", "c"]), &document, &[]).unwrap();
        assert_eq!(code, FINDINGS, "{}: {shown:#?}", path.display());
        let text = show::text(&shown, Paint::of_stdout());
        let document = serde_json::to_value(&shown).unwrap();
        let hash = document["hash"].as_str().unwrap();
        for word in [
            "shop/orders",
            "CreateIdentity",
            "AddBrokers",
            "StatefulSet orders-",
            hash,
        ] {
            assert!(
                text.contains(word),
                "{}: no {word} in {text}",
                path.display()
            );
        }
    }
    assert_eq!(clusters, 3);
}

#[test]
fn a_program_gets_the_fields_of_status_plan() {
    let document = files::only_cluster(&example("minimal.yaml")).unwrap();
    let (shown, _) = plan_of(&document, &[]).unwrap();
    for field in [
        "hash",
        "generation",
        "state",
        "summary",
        "steps",
        "moreSteps",
    ] {
        assert!(!shown[field].is_null(), "{field}: {shown}");
    }
    let plan: holdfast_api::ClusterPlan = serde_json::from_value(shown.clone()).unwrap();
    assert!(plan.hash.len() == 16 && plan.steps.len() > 4, "{plan:?}");
    let made = shown["objects"]["made"].to_string();
    for child in [
        names::config("orders"),
        names::authority("orders"),
        "orders-a".to_owned(),
    ] {
        assert!(made.contains(&child), "{child}: {made}");
    }
}

#[test]
fn zones_must_come_from_somewhere() {
    let document = files::only_cluster(&example("minimal.yaml")).unwrap();
    let (shown, code) = planned(&arguments(Path::new("x"), &[]), &document, &[]).unwrap();
    let shown = serde_json::to_value(&shown).unwrap();
    assert_eq!(
        (code, &shown["findings"][0]["reason"]),
        (1, &json!("NoZones"))
    );
}

#[test]
fn settings_are_judged_as_a_broker_judges_them() {
    let mut document = files::only_cluster(&example("minimal.yaml")).unwrap();
    document["spec"]["settings"] = json!({ "num.io.threads": "many" });
    let (shown, code) = plan_of(&document, &[]).unwrap();
    let message = shown["findings"][0]["message"].as_str().unwrap();
    assert!(code == 1 && message.contains("num.io.threads"), "{message}");
}

#[test]
fn what_is_wrong_with_a_file_is_an_error_that_names_the_field() {
    let mut document = files::only_cluster(&example("minimal.yaml")).unwrap();
    document["spec"]["replicsa"] = json!(5);
    let error = plan_of(&document, &[]).unwrap_err().to_string();
    assert!(error.contains("spec.replicsa: is no field"), "{error}");
}

#[test]
fn what_may_not_change_is_refused_against_the_live_resource() {
    let document = files::only_cluster(&example("minimal.yaml")).unwrap();
    let mut live = document.clone();
    live["metadata"] =
        json!({ "name": "orders", "namespace": "shop", "uid": "u", "generation": 4 });
    live["spec"]["storage"]["size"] = json!("200Gi");
    let list = json!({ "kind": "List", "items": [live.clone()] });
    let error = plan_of(&document, &[list]).unwrap_err().to_string();
    assert!(error.contains("spec.storage.size"), "{error}");
    // One that was stored a moment ago, of which nothing is made yet.
    live["spec"]["storage"]["size"] = json!("100Gi");
    let (shown, code) = plan_of(&document, &[live]).unwrap();
    assert_eq!((code, &shown["generation"]), (FINDINGS, &json!(4)));
}

#[test]
fn a_plan_is_printed_in_yaml_too() {
    let document = files::only_cluster(&example("minimal.yaml")).unwrap();
    let plan = arguments(Path::new("x"), &["a"]);
    let (shown, _) = planned(&plan, &document, &[]).unwrap();
    let yaml = serde_saphyr::to_string(&shown).unwrap();
    let read: holdfast_api::ClusterPlan = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(read.hash, serde_json::to_value(&shown).unwrap()["hash"]);
}
