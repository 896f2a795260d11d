use holdfast_kernel::group::{
    ClassicPart, ClassicProtocol, CommittedOffset, Current, GroupValue, MemberState, MemberValue,
    ModernKey, ModernValue, Partitions, StoredMember, Subscription,
};
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

fn modern(key: ModernKey, value: Option<ModernValue>) -> Record {
    let group = Arc::from("g");
    Record::Modern { group, key, value }
}

fn partitions() -> Partitions {
    let topic = |number| TopicId(Uuid::from_u128(number));
    [(topic(7), [0, 3].into()), (topic(8), [1].into())].into()
}

/// A group of the consumer protocol.
fn modern_records() -> Vec<Record> {
    let member: Arc<str> = Arc::from("m");
    let value = |instance: Option<&str>, regex: Option<&str>| MemberValue {
        instance: instance.map(Arc::from),
        rack: instance.map(|_| Arc::from("zone-a")),
        client_id: Arc::from("client"),
        client_host: Arc::from("/10.0.0.1"),
        rebalance_timeout_ms: 300_000,
        subscription: Subscription {
            topics: Arc::from([Arc::from("orders"), Arc::from("payments")]),
            regex: regex.map(Arc::from),
        },
        assignor: instance.map(|_| Arc::from("range")),
        classic: None,
    };
    let protocol = |name: &str, metadata: &[u8]| ClassicProtocol {
        name: Arc::from(name),
        metadata: Arc::from(metadata),
    };
    let classic = MemberValue {
        classic: Some(ClassicPart {
            session_timeout_ms: 45_000,
            protocols: Arc::from([protocol("range", &[1, 2, 3]), protocol("sticky", &[])]),
        }),
        ..value(None, None)
    };
    let group = |topics_hash| ModernValue::Group {
        epoch: 9,
        topics_hash,
    };
    let states = [
        MemberState::Stable,
        MemberState::Unrevoked,
        MemberState::Unreleased,
    ];
    let current = |state| {
        ModernValue::Current(Current {
            epoch: 9,
            previous_epoch: 8,
            state,
            assigned: partitions(),
            revoking: Partitions::new(),
        })
    };
    let key = ModernKey::Member(Arc::clone(&member));
    let mut records = vec![
        modern(ModernKey::Group, Some(group(0))),
        modern(ModernKey::Group, Some(group(-5))),
        modern(key.clone(), Some(ModernValue::Member(value(None, None)))),
        modern(
            key.clone(),
            Some(ModernValue::Member(value(Some("static"), Some("a.*")))),
        ),
        modern(key, Some(ModernValue::Member(classic))),
        modern(ModernKey::TargetEpoch, Some(ModernValue::TargetEpoch(9))),
        modern(
            ModernKey::Target(Arc::clone(&member)),
            Some(ModernValue::Target(partitions())),
        ),
    ];
    let at = |state| {
        modern(
            ModernKey::Current(Arc::clone(&member)),
            Some(current(state)),
        )
    };
    records.extend(states.map(at));
    records
}

#[test]
fn records_come_back_as_they_were() {
    let removed_member = modern(ModernKey::Member(Arc::from("m")), None);
    let records = [
        offset(0, None),
        offset(9, None),
        offset(0, Some(5)),
        group(),
        removed(),
        removed_member,
    ];
    for record in records.into_iter().chain(modern_records()) {
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

/// As the serializers of Kafka 4.4 write the same values.
#[test]
fn a_group_of_the_consumer_protocol_is_written_as_kafka_writes_it() {
    let kafka = [
        "000000000009010008fffffffffffffffb",
        "0000000007636c69656e740a2f31302e302e302e3103076f7264657273097061796d656e747300000493e00001000100",
        "000007737461746963077a6f6e652d6107636c69656e740a2f31302e302e302e3103076f7264657273097061796d656e\
         747304612e2a000493e00672616e676501000100",
        "0000000007636c69656e740a2f31302e302e302e3103076f7264657273097061796d656e747300000493e00001001b01\
         0000afc8030672616e6765040102030007737469636b79010000",
        "00000000000900",
        "00000300000000000000000000000000000007030000000000000003000000000000000000000000000000000802000000\
         010000",
    ];
    let records = modern_records();
    for (record, wanted) in records[1..7].iter().zip(kafka) {
        let (_, value) = encode(record).unwrap();
        let bytes = value.unwrap();
        let written: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written.concat(), wanted, "{record:?}");
    }
}

/// Kafka's kind 8, version 0: epochs, state, what is assigned, what has to be given up.
#[test]
fn where_a_member_is_is_written_as_kafka_writes_it() {
    let record = modern_records().pop().unwrap();
    let (key, value) = encode(&record).unwrap();
    assert_eq!(key, b"\x00\x08\x00\x01g\x00\x01m");
    let mut expected = vec![0, 0, 0, 0, 0, 9, 0, 0, 0, 8, 2];
    expected.push(3);
    expected.extend(7_u128.to_be_bytes());
    expected.extend([3, 0, 0, 0, 0, 0, 0, 0, 3, 0]);
    expected.extend(8_u128.to_be_bytes());
    expected.extend([2, 0, 0, 0, 1, 0]);
    expected.extend([1, 0]);
    assert_eq!(value.unwrap(), expected);
}

#[test]
fn cut_anywhere_it_is_an_error_and_never_a_panic() {
    let records = [
        offset(0, None),
        offset(9, None),
        offset(0, Some(5)),
        group(),
    ];
    for record in records.into_iter().chain(modern_records()) {
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
    let records = [offset(9, None), group()];
    let seeds: Vec<Vec<u8>> = records
        .into_iter()
        .chain(modern_records())
        .flat_map(|record| {
            let (key, value) = encode(&record).unwrap();
            [key, value.unwrap()]
        })
        .collect();
    let key = encode(&group()).unwrap().0;
    let parts: Vec<Vec<u8>> = modern_records()
        .iter()
        .map(|record| encode(record).unwrap().0)
        .collect();
    crate::mutate::each(&seeds, 4_000, |bytes| {
        let _any = decode(Some(bytes), Some(bytes));
        let _any = decode(Some(&key), Some(bytes));
        for key in &parts {
            let _any = decode(Some(key), Some(bytes));
        }
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
