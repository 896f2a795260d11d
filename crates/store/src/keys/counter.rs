//! The few keys that belong to the whole database, and the plain numbers that they hold.

use super::DecodeError;
use super::fields::Fields;

/// Version of the layout of this database.
pub(crate) const FORMAT_KEY: [u8; 1] = [0x01];
/// The next partition key to allot.
pub(crate) const NEXT_KEY_KEY: [u8; 1] = [0x02];
/// The claim of the newest commit group.
pub(crate) const CLAIM_KEY: [u8; 1] = [0x03];

const VERSION: u8 = 1;

/// A number's bytes: version, then the number, big-endian.
pub(crate) fn encode_counter(value: u64) -> [u8; 9] {
    let mut bytes = [VERSION; 9];
    let (_, number) = bytes.split_at_mut(1);
    number.copy_from_slice(&value.to_be_bytes());
    bytes
}

/// Reads a number.
pub(crate) fn decode_counter(bytes: &[u8]) -> Result<u64, DecodeError> {
    let mut fields = Fields::versioned("counter", bytes, VERSION)?;
    let value = fields.u64()?;
    fields.end()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive_encoding(value in any::<u64>()) {
            prop_assert_eq!(decode_counter(&encode_counter(value)), Ok(value));
        }

        #[test]
        fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            prop_assume!(bytes.len() != 9 || bytes[0] != VERSION);
            prop_assert!(decode_counter(&bytes).is_err());
        }
    }
}
