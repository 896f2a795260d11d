//! Records out of the batches of an answer, each batch checked before it is read.

use std::ops::ControlFlow;

use bytes::Bytes;
use holdfast_wire::batch::{self, BatchHeader, batches, verify_crc};
use holdfast_wire::messages::fetch_response::PartitionData;
use holdfast_wire::records::{RecordView, for_each_record};

use super::ConsumedRecord;
use crate::Error;

/// What an answer holds of one partition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) records: Vec<ConsumedRecord>,
    /// Where the next fetch begins: behind the last whole batch.
    pub(super) next_offset: i64,
    pub(super) high_watermark: i64,
}

pub(super) fn read(
    topic: &str,
    partition: i32,
    offset: i64,
    data: PartitionData,
) -> Result<Read, Error> {
    let mut read = Read {
        records: Vec::new(),
        next_offset: offset,
        high_watermark: data.high_watermark,
    };
    for batch in batches(data.records.unwrap_or_default()) {
        let batch = match batch {
            Ok(batch) => batch,
            // An answer limited by bytes ends within a batch: the next one begins there.
            Err(batch::Error::Truncated { .. }) => break,
            Err(error) => return Err(damaged(topic, partition, &error)),
        };
        verify_crc(&batch).map_err(|error| damaged(topic, partition, &error))?;
        let header =
            BatchHeader::parse_whole(&batch).map_err(|error| damaged(topic, partition, &error))?;
        // Markers of transactions are not records.
        if !header.attributes.is_control() {
            for_each_record(&batch, |record| {
                if record.offset.0 >= offset {
                    read.records.push(own(topic, partition, &record));
                }
                ControlFlow::Continue(())
            })
            .map_err(|error| damaged(topic, partition, &error))?;
        }
        read.next_offset = read.next_offset.max(header.last_offset().next().0);
    }
    Ok(read)
}

fn own(topic: &str, partition: i32, record: &RecordView<'_>) -> ConsumedRecord {
    ConsumedRecord {
        topic: topic.to_owned(),
        partition,
        offset: record.offset.0,
        timestamp: record.timestamp,
        key: record.key.map(Bytes::copy_from_slice),
        value: record.value.map(Bytes::copy_from_slice),
        headers: record
            .headers
            .clone()
            .map(|(k, v)| (Bytes::copy_from_slice(k), v.map(Bytes::copy_from_slice)))
            .collect(),
    }
}

fn damaged(topic: &str, partition: i32, error: &impl std::fmt::Display) -> Error {
    Error::Record {
        reason: format!("{topic}/{partition}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use holdfast_model::Offset;
    use holdfast_wire::Codec;
    use holdfast_wire::build::{BatchBuilder, Record};

    use super::*;
    use crate::mutate;

    fn batch(base: i64, values: &[&[u8]], codec: Codec) -> BytesMut {
        let mut builder = BatchBuilder::new(codec);
        for value in values {
            builder.push(&Record::value(value)).unwrap();
        }
        let mut bytes = BytesMut::from(&builder.finish().unwrap()[..]);
        batch::patch_base_offset(&mut bytes, Offset(base)).unwrap();
        bytes
    }

    fn read_bytes(offset: i64, bytes: &[u8]) -> Result<Read, Error> {
        let data = PartitionData::default()
            .with_records(Some(Bytes::copy_from_slice(bytes)))
            .with_high_watermark(99);
        read("t", 0, offset, data)
    }

    #[test]
    fn reading_begins_within_a_batch_and_ends_before_a_cut_one() {
        let mut bytes = batch(10, &[b"a", b"b", b"c"], Codec::Zstd);
        bytes.extend_from_slice(&batch(13, &[b"d"], Codec::None));
        let whole = bytes.len();
        bytes.extend_from_slice(&batch(14, &[b"e"], Codec::None)[..40]);
        let read = read_bytes(11, &bytes).unwrap();
        let values: Vec<(i64, &[u8])> = read
            .records
            .iter()
            .map(|r| (r.offset, r.value.as_deref().unwrap()))
            .collect();
        assert_eq!(values, [(11, &b"b"[..]), (12, b"c"), (13, b"d")]);
        assert_eq!((read.next_offset, read.high_watermark), (14, 99));
        assert_eq!(read_bytes(11, &bytes[..whole]).unwrap(), read);
        assert_eq!(read_bytes(5, &[]).unwrap().next_offset, 5);
    }

    #[test]
    fn a_damaged_batch_is_an_error() {
        let mut bytes = batch(0, &[b"abc"], Codec::None);
        let last = bytes.len() - 2;
        bytes[last] ^= 1;
        assert!(matches!(read_bytes(0, &bytes), Err(Error::Record { .. })));
    }
    #[test]
    fn hostile_records_never_panic_the_reader() {
        const FROM: i64 = 11;
        let meet = |bytes: &[u8]| {
            if let Ok(read) = read_bytes(FROM, bytes) {
                assert!(read.next_offset >= FROM);
                assert!(read.records.iter().all(|record| record.offset >= FROM));
            }
        };
        let seeds: Vec<Vec<u8>> = Codec::ALL
            .iter()
            .map(|codec| batch(10, &[&b"a"[..], b"bb", b"ccc"], *codec).to_vec())
            .collect();
        mutate::each(&seeds, 2_000, meet);
        // Mutations rarely survive a checksum: here length, format and checksum are made right.
        mutate::each(&seeds, 6_000, |bytes| {
            let mut bytes = bytes.to_vec();
            if bytes.len() >= batch::HEADER_BYTES {
                let length = (bytes.len() - batch::LENGTH_OFFSET_BYTES) as i32;
                bytes[8..12].copy_from_slice(&length.to_be_bytes());
                bytes[16] = 2;
                let crc = batch::checksum(&bytes);
                bytes[17..21].copy_from_slice(&crc.to_be_bytes());
            }
            meet(&bytes);
        });
    }
}
