use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::RequestKind;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

/// Writes a random request by the table alone, so that the message crate judges the table.
struct Writer {
    rng: StdRng,
    version: i16,
    flexible: bool,
    out: Vec<u8>,
}

impl Writer {
    fn count(&mut self, count: usize) {
        if self.flexible {
            self.out.push(count as u8 + 1);
        } else {
            self.out.extend((count as i32).to_be_bytes());
        }
    }

    fn fields(&mut self, shape: &Shape) {
        for row in shape.rows {
            if (row.first..=row.last).contains(&self.version) {
                self.field(row.kind);
            }
        }
        if self.flexible {
            // An unknown tag now and then; known ones have a test of their own.
            if self.rng.random_bool(0.2) {
                self.out.extend([1, 99, 2, 7, 7]);
            } else {
                self.out.push(0);
            }
        }
    }

    fn field(&mut self, kind: Kind) {
        match kind {
            // Numbers of one byte are booleans too: only 0 and 1 come back as they were.
            Kind::Fixed(1) => self.out.push(u8::from(self.rng.random_bool(0.5))),
            Kind::Fixed(bytes) => {
                for _ in 0..bytes {
                    self.out.push(self.rng.random());
                }
            }
            Kind::Text => {
                let length = self.rng.random_range(0..12usize);
                if self.flexible {
                    self.out.push(length as u8 + 1);
                } else {
                    self.out.extend((length as i16).to_be_bytes());
                }
                self.out.extend(std::iter::repeat_n(b't', length));
            }
            Kind::Blob => {
                let length = self.rng.random_range(0..30usize);
                self.count(length);
                self.out.extend(std::iter::repeat_n(9, length));
            }
            Kind::Numbers(_) | Kind::Texts | Kind::Array(_) => {
                let count = self.rng.random_range(0..4usize);
                self.count(count);
                for _ in 0..count {
                    match kind {
                        Kind::Numbers(bytes) => self.field(Kind::Fixed(bytes)),
                        Kind::Array(shape) => self.fields(shape),
                        _ => self.field(Kind::Text),
                    }
                }
            }
            Kind::Nullable(shape) => {
                if self.rng.random_bool(0.5) {
                    self.out.push(1);
                    self.fields(shape);
                } else {
                    self.out.push(0xff);
                }
            }
            Kind::Struct(shape) => self.fields(shape),
        }
    }
}

fn write(api: Api, version: i16, seed: u64) -> Vec<u8> {
    let flexible = api.is_flexible(version);
    let rng = StdRng::seed_from_u64(seed);
    let mut writer = Writer {
        rng,
        version,
        flexible,
        out: Vec::new(),
    };
    writer.fields(table::of(api));
    writer.out
}

fn walked(api: Api, version: i16, body: &[u8]) -> Result<usize, Fault> {
    let mut walk = Walk::new(Cursor::new(body), version, api.is_flexible(version));
    walk.fields(table::of(api))
        .map(|()| walk.cursor.remaining())
}

#[test]
fn the_tables_are_those_of_the_message_crate() {
    for api in Api::ALL.iter().copied() {
        for version in api.served() {
            for seed in 0..200 {
                let body = write(api, version, seed);
                assert_eq!(walked(api, version, &body), Ok(0), "{api} {version} {seed}");
                let mut bytes = Bytes::from(body.clone());
                let message = RequestKind::decode(api.message_key(), &mut bytes, version)
                    .unwrap_or_else(|error| panic!("{api} {version} {seed}: {error:#}"));
                assert!(
                    bytes.is_empty(),
                    "{api} {version} {seed}: {} left",
                    bytes.len()
                );
                let mut again = BytesMut::new();
                message.encode(&mut again, version).unwrap();
                assert_eq!(again[..], body[..], "{api} {version} {seed}");
            }
        }
    }
}

#[test]
fn whatever_the_decoder_takes_the_walk_has_read() {
    let mut rng = StdRng::seed_from_u64(7);
    let mut both = 0;
    for api in Api::ALL.iter().copied() {
        for version in api.served() {
            for seed in 0..300 {
                let mut body = write(api, version, seed);
                for _ in 0..rng.random_range(1..4) {
                    if body.is_empty() {
                        break;
                    }
                    let at = rng.random_range(0..body.len());
                    match rng.random_range(0..3) {
                        0 => body[at] = rng.random(),
                        1 => body.truncate(at),
                        _ => body[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5)],
                    }
                }
                let Ok(left) = walked(api, version, &body) else {
                    continue;
                };
                let mut bytes = Bytes::from(body.clone());
                if RequestKind::decode(api.message_key(), &mut bytes, version).is_ok() {
                    assert_eq!(bytes.len(), left, "{api} {version} {body:?}");
                    both += 1;
                }
            }
        }
    }
    assert!(
        both > 1000,
        "only {both} mutated requests were taken by both"
    );
}

#[test]
fn known_tags_must_have_the_size_they_claim() {
    // Fetch v12: no topics, no forgotten topics, no rack, then one tag 0 (cluster id).
    let mut head = vec![0; 4 * 4];
    head.push(0);
    head.extend([0; 8]);
    head.extend([1, 1, 1, 1]);
    let with_tag = |tag: &[u8]| [&head[..], tag].concat();
    assert_eq!(
        check(Api::Fetch, 12, &with_tag(&[0, 3, 3, b'a', b'b'])),
        Ok(TAG_BYTES)
    );
    for size in [0, 2, 4, 100] {
        let fault = check(Api::Fetch, 12, &with_tag(&[0, size, 3, b'a', b'b']));
        assert_eq!(fault, Err(Fault::TagSize { tag: 0 }), "{size}");
    }
}

#[test]
fn claims_beyond_the_bytes_are_refused() {
    let claim = i32::MAX.to_be_bytes();
    assert_eq!(check(Api::CreateTopics, 2, &claim), Err(Fault::Truncated));
    assert_eq!(check(Api::Metadata, 0, &claim), Err(Fault::Truncated));
    let compact = [0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(check(Api::Metadata, 9, &compact), Err(Fault::Truncated));
    assert_eq!(
        check(Api::FindCoordinator, 4, &[0, 0xff, 0xff, 0x7f]),
        Err(Fault::Truncated)
    );
    assert_eq!(
        check(Api::Metadata, 0, &(-2i32).to_be_bytes()),
        Err(Fault::Truncated)
    );
}

#[test]
fn elements_are_counted_over_the_whole_request() {
    let mut body = ((MOST_ELEMENTS + 1) as i32).to_be_bytes().to_vec();
    body.resize(4 + 2 * (MOST_ELEMENTS + 1), 0);
    assert_eq!(check(Api::Metadata, 0, &body), Err(Fault::TooMany));
    let mut body = (MOST_ELEMENTS as i32).to_be_bytes().to_vec();
    body.resize(4 + 2 * MOST_ELEMENTS, 0);
    let decoded = MOST_ELEMENTS * ELEMENT_BYTES;
    assert_eq!(check(Api::Metadata, 0, &body), Ok(decoded));
    assert_eq!(decoded, 40 << 20);
}

#[test]
fn what_decoding_takes_is_told_for_nested_arrays_too() {
    // CreateTopics v2: one topic with one assignment of three brokers, and one setting.
    let mut body = 1_i32.to_be_bytes().to_vec();
    body.extend([0, 1, b't', 0, 0, 0, 1, 0, 1]);
    body.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3]);
    body.extend([0; 3 * 4]);
    body.extend([0, 0, 0, 1, 0, 1, b'k', 0, 1, b'v']);
    body.extend([0, 0, 0, 9, 0]);
    let decoded = 3 * ELEMENT_BYTES + 3 * 4;
    assert_eq!(check(Api::CreateTopics, 2, &body), Ok(decoded));
    // Null asks for all topics, and takes nothing.
    let all = (-1_i32).to_be_bytes();
    assert_eq!(check(Api::Metadata, 1, &all), Ok(0));
}

#[test]
fn tagged_fields_are_counted_over_the_whole_request() {
    // DescribeCluster v0: a byte, then so many empty tagged fields.
    let body = |count: usize| {
        let low = (count & 0x7f) as u8 | 0x80;
        let mut out = vec![0, low, (count >> 7) as u8];
        out.extend([9, 0].repeat(count));
        out
    };
    const { assert!(MOST_TAGS < 1 << 14, "two bytes hold the count") };
    assert_eq!(
        check(Api::DescribeCluster, 0, &body(MOST_TAGS)),
        Ok(MOST_TAGS * TAG_BYTES)
    );
    assert_eq!(
        check(Api::DescribeCluster, 0, &body(MOST_TAGS + 1)),
        Err(Fault::TooManyTags)
    );
}

#[test]
fn decoded_elements_are_as_small_as_the_bound_assumes() {
    use kafka_protocol::messages as m;
    let largest = [
        size_of::<m::create_topics_request::CreatableTopic>(),
        size_of::<m::create_topics_request::CreatableTopicConfig>(),
        size_of::<m::create_partitions_request::CreatePartitionsTopic>(),
        size_of::<m::produce_request::TopicProduceData>(),
        size_of::<m::produce_request::PartitionProduceData>(),
        size_of::<m::fetch_request::FetchTopic>(),
        size_of::<m::fetch_request::FetchPartition>(),
        size_of::<m::fetch_request::ForgottenTopic>(),
        size_of::<m::metadata_request::MetadataRequestTopic>(),
        size_of::<m::list_offsets_request::ListOffsetsTopic>(),
        size_of::<m::describe_configs_request::DescribeConfigsResource>(),
        size_of::<m::alter_configs_request::AlterConfigsResource>(),
        size_of::<m::incremental_alter_configs_request::AlterableConfig>(),
        size_of::<m::offset_commit_request::OffsetCommitRequestTopic>(),
        size_of::<m::offset_commit_request::OffsetCommitRequestPartition>(),
        size_of::<m::offset_fetch_request::OffsetFetchRequestGroup>(),
        size_of::<m::offset_fetch_request::OffsetFetchRequestTopics>(),
        size_of::<m::join_group_request::JoinGroupRequestProtocol>(),
        size_of::<m::leave_group_request::MemberIdentity>(),
        size_of::<m::sync_group_request::SyncGroupRequestAssignment>(),
        size_of::<m::consumer_group_heartbeat_request::TopicPartitions>(),
    ];
    let largest = largest.into_iter().max().unwrap();
    assert!(largest + largest / 4 <= ELEMENT_BYTES, "{largest} bytes");
    // A node of the tree of unknown tagged fields: eleven of them, and what binds it to others.
    let node = 11 * (size_of::<i32>() + size_of::<Bytes>()) + 16;
    assert!(node + node / 5 <= TAG_BYTES, "{node} bytes");
}
