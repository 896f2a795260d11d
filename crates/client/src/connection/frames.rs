//! Answers cut out of the byte stream.

use bytes::{Buf, Bytes, BytesMut};
use holdfast_wire::frame::{FrameLimit, PREFIX_BYTES};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

/// Largest answer: a fetch of the largest batch beside the usual 50 MiB.
const ANSWER_BYTES: usize = 128 * 1024 * 1024;

/// Memory asked for at once: grows with the bytes that come, not with the length they claim.
const STEP_BYTES: usize = 64 * 1024;

/// Cancel-safe: what was read of a frame stays in the buffer.
#[derive(Debug)]
pub(super) struct FrameReader {
    half: OwnedReadHalf,
    buffer: BytesMut,
}

impl FrameReader {
    pub(super) fn new(half: OwnedReadHalf) -> Self {
        Self {
            half,
            buffer: BytesMut::new(),
        }
    }

    /// The next answer, without its length prefix.
    pub(super) async fn next(&mut self) -> Result<Bytes, String> {
        loop {
            if let Some(frame) = cut(&mut self.buffer)? {
                return Ok(frame);
            }
            self.buffer.reserve(STEP_BYTES);
            let count = self
                .half
                .read_buf(&mut self.buffer)
                .await
                .map_err(|error| error.to_string())?;
            if count == 0 {
                return Err("closed by the broker".to_owned());
            }
        }
    }
}

/// Cuts one whole frame off the front of the buffer, if it is there.
fn cut(buffer: &mut BytesMut) -> Result<Option<Bytes>, String> {
    let Some(prefix) = buffer.first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let length = FrameLimit::response(ANSWER_BYTES)
        .check(*prefix)
        .map_err(|error| error.to_string())?;
    if buffer.len() - PREFIX_BYTES < length {
        return Ok(None);
    }
    buffer.advance(PREFIX_BYTES);
    Ok(Some(buffer.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutate;

    #[test]
    fn frames_are_cut_whole_or_not_at_all() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 5, 1, 2, 3, 4][..]);
        assert_eq!(cut(&mut buffer), Ok(None));
        buffer.extend_from_slice(&[5, 0, 0]);
        assert_eq!(
            cut(&mut buffer),
            Ok(Some(Bytes::from_static(&[1, 2, 3, 4, 5])))
        );
        assert_eq!(buffer[..], [0, 0]);
    }

    #[test]
    fn impossible_lengths_are_errors() {
        for prefix in [[0x7f, 0xff, 0xff, 0xff], [0xff, 0, 0, 0], [0, 0, 0, 1]] {
            assert!(cut(&mut BytesMut::from(&prefix[..])).is_err());
        }
    }
    #[test]
    fn hostile_streams_never_panic_and_give_only_what_came() {
        let seeds = [
            vec![0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 4, 1, 2, 3, 4],
            vec![0x7f, 0xff, 0xff, 0xff, 1],
        ];
        mutate::each(&seeds, 4_000, |bytes| {
            let mut buffer = BytesMut::from(bytes);
            let mut left = bytes.len();
            while let Ok(Some(frame)) = cut(&mut buffer) {
                left -= PREFIX_BYTES + frame.len();
                assert_eq!(buffer.len(), left);
            }
        });
    }
}
