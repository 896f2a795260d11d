//! Cutting a blob of records into whole batches.

use bytes::Bytes;

use super::header::batch_size;
use super::{BatchHeader, Error};

/// The whole batches of a blob, in order; slices of it, nothing is copied. Ends after the first
/// error.
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
}

/// Cuts a blob into whole batches. A batch that is cut short at the end, as a fetch limited by
/// bytes may have it, is the error [`Error::Truncated`].
pub fn batches(blob: Bytes) -> Batches {
    Batches { rest: blob }
}

impl Iterator for Batches {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let result = split_first(&mut self.rest);
        if result.is_err() {
            self.rest = Bytes::new();
        }
        Some(result)
    }
}

impl std::iter::FusedIterator for Batches {}

fn split_first(rest: &mut Bytes) -> Result<Bytes, Error> {
    let size = batch_size(rest)?;
    if rest.len() < size {
        return Err(Error::Truncated {
            have: rest.len(),
            need: size,
        });
    }
    Ok(rest.split_to(size))
}

/// The one batch that a produce request holds for a partition, with its header.
pub fn single_batch(blob: &Bytes) -> Result<BatchHeader, Error> {
    if blob.is_empty() {
        return Err(Error::NotSingle { bytes: 0 });
    }
    BatchHeader::parse_whole(blob)
}
