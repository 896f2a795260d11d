//! What a version above this one may say: overlooked where that is safe, else refused.

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_kernel::controller::{Command, Outcome};
use holdfast_kernel::replica::SessionId;
use holdfast_model::{LeaderEpoch, TopicId, TopicPartition};
use serde::Serialize;
use uuid::Uuid;

use crate::replication::message::{Error, Item, Open, decode, encode};

#[derive(Serialize)]
struct NewerOpen {
    a_new_field: &'static str,
    leader_epoch: LeaderEpoch,
    session: SessionId,
}

#[derive(Serialize)]
enum Newer {
    AllocateProducerIds {
        broker: i32,
        broker_epoch: u64,
        a_new_field: u64,
        count: u32,
    },
    ANewOne(u32),
}

const AT: TopicPartition = TopicPartition {
    topic: TopicId(Uuid::from_u128(7)),
    partition: 3,
};

#[test]
fn a_new_field_of_a_replication_message_is_overlooked_and_a_new_kind_is_not() {
    let open = Open {
        leader_epoch: LeaderEpoch(4),
        session: SessionId(9),
    };
    let mut known = BytesMut::new();
    encode(&Item::Open(AT, open), &mut known);
    let fields = rmp_serde::to_vec_named(&NewerOpen {
        a_new_field: "overlooked",
        leader_epoch: open.leader_epoch,
        session: open.session,
    });
    let fields = fields.unwrap();
    // The kind and the partition stand before the length of the fields.
    let mut newer = BytesMut::from(&known[..1 + 16 + 4]);
    newer.put_u32(u32::try_from(fields.len()).unwrap());
    newer.put_slice(&fields);
    let read = decode(&mut newer.freeze()).unwrap();
    assert_eq!(read, Some(Item::Open(AT, open)));

    let mut unknown = BytesMut::from(&known[..]);
    unknown[0] = 7;
    let refused = decode(&mut Bytes::from(unknown));
    assert_eq!(refused, Err(Error::UnknownKind(7)));
}

#[test]
fn a_new_field_of_a_command_is_overlooked_and_a_new_command_or_answer_is_not() {
    let newer = Newer::AllocateProducerIds {
        broker: 1,
        broker_epoch: 300,
        a_new_field: 9,
        count: 1000,
    };
    let bytes = rmp_serde::to_vec_named(&newer).unwrap();
    let read: Command = rmp_serde::from_slice(&bytes).unwrap();
    assert!(matches!(
        read,
        Command::AllocateProducerIds { count: 1000, .. }
    ));
    let bytes = rmp_serde::to_vec_named(&Newer::ANewOne(7)).unwrap();
    let refused = rmp_serde::from_slice::<Command>(&bytes).unwrap_err();
    assert!(refused.to_string().contains("ANewOne"), "{refused}");
    rmp_serde::from_slice::<Outcome>(&bytes).unwrap_err();
}
