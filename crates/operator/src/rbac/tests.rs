use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::kinds::KINDS;

fn may(resource: &str, verb: &str) -> bool {
    RULES
        .iter()
        .any(|rule| rule.resources.contains(&resource) && rule.verbs.contains(&verb))
}

#[test]
fn nothing_that_holds_data_may_be_deleted() {
    for resource in [
        "persistentvolumeclaims",
        "persistentvolumes",
        "secrets",
        "configmaps",
    ] {
        for verb in ["delete", "deletecollection"] {
            assert!(!may(resource, verb), "{verb} {resource}");
        }
    }
    for rule in RULES {
        assert!(
            !rule.verbs.contains(&"*") && !rule.resources.contains(&"*"),
            "{rule:?}"
        );
        assert!(!rule.verbs.contains(&"deletecollection"), "{rule:?}");
        assert!(!rule.why.is_empty());
    }
    assert!(!may("secrets", "list") && !may("secrets", "watch"));
    assert!(!may("messageclusters", "patch") && !may("messageclusters", "update"));
}

#[test]
fn every_kind_of_child_may_be_watched_and_applied() {
    for kind in KINDS {
        for verb in ["get", "list", "watch", "create", "patch"] {
            assert!(may(kind.plural, verb), "{verb} {}", kind.plural);
        }
        assert_eq!(
            kind.deletable,
            may(kind.plural, "delete") && kind.plural != "statefulsets"
        );
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| !path.ends_with("rbac/tests.rs"))
        .collect()
}

/// The code's side of the same promise: one small file deletes, and it knows nothing that holds data.
#[test]
fn only_one_file_deletes_and_it_knows_nothing_that_holds_data() {
    let mut deleting = Vec::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("delete_collection"), "{}", path.display());
        assert!(!text.contains("Request::delete"), "{}", path.display());
        if text.contains("DeleteParams") {
            let code: String = text
                .lines()
                .filter(|l| !l.trim_start().starts_with("//"))
                .collect();
            for word in ["PersistentVolume", "Secret", "ConfigMap", "identity"] {
                assert!(!code.contains(word), "{} knows {word}", path.display());
            }
            deleting.push(path);
        }
    }
    assert!(
        matches!(deleting.as_slice(), [path] if path.ends_with("apply/removal.rs")),
        "{deleting:?}"
    );
}

/// Verbs by group and resource, whatever rules they are spread over.
type Rights = BTreeMap<(String, String), BTreeSet<String>>;

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

fn rights_of(rules: &[Value]) -> Rights {
    let mut rights = Rights::new();
    for rule in rules {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let verbs = rights.entry((group.clone(), resource)).or_default();
                verbs.extend(texts(&rule["verbs"]));
            }
        }
    }
    rights
}

/// What the list here says for some scopes.
fn wanted(scopes: &[Scope]) -> Rights {
    let mut rights = Rights::new();
    for rule in RULES.iter().filter(|rule| scopes.contains(&rule.scope)) {
        for resource in rule.resources {
            let key = (rule.group.to_owned(), (*resource).to_owned());
            let verbs = rule.verbs.iter().map(|verb| (*verb).to_owned());
            rights.entry(key).or_default().extend(verbs);
        }
    }
    rights
}

fn shipped(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// A template as YAML: lines that are only for Helm are left out, and what it fills in is a word.
fn without_helm(template: &str) -> String {
    let mut text = String::new();
    for line in template
        .lines()
        .filter(|line| !line.trim_start().starts_with("{{"))
    {
        let mut pieces = line.split("{{");
        text.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            text.push_str("filled");
            text.push_str(piece.split_once("}}").map_or("", |(_, rest)| rest));
        }
        text.push('\n');
    }
    text
}

/// The rules of every role of the operator's own, by kind and namespace; those that are given on to
/// people are left out.
fn roles(text: &str) -> Vec<(String, String, Vec<Value>)> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    let own = |document: &&Value| {
        let labels = document["metadata"]["labels"].as_object();
        let given_on =
            labels.is_some_and(|all| all.keys().any(|key| key.contains("/aggregate-to-")));
        let kind = document["kind"].as_str().unwrap_or_default();
        matches!(kind, "Role" | "ClusterRole") && !given_on
    };
    documents
        .iter()
        .filter(own)
        .map(|document| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let rules = document["rules"].as_array().cloned().unwrap_or_default();
            (
                text(&document["kind"]),
                text(&document["metadata"]["namespace"]),
                rules,
            )
        })
        .collect()
}

#[test]
fn the_chart_gives_exactly_these_rights() {
    let rules = shipped("charts/holdfast-operator/templates/_rules.tpl");
    for (name, scope) in [
        ("namespacedRules", Scope::Watched),
        ("clusterRules", Scope::Cluster),
    ] {
        let begin = format!("{{{{- define \"holdfast-operator.{name}\" -}}}}");
        let (_, rest) = rules.split_once(&begin).unwrap();
        let (body, _) = rest.split_once("{{- end -}}").unwrap();
        let listed: Vec<Value> = serde_saphyr::from_str(body).unwrap();
        assert_eq!(rights_of(&listed), wanted(&[scope]), "{name}");
    }
    // Beside what it includes, its roles say only what is about the lease.
    let template = shipped("charts/holdfast-operator/templates/rbac.yaml");
    let said: Vec<Value> = roles(&without_helm(&template))
        .into_iter()
        .flat_map(|(_, _, rules)| rules)
        .collect();
    assert_eq!(rights_of(&said), wanted(&[Scope::Own]));
}

#[test]
fn the_manifests_give_exactly_these_rights() {
    let everywhere = &[Scope::Cluster, Scope::Watched][..];
    for (file, expected) in [
        (
            "deploy/operator/base/rbac.yaml",
            vec![
                ("ClusterRole", "", everywhere),
                ("Role", "holdfast-system", &[Scope::Own][..]),
            ],
        ),
        (
            "deploy/operator/overlays/namespaced/rbac.yaml",
            vec![
                ("ClusterRole", "", &[Scope::Cluster][..]),
                ("Role", "messages", &[Scope::Watched][..]),
                ("Role", "holdfast-system", &[Scope::Own][..]),
            ],
        ),
    ] {
        let roles = roles(&shipped(file));
        assert_eq!(roles.len(), expected.len(), "{file}");
        for ((kind, namespace, rules), (want_kind, want_namespace, scopes)) in
            roles.iter().zip(expected)
        {
            assert_eq!(
                (kind.as_str(), namespace.as_str()),
                (want_kind, want_namespace),
                "{file}"
            );
            assert_eq!(
                rights_of(rules),
                wanted(scopes),
                "{file}: {kind} {namespace}"
            );
        }
    }
}

/// Whatever role it is in, also those that people get.
#[test]
fn no_role_that_is_shipped_deletes_what_holds_data() {
    let mut rules = 0;
    for file in [
        "charts/holdfast-operator/templates/rbac.yaml",
        "deploy/operator/base/rbac.yaml",
        "deploy/operator/overlays/namespaced/rbac.yaml",
    ] {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&without_helm(&shipped(file))).unwrap();
        for rule in documents
            .iter()
            .filter_map(|one| one["rules"].as_array())
            .flatten()
        {
            rules += 1;
            let (resources, verbs) = (texts(&rule["resources"]), texts(&rule["verbs"]));
            let any =
                |words: &[String], of: &[&str]| words.iter().any(|w| of.contains(&w.as_str()));
            assert!(
                !any(&resources, &["*"]) && !any(&verbs, &["*", "deletecollection"]),
                "{rule}"
            );
            let data = [
                "persistentvolumeclaims",
                "persistentvolumes",
                "secrets",
                "configmaps",
            ];
            assert!(
                !(any(&resources, &data) && any(&verbs, &["delete"])),
                "{file}: {rule}"
            );
        }
    }
    assert!(rules > 30, "{rules}");
}
