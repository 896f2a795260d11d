//! Runs every fuzz target over its committed seeds and a few thousand seeded mutations of them, so
//! that the targets work on a stable toolchain and no known seed fails.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes, BytesMut};
use holdfast_wire::build::{BatchBuilder, Record};
use holdfast_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use holdfast_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use holdfast_wire::messages::metadata_request::MetadataRequestTopic;
use holdfast_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use holdfast_wire::messages::{
    ApiVersionsRequest, CreateTopicsRequest, FetchRequest, MetadataRequest, ProduceRequest,
    TopicName,
};
use holdfast_wire::request::{self, Header};
use holdfast_wire::{Api, Codec, Encodable, StrBytes, codec};

#[path = "../../../fuzz/src/lib.rs"]
#[expect(
    unreachable_pub,
    reason = "the file is the library of another workspace"
)]
mod targets;

#[path = "../../../fuzz/src/mutate.rs"]
mod mutate;

const MUTATIONS: usize = 4_000;

fn seeds_of(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(target)
}

#[test]
fn every_target_holds_on_its_seeds_and_mutations() {
    for (name, target) in targets::TARGETS {
        let mut files: Vec<_> = std::fs::read_dir(seeds_of(name))
            .unwrap_or_else(|error| panic!("seeds of {name}: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(files.len() >= 5, "{name} has only {} seeds", files.len());
        let seeds: Vec<_> = files
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect();
        mutate::each(&seeds, MUTATIONS, target);
    }
}

/// Writes the seeds anew; run by hand after a change of the formats:
/// `cargo test --release -p holdfast-wire --test fuzz_seeds -- --ignored`.
#[test]
#[ignore = "writes into the source tree"]
fn write_seeds() {
    write("frame", frames());
    write("request_decode", requests());
    write("batch_parse", batches());
    write("records_validate", batches());
    write("codec_decompress", compressed());
}

fn write(target: &str, seeds: Vec<(String, Vec<u8>)>) {
    let folder = seeds_of(target);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in seeds {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

fn frames() -> Vec<(String, Vec<u8>)> {
    let frame = |length: i32, rest: &[u8]| [&length.to_be_bytes()[..], rest].concat();
    vec![
        ("zero".into(), frame(0, &[])),
        ("negative".into(), frame(-1, &[0, 18, 0, 3])),
        ("two_gib".into(), frame(i32::MAX, &[0, 0, 0, 9])),
        (
            "api_versions".into(),
            frame(10, &[0, 18, 0, 3, 0, 0, 0, 1, 255, 255, 0, 1, 1, 0]),
        ),
        ("unknown_api".into(), frame(8, &[1, 0, 0, 3, 0, 0, 0, 1])),
    ]
}

fn requests() -> Vec<(String, Vec<u8>)> {
    let mut out = vec![(
        "create_topics_two_gib".to_owned(),
        vec![0, 19, 0, 2, 0, 0, 0, 1, 255, 255, 127, 255, 255, 255],
    )];
    let served = Api::ALL
        .iter()
        .flat_map(|api| api.served().map(|version| (*api, version)));
    for (api, version) in served {
        let text = StrBytes::from_static_str;
        let topic = || TopicName(text("topic"));
        let frame = match api {
            Api::ApiVersions => encoded(api, version, &ApiVersionsRequest::default()),
            Api::Metadata => {
                let row = MetadataRequestTopic::default().with_name(Some(topic()));
                encoded(
                    api,
                    version,
                    &MetadataRequest::default().with_topics(Some(vec![row])),
                )
            }
            Api::CreateTopics => {
                let config = CreatableTopicConfig::default()
                    .with_name(text("retention.ms"))
                    .with_value(Some(text("1000")));
                let row = CreatableTopic::default()
                    .with_name(topic())
                    .with_num_partitions(3)
                    .with_replication_factor(3)
                    .with_configs(vec![config]);
                encoded(
                    api,
                    version,
                    &CreateTopicsRequest::default().with_topics(vec![row]),
                )
            }
            Api::Produce => {
                let partition =
                    PartitionProduceData::default().with_records(Some(batch(Codec::None)));
                let mut row = TopicProduceData::default().with_partition_data(vec![partition]);
                if version < 13 {
                    row = row.with_name(topic());
                }
                let body = ProduceRequest::default()
                    .with_acks(-1)
                    .with_topic_data(vec![row]);
                encoded(api, version, &body)
            }
            Api::Fetch => {
                let mut row =
                    FetchTopic::default().with_partitions(vec![FetchPartition::default()]);
                if version < 13 {
                    row = row.with_topic(topic());
                }
                encoded(
                    api,
                    version,
                    &FetchRequest::default().with_topics(vec![row]),
                )
            }
            // Short bodies of zeros reach the decoders of all others.
            _ => {
                let mut frame = vec![0, api.key() as u8, 0, version as u8, 0, 0, 0, 1, 255, 255];
                frame.extend([0; 24]);
                frame
            }
        };
        out.push((format!("{}_{version}", api.name().to_lowercase()), frame));
    }
    out
}

fn encoded<M: Encodable>(api: Api, version: i16, body: &M) -> Vec<u8> {
    let client_id = Some(StrBytes::from_static_str("seed"));
    let header = Header {
        api,
        version,
        correlation_id: 1,
        client_id,
    };
    let mut frame = request::encode(&header, body).unwrap();
    frame.advance(4);
    frame.to_vec()
}

fn batch(codec: Codec) -> Bytes {
    let mut builder = BatchBuilder::new(codec).producer(7, 1, 0);
    let headers: [(&[u8], Option<&[u8]>); 3] = [
        (b"trace", Some(b"abc")),
        (b"trace", Some(b"def")),
        (b"none", None),
    ];
    for index in 0..5i64 {
        let record = Record {
            key: (index % 2 == 0).then_some(&b"key"[..]),
            value: Some(b"some value, some value, some value"),
            headers: &headers,
            timestamp: 1_700_000_000_000 + index,
        };
        builder.push(&record).unwrap();
    }
    builder.finish().unwrap()
}

fn batches() -> Vec<(String, Vec<u8>)> {
    let mut out: Vec<_> = Codec::ALL
        .iter()
        .map(|codec| (codec.name().to_owned(), batch(*codec).to_vec()))
        .collect();
    let mut two = BytesMut::from(&batch(Codec::None)[..]);
    two.extend_from_slice(&batch(Codec::Zstd));
    out.push(("two".to_owned(), two.to_vec()));
    let mut old = batch(Codec::None).to_vec();
    old[16] = 1;
    out.push(("format_1".to_owned(), old));
    out
}

fn compressed() -> Vec<(String, Vec<u8>)> {
    let text = b"the quick brown fox jumps over the lazy dog, again and again and again";
    let mut out: Vec<(String, Vec<u8>)> = Vec::new();
    for (index, codec) in Codec::ALL.iter().enumerate() {
        let mut data = vec![index as u8];
        data.extend(codec::compress(*codec, text).unwrap());
        out.push((codec.name().to_owned(), data));
    }
    out.push((
        "snappy_two_gib".to_owned(),
        vec![2, 255, 255, 255, 255, 7, 0, 0],
    ));
    out
}
