//! The four-byte length in front of every request and response.

use holdfast_model::limits;

use crate::Api;

/// The bytes of the length prefix.
pub const PREFIX_BYTES: usize = 4;

/// The first bytes of a request, which name its API: key and version.
pub const PEEK_BYTES: usize = 4;

/// The shortest request: API key, version, correlation id.
pub const SHORTEST_REQUEST: usize = 8;

/// The shortest response: a correlation id.
pub const SHORTEST_RESPONSE: usize = 4;

/// Largest frame that a connection may send before anything is known about it, in bytes: enough
/// for any `ApiVersions` or SASL exchange.
pub const BEFORE_AUTHENTICATION: usize = 64 * 1024;

/// Largest Fetch request, in bytes: about 100,000 partitions of a full session.
const FETCH_BYTES: usize = 4 * 1024 * 1024;

/// Largest request of an API that names many topics or settings, in bytes.
const ADMIN_BYTES: usize = 8 * 1024 * 1024;

/// Largest request of every other API, in bytes.
const OTHER_BYTES: usize = 1024 * 1024;

/// What is wrong with a length prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The length is negative.
    #[error("frame length {length} is negative")]
    Negative {
        /// The length as read.
        length: i32,
    },
    /// The frame cannot even hold its header.
    #[error("frame of {length} bytes is shorter than its header of {header} bytes")]
    TooShort {
        /// The length as read.
        length: usize,
        /// The bytes of the shortest header.
        header: usize,
    },
    /// The frame is larger than allowed.
    #[error("frame of {length} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The length as read.
        length: usize,
        /// The limit.
        limit: usize,
    },
}

/// The lengths that a frame may have, in bytes without the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimit {
    /// The bytes of the shortest header.
    pub shortest: usize,
    /// The largest frame.
    pub largest: usize,
}

impl FrameLimit {
    /// The limits of a request whose largest size is given.
    pub const fn request(largest: usize) -> Self {
        Self {
            shortest: SHORTEST_REQUEST,
            largest,
        }
    }

    /// The limits of a response whose largest size is given.
    pub const fn response(largest: usize) -> Self {
        Self {
            shortest: SHORTEST_RESPONSE,
            largest,
        }
    }

    /// Reads a length prefix and checks it.
    pub fn check(self, prefix: [u8; PREFIX_BYTES]) -> Result<usize, Error> {
        let raw = i32::from_be_bytes(prefix);
        let length = usize::try_from(raw).map_err(|_| Error::Negative { length: raw })?;
        if length < self.shortest {
            return Err(Error::TooShort {
                length,
                header: self.shortest,
            });
        }
        self.check_size(length)?;
        Ok(length)
    }

    /// Checks a length that is already a number, for the second look with [`limit_for`].
    pub fn check_size(self, length: usize) -> Result<(), Error> {
        if length > self.largest {
            return Err(Error::TooLarge {
                length,
                limit: self.largest,
            });
        }
        Ok(())
    }
}

/// The API key and version in the first four bytes of a request frame.
pub fn peek(first: [u8; PEEK_BYTES]) -> (i16, i16) {
    let [a, b, c, d] = first;
    (i16::from_be_bytes([a, b]), i16::from_be_bytes([c, d]))
}

/// The largest request of an API, in bytes without the prefix. A key that we do not serve gets the
/// smallest limit: its connection ends anyway.
pub fn limit_for(api_key: i16) -> usize {
    match Api::from_key(api_key) {
        Some(Api::Produce) => limits::REQUEST_BYTES,
        Some(Api::Fetch) => FETCH_BYTES,
        Some(
            Api::CreateTopics
            | Api::CreatePartitions
            | Api::ElectLeaders
            | Api::AlterClientQuotas
            | Api::AlterConfigs
            | Api::IncrementalAlterConfigs
            | Api::Metadata
            | Api::ListOffsets
            | Api::OffsetForLeaderEpoch,
        ) => ADMIN_BYTES,
        Some(Api::ApiVersions) | None => BEFORE_AUTHENTICATION,
        Some(_) => OTHER_BYTES,
    }
}

/// Writes the length into the prefix that the buffer starts with.
pub(crate) fn finish(frame: &mut [u8]) -> Result<(), Error> {
    let length = frame.len().saturating_sub(PREFIX_BYTES);
    let limit = i32::MAX as usize;
    let raw = i32::try_from(length).map_err(|_| Error::TooLarge { length, limit })?;
    if let Some(prefix) = frame.first_chunk_mut::<PREFIX_BYTES>() {
        *prefix = raw.to_be_bytes();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_out_of_bounds_are_refused() {
        let limit = FrameLimit::request(100);
        let check = |length: i32| limit.check(length.to_be_bytes());
        assert_eq!(check(-1), Err(Error::Negative { length: -1 }));
        assert_eq!(check(i32::MIN), Err(Error::Negative { length: i32::MIN }));
        assert_eq!(
            check(0),
            Err(Error::TooShort {
                length: 0,
                header: 8
            })
        );
        assert_eq!(
            check(7),
            Err(Error::TooShort {
                length: 7,
                header: 8
            })
        );
        assert_eq!(check(8), Ok(8));
        assert_eq!(check(100), Ok(100));
        assert_eq!(
            check(101),
            Err(Error::TooLarge {
                length: 101,
                limit: 100
            })
        );
        assert_eq!(
            check(i32::MAX),
            Err(Error::TooLarge {
                length: i32::MAX as usize,
                limit: 100
            })
        );
    }

    #[test]
    fn the_first_bytes_name_the_api_and_its_limit() {
        assert_eq!(peek([0, 18, 0, 3]), (18, 3));
        assert_eq!(limit_for(0), limits::REQUEST_BYTES);
        assert_eq!(limit_for(18), BEFORE_AUTHENTICATION);
        assert_eq!(limit_for(12_345), BEFORE_AUTHENTICATION);
        assert!(limit_for(1) < limit_for(0));
    }
}
