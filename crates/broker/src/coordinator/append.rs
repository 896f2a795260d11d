//! A coordinator's records become batches of its partition.

use bytes::{Bytes, BytesMut};
use holdfast_kernel::group::{Record, Write, WriteId};
use holdfast_model::ErrorCode;
use holdfast_store::Op;
use holdfast_wire::build::{self, BatchBuilder};
use holdfast_wire::{Codec, batch};
use tokio::sync::mpsc;

use super::record;
use super::task::Coordinator;
use crate::partition::{AppendAnswer, PreparedBatch, ProduceWaiter};

/// Bytes after which a batch takes no further write.
const BATCH: usize = 1 << 20;

/// The largest write: a group of thousands of members with long subscriptions.
const LARGEST: usize = 16 << 20;

/// A record as bytes.
struct Encoded {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// Writes that share a batch.
#[derive(Debug)]
pub(super) struct Packed {
    /// The writes in it.
    pub(super) writes: Vec<WriteId>,
    pub(super) batch: Bytes,
}

/// Writes that became no batch, and why.
pub(super) type Refused = Vec<(WriteId, ErrorCode)>;

fn encode(records: &[Record]) -> Result<(Vec<Encoded>, usize), ErrorCode> {
    let mut size = 0_usize;
    let mut encoded = Vec::with_capacity(records.len());
    for one in records {
        let (key, value) = record::encode(one).map_err(|error| {
            tracing::warn!(%error, "a record of a group cannot be written");
            ErrorCode::UnknownServerError
        })?;
        size += key.len() + value.as_ref().map_or(0, Vec::len) + 32;
        if size > LARGEST {
            return Err(ErrorCode::InvalidCommitOffsetSize);
        }
        encoded.push(Encoded { key, value });
    }
    Ok((encoded, size))
}

fn push(builder: &mut BatchBuilder, encoded: &[Encoded], now_ms: i64) -> Result<(), build::Error> {
    encoded.iter().try_for_each(|one| {
        builder.push(&build::Record {
            key: Some(&one.key),
            value: one.value.as_deref(),
            headers: &[],
            timestamp: now_ms,
        })
    })
}

/// Packs writes into batches, in their order: each write into one batch. None follows one that is refused: it
/// may say what follows from that one.
pub(super) fn pack(writes: Vec<Write>, now_ms: i64) -> (Vec<Packed>, Refused) {
    let (mut packed, mut refused) = (Vec::new(), Refused::new());
    let mut builder = BatchBuilder::new(Codec::None);
    let mut ids = Vec::new();
    let close = |builder: &mut BatchBuilder, ids: &mut Vec<WriteId>, packed: &mut Vec<Packed>| {
        let full = std::mem::replace(builder, BatchBuilder::new(Codec::None));
        let writes = std::mem::take(ids);
        if full.count() > 0 {
            let batch = full
                .finish()
                .expect("a batch with records within the limit");
            packed.push(Packed { writes, batch });
        }
    };
    for write in writes {
        if !refused.is_empty() {
            refused.push((write.id, ErrorCode::CoordinatorNotAvailable));
            continue;
        }
        let (encoded, size) = match encode(&write.records) {
            Ok(encoded) => encoded,
            Err(code) => {
                refused.push((write.id, code));
                continue;
            }
        };
        if builder.count() > 0 && builder.size() + size > BATCH {
            close(&mut builder, &mut ids, &mut packed);
        }
        push(&mut builder, &encoded, now_ms).expect("records within the limit");
        ids.push(write.id);
    }
    close(&mut builder, &mut ids, &mut packed);
    (packed, refused)
}

impl Coordinator {
    /// Appends a batch under this leadership; `done` is told of it, now or later, under `number`.
    pub(super) async fn append(
        &self,
        batch: &Bytes,
        number: u64,
        done: &mpsc::Sender<(u64, ErrorCode)>,
    ) -> Result<(), ErrorCode> {
        let bytes = BytesMut::from(&batch[..]);
        let info = batch::to_info(&bytes).map_err(batch::Error::code)?;
        let store = &self.broker.environment().store;
        let permit = match store.reserve(Op::append_bytes(bytes.len())) {
            Ok(waiting) => waiting.await,
            Err(error) => Err(error),
        };
        let permit = permit.map_err(|error| {
            tracing::warn!(%error, "a coordinator cannot write now");
            ErrorCode::CoordinatorNotAvailable
        })?;
        let prepared = PreparedBatch {
            bytes,
            info,
            append_time_ms: -1,
        };
        let waiter = |outcome| ProduceWaiter::of_coordinator(done.clone(), number, outcome);
        match self
            .partition
            .append_in(self.epoch, prepared, permit, waiter)
        {
            AppendAnswer::Later => Ok(()),
            AppendAnswer::Now(outcome) if outcome.code == ErrorCode::None => {
                let told = done.try_send((number, ErrorCode::None));
                told.map_err(|_full| ErrorCode::UnknownServerError)
            }
            AppendAnswer::Now(outcome) => Err(outcome.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn write(id: u64, group: &str) -> Write {
        let record = Record::Group {
            group: Arc::from(group),
            value: None,
        };
        Write {
            id: WriteId(id),
            records: vec![record],
        }
    }

    #[test]
    fn writes_share_batches_in_their_order_and_nothing_follows_one_that_is_refused() {
        let long = "g".repeat(40_000);
        let writes = vec![write(1, "a"), write(3, "b"), write(4, &long), write(5, "c")];
        let (packed, refused) = pack(writes, 5);
        let expected = [
            (WriteId(4), ErrorCode::UnknownServerError),
            (WriteId(5), ErrorCode::CoordinatorNotAvailable),
        ];
        assert_eq!(refused, expected);
        let [one] = packed.as_slice() else {
            panic!("{packed:?}")
        };
        assert_eq!(one.writes, [WriteId(1), WriteId(3)]);
        assert_eq!(batch::to_info(&one.batch).unwrap().record_count, 2);
    }

    #[test]
    fn a_batch_ends_before_it_is_too_large() {
        let name = "g".repeat(30_000);
        let writes = (1..=100).map(|id| write(id, &name)).collect();
        let (packed, refused) = pack(writes, 5);
        assert!(refused.is_empty());
        assert_eq!(packed.len(), 3);
        assert!(packed.iter().all(|one| one.batch.len() <= BATCH));
        let order: Vec<u64> = packed
            .iter()
            .flat_map(|one| one.writes.iter().map(|id| id.0))
            .collect();
        assert!(order.is_sorted() && order.len() == 100);
    }
}
