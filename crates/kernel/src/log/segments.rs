//! Virtual segments: steps of retention, not files.

use holdfast_model::{BatchInfo, Offset, Segment};

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
