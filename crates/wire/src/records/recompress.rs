//! Storing a batch with another codec than its producer chose.

use bytes::{BufMut, Bytes, BytesMut};

use super::Error;
use crate::batch::{self, BatchHeader, CRC_START, HEADER_BYTES, LENGTH_OFFSET_BYTES};
use crate::codec::{self, Codec};

/// The same batch with its records compressed by another codec; offsets, timestamps and producer
/// fields stay. The batch itself comes back, uncopied, if it has that codec already. The records
/// must have been validated before. A batch that would get larger than `most` bytes is an error.
pub fn recompress(batch: &Bytes, codec: Codec, most: usize) -> Result<Bytes, Error> {
    let header = BatchHeader::parse_whole(batch)?;
    let current = header.attributes.codec()?;
    if current == codec {
        return Ok(batch.clone());
    }
    let payload = batch.get(HEADER_BYTES..).unwrap_or_default();
    let mut reader = codec::reader(current, payload, codec::output_cap(payload.len()))?;
    let most = most.min(batch::LARGEST_BYTES).saturating_sub(HEADER_BYTES);
    let records = codec::compress_stream(codec, &mut reader, most)?;
    let size = HEADER_BYTES.saturating_add(records.len());
    let attributes = header.attributes.with_codec(codec);
    let mut out = BytesMut::with_capacity(size);
    out.put_i64(header.base_offset.0);
    out.put_i32(size.saturating_sub(LENGTH_OFFSET_BYTES) as i32);
    out.put_i32(header.leader_epoch.0);
    out.put_i8(2);
    out.put_u32(0);
    out.put_i16(attributes.0);
    // Everything between the attributes and the records stays as it is.
    let rest = batch.get(CRC_START + 2..HEADER_BYTES).unwrap_or_default();
    out.put_slice(rest);
    out.put_slice(&records);
    let crc = batch::checksum(&out);
    batch::put_crc(&mut out, crc);
    Ok(out.freeze())
}
