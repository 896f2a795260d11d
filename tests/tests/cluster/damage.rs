//! Bytes of acknowledged batches change on disks, running and stopped: never served, and mended from
//! whoever has them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_model::ErrorCode;
use holdfast_tests::cluster::{BROKERS, Cluster, Storage, binary};
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

/// Offsets of the records that are damaged, one for each broker: within batches that are not the first,
/// and no two of them in one batch.
const VICTIMS: [i64; BROKERS] = [40, 100, 160];

/// The background check reads all that these tests write within a second or two.
const FAST_SCRUB: &str = "scrub_bytes_per_second = 1073741824\n";

/// The background check does nothing: damage is found by whoever reads.
const NO_SCRUB: &str = "scrub_bytes_per_second = 0\n";

/// A cluster with a topic whose first records are in blob files on every disk.
async fn filled(name: &str, settings: &str) -> (Cluster, Writer) {
    filled_on(name, settings, BROKERS).await
}

/// The same, of a topic with fewer replicas than there are brokers.
async fn filled_on(name: &str, settings: &str, replicas: usize) -> (Cluster, Writer) {
    let cluster = Cluster::start_with(name, Storage::Directory, settings)
        .await
        .unwrap();
    let factor = replicas.to_string();
    cluster
        .tool(&["topic", "create", TOPIC, "--replication-factor", &factor])
        .unwrap();
    let mut writer = Writer::start(cluster.client(), TOPIC, BATCH);
    let mut chunks = 0;
    let is_in_blobs = |cluster: &Cluster, writer: &Writer, n: usize| {
        VICTIMS
            .iter()
            .all(|victim| find(&log(cluster, n), &writer.acknowledged()[victim]).is_some())
    };
    loop {
        writer.write(CHUNK, RECORD, None).await.unwrap();
        chunks += 1;
        let holders = (0..BROKERS).filter(|n| is_in_blobs(&cluster, &writer, *n));
        if holders.count() == replicas {
            break;
        }
        assert!(chunks < MOST_CHUNKS, "no blob file has the records");
    }
    wait_isr(&cluster, replicas).await;
    (cluster, writer)
}

async fn wait_isr(cluster: &Cluster, members: usize) {
    let settled = until("the ISR is as large", async || -> Result<(), String> {
        let topic = cluster.describe(TOPIC).await;
        let topic = topic.map_err(|error| error.to_string())?;
        let isr = &topic.partitions[&0].isr;
        (isr.len() == members)
            .then_some(())
            .ok_or_else(|| format!("{isr:?}"))
    });
    settled.await.unwrap();
}

fn log(cluster: &Cluster, n: usize) -> PathBuf {
    cluster.data_dir(n).join("log-0")
}

/// The blob file that holds a value, and where in it the value begins.
fn find(log: &Path, value: &[u8]) -> Option<(PathBuf, u64)> {
    let files = fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut blobs = files.filter(|path| path.extension().is_some_and(|end| end == "blob"));
    blobs.find_map(|path| {
        let bytes = fs::read(&path).ok()?;
        let mut windows = bytes.windows(value.len());
        let at = windows.position(|window| window == value)?;
        Some((path, at as u64))
    })
}

/// Hurts the batch of a record on one disk: one bit of it.
fn flip(cluster: &Cluster, writer: &Writer, n: usize, victim: i64) {
    let (path, at) = find(&log(cluster, n), &writer.acknowledged()[&victim]).unwrap();
    let at = at + RECORD as u64 / 2;
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1;
    file.write_all_at(&byte, at).unwrap();
    file.sync_all().unwrap();
}

async fn leader(cluster: &Cluster) -> usize {
    let asked = until("the topic is described", async || -> Result<i32, String> {
        let topic = cluster.describe(TOPIC).await;
        let topic = topic.map_err(|error| error.to_string())?;
        Ok(topic.partitions[&0].leader)
    });
    usize::try_from(asked.await.unwrap()).unwrap()
}

/// Reads a damaged record until the replica has mended it; what it answers before that is right, or is
/// no records at all.
async fn wait_mended(cluster: &Cluster, writer: &Writer, n: usize, victim: i64) {
    let mended = until("the replica is mended", async || -> Result<(), String> {
        let answer = writer.fetch(n as i32, victim).await;
        let answer = answer.map_err(|error| format!("{error:#}"))?;
        let behind = writer.check(&answer).unwrap();
        if answer.code != ErrorCode::None {
            assert_eq!(behind, victim, "records beside an error");
            return Err(answer.code.to_string());
        }
        if behind > victim {
            Ok(())
        } else {
            Err("nothing".to_owned())
        }
    });
    mended.await.unwrap();
    // It was damaged, then: nothing had kept the bytes in memory.
    assert!(cluster.said(n, "replica is whole again").unwrap() > 0);
}

/// Every broker has everything, in the order and with the bytes that were acknowledged.
async fn everything_is_everywhere(cluster: &mut Cluster, writer: &Writer) {
    cluster.wait_in_sync(TOPIC, PATIENCE).await.unwrap();
    for broker in 0..BROKERS as i32 {
        writer.read_back(broker, 0).await.unwrap();
    }
}

/// And the disks hold the same, byte for byte.
async fn finish(mut cluster: Cluster, writer: Writer) {
    drop(writer);
    assert!(cluster.compare_disks().await.unwrap() > 0);
    cluster.finish().unwrap();
}

/// What the disks hold, with nothing of it in memory: the brokers start anew.
async fn restart(cluster: &mut Cluster, n: usize, meanwhile: impl FnOnce(&Cluster)) {
    cluster.stop(n).await.unwrap();
    meanwhile(cluster);
    cluster.start_broker(n).unwrap();
    cluster.wait_ready().await.unwrap();
    cluster.wait_in_sync(TOPIC, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_bit_that_flipped_while_a_follower_was_stopped_is_mended_when_it_is_read() {
    let (mut cluster, mut writer) = filled("damage-follower", NO_SCRUB).await;
    let n = (leader(&cluster).await + 1) % BROKERS;
    restart(&mut cluster, n, |cluster| {
        flip(cluster, &writer, n, VICTIMS[0]);
    })
    .await;
    wait_mended(&cluster, &writer, n, VICTIMS[0]).await;
    writer.write(8, RECORD, None).await.unwrap();
    everything_is_everywhere(&mut cluster, &writer).await;
    // And it is whole on the disk.
    restart(&mut cluster, n, |_| ()).await;
    everything_is_everywhere(&mut cluster, &writer).await;
    finish(cluster, writer).await;
}

#[tokio::test]
async fn three_replicas_with_three_different_bad_places_mend_each_other() {
    let (mut cluster, mut writer) = filled("damage-all", NO_SCRUB).await;
    for (n, victim) in VICTIMS.into_iter().enumerate() {
        cluster.stop(n).await.unwrap();
        flip(&cluster, &writer, n, victim);
    }
    for n in 0..BROKERS {
        cluster.start_broker(n).unwrap();
    }
    cluster.wait_ready().await.unwrap();
    cluster.wait_in_sync(TOPIC, PATIENCE).await.unwrap();
    for (n, victim) in VICTIMS.into_iter().enumerate() {
        wait_mended(&cluster, &writer, n, victim).await;
    }
    writer.write(8, RECORD, None).await.unwrap();
    everything_is_everywhere(&mut cluster, &writer).await;
    finish(cluster, writer).await;
}

#[tokio::test]
async fn damage_under_a_running_leader_is_found_by_the_background_check_and_mended() {
    let (mut cluster, mut writer) = filled("damage-scrub", FAST_SCRUB).await;
    let n = leader(&cluster).await;
    flip(&cluster, &writer, n, VICTIMS[1]);
    // Its leadership goes to another as soon as it is found.
    let moved = until("another leads", async || -> Result<(), String> {
        let now = leader(&cluster).await;
        if now == n {
            Err(format!("{now} leads"))
        } else {
            Ok(())
        }
    });
    moved.await.unwrap();
    writer.write(8, RECORD, None).await.unwrap();
    everything_is_everywhere(&mut cluster, &writer).await;
    wait_mended(&cluster, &writer, n, VICTIMS[1]).await;
    finish(cluster, writer).await;
}

#[tokio::test]
async fn a_deleted_blob_file_of_a_stopped_broker_is_fetched_again() {
    let (mut cluster, mut writer) = filled("damage-deleted", FAST_SCRUB).await;
    let n = (leader(&cluster).await + 1) % BROKERS;
    restart(&mut cluster, n, |cluster| {
        let value = &writer.acknowledged()[&VICTIMS[2]];
        let (path, _) = find(&log(cluster, n), value).unwrap();
        fs::remove_file(path).unwrap();
    })
    .await;
    wait_mended(&cluster, &writer, n, VICTIMS[2]).await;
    writer.write(8, RECORD, None).await.unwrap();
    everything_is_everywhere(&mut cluster, &writer).await;
    finish(cluster, writer).await;
}

/// A replica remembers that it is damaged, and refuses for as long as nobody can help it.
#[tokio::test]
async fn a_damaged_replica_whose_peers_are_damaged_in_the_same_place_stays_out_through_restarts() {
    let (mut cluster, writer) = filled("damage-same", NO_SCRUB).await;
    let api = cluster.certify().unwrap();
    let program = binary().unwrap();
    let victim = VICTIMS[0];
    let n = (leader(&cluster).await + 1) % BROKERS;
    for (broker, (lines, _)) in api.iter().enumerate() {
        cluster.stop(broker).await.unwrap();
        flip(&cluster, &writer, broker, victim);
        let settings = format!("{NO_SCRUB}{lines}");
        cluster.run_as(broker, &program, &settings).unwrap();
    }
    for broker in 0..BROKERS {
        cluster.start_broker(broker).unwrap();
    }
    cluster.wait_ready().await.unwrap();
    cluster.wait_in_sync(TOPIC, PATIENCE).await.unwrap();
    for _ in 0..2 {
        let refused = until("it refuses", async || -> Result<(), String> {
            let answer = writer.fetch(n as i32, victim).await;
            let answer = answer.map_err(|error| format!("{error:#}"))?;
            writer.check(&answer).unwrap();
            match answer.code {
                ErrorCode::KafkaStorageError => Ok(()),
                code => Err(code.to_string()),
            }
        });
        refused.await.unwrap();
        // Everybody can be asked what is damaged, and what it waits for.
        let shown = until("it is shown", async || -> Result<(), String> {
            let state = cluster.rule(&api[(n + 1) % BROKERS].1, &["cluster", "state"]);
            let state = state.map_err(|error| format!("{error:#}"))?;
            let mut damaged = state["damaged"].as_array().unwrap().iter();
            let ours = damaged.find(|one| one["broker"] == n as i64);
            let ours = ours.ok_or_else(|| state["damaged"].to_string())?;
            assert_eq!(ours["partition"], "damage/0");
            let hindrance = ours["hindrance"].as_str().unwrap();
            let says_why = hindrance.contains("does not have") || hindrance.contains("broker");
            says_why.then_some(()).ok_or_else(|| ours.to_string())
        });
        shown.await.unwrap();
        for _ in 0..20 {
            // Nor is what is whole served: a replica with a hole is not asked for the rest.
            for offset in [0, victim] {
                let answer = writer.fetch(n as i32, offset).await.unwrap();
                assert!(answer.batches.is_empty(), "served at {offset}");
            }
            cluster.check_alive().unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        cluster.stop(n).await.unwrap();
        cluster.start_broker(n).unwrap();
        cluster.wait_ready().await.unwrap();
    }
    drop(writer);
    cluster.finish().unwrap();
}

/// Nobody else has what the last one in sync has: it serves what it can, and is mended by whoever comes back.
#[tokio::test]
async fn the_last_replica_in_sync_refuses_only_what_it_cannot_read_until_another_is_back() {
    let (mut cluster, writer) = filled_on("damage-last", NO_SCRUB, 2).await;
    let n = leader(&cluster).await;
    let other = {
        let topic = cluster.describe(TOPIC).await.unwrap();
        let others = topic.partitions[&0].replicas.iter().map(|id| *id as usize);
        others.into_iter().find(|id| *id != n).unwrap()
    };
    cluster.kill(other).unwrap();
    wait_isr(&cluster, 1).await;
    let victim = VICTIMS[0];
    // Nothing is in memory when it is read.
    cluster.kill(n).unwrap();
    flip(&cluster, &writer, n, victim);
    cluster.start_broker(n).unwrap();
    let leads = until("it leads again", async || -> Result<(), String> {
        let answer = writer.fetch(n as i32, 0).await;
        let answer = answer.map_err(|error| format!("{error:#}"))?;
        let is_served = answer.code == ErrorCode::None;
        is_served
            .then_some(())
            .ok_or_else(|| answer.code.to_string())
    });
    leads.await.unwrap();
    for _ in 0..20 {
        let answer = writer.fetch(n as i32, victim).await.unwrap();
        assert_eq!(answer.code, ErrorCode::KafkaStorageError);
        assert!(answer.batches.is_empty());
        // Before it and behind it everything is served that was known to be acknowledged.
        for whole in [0, VICTIMS[1], VICTIMS[2]] {
            let answer = writer.fetch(n as i32, whole).await.unwrap();
            assert!(writer.check(&answer).unwrap() > whole, "nothing at {whole}");
        }
        assert_eq!(leader(&cluster).await, n);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    cluster.start_broker(other).unwrap();
    cluster.wait_ready().await.unwrap();
    wait_mended(&cluster, &writer, n, victim).await;
    wait_isr(&cluster, 2).await;
    for broker in [n, other] {
        writer.read_back(broker as i32, 0).await.unwrap();
    }
    finish(cluster, writer).await;
}

/// A damaged table of keys is of all partitions: the whole disk begins a new life.
#[tokio::test]
async fn damaged_tables_of_keys_make_the_broker_come_back_as_a_new_disk() {
    let (mut cluster, mut writer) = filled("damage-tables", FAST_SCRUB).await;
    let n = (leader(&cluster).await + 1) % BROKERS;
    cluster.stop(n).await.unwrap();
    let files = fs::read_dir(log(&cluster, n)).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let mut tables = 0;
    for table in files.filter(|path| path.extension().is_some_and(|end| end == "sst")) {
        let file = File::options().write(true).open(&table).unwrap();
        file.write_all_at(&[0x5a; 64], 0).unwrap();
        tables += 1;
    }
    assert!(tables > 0, "no table was written yet");
    cluster.start_broker(n).unwrap();
    let mut renewed = false;
    for _ in 0..600 {
        if cluster.said(n, "the old files are set aside").unwrap() > 0 {
            renewed = true;
            break;
        }
        if cluster.has_ended(n).unwrap() {
            cluster.start_broker(n).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(renewed, "broker {n} goes on with damaged tables");
    cluster.wait_ready().await.unwrap();
    writer.write(8, RECORD, None).await.unwrap();
    everything_is_everywhere(&mut cluster, &writer).await;
    finish(cluster, writer).await;
}
