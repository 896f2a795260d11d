//! Style as a test: dependency arrows, file lengths, links, words, the README's table of crates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which crate may depend on which: nothing else is allowed, in no kind of dependency but tests'.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("kernel", &["model"]),
    ("wire", &["model"]),
    ("rocks", &[]),
    ("store", &["model", "rocks"]),
    ("security", &["model"]),
    ("rpc", &["model", "security"]),
    ("quorum", &["kernel", "model", "rpc", "store"]),
    ("runtime", &["model"]),
    ("client", &["model", "wire"]),
    (
        "broker",
        &[
            "kernel", "model", "quorum", "rpc", "runtime", "security", "store", "wire",
        ],
    ),
    ("api", &[]),
    ("planner", &["api", "kernel", "model"]),
    (
        "operator",
        &[
            "api", "kernel", "model", "planner", "rpc", "runtime", "security",
        ],
    ),
    (
        "cli",
        &[
            "api", "broker", "client", "model", "planner", "rpc", "runtime", "security", "wire",
        ],
    ),
    ("sim", &["kernel", "model"]),
    ("spec", &[]),
    (
        "operator-sim",
        &[
            "api", "model", "operator", "planner", "rpc", "security", "sim",
        ],
    ),
    ("tests", &["client", "kernel", "model", "wire"]),
];

/// Crates that alone may name a library.
const KEEPERS: &[(&str, &[&str])] = &[
    ("rocksdb", &["store", "rocks"]),
    ("librocksdb-sys", &["rocks"]),
    ("openraft", &["quorum"]),
    ("kafka-protocol", &["wire"]),
    ("rcgen", &["security"]),
    ("rustls", &["security"]),
    ("tokio-rustls", &["security"]),
    ("x509-parser", &["security"]),
];

const LONGEST_FILE: usize = 500;

/// Words that mark what is unfinished or says nothing, put together here so that this file may hold
/// them.
fn banned_words() -> Vec<String> {
    [("FIX", "ME"), ("TO", "DO"), ("X", "XX"), ("HA", "CK")]
        .map(|(front, back)| format!("{front}{back}"))
        .to_vec()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file that git tracks or would track.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(listed.status.success(), "git ls-files failed");
    String::from_utf8(listed.stdout)
        .expect("names are UTF-8")
        .lines()
        .map(PathBuf::from)
        .filter(|path| root().join(path).is_file())
        .collect()
}

fn text(path: &Path) -> String {
    let bytes = std::fs::read(root().join(path)).expect("a listed file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn with_ending(ending: &str) -> Vec<PathBuf> {
    files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == ending))
        .collect()
}

fn metadata(more: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(more)
        .current_dir(root())
        .output()
        .expect("cargo describes the workspace");
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// The normal dependencies of each crate of the workspace, by short names.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().expect("packages");
    let short = |name: &str| name.strip_prefix("holdfast-").unwrap_or(name).to_owned();
    packages
        .iter()
        .map(|package| {
            let normal = package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter();
            let names = normal
                .filter(|dependency| dependency["kind"].is_null())
                .filter_map(|dependency| dependency["name"].as_str())
                .map(short)
                .collect();
            (short(package["name"].as_str().expect("a name")), names)
        })
        .collect()
}

#[test]
fn dependencies_follow_the_arrows() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> = ARROWS
        .iter()
        .map(|(from, to)| (*from, to.iter().copied().collect()))
        .collect();
    let actual = dependencies();
    let members: BTreeSet<&str> = actual.keys().map(String::as_str).collect();
    assert_eq!(
        members,
        allowed.keys().copied().collect(),
        "the list of crates"
    );
    for (from, to) in &actual {
        for name in to.iter().filter(|name| members.contains(name.as_str())) {
            assert!(
                allowed[from.as_str()].contains(name.as_str()),
                "{from} -> {name}"
            );
        }
        for (library, keepers) in KEEPERS {
            let names = to.contains(*library);
            assert!(
                !names || keepers.contains(&from.as_str()),
                "{from} names {library}"
            );
        }
    }
}

/// Whether every part that an expression of licences requires is among those allowed.
fn is_allowed(licence: &str, allowed: &BTreeSet<String>) -> bool {
    let one = |text: &str| allowed.contains(text.trim_matches(['(', ')', ' ']));
    // `A/B` is an old way to write `A OR B`.
    let any = |text: &str| text.split(" OR ").flat_map(|part| part.split('/')).any(one);
    any(licence) || licence.split(" AND ").all(any)
}

/// The packages that are compiled for this platform, as "name version". `cargo metadata` also names
/// those that a weak feature only mentions (`ring?/alloc`).
fn compiled() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--offline",
            "--locked",
            "--prefix",
            "none",
        ])
        .args(["--edges", "normal,build,dev", "--format", "{p}"])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo shows the tree");
    let tree = String::from_utf8(output.stdout).expect("names are UTF-8");
    tree.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (name, version) = (words.next()?, words.next()?);
            Some(format!("{name} {}", version.strip_prefix('v')?))
        })
        .collect()
}

/// What deny.toml says holds without cargo-deny, which not everybody has: licences, bans, sources.
#[test]
fn the_tree_of_dependencies_is_what_deny_toml_allows() {
    let rules: toml::Table = text(Path::new("deny.toml"))
        .parse()
        .expect("deny.toml is TOML");
    let listed = |value: &toml::Value| value.as_str().map(str::to_owned);
    let allowed: BTreeSet<String> = rules["licenses"]["allow"]
        .as_array()
        .expect("a list of licences")
        .iter()
        .filter_map(listed)
        .collect();
    let banned: BTreeSet<String> = rules["bans"]["deny"]
        .as_array()
        .expect("a list of bans")
        .iter()
        .filter_map(|ban| listed(&ban["crate"]))
        .collect();
    let mut wrong = Vec::new();
    let metadata = metadata(&["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let packages = metadata["packages"].as_array().expect("packages");
    let compiled = compiled();
    assert!(compiled.len() > 100, "{} packages", compiled.len());
    for package in packages {
        let version = package["version"].as_str().unwrap_or_default();
        let full = format!("{} {version}", package["name"].as_str().unwrap_or_default());
        if !compiled.contains(&full) {
            continue;
        }
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or("none");
        let source = package["source"].as_str();
        let foreign = source.is_some_and(|source| !source.starts_with("registry+"));
        if !is_allowed(licence, &allowed) || banned.contains(name) || foreign {
            wrong.push(format!("{name}: licence {licence}, from {source:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_source_file_is_longer_than_the_limit() {
    let long: Vec<String> = with_ending("rs")
        .into_iter()
        .filter(|path| {
            let is_test = path.components().any(|part| part.as_os_str() == "tests");
            let is_tests_file = path.file_name().is_some_and(|name| name == "tests.rs");
            !is_test && !is_tests_file
        })
        .map(|path| (text(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, path)| format!("{} has {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn no_file_is_named_mod_or_says_nothing() {
    let bad = [
        "mod.rs",
        "utils.rs",
        "util.rs",
        "helpers.rs",
        "common.rs",
        "types.rs",
        "misc.rs",
    ];
    for path in with_ending("rs") {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        assert!(!bad.contains(&name), "{}", path.display());
    }
}

#[test]
fn nothing_unfinished_is_marked() {
    for path in ["rs", "toml", "md", "py", "java", "sh"]
        .iter()
        .flat_map(|e| with_ending(e))
    {
        let text = text(&path);
        for word in banned_words() {
            let found = text
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|token| token == word);
            assert!(!found, "{} holds {word}", path.display());
        }
    }
}

#[test]
fn links_in_pages_lead_somewhere() {
    let mut broken = Vec::new();
    for page in with_ending("md") {
        let folder = page.parent().unwrap_or(Path::new("")).to_owned();
        for target in text(&page)
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap_or_default();
            let outside = file.is_empty() || file.contains("://") || file.contains(' ');
            if !outside && !root().join(&folder).join(file).exists() {
                broken.push(format!("{} -> {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_readme_lists_every_crate() {
    let readme = text(Path::new("README.md"));
    for (name, _) in ARROWS {
        assert!(
            readme.contains(&format!("| [{name}](")),
            "no row for {name}"
        );
    }
}

#[test]
fn every_decision_says_what_would_change_it() {
    for page in with_ending("md")
        .iter()
        .filter(|p| p.starts_with("docs/adr"))
    {
        let text = text(page);
        for heading in [
            "## Context",
            "## Decision",
            "## Consequences",
            "## What would change",
        ] {
            assert!(text.contains(heading), "{} lacks {heading}", page.display());
        }
    }
}

#[test]
fn every_invariant_of_the_protocol_page_is_named_in_code() {
    let page = text(Path::new("docs/replication.md"));
    let sources: String = with_ending("rs").iter().map(|path| text(path)).collect();
    let names: BTreeSet<&str> = page
        .split(|c: char| !(c.is_ascii_uppercase() || c == '-'))
        .filter(|word| word.starts_with("INV-") && word.len() > 4)
        .collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let name = name.trim_end_matches('-');
        assert!(sources.contains(name), "{name} is in no source file");
    }
}

#[test]
fn nothing_names_the_place_where_it_was_written() {
    let folders = [["/wo", "rk/"].concat(), ["..", "/shared"].concat()];
    for path in files()
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e != "lock"))
    {
        let text = text(path);
        for folder in &folders {
            assert!(!text.contains(folder), "{} names {folder}", path.display());
        }
    }
}

/// What is written once and stands in several places; `deploy/sync` copies it.
const COPIES: &[(&str, &[&str])] = &[
    (
        "crds/messageclusters.holdfast.io.yaml",
        &[
            "charts/holdfast-operator/files/crds/messageclusters.holdfast.io.yaml",
            "deploy/operator/core/crds/messageclusters.holdfast.io.yaml",
        ],
    ),
    (
        "crds/messagetopics.holdfast.io.yaml",
        &[
            "charts/holdfast-operator/files/crds/messagetopics.holdfast.io.yaml",
            "deploy/operator/core/crds/messagetopics.holdfast.io.yaml",
        ],
    ),
    (
        "deploy/prometheus/rules.yaml",
        &["charts/holdfast-operator/files/prometheus/rules.yaml"],
    ),
    (
        "deploy/grafana/holdfast-cluster.json",
        &["charts/holdfast-operator/files/grafana/holdfast-cluster.json"],
    ),
];

#[test]
fn what_is_shipped_twice_is_the_same() {
    for (original, copies) in COPIES {
        for copy in *copies {
            let same = text(Path::new(original)) == text(Path::new(copy));
            assert!(same, "{copy} differs from {original}: run deploy/sync");
        }
    }
}

#[test]
fn every_alert_has_a_page_that_says_what_to_do() {
    let rules = text(Path::new("deploy/prometheus/rules.yaml"));
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        let page = format!("docs/operations/runbooks/{alert}.md");
        assert!(root().join(&page).is_file(), "{page} is missing");
    }
}

/// The metrics of both pages, as they are scraped.
fn metrics() -> BTreeSet<String> {
    let pages = ["docs/metrics.md", "docs/operator-metrics.md"].map(|page| text(Path::new(page)));
    let rows = pages.iter().flat_map(|page| page.lines());
    let mut found = BTreeSet::new();
    for row in rows.filter_map(|line| line.strip_prefix("| `")) {
        let mut cells = row.split(" | ");
        let name = cells.next().unwrap_or_default().trim_end_matches('`');
        if cells.next() == Some("histogram") {
            found.extend(["bucket", "count", "sum"].map(|end| format!("{name}_{end}")));
        } else {
            found.insert(name.to_owned());
        }
    }
    found
}

/// An alert about a metric that does not exist never fires, and nobody notices.
#[test]
fn alerts_and_dashboards_ask_for_metrics_that_exist() {
    let known = metrics();
    assert!(known.len() > 50, "{known:?}");
    let labels = ["holdfast_cluster", "holdfast_namespace"];
    for file in [
        "deploy/prometheus/rules.yaml",
        "deploy/prometheus/rules_test.yaml",
        "deploy/grafana/holdfast-cluster.json",
    ] {
        let text = text(Path::new(file));
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_:.-".contains(c)));
        let asked: BTreeSet<&str> = words
            .map(|word| word.trim_end_matches([':', '.', '-']))
            .filter(|word| word.starts_with("holdfast_") && !labels.contains(word))
            .collect();
        assert!(asked.len() > 3, "{file}: {asked:?}");
        for name in asked {
            assert!(
                known.contains(name),
                "{file} asks for {name}, which nobody shows"
            );
        }
    }
}
