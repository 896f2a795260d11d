//! Old records go by size and by time, a virtual segment at a time, on every replica.

use std::time::Duration;

use holdfast_client::admin::{ConfigChange, NewTopic, Resource};
use holdfast_client::{Admin, Start};
use holdfast_model::{Clock, ErrorCode, SystemClock};
use holdfast_tests::cluster::{BROKERS, Cluster, Storage};
use holdfast_tests::patience::until;
use holdfast_tests::writer::Writer;

const TOPIC: &str = "retention";

/// Brokers look five times a second.
const SETTINGS: &str = "retention_check_interval_ms = 200\n";

/// Time for several looks.
const LOOKED: Duration = Duration::from_secs(2);

/// The least that `segment.bytes` may be.
const SEGMENT_BYTES: i64 = 1 << 20;

const RETENTION_BYTES: i64 = 4 << 20;

const RECORD: usize = 64 << 10;

/// Three times what is kept by size, and not a whole number of segments.
const OLD: usize = 205;

/// Less than what is kept by size.
const NEW: usize = 40;

/// How far ahead of time a record may be at the end: Kafka's default allows an hour.
const AHEAD_MS: i64 = 600_000;

async fn create(admin: &Admin) {
    let setting = |name: &str, value: i64| (name.to_owned(), value.to_string());
    let topic = NewTopic {
        partitions: 1,
        replication_factor: BROKERS as i16,
        configs: vec![
            setting("segment.bytes", SEGMENT_BYTES),
            setting("retention.bytes", RETENTION_BYTES),
        ],
        ..NewTopic::new(TOPIC)
    };
    admin.create_topic(&topic, false).await.unwrap();
}

/// The log start as the leader tells it.
async fn start(admin: &Admin) -> i64 {
    admin.offset_of(TOPIC, 0, Start::Earliest).await.unwrap()
}

/// Every replica refuses what is below the log start and has everything from there on.
async fn wait_begins_everywhere(writer: &Writer, at: i64) {
    for broker in 0..BROKERS as i32 {
        let what = format!("the log of broker {broker} begins at {at}");
        let refused = until(&what, async || -> Result<(), String> {
            let answer = writer.fetch(broker, at - 1).await.unwrap();
            writer.check(&answer).unwrap();
            match answer.code {
                ErrorCode::OffsetOutOfRange => Ok(()),
                code => Err(code.to_string()),
            }
        });
        refused.await.unwrap();
        let answer = writer.fetch(broker, at).await.unwrap();
        assert_eq!((answer.code, answer.log_start), (ErrorCode::None, at));
        writer.read_back(broker, at).await.unwrap();
    }
}

/// What goes by size: whole segments, while the rest still reaches the limit.
async fn expire_by_size(admin: &Admin, writer: &Writer, leader: i32) -> i64 {
    // Each record is a batch of its own, and all are of one size.
    let last = writer.fetch(leader, writer.end() - 1).await.unwrap();
    let size = last.batches.len() as i64;
    let segment = SEGMENT_BYTES / size;
    let excess = writer.end() * size - RETENTION_BYTES;
    let expected = excess / (segment * size) * segment;
    assert!(expected > 5 * segment, "{expected} of {}", writer.end());
    let gone = until("segments expire by size", async || -> Result<(), String> {
        let at = start(admin).await;
        assert!(at % segment == 0, "{at} is within a segment of {segment}");
        assert!(at <= expected, "{at} leaves less than the limit");
        if at < expected {
            return Err(format!("log start {at} of {expected}"));
        }
        Ok(())
    });
    gone.await.unwrap();
    expected
}

#[tokio::test]
async fn segments_expire_by_size_and_by_time_on_every_replica_and_nothing_else_does() {
    let started = Cluster::start_with("retention", Storage::Directory, SETTINGS).await;
    let mut cluster = started.unwrap();
    let admin = Admin::new(cluster.client().clone());
    create(&admin).await;
    let mut writer = Writer::start(cluster.client(), TOPIC, 1);
    writer.write(OLD, RECORD, None).await.unwrap();
    let leader = cluster.client().leader(TOPIC, 0).unwrap().leader;
    let by_size = expire_by_size(&admin, &writer, leader).await;
    wait_begins_everywhere(&writer, by_size).await;
    tokio::time::sleep(LOOKED).await;
    assert_eq!(
        start(&admin).await,
        by_size,
        "more went than the limit asks"
    );

    // By time everything goes, the newest segment too.
    let change = ConfigChange::Set("retention.ms".to_owned(), "1".to_owned());
    let topic = Resource::Topic(TOPIC.to_owned());
    admin.alter_configs(&topic, &[change], false).await.unwrap();
    let end = writer.end();
    let gone = until("everything expires", async || -> Result<(), String> {
        let at = start(&admin).await;
        assert!(at <= end, "log start {at} above the end {end}");
        if at < end {
            return Err(format!("log start {at} of {end}"));
        }
        Ok(())
    });
    gone.await.unwrap();
    let latest = admin.offset_of(TOPIC, 0, Start::Latest).await.unwrap();
    assert_eq!(latest, end);
    wait_begins_everywhere(&writer, end).await;

    // These bear a time that has not come: they are young for as long as the test takes.
    let young = SystemClock::new().wall_ms() + AHEAD_MS;
    writer.write(NEW, RECORD, Some(young)).await.unwrap();
    tokio::time::sleep(LOOKED).await;
    assert_eq!(start(&admin).await, end);
    wait_begins_everywhere(&writer, end).await;

    cluster.check_alive().unwrap();
    drop(writer);
    cluster.finish().unwrap();
}
