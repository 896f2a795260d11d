//! Which numbers a topic's settings may be. One table for topics and for the brokers' defaults of
//! topics: a value that a file takes and a topic would not is shown as if it held and does not.

use crate::limits::BATCH_BYTES;

/// The numbers that a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest.
    pub least: i64,
    /// The largest.
    pub most: i64,
    /// Where the largest comes from, if it is not the largest number of its width.
    pub reason: Option<&'static str>,
}

/// `max.message.bytes`: from Kafka's least to what one batch may have.
pub const MAX_MESSAGE_BYTES: Bounds = Bounds {
    reason: Some("no batch may be larger than 64 MiB, whatever this says"),
    ..Bounds::new(0, BATCH_BYTES as i64)
};

/// `min.insync.replicas`. More than a topic has replicas counts as the number of its replicas.
pub const MIN_INSYNC_REPLICAS: Bounds = Bounds::new(1, INT);

/// `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms`.
pub const TIMESTAMP_DISTANCE_MS: Bounds = Bounds::new(0, i64::MAX);

/// `retention.ms`: -1 for ever.
pub const RETENTION_MS: Bounds = Bounds::new(-1, i64::MAX);

/// `retention.bytes`: -1 without end.
pub const RETENTION_BYTES: Bounds = Bounds::new(-1, i64::MAX);

/// `segment.bytes`, from Kafka's own least since 4.0 to the largest number of Kafka's type.
pub const SEGMENT_BYTES: Bounds = Bounds::new(1 << 20, INT);

/// `segment.ms`.
pub const SEGMENT_MS: Bounds = Bounds::new(1, i64::MAX);

/// The largest number of Kafka's 32-bit type.
const INT: i64 = (1 << 31) - 1;

impl Bounds {
    const fn new(least: i64, most: i64) -> Self {
        Self {
            least,
            most,
            reason: None,
        }
    }

    /// Reads a number; else says which would fit.
    pub fn read(&self, text: &str) -> Result<i64, String> {
        if let Ok(number) = text.parse::<i64>()
            && (self.least..=self.most).contains(&number)
        {
            return Ok(number);
        }
        let mut fitting = format!(
            "expected a whole number from {} to {}",
            self.least, self.most
        );
        if let Some(reason) = self.reason {
            fitting.push_str(": ");
            fitting.push_str(reason);
        }
        Err(fitting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_the_bounds_and_the_message_names_them() {
        assert_eq!(SEGMENT_BYTES.read("1048576"), Ok(1 << 20));
        assert_eq!(SEGMENT_BYTES.read("2147483647"), Ok(INT));
        assert_eq!(
            SEGMENT_BYTES.read("2147483648"),
            Err("expected a whole number from 1048576 to 2147483647".to_owned())
        );
        SEGMENT_BYTES.read("1048575").unwrap_err();
        SEGMENT_BYTES.read("").unwrap_err();
    }

    #[test]
    fn the_bound_of_messages_says_where_it_comes_from() {
        assert_eq!(MAX_MESSAGE_BYTES.read("67108864"), Ok(64 << 20));
        assert_eq!(
            MAX_MESSAGE_BYTES.read("2147483647").unwrap_err(),
            "expected a whole number from 0 to 67108864: no batch may be larger than 64 MiB, \
             whatever this says"
        );
    }
}
