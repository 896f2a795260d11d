//! Kafka's schema of `__consumer_offsets`: records as bytes, and back.
//!
//! Written: offsets as version 3, with a topic id as 4, with a time of their own to expire as 1;
//! groups as version 3, those of the consumer protocol as version 0. Read: all versions that Kafka
//! reads of offsets, and 0 to 3 of groups.

mod compact;
mod fields;
mod group;
mod modern;
mod offset;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use holdfast_kernel::group::Record;
use holdfast_wire::cursor::Cursor;

use fields::{put_i16, put_text, text};

/// Key versions: what a record is about.
const OFFSET_OF_OLD: i16 = 0;
const OFFSET: i16 = 1;
const GROUP: i16 = 2;

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Its key is missing or cut short.
    #[error("the key of a record is malformed")]
    Key,
    /// It is about something else.
    #[error("records of kind {0} are not known to this version")]
    Kind(i16),
    /// Its value has a version that is not known here.
    #[error("version {version} of {what} is not known to this version")]
    Version {
        /// Of what.
        what: &'static str,
        /// The version.
        version: i16,
    },
    /// Its value is cut short.
    #[error("{0} is malformed")]
    Value(&'static str),
    /// A text does not fit.
    #[error("a text of {0} bytes is longer than the format allows")]
    TooLong(usize),
}

/// A record as key and value.
pub(super) fn encode(record: &Record) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
    let mut key = Vec::new();
    let value = match record {
        Record::Offset {
            group,
            topic,
            partition,
            value,
        } => {
            put_i16(&mut key, OFFSET);
            put_text(&mut key, group)?;
            put_text(&mut key, topic)?;
            key.extend(partition.to_be_bytes());
            value.as_ref().map(offset::encode).transpose()?
        }
        Record::Group { group, value } => {
            put_i16(&mut key, GROUP);
            put_text(&mut key, group)?;
            value.as_deref().map(group::encode).transpose()?
        }
        Record::Modern {
            group,
            key: part,
            value,
        } => {
            modern::put_key(&mut key, group, part)?;
            value.as_ref().map(modern::encode).transpose()?
        }
    };
    Ok((key, value))
}

/// A record from key and value.
pub(super) fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Record, Error> {
    let mut cursor = Cursor::new(key.ok_or(Error::Key)?);
    match cursor.i16().ok_or(Error::Key)? {
        OFFSET_OF_OLD | OFFSET => {
            let group = text(&mut cursor).ok_or(Error::Key)?;
            let topic = text(&mut cursor).ok_or(Error::Key)?;
            let partition = cursor.i32().ok_or(Error::Key)?;
            Ok(Record::Offset {
                group,
                topic,
                partition,
                value: value.map(offset::decode).transpose()?,
            })
        }
        GROUP => Ok(Record::Group {
            group: text(&mut cursor).ok_or(Error::Key)?,
            value: value.map(group::decode).transpose()?.map(Arc::new),
        }),
        kind => {
            let (group, key) = modern::key(kind, &mut cursor).ok_or(Error::Kind(kind))??;
            let value = value.map(|value| modern::decode(&key, value)).transpose()?;
            Ok(Record::Modern { group, key, value })
        }
    }
}
