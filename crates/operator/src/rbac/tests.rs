use std::path::{Path, PathBuf};

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
