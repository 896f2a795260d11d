//! openraft's messages as bytes: a format number, then MessagePack with field names.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The format written today.
const FORMAT: u8 = 1;

/// A payload that cannot be used. Payloads come from a socket: nothing in them is trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("empty payload")]
    Empty,
    #[error("payload of format {0}, this version knows up to {FORMAT}")]
    Newer(u8),
    #[error("payload cannot be read: {0}")]
    Unreadable(#[from] rmp_serde::decode::Error),
    #[error("payload cannot be written: {0}")]
    Unwritable(#[from] rmp_serde::encode::Error),
}

pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Bytes, Error> {
    let mut bytes = vec![FORMAT];
    rmp_serde::encode::write_named(&mut bytes, message)?;
    Ok(bytes.into())
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    match bytes.split_first() {
        None => Err(Error::Empty),
        Some((&FORMAT, message)) => Ok(rmp_serde::from_slice(message)?),
        Some((format, _)) => Err(Error::Newer(*format)),
    }
}
