//! Writing a Fetch response as segments.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Error, FetchResponse, FetchedPartition, FetchedTopic, NodeEndpoint};
use crate::frame::PREFIX_BYTES;
use crate::{Api, StrBytes};

/// Encodes a response with its length prefix. The segments, one after the other, are the frame;
/// those that hold records are the slices that were passed in.
pub fn encode(
    correlation_id: i32,
    version: i16,
    response: &FetchResponse,
) -> Result<Vec<Bytes>, Error> {
    if !Api::Fetch.serves(version) {
        return Err(Error::Version { version });
    }
    let mut out = Segments {
        done: Vec::new(),
        open: BytesMut::with_capacity(256),
        version,
        flexible: Api::Fetch.is_flexible(version),
    };
    out.open.put_bytes(0, PREFIX_BYTES);
    out.open.put_i32(correlation_id);
    out.no_tags();
    out.response(response)?;
    out.finish()
}

struct Segments {
    done: Vec<Bytes>,
    open: BytesMut,
    version: i16,
    flexible: bool,
}

impl Segments {
    fn response(&mut self, response: &FetchResponse) -> Result<(), Error> {
        self.open.put_i32(response.throttle_time_ms);
        if self.version >= 7 {
            self.open.put_i16(response.error_code);
            self.open.put_i32(response.session_id);
        }
        self.count(response.topics.len())?;
        for topic in &response.topics {
            self.topic(topic)?;
        }
        if !self.flexible {
            return Ok(());
        }
        if self.version < 16 || response.node_endpoints.is_empty() {
            self.no_tags();
            return Ok(());
        }
        let endpoints = node_endpoints(&response.node_endpoints)?;
        put_unsigned_varint(&mut self.open, 1);
        self.tag(0, &endpoints)
    }

    fn topic(&mut self, topic: &FetchedTopic) -> Result<(), Error> {
        if self.version >= 13 {
            self.open.put_slice(topic.topic_id.as_bytes());
        } else if self.flexible {
            put_compact_string(&mut self.open, &topic.name)?;
        } else {
            let length = topic.name.len();
            let short = i16::try_from(length).map_err(|_| Error::TooLarge { length })?;
            self.open.put_i16(short);
            self.open.put_slice(topic.name.as_bytes());
        }
        self.count(topic.partitions.len())?;
        for partition in &topic.partitions {
            self.partition(partition)?;
        }
        self.no_tags();
        Ok(())
    }

    fn partition(&mut self, partition: &FetchedPartition) -> Result<(), Error> {
        self.open.put_i32(partition.index);
        self.open.put_i16(partition.error_code);
        self.open.put_i64(partition.high_watermark);
        self.open.put_i64(partition.last_stable_offset);
        if self.version >= 5 {
            self.open.put_i64(partition.log_start_offset);
        }
        self.aborted(partition)?;
        if self.version >= 11 {
            self.open.put_i32(partition.preferred_read_replica);
        }
        self.records(partition)?;
        if self.flexible {
            self.partition_tags(partition)
        } else {
            Ok(())
        }
    }

    fn aborted(&mut self, partition: &FetchedPartition) -> Result<(), Error> {
        let Some(aborted) = &partition.aborted_transactions else {
            // Null is count 0 where counts are compact, and -1 elsewhere.
            if self.flexible {
                self.open.put_u8(0);
            } else {
                self.open.put_i32(-1);
            }
            return Ok(());
        };
        self.count(aborted.len())?;
        for transaction in aborted {
            self.open.put_i64(transaction.producer_id);
            self.open.put_i64(transaction.first_offset);
            self.no_tags();
        }
        Ok(())
    }

    fn records(&mut self, partition: &FetchedPartition) -> Result<(), Error> {
        self.count(partition.record_bytes())?;
        for batch in partition.records.iter().filter(|batch| !batch.is_empty()) {
            self.close();
            self.done.push(batch.clone());
        }
        Ok(())
    }

    fn partition_tags(&mut self, partition: &FetchedPartition) -> Result<(), Error> {
        let diverging = partition.diverging_epoch;
        let leader = partition.current_leader;
        let tags = u32::from(diverging.is_some()) + u32::from(leader.is_some());
        put_unsigned_varint(&mut self.open, tags);
        if let Some(end) = diverging {
            let mut field = BytesMut::with_capacity(13);
            field.put_i32(end.epoch);
            field.put_i64(end.end_offset);
            field.put_u8(0);
            self.tag(0, &field)?;
        }
        if let Some(leader) = leader {
            let mut field = BytesMut::with_capacity(9);
            field.put_i32(leader.leader_id);
            field.put_i32(leader.leader_epoch);
            field.put_u8(0);
            self.tag(1, &field)?;
        }
        Ok(())
    }

    fn tag(&mut self, number: u32, field: &[u8]) -> Result<(), Error> {
        let length = field.len();
        let size = u32::try_from(length).map_err(|_| Error::TooLarge { length })?;
        put_unsigned_varint(&mut self.open, number);
        put_unsigned_varint(&mut self.open, size);
        self.open.put_slice(field);
        Ok(())
    }

    /// The end of a struct without tagged fields.
    fn no_tags(&mut self) {
        if self.flexible {
            self.open.put_u8(0);
        }
    }

    /// The count of an array or of a blob's bytes.
    fn count(&mut self, length: usize) -> Result<(), Error> {
        let count = i32::try_from(length).map_err(|_| Error::TooLarge { length })?;
        if self.flexible {
            put_unsigned_varint(&mut self.open, count.unsigned_abs() + 1);
        } else {
            self.open.put_i32(count);
        }
        Ok(())
    }

    /// Ends the piece of metadata that was being written.
    fn close(&mut self) {
        if !self.open.is_empty() {
            self.done.push(self.open.split().freeze());
        }
    }

    fn finish(mut self) -> Result<Vec<Bytes>, Error> {
        self.close();
        let mut segments = self.done;
        let length = segments
            .iter()
            .map(Bytes::len)
            .fold(0, usize::saturating_add);
        let length = length.saturating_sub(PREFIX_BYTES);
        let raw = i32::try_from(length).map_err(|_| Error::TooLarge { length })?;
        // The first segment begins with the prefix; it is small, and nobody else holds it yet.
        if let Some(first) = segments.first_mut() {
            let mut head = BytesMut::from(std::mem::take(first));
            if let Some(prefix) = head.first_chunk_mut::<PREFIX_BYTES>() {
                *prefix = raw.to_be_bytes();
            }
            *first = head.freeze();
        }
        Ok(segments)
    }
}

fn node_endpoints(endpoints: &[NodeEndpoint]) -> Result<BytesMut, Error> {
    let mut out = BytesMut::new();
    let length = endpoints.len();
    let count = u32::try_from(length).map_err(|_| Error::TooLarge { length })?;
    put_unsigned_varint(&mut out, count.saturating_add(1));
    for endpoint in endpoints {
        out.put_i32(endpoint.node_id);
        put_compact_string(&mut out, &endpoint.host)?;
        out.put_i32(endpoint.port);
        match &endpoint.rack {
            Some(rack) => put_compact_string(&mut out, rack)?,
            None => out.put_u8(0),
        }
        out.put_u8(0);
    }
    Ok(out)
}

fn put_compact_string(out: &mut BytesMut, text: &StrBytes) -> Result<(), Error> {
    let length = text.len();
    let count = i16::try_from(length).map_err(|_| Error::TooLarge { length })?;
    put_unsigned_varint(out, u32::from(count.unsigned_abs()) + 1);
    out.put_slice(text.as_bytes());
    Ok(())
}

fn put_unsigned_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
