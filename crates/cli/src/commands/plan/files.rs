//! Resources in files.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

/// The largest file that is read: a namespace with a few hundred brokers has less.
const LARGEST: u64 = 256 << 20;

/// All documents of a file in YAML or JSON.
pub(super) fn documents(path: &Path) -> anyhow::Result<Vec<Value>> {
    let shown = path.display();
    let text = text(path).with_context(|| format!("reading {shown}"))?;
    parsed(&text).with_context(|| format!("{shown} is neither YAML nor JSON"))
}

fn text(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin()
            .take(LARGEST + 1)
            .read_to_string(&mut text)?
    } else {
        std::fs::File::open(path)?
            .take(LARGEST + 1)
            .read_to_string(&mut text)?
    };
    if read as u64 > LARGEST {
        bail!("it has more than {} MiB", LARGEST >> 20);
    }
    Ok(text)
}

/// JSON is read as such, because kubectl's lists are large and YAML takes longer.
fn parsed(text: &str) -> anyhow::Result<Vec<Value>> {
    if text.trim_start().starts_with('{') {
        let documents = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        return Ok(documents.collect::<Result<_, _>>()?);
    }
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// The one MessageCluster of a file, which may hold topics and other things besides.
pub(super) fn only_cluster(path: &Path) -> anyhow::Result<Value> {
    let documents = documents(path)?;
    let listed = |document: Value| match document["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![document],
    };
    let mut clusters: Vec<Value> = documents
        .into_iter()
        .flat_map(listed)
        .filter(|document| document["kind"] == "MessageCluster")
        .collect();
    let shown = path.display();
    match (clusters.pop(), clusters.len()) {
        (Some(cluster), 0) => Ok(cluster),
        (Some(_), others) => bail!(
            "{shown} has {} MessageClusters: plan one at a time",
            others + 1
        ),
        (None, _) => {
            bail!("{shown} has no MessageCluster: give the file that describes the cluster")
        }
    }
}
