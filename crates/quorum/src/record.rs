//! The frame of every stored value: a format number, a checksum, and the value in MessagePack with
//! field names, so that fields can be added.
//!
//! The checksum covers the key too: a value that turns up under another key is damage.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::storage::Error;

/// The format written today.
const FORMAT: u8 = 1;

/// Format number and CRC32C.
const HEAD: usize = 1 + 4;

fn checksum(key: &[u8], format: u8, payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c(key);
    let crc = crc32c::crc32c_append(crc, &[format]);
    crc32c::crc32c_append(crc, payload)
}

/// Frames bytes for a key.
pub(crate) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    seal_as(FORMAT, key, payload)
}

/// Frames bytes for a key, in a format that the caller counts by itself.
pub(crate) fn seal_as(format: u8, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEAD + payload.len());
    value.push(format);
    value.extend_from_slice(&checksum(key, format, payload).to_le_bytes());
    value.extend_from_slice(payload);
    value
}

/// The bytes that were framed for a key.
pub(crate) fn open<'a>(what: &str, key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Error> {
    open_up_to(FORMAT, what, key, value)
}

/// The bytes that were framed for a key, in a format up to one that the caller knows.
pub(crate) fn open_up_to<'a>(
    newest: u8,
    what: &str,
    key: &[u8],
    value: &'a [u8],
) -> Result<&'a [u8], Error> {
    let Some((head, payload)) = value.split_at_checked(HEAD) else {
        return Err(Error::damaged(what, format!("only {} bytes", value.len())));
    };
    let format = head[0];
    let stored = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    if stored != checksum(key, format, payload) {
        return Err(Error::damaged(what, "checksum does not match"));
    }
    if format == 0 || format > newest {
        return Err(Error::Newer {
            what: what.to_owned(),
            found: format.into(),
        });
    }
    Ok(payload)
}

/// Encodes and frames a value for a key.
pub(crate) fn encode<T: Serialize>(key: &[u8], value: &T) -> Result<Vec<u8>, Error> {
    Ok(seal(key, &named(value)?))
}

/// A value in MessagePack with field names.
pub(crate) fn named<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    rmp_serde::to_vec_named(value).map_err(|error| Error::Unwritable(error.to_string()))
}

/// The value that was framed for a key.
pub(crate) fn decode<T: DeserializeOwned>(
    what: &str,
    key: &[u8],
    value: &[u8],
) -> Result<T, Error> {
    read(what, open(what, key, value)?)
}

/// The value of framed bytes.
pub(crate) fn read<T: DeserializeOwned>(what: &str, payload: &[u8]) -> Result<T, Error> {
    rmp_serde::from_slice(payload).map_err(|error| Error::damaged(what, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_and_every_cut_is_damage() {
        let value = encode(b"key", &("text", 7u64)).expect("encode");
        let back: (String, u64) = decode("pair", b"key", &value).expect("decode");
        assert_eq!(back, ("text".to_owned(), 7));
        for bit in 0..value.len() * 8 {
            let mut bad = value.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(
                decode::<(String, u64)>("pair", b"key", &bad).is_err(),
                "bit {bit}"
            );
        }
        for cut in 0..value.len() {
            assert!(
                decode::<(String, u64)>("pair", b"key", &value[..cut]).is_err(),
                "cut {cut}"
            );
        }
        assert!(
            decode::<(String, u64)>("pair", b"kex", &value).is_err(),
            "under another key"
        );
    }

    #[test]
    fn a_newer_format_is_not_called_damage() {
        let mut value = vec![FORMAT + 1];
        value.extend_from_slice(&checksum(b"key", FORMAT + 1, b"new").to_le_bytes());
        value.extend_from_slice(b"new");
        assert!(matches!(
            open("it", b"key", &value),
            Err(Error::Newer { found: 2, .. })
        ));
    }
}
