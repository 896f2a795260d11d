//! What a follower has to tell one leader.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use holdfast_kernel::replica::Acked;
use holdfast_model::TopicPartition;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::message::{self, Item};

/// Answers that wait for one connection at most, acknowledgements aside: several for each of 10,000
/// partitions. A leader that asks for more reads none of them.
const REPLIES: usize = 65_536;

/// Answers that wait for one connection. Acknowledgements are cumulative: the newest of each
/// partition replaces older ones, so that the box is bounded by the number of partitions; other
/// answers follow questions that came on the same connection, one by one.
#[derive(Debug, Default)]
pub struct AckOutbox {
    waiting: Mutex<Waiting>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    replies: Vec<Item>,
    acks: BTreeMap<TopicPartition, Acked>,
}

impl AckOutbox {
    /// Replaces what waits about a partition.
    pub fn put(&self, at: TopicPartition, acked: Acked) {
        self.waiting.lock().acks.insert(at, acked);
        self.added.notify_one();
    }

    /// Adds an answer.
    pub fn reply(&self, item: Item) {
        self.waiting.lock().replies.push(item);
        self.added.notify_one();
    }

    /// Whether more waits than any leader leaves unread: its connection is to be ended.
    pub fn is_overfull(&self) -> bool {
        self.waiting.lock().replies.len() > REPLIES
    }

    /// Waits for something to tell. Cancel-safe.
    pub async fn wait(&self) {
        self.added.notified().await;
    }

    /// Everything that waits, as one message; none if nothing does.
    pub fn take(&self) -> Option<Bytes> {
        let Waiting { replies, acks } = std::mem::take(&mut *self.waiting.lock());
        if replies.is_empty() && acks.is_empty() {
            return None;
        }
        let mut out = BytesMut::with_capacity(acks.len() * 80 + replies.len() * 200);
        for item in &replies {
            message::encode(item, &mut out);
        }
        for (at, acked) in acks {
            message::encode(&Item::Acked(at, acked), &mut out);
        }
        Some(out.freeze())
    }
}
