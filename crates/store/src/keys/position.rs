//! One number of a partition that moves often: high watermark, leader epoch, log start.

use super::DecodeError;
use super::fields::Fields;

const VERSION: u8 = 1;

/// The number's bytes: version, then the number, big-endian.
pub(crate) fn encode_position(value: i64) -> [u8; 9] {
    let mut bytes = [VERSION; 9];
    let (_, number) = bytes.split_at_mut(1);
    number.copy_from_slice(&value.to_be_bytes());
    bytes
}

/// Reads a number; never negative.
pub(crate) fn decode_position(bytes: &[u8]) -> Result<i64, DecodeError> {
    let mut fields = Fields::versioned("position", bytes, VERSION)?;
    let value = fields.i64()?;
    if value < 0 {
        return Err(fields.garbage("negative"));
    }
    fields.end()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive_encoding(value in 0..=i64::MAX) {
            prop_assert_eq!(decode_position(&encode_position(value)), Ok(value));
        }

        #[test]
        fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            prop_assume!(bytes.len() != 9 || bytes[0] != VERSION || bytes[1] >= 0x80);
            prop_assert!(decode_position(&bytes).is_err());
        }
    }
}
