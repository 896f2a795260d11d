//! The compression codecs of record batches, with a cap on what comes out of them.
//!
//! Reading is streaming: memory stays at the codec's window, whatever the input claims. Raw snappy
//! has no stream format; there the declared length is checked against what its bytes can yield.

mod compress;
mod lz4;
mod snappy;
mod zstandard;

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use holdfast_model::CompressionType;

pub use compress::{compress, compress_stream};

/// Smallest output that is always allowed, in bytes.
const SMALLEST_CAP: u64 = 32 * 1024 * 1024;

/// Largest output that is ever allowed, in bytes.
const LARGEST_CAP: u64 = 1024 * 1024 * 1024;

/// Output bytes allowed for each input byte.
const LARGEST_RATIO: u64 = 128;

/// The most bytes that compressed data of a given size may decompress to.
///
/// 128 times its size, but at least 32 MiB and at most 1 GiB. Producers size their batches by an
/// estimate of the compressed bytes, so that text of a ratio of 100 does arrive; a batch of a few
/// KiB is bounded by the producer's default buffer of 32 MiB. A bomb of 1 MiB so costs at most the
/// decompression of 128 MiB.
pub fn output_cap(compressed: usize) -> u64 {
    let ratio = u64::try_from(compressed)
        .unwrap_or(u64::MAX)
        .saturating_mul(LARGEST_RATIO);
    ratio.clamp(SMALLEST_CAP, LARGEST_CAP)
}

/// Why data could not be compressed or decompressed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The attribute bits name no codec.
    #[error("compression type {id} is unknown")]
    Unknown {
        /// The three codec bits.
        id: i16,
    },
    /// More came out than allowed.
    #[error("decompressed data exceeds the cap of {cap} bytes")]
    TooLarge {
        /// The cap.
        cap: u64,
    },
    /// Compressed by another codec the data takes more than is allowed.
    #[error("compressed as the topic wants it, the data exceeds the cap of {cap} bytes")]
    Outgrown {
        /// The cap.
        cap: u64,
    },
    /// The data is not what the codec wrote.
    #[error("invalid {codec} data: {reason}")]
    Invalid {
        /// The codec.
        codec: Codec,
        /// What the decoder found.
        reason: String,
    },
}

/// A compression codec, by the low three attribute bits of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// No compression.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Snappy, raw or in the framing of snappy-java.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Codec {
    /// Every codec, by its number.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec in the attribute bits of a batch header.
    pub fn from_attributes(attributes: i16) -> Result<Self, Error> {
        match attributes & 7 {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            id => Err(Error::Unknown { id }),
        }
    }

    /// Its number in the attribute bits.
    pub const fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// Its name in Kafka's settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec that a topic's `compression.type` asks for; `None` keeps the producer's.
    pub const fn for_topic(kind: CompressionType) -> Option<Self> {
        match kind {
            CompressionType::Producer => None,
            CompressionType::Uncompressed => Some(Self::None),
            CompressionType::Gzip => Some(Self::Gzip),
            CompressionType::Snappy => Some(Self::Snappy),
            CompressionType::Lz4 => Some(Self::Lz4),
            CompressionType::Zstd => Some(Self::Zstd),
        }
    }

    /// Whether a Produce request of this version may carry it: zstd came with version 7.
    pub const fn allowed_in_produce(self, version: i16) -> bool {
        !matches!(self, Self::Zstd) || version >= 7
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A reader of decompressed bytes that fails once more than its cap came out. Its `io::Error`s turn
/// into this module's [`Error`] by [`CappedReader::error`].
pub struct CappedReader<'a> {
    inner: Inner<'a>,
    codec: Codec,
    cap: u64,
    left: u64,
}

enum Inner<'a> {
    Plain(&'a [u8]),
    Gzip(Box<MultiGzDecoder<&'a [u8]>>),
    Snappy(snappy::Reader<'a>),
    Lz4(Box<lz4_flex::frame::FrameDecoder<&'a [u8]>>),
    Zstd(zstandard::Reader<'a>),
}

impl std::fmt::Debug for CappedReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CappedReader")
            .field("codec", &self.codec)
            .field("cap", &self.cap)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// Opens compressed data for reading; at most `cap` bytes will come out.
pub fn reader(codec: Codec, data: &[u8], cap: u64) -> Result<CappedReader<'_>, Error> {
    let mut cap = cap;
    let inner = match codec {
        Codec::None => Inner::Plain(data),
        Codec::Gzip => Inner::Gzip(Box::new(MultiGzDecoder::new(data))),
        Codec::Snappy => Inner::Snappy(snappy::Reader::new(data, cap)?),
        Codec::Lz4 => {
            lz4::check_frame(data)?;
            Inner::Lz4(Box::new(lz4_flex::frame::FrameDecoder::new(data)))
        }
        Codec::Zstd => {
            cap = zstandard::cap_for_window(data, cap)?;
            Inner::Zstd(zstandard::Reader::new(data)?)
        }
    };
    Ok(CappedReader {
        inner,
        codec,
        cap,
        left: cap,
    })
}

/// Decompresses everything into one buffer of at most `cap` bytes.
pub fn decompress(codec: Codec, data: &[u8], cap: u64) -> Result<Vec<u8>, Error> {
    let mut reader = reader(codec, data, cap)?;
    let mut out = Vec::new();
    match reader.read_to_end(&mut out) {
        Ok(_) => Ok(out),
        Err(error) => Err(reader.error(&error)),
    }
}

impl CappedReader<'_> {
    /// The typed form of an error that this reader returned.
    pub fn error(&self, error: &io::Error) -> Error {
        if error.kind() == io::ErrorKind::FileTooLarge {
            return Error::TooLarge { cap: self.cap };
        }
        invalid(self.codec, error)
    }

    fn read_inner(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::Plain(data) => data.read(out),
            Inner::Gzip(decoder) => decoder.read(out),
            Inner::Snappy(decoder) => decoder.read(out),
            Inner::Lz4(decoder) => decoder.read(out),
            Inner::Zstd(decoder) => decoder.read(out),
        }
    }
}

impl Read for CappedReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // One byte more than is left tells "exactly the cap" from "too much".
        let most = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX);
        let want = out.len().min(most);
        let Some(window) = out.get_mut(..want) else {
            return Ok(0);
        };
        let count = self.read_inner(window)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => Err(too_large()),
        }
    }
}

/// How the readers below say that the cap is exceeded; none of the decoders uses this kind.
fn too_large() -> io::Error {
    io::Error::from(io::ErrorKind::FileTooLarge)
}

fn invalid(codec: Codec, reason: impl std::fmt::Display) -> Error {
    Error::Invalid {
        codec,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests;
