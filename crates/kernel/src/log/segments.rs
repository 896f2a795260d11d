//! Virtual segments: steps of retention, not files.

use holdfast_model::{BatchInfo, Offset, Segment, limits};

/// When a segment is closed: `segment.bytes` and `segment.ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentLimits {
    /// Largest size in bytes.
    pub bytes: u64,
    /// Largest age in milliseconds, by record timestamps.
    pub age_ms: i64,
}

impl Default for SegmentLimits {
    fn default() -> Self {
        Self {
            bytes: 1 << 30,
            age_ms: 7 * 24 * 3_600_000,
        }
    }
}

/// The segments of one log, ascending; the last one is active.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    list: Vec<Segment>,
}

impl Segments {
    /// Segments as stored.
    pub fn from_list(list: Vec<Segment>) -> Self {
        Self { list }
    }

    /// The segments, the active one last.
    pub fn list(&self) -> &[Segment] {
        &self.list
    }

    /// Bytes of all batches.
    pub fn bytes(&self) -> u64 {
        self.list.iter().map(|segment| segment.bytes).sum()
    }

    /// Takes note of an appended batch and closes the active segment if it is full or too old.
    pub fn note(&mut self, info: &BatchInfo, limits: SegmentLimits) {
        let size = u64::from(info.size);
        if let Some(active) = self.list.last_mut() {
            let age = info.max_timestamp.saturating_sub(active.first_timestamp);
            if active.bytes + size <= limits.bytes && age <= limits.age_ms {
                active.end = info.end_offset();
                active.bytes += size;
                active.max_timestamp = active.max_timestamp.max(info.max_timestamp);
                return;
            }
        }
        self.list.push(Segment {
            base: info.base_offset,
            end: info.end_offset(),
            bytes: size,
            max_timestamp: info.max_timestamp,
            first_timestamp: info.max_timestamp,
        });
        if self.list.len() > limits::SEGMENTS {
            self.join_neighbours();
        }
    }

    /// Halves the list: retention becomes coarser where it was finer than any list can be. The
    /// active segment stays as it is.
    fn join_neighbours(&mut self) {
        let active = self.list.pop();
        let joined = self.list.chunks(2).map(|pair| {
            let mut all = pair[0];
            if let Some(next) = pair.get(1) {
                all.end = next.end;
                all.bytes += next.bytes;
                all.max_timestamp = all.max_timestamp.max(next.max_timestamp);
            }
            all
        });
        self.list = joined.chain(active).collect();
    }

    /// Drops segments that end at or before the log start. One that straddles it keeps its size
    /// until it is gone: sizes steer retention, they are not an account.
    pub fn advance_start(&mut self, start: Offset) {
        let gone = self
            .list
            .iter()
            .take_while(|segment| segment.end <= start)
            .count();
        self.list.drain(..gone);
    }

    /// The first segment that may hold a record at or after a time, as its index in `list`.
    pub fn first_reaching(&self, timestamp: i64) -> Option<usize> {
        self.list
            .iter()
            .position(|segment| segment.max_timestamp >= timestamp)
    }

    /// The segment with the largest timestamp, the earliest of equals.
    pub fn with_max_timestamp(&self) -> Option<&Segment> {
        let newest = self
            .list
            .iter()
            .map(|segment| segment.max_timestamp)
            .max()?;
        self.list
            .iter()
            .find(|segment| segment.max_timestamp == newest)
    }
}

#[cfg(test)]
mod tests {
    use holdfast_model::LeaderEpoch;

    use super::*;

    #[test]
    fn a_cut_after_every_record_keeps_the_list_bounded() {
        let small = SegmentLimits {
            bytes: 1,
            age_ms: i64::MAX,
        };
        let mut segments = Segments::default();
        let count = 3 * limits::SEGMENTS as i64;
        for offset in 0..count {
            let info = BatchInfo {
                base_offset: Offset(offset),
                last_offset: Offset(offset),
                leader_epoch: LeaderEpoch(0),
                max_timestamp: offset,
                producer_id: -1,
                producer_epoch: -1,
                base_sequence: -1,
                record_count: 1,
                attributes: 0,
                crc: 0,
                size: 100,
            };
            segments.note(&info, small);
        }
        let list = segments.list();
        assert!(list.len() <= limits::SEGMENTS);
        assert_eq!(segments.bytes(), count as u64 * 100);
        let follows = |pair: &[Segment]| pair[0].end == pair[1].base;
        assert!(list.windows(2).all(follows));
        assert_eq!(list.last().map(|segment| segment.end), Some(Offset(count)));
    }
}
