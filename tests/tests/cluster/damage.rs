//! A byte of an acknowledged batch changes on one of three disks.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_model::{Clock, ErrorCode, SystemClock};
use holdfast_tests::cluster::{BROKERS, Cluster, Storage};
use holdfast_tests::patience::{PATIENCE, until};
use holdfast_tests::writer::Writer;

const TOPIC: &str = "damage";

const RECORD: usize = 16 << 10;

/// A batch has fifteen records.
const BATCH: usize = 256 << 10;

/// Records written at once: 8 MiB.
const CHUNK: usize = 512;

/// A broker of these tests has 13 MiB of batches in memory before it writes them to blob files:
/// this is several times as much.
const MOST_CHUNKS: usize = 12;

/// The offset of the record that is damaged: within a batch that is not the first.
const VICTIM: i64 = 40;

/// How long a damaged replica is watched once it is back.
const WATCHED: Duration = Duration::from_secs(4);

/// A broker that follows, the last in line to lead.
async fn follower(cluster: &Cluster) -> i32 {
    let asked = until("the topic is described", async || -> Result<i32, String> {
        let topic = cluster.describe(TOPIC).await;
        let topic = topic.map_err(|error| error.to_string())?;
        let partition = &topic.partitions[&0];
        let mut followers = partition.replicas.iter().rev();
        let last = followers.find(|id| **id != partition.leader);
        last.copied().ok_or_else(|| format!("{partition:?}"))
    });
    asked.await.unwrap()
}

/// The blob file that holds a value, and where in it the value begins.
fn find(log: &Path, value: &[u8]) -> Option<(PathBuf, u64)> {
    let files = fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut blobs = files.filter(|path| path.extension().is_some_and(|end| end == "blob"));
    blobs.find_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let mut windows = bytes.windows(value.len());
        let at = windows.position(|window| window == value)?;
        Some((path, at as u64))
    })
}

fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1;
    file.write_all_at(&byte, at).unwrap();
    file.sync_all().unwrap();
}

/// Reads the damaged record until the replica refuses; what it answers before that is right.
async fn wait_refused(writer: &Writer, broker: i32) {
    let refused = until(
        "the damaged replica refuses",
        async || -> Result<(), String> {
            let answer = writer.fetch(broker, VICTIM).await;
            let answer = answer.map_err(|error| format!("{error:#}"))?;
            writer.check(&answer).unwrap();
            match answer.code {
                ErrorCode::KafkaStorageError => Ok(()),
                code => Err(code.to_string()),
            }
        },
    );
    refused.await.unwrap();
}

async fn isr(cluster: &Cluster) -> Vec<i32> {
    let topic = cluster.describe(TOPIC).await.unwrap();
    topic.partitions[&0].isr.clone()
}

async fn wait_out_of_isr(cluster: &Cluster, broker: i32) {
    let left = until("it leaves the ISR", async || -> Result<(), String> {
        // Each question begins with another broker, and all are to have heard of it.
        for _ in 0..BROKERS {
            let isr = isr(cluster).await;
            if isr.contains(&broker) {
                return Err(format!("{isr:?}"));
            }
        }
        Ok(())
    });
    left.await.unwrap();
}

/// The damaged replica serves nothing and stays out, while the others go on.
async fn watch(cluster: &mut Cluster, writer: &mut Writer, broker: i32) {
    let clock = SystemClock::new();
    let begun = clock.monotonic();
    while clock.monotonic().since(begun) < WATCHED {
        writer.write(8, RECORD, None).await.unwrap();
        // Nor is what is whole served: a replica with a hole is not asked for the rest.
        for offset in [0, VICTIM, writer.end() - 1] {
            let answer = writer.fetch(broker, offset).await.unwrap();
            assert_eq!(answer.code, ErrorCode::KafkaStorageError, "at {offset}");
            assert!(answer.batches.is_empty(), "served at {offset}");
        }
        let isr = isr(cluster).await;
        assert!(!isr.contains(&broker), "{isr:?}");
        cluster.check_alive().unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_damaged_replica_is_refused_before_and_after_a_restart_while_the_others_go_on() {
    let mut cluster = Cluster::start("damage", Storage::Directory).await.unwrap();
    cluster.create_topic(TOPIC, 1).await.unwrap();
    let mut writer = Writer::start(cluster.client(), TOPIC, BATCH);
    let damaged = follower(&cluster).await;
    let n = usize::try_from(damaged).unwrap();
    let log = cluster.data_dir(n).join("log-0");
    let mut chunks = 0;
    loop {
        writer.write(CHUNK, RECORD, None).await.unwrap();
        chunks += 1;
        if find(&log, &writer.acknowledged()[&VICTIM]).is_some() {
            break;
        }
        assert!(chunks < MOST_CHUNKS, "no blob file has the record");
    }
    cluster.wait_in_sync(TOPIC, PATIENCE).await.unwrap();

    cluster.stop(n).await.unwrap();
    let value = &writer.acknowledged()[&VICTIM];
    let (file, at) = find(&log, value).unwrap();
    flip(&file, at + RECORD as u64 / 2);
    cluster.start_broker(n).unwrap();
    cluster.wait_ready().await.unwrap();
    // Nobody has read the batch yet: the replica counts as whole.
    cluster.wait_in_sync(TOPIC, PATIENCE).await.unwrap();
    wait_refused(&writer, damaged).await;
    wait_out_of_isr(&cluster, damaged).await;
    watch(&mut cluster, &mut writer, damaged).await;

    cluster.stop(n).await.unwrap();
    cluster.start_broker(n).unwrap();
    cluster.wait_ready().await.unwrap();
    wait_refused(&writer, damaged).await;
    wait_out_of_isr(&cluster, damaged).await;
    watch(&mut cluster, &mut writer, damaged).await;

    // Both others have everything, the leader among them.
    for broker in (0..BROKERS as i32).filter(|broker| *broker != damaged) {
        writer.read_back(broker, 0).await.unwrap();
    }
    drop(writer);
    cluster.finish().unwrap();
}
