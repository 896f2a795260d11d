use holdfast_kernel::group::{CommittedOffset, GroupValue, StoredMember};
use holdfast_model::TopicId;
use uuid::Uuid;

use super::*;

fn offset(id: u128, expires_ms: Option<i64>) -> Record {
    Record::Offset {
        group: Arc::from("g"),
        topic: Arc::from("orders"),
        partition: 3,
        value: Some(CommittedOffset {
            offset: 42,
            leader_epoch: if expires_ms.is_some() { -1 } else { 7 },
            metadata: Arc::from("note"),
            committed_ms: 1_700_000_000_000,
            expires_ms,
            topic_id: TopicId(Uuid::from_u128(id)),
        }),
    }
}

fn group() -> Record {
    let member = |instance: Option<&str>| StoredMember {
        id: Arc::from("m"),
        instance: instance.map(Arc::from),
        client_id: Arc::from("client"),
        client_host: Arc::from("/10.0.0.1"),
        rebalance_timeout_ms: 300_000,
        session_timeout_ms: 45_000,
        subscription: Arc::from([0, 0, 0, 0, 0, 1, 0, 1, b't']),
        topics: Arc::from([Arc::from("t")]),
        assignment: Arc::from(*b"assigned"),
    };
    Record::Group {
        group: Arc::from("g"),
        value: Some(Arc::new(GroupValue {
            protocol_type: Arc::from("consumer"),
            generation: 5,
            protocol: Some(Arc::from("range")),
            leader: Some(Arc::from("m")),
            changed_ms: 1_700_000_000_000,
            members: vec![member(None), member(Some("static"))],
        })),
    }
}

fn removed() -> Record {
    Record::Group {
        group: Arc::from("g"),
        value: None,
    }
}

#[test]
fn records_come_back_as_they_were() {
    for record in [
        offset(0, None),
        offset(9, None),
        offset(0, Some(5)),
        group(),
        removed(),
    ] {
        let (key, value) = encode(&record).unwrap();
        assert_eq!(decode(Some(&key), value.as_deref()).unwrap(), record);
    }
}

/// The bytes are Kafka's: the key of version 1, and the value of version 3.
#[test]
fn an_offset_is_written_as_kafka_writes_it() {
    let (key, value) = encode(&offset(0, None)).unwrap();
    assert_eq!(key, b"\x00\x01\x00\x01g\x00\x06orders\x00\x00\x00\x03");
    let mut expected = vec![0, 3];
    expected.extend(42_i64.to_be_bytes());
    expected.extend(7_i32.to_be_bytes());
    expected.extend(b"\x00\x04note");
    expected.extend(1_700_000_000_000_i64.to_be_bytes());
    assert_eq!(value.unwrap(), expected);
}

#[test]
fn cut_anywhere_it_is_an_error_and_never_a_panic() {
    for record in [
        offset(0, None),
        offset(9, None),
        offset(0, Some(5)),
        group(),
    ] {
        let (key, value) = encode(&record).unwrap();
        let value = value.unwrap();
        for end in 0..key.len() {
            assert!(
                decode(Some(&key[..end]), Some(&value)).is_err(),
                "key {end}"
            );
        }
        for end in 0..value.len() {
            assert!(
                decode(Some(&key), Some(&value[..end])).is_err(),
                "value {end}"
            );
        }
    }
}

#[test]
fn garbage_is_an_error_and_never_a_panic() {
    let seeds: Vec<Vec<u8>> = [offset(9, None), group()]
        .iter()
        .flat_map(|record| {
            let (key, value) = encode(record).unwrap();
            [key, value.unwrap()]
        })
        .collect();
    let key = encode(&group()).unwrap().0;
    crate::mutate::each(&seeds, 4_000, |bytes| {
        let _any = decode(Some(bytes), Some(bytes));
        let _any = decode(Some(&key), Some(bytes));
    });
}

#[test]
fn what_is_not_known_says_so() {
    let unknown = decode(Some(&[0, 9]), None).unwrap_err();
    assert!(matches!(unknown, Error::Kind(9)), "{unknown}");
    let (key, _) = encode(&group()).unwrap();
    let newer = decode(Some(&key), Some(&[0, 4])).unwrap_err();
    assert!(
        newer.to_string().contains("version 4 of a group"),
        "{newer}"
    );
    assert!(decode(None, None).is_err());
}
