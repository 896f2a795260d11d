//! Disks that the versions of each feature level wrote: this version opens them and serves exactly
//! what was on them. `tests/fixtures/README.md` says how they are made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use holdfast_client::admin::{ConfigChange, NewTopic, Resource};
use holdfast_client::{
    Admin, Client, Consumer, ConsumerOptions, ProduceRecord, Producer, ProducerOptions, Start,
};
use holdfast_tests::cluster::{BROKERS, Cluster, binary, ports_around};
use holdfast_tests::patience::until;
use holdfast_wire::Codec;
use tokio::task::JoinSet;

/// The ports on which the brokers of a fixture find each other: their disks remember them.
const PORTS: [u16; BROKERS] = [19_391, 19_392, 19_393];

const TOPIC: &str = "orders";

/// A topic that was deleted again.
const GONE: &str = "gone";

const PARTITIONS: i32 = 2;

/// Of each codec and partition.
const RECORDS: usize = 20;

/// Where the records of partition 1 begin: those before were deleted.
const DELETED: i64 = 10;

const CODECS: [(Codec, &str); 5] = [
    (Codec::None, "plain"),
    (Codec::Gzip, "gzip"),
    (Codec::Snappy, "snappy"),
    (Codec::Lz4, "lz4"),
    (Codec::Zstd, "zstd"),
];

fn archive(level: u32, name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    fixtures.join(format!("level-{level}/{name}.tar.gz"))
}

fn record(partition: i32, codec: &str, number: usize) -> ProduceRecord {
    let text = format!("{codec} {number} of partition {partition}; ");
    ProduceRecord {
        topic: TOPIC.to_owned(),
        partition: Some(partition),
        key: Some(Bytes::from(format!("key {number}"))),
        value: Some(Bytes::from(text.repeat(4))),
        headers: vec![(Bytes::from_static(b"codec"), Some(codec.to_owned().into()))],
        timestamp: Some(1_700_000_000_000 + number as i64),
    }
}

/// What a partition holds, in order.
fn records(partition: i32) -> Vec<ProduceRecord> {
    let of = |(_, name): (Codec, &'static str)| {
        (0..RECORDS).map(move |number| record(partition, name, number))
    };
    CODECS.into_iter().flat_map(of).collect()
}

async fn produce(client: &Client, codec: Codec, records: Vec<ProduceRecord>) {
    let options = ProducerOptions {
        codec,
        // Several batches of several records.
        batch_bytes: 1 << 10,
        ..ProducerOptions::default()
    };
    let (producer, service) = Producer::new(client.clone(), options);
    let mut running = JoinSet::new();
    running.spawn(service.run());
    let mut sent = Vec::new();
    for record in records {
        sent.push(producer.send(record).await.unwrap());
    }
    for delivery in sent {
        delivery.outcome().await.unwrap();
    }
}

async fn fill(cluster: &Cluster, replicas: usize) {
    let admin = Admin::new(cluster.client().clone());
    let min = replicas.min(2).to_string();
    for name in [TOPIC, GONE] {
        let topic = NewTopic {
            partitions: PARTITIONS,
            replication_factor: replicas as i16,
            configs: vec![
                ("min.insync.replicas".to_owned(), min.clone()),
                ("retention.ms".to_owned(), "-1".to_owned()),
            ],
            ..NewTopic::new(name)
        };
        admin.create_topic(&topic, false).await.unwrap();
    }
    admin.delete_topic(GONE).await.unwrap();
    for (codec, name) in CODECS {
        for partition in 0..PARTITIONS {
            let records = (0..RECORDS).map(|number| record(partition, name, number));
            produce(cluster.client(), codec, records.collect()).await;
        }
    }
    admin.delete_records(TOPIC, 1, DELETED).await.unwrap();
    for (resource, name, value) in settings() {
        let change = ConfigChange::Set(name.to_owned(), value.to_owned());
        admin
            .alter_configs(&resource, &[change], false)
            .await
            .unwrap();
    }
}

/// Settings that were changed while brokers ran.
fn settings() -> [(Resource, &'static str, &'static str); 2] {
    let topic = Resource::Topic(TOPIC.to_owned());
    [
        (topic, "max.message.bytes", "123456"),
        (Resource::Cluster, "log.retention.ms", "1234567"),
    ]
}

/// Everything that is in the topic, by partition, with the first offset. At least so many records come:
/// after a start the last ones are shown once followers are back.
async fn read(client: &Client, expected: usize) -> BTreeMap<i32, (i64, Vec<ProduceRecord>)> {
    let options = ConsumerOptions::default();
    let mut consumer = Consumer::of_topic(client.clone(), options, TOPIC, Start::Earliest)
        .await
        .unwrap();
    let mut found: BTreeMap<i32, (i64, Vec<ProduceRecord>)> = BTreeMap::new();
    let reading = async {
        let mut count = 0;
        while count < expected || !consumer.is_caught_up() {
            for read in consumer.poll(Duration::from_secs(1)).await.unwrap() {
                let (first, records) = found
                    .entry(read.partition)
                    .or_insert((read.offset, Vec::new()));
                assert_eq!(read.offset, *first + records.len() as i64);
                count += 1;
                records.push(ProduceRecord {
                    topic: TOPIC.to_owned(),
                    partition: Some(read.partition),
                    key: read.key,
                    value: read.value,
                    headers: read.headers,
                    timestamp: Some(read.timestamp),
                });
            }
        }
    };
    let all = tokio::time::timeout(Duration::from_mins(1), reading).await;
    all.expect("the topic can be read to its end");
    found
}

/// The records, offsets and settings are those that were written; and it goes on from there.
async fn holds_what_was_written(cluster: &Cluster) {
    let client = cluster.client();
    let mut expected = BTreeMap::from([(0, (0, records(0))), (1, (DELETED, records(1)))]);
    if let Some((_, second)) = expected.get_mut(&1) {
        second.drain(..usize::try_from(DELETED).unwrap());
    }
    let count = 2 * CODECS.len() * RECORDS - usize::try_from(DELETED).unwrap();
    assert_eq!(read(client, count).await, expected);

    let admin = Admin::new(client.clone());
    for (resource, name, value) in settings() {
        let shown = admin.describe_configs(&resource).await.unwrap();
        let found = shown.iter().find(|entry| entry.name == name);
        let found = found.and_then(|entry| entry.value.as_deref());
        assert_eq!(found, Some(value), "{resource}: {name}");
    }
    let described = client.describe_all().await.unwrap();
    let topics: Vec<&String> = described.topics.keys().collect();
    assert_eq!(topics, [TOPIC]);

    for partition in 0..PARTITIONS {
        let more = record(partition, "more", 0);
        produce(client, Codec::None, vec![more.clone()]).await;
        expected.entry(partition).or_default().1.push(more);
    }
    assert_eq!(read(client, count + 2).await, expected);
}

/// A disk that was stopped well, and three whose brokers were killed while the log was dirty.
///
/// `HOLDFAST_BIN` is the last build of a level, `FIXTURE_LEVEL` the level.
#[tokio::test]
#[ignore = "writes into the source tree; only for a new feature level"]
async fn write_disks() {
    let level = std::env::var("FIXTURE_LEVEL").unwrap().parse().unwrap();
    let maker = binary().unwrap();
    for (name, brokers) in [("single", 1), ("cluster", BROKERS)] {
        let ports = ports_around(&PORTS[..brokers]).unwrap();
        let mut cluster = Cluster::start_at(&maker, "disks", &ports).await.unwrap();
        fill(&cluster, brokers).await;
        for n in 0..brokers {
            if brokers == 1 {
                cluster.stop(n).await.unwrap();
            } else {
                cluster.kill(n).unwrap();
            }
        }
        let archive = archive(level, name);
        std::fs::create_dir_all(archive.parent().unwrap()).unwrap();
        cluster.pack(&archive).unwrap();
        cluster.finish().unwrap();
    }
}

async fn opens(level: u32, name: &str, brokers: usize) {
    let ports = ports_around(&PORTS[..brokers]).unwrap();
    let unpacked = Cluster::unpack(&archive(level, name), "disks", &ports).await;
    let mut cluster = unpacked.unwrap();
    for n in 0..brokers {
        cluster.start_broker(n).unwrap();
    }
    cluster.wait_ready().await.unwrap();
    let led = until("somebody leads", async || {
        let topic = cluster.describe(TOPIC).await;
        let topic = topic.map_err(|error| format!("{error:#}"))?;
        let leaders: Vec<i32> = topic.partitions.values().map(|p| p.leader).collect();
        let all = leaders.iter().all(|leader| *leader >= 0);
        all.then_some(()).ok_or(format!("{leaders:?}"))
    });
    led.await.unwrap();
    holds_what_was_written(&cluster).await;
    cluster.finish().unwrap();
}

#[tokio::test]
async fn a_disk_of_level_1_that_was_stopped_well_opens_and_serves_what_was_on_it() {
    opens(1, "single", 1).await;
}

#[tokio::test]
async fn disks_of_level_1_whose_brokers_were_killed_open_and_serve_what_was_on_them() {
    opens(1, "cluster", BROKERS).await;
}

#[tokio::test]
async fn a_disk_of_level_2_that_was_stopped_well_opens_and_serves_what_was_on_it() {
    opens(2, "single", 1).await;
}

#[tokio::test]
async fn disks_of_level_2_whose_brokers_were_killed_open_and_serve_what_was_on_them() {
    opens(2, "cluster", BROKERS).await;
}
