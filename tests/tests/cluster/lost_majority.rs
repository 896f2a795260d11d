//! Two of three disks are lost for ever, and the third carries the cluster on.

use std::path::Path;
use std::time::Duration;

use holdfast_tests::chance::Chance;
use holdfast_tests::cluster::{Cluster, Storage};

use crate::load::Load;

const ATTEMPTS: usize = 12;

/// How long records are written before the disaster.
const BEFORE: Duration = Duration::from_secs(3);

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Describes the disk of broker 0 and plans with it alone; answers the plan's place.
fn plan(cluster: &Cluster) -> std::path::PathBuf {
    let data = cluster.data_dir(0);
    let described = cluster
        .tool(&["recover", "describe", "--data-dir", path(&data)])
        .unwrap();
    let description = cluster.dir().join("disk-0.json");
    std::fs::write(&description, &described).unwrap();
    let again = cluster
        .tool(&["recover", "describe", "--data-dir", path(&data)])
        .unwrap();
    assert!(described == again, "describing a disk changes it");
    let plan = cluster.dir().join("plan.json");
    let words = ["recover", "plan", path(&description), "--out", path(&plan)];
    let shown = cluster.tool(&words).unwrap();
    eprintln!("{shown}");
    assert!(
        shown.contains("6 partitions complete, 0 complete (eligible)"),
        "{shown}"
    );
    assert!(shown.contains("1 of 3 voters are described"), "{shown}");
    plan
}

/// Applies the plan, killed at many places before it is let through.
async fn apply(cluster: &Cluster, plan: &Path, chance: &mut Chance) {
    let (data, id) = (cluster.data_dir(0), cluster.id().unwrap());
    let words = [
        "recover",
        "apply",
        "--plan",
        path(plan),
        "--data-dir",
        path(&data),
    ];
    let with = |id| [words.as_slice(), &["--cluster-id", id]].concat();
    let nobody = "AAAAAAAAAAAAAAAAAAAAAA";
    let refused = cluster.tool(&with(nobody)).unwrap_err().to_string();
    assert!(refused.contains("nothing was done"), "{refused}");
    for attempt in 0..ATTEMPTS {
        let after = chance.millis(1..45);
        let ended = cluster.tool_killed(&with(&id), after).await.unwrap();
        eprintln!("apply {attempt}: killed after {after:?}, ended before: {ended}");
    }
    cluster.tool(&with(&id)).unwrap();
    cluster.tool(&with(&id)).unwrap();
}

/// Has a new disk of a broker admitted with a vote.
async fn replace(load: &mut Load, n: usize) {
    load.cluster.format_anew(n, 1).unwrap();
    load.cluster.start_broker(n).unwrap();
    let asked = load.cluster.rpc_address(0).to_owned();
    let words = load.cluster.admission(n, &asked).await.unwrap();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.push("--vote");
    let done = load.cluster.tool(&words).unwrap();
    eprintln!("{done}");
    assert!(done.contains("it votes in the metadata quorum"), "{done}");
}

#[tokio::test]
async fn the_last_disk_carries_the_cluster_on_with_every_acknowledged_record() {
    let mut chance = Chance::from_environment().unwrap();
    println!("HOLDFAST_SEED={}", chance.seed());
    let mut load = Load::start("lost-majority", Storage::Directory).await;
    load.in_sync().await;
    load.progress().await;
    tokio::time::sleep(BEFORE).await;

    // The disk that stays is in every ISR when the others go, and alone acknowledges nothing.
    for broker in [1, 2, 0] {
        load.cluster.kill(broker).unwrap();
    }
    load.cluster.lose_disk(1).unwrap();
    load.cluster.take_away(2).unwrap();

    let plan = plan(&load.cluster);
    apply(&load.cluster, &plan, &mut chance).await;
    load.cluster.start_broker(0).unwrap();
    load.cluster.wait_ready().await.unwrap();

    // A disk that does not know of the recovery is foreign, and told what to do.
    load.cluster.format_anew(1, 0).unwrap();
    load.cluster.start_broker(1).unwrap();
    let asked = load.cluster.rpc_address(0).to_owned();
    let words = load.cluster.admission(1, &asked).await.unwrap();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let refused = load.cluster.tool(&words).unwrap_err().to_string();
    assert!(refused.contains("--recovery-generation 1"), "{refused}");
    load.cluster.kill(1).unwrap();
    load.cluster.lose_disk(1).unwrap();

    // A disk that was counted as lost comes back: it ends instead of carrying on the old cluster.
    load.cluster.put_back(2).unwrap();
    load.cluster.start_broker(2).unwrap();
    load.cluster
        .refused(2, "is foreign: its cluster was recovered without it")
        .await
        .unwrap();
    load.cluster.lose_disk(2).unwrap();

    replace(&mut load, 1).await;
    replace(&mut load, 2).await;
    load.cluster.wait_ready().await.unwrap();
    load.progress().await;
    load.in_sync().await;

    // Three votes again: the cluster can do without the disk that saved it.
    load.cluster.kill(0).unwrap();
    load.progress().await;
    load.cluster.start_broker(0).unwrap();
    load.finish().await;
}
