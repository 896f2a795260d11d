//! The dirty marker: batches were written behind the newest checkpoint, so a start must read their
//! index entries. Its value is the log end at which it was set, for people who look at a disk.

use holdfast_model::Offset;

use super::DecodeError;
use super::fields::Fields;

const VERSION: u8 = 1;

/// The marker's bytes.
pub(crate) fn encode_dirty(log_end: Offset) -> [u8; 9] {
    let mut bytes = [VERSION; 9];
    let (_, number) = bytes.split_at_mut(1);
    number.copy_from_slice(&log_end.0.to_be_bytes());
    bytes
}

/// Reads a marker.
pub(crate) fn decode_dirty(bytes: &[u8]) -> Result<Offset, DecodeError> {
    let mut fields = Fields::versioned("dirty marker", bytes, VERSION)?;
    let offset = Offset(fields.i64()?);
    if offset < Offset::ZERO {
        return Err(fields.garbage("negative offset"));
    }
    fields.end()?;
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn markers_survive_encoding(offset in 0..=i64::MAX) {
            prop_assert_eq!(decode_dirty(&encode_dirty(Offset(offset))), Ok(Offset(offset)));
        }

        #[test]
        fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            prop_assume!(bytes.len() != 9 || bytes[0] != VERSION || bytes[1] >= 0x80);
            prop_assert!(decode_dirty(&bytes).is_err());
        }
    }
}
