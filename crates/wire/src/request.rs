//! Requests: the header, the body, and what we answer to what we do not know.
//!
//! A body is walked before it is decoded, see the module `shape`: the decoder of the message crate
//! reserves memory for any count that a request claims, so that a few bytes could end the process.
//! The walk also tells how much decoding takes, so that the memory can be found first.
//! Bytes after a complete body are ignored, as Kafka ignores them.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, RequestKind};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::cursor::Cursor;
use crate::frame::PREFIX_BYTES;
use crate::{Api, shape};

/// Why a request cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The header is not there in full.
    #[error("request header is cut short or malformed")]
    Header,
    /// We do not answer this API. Kafka closes the connection.
    #[error("unknown api key {key} version {version}")]
    UnknownApi {
        /// The API key.
        key: i16,
        /// The version.
        version: i16,
    },
    /// We do not answer this version. Kafka closes the connection, but answers `ApiVersions` (see
    /// [`crate::response::unsupported_api_versions`]).
    #[error("unsupported version {version} of {api}")]
    UnsupportedVersion {
        /// The API.
        api: Api,
        /// The version.
        version: i16,
        /// The request's number, for the answer.
        correlation_id: i32,
    },
    /// The body is malformed.
    #[error("malformed {api} v{version} request: {reason}")]
    Body {
        /// The API.
        api: Api,
        /// The version.
        version: i16,
        /// What is wrong.
        reason: String,
    },
    /// A field is set that this version cannot carry.
    #[error("cannot encode {api} v{version} request: {reason}")]
    Encode {
        /// The API.
        api: Api,
        /// The version.
        version: i16,
        /// What is wrong.
        reason: String,
    },
}

/// The header of a request that we answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The API.
    pub api: Api,
    /// Its version, one that we serve.
    pub version: i16,
    /// The request's number, which the response repeats.
    pub correlation_id: i32,
    /// How the client calls itself.
    pub client_id: Option<StrBytes>,
}

/// Reads the header off the front of a frame (without length prefix); what is left is the body.
pub fn decode_header(frame: &mut Bytes) -> Result<Header, Error> {
    let mut cursor = Cursor::new(frame);
    let key = cursor.i16().ok_or(Error::Header)?;
    let version = cursor.i16().ok_or(Error::Header)?;
    let correlation_id = cursor.i32().ok_or(Error::Header)?;
    let api = Api::from_key(key).ok_or(Error::UnknownApi { key, version })?;
    if !api.serves(version) {
        return Err(Error::UnsupportedVersion {
            api,
            version,
            correlation_id,
        });
    }
    if !shape::header_fits(cursor, api.is_flexible(version)) {
        return Err(Error::Header);
    }
    let header = RequestHeader::decode(frame, api.request_header_version(version))
        .map_err(|_| Error::Header)?;
    Ok(Header {
        api,
        version,
        correlation_id,
        client_id: header.client_id,
    })
}

/// A body whose counts and lengths fit its bytes, not decoded yet.
#[derive(Debug, Clone)]
pub struct Checked {
    api: Api,
    version: i16,
    body: Bytes,
    decoded_bytes: usize,
}

impl Checked {
    /// The memory that decoding takes at most, beside the body itself.
    pub fn decoded_bytes(&self) -> u64 {
        self.decoded_bytes as u64
    }

    /// Decodes it. Strings and records are slices of the body.
    pub fn decode(mut self) -> Result<RequestKind, Error> {
        let (api, version) = (self.api, self.version);
        RequestKind::decode(api.message_key(), &mut self.body, version)
            .map_err(|error| malformed(api, version, format!("{error:#}")))
    }
}

/// Walks the body behind a header.
pub fn check(api: Api, version: i16, body: Bytes) -> Result<Checked, Error> {
    if !api.serves(version) {
        let reason = "version is not served".to_owned();
        return Err(malformed(api, version, reason));
    }
    let decoded_bytes = shape::check(api, version, &body)
        .map_err(|fault| malformed(api, version, fault.to_string()))?;
    Ok(Checked {
        api,
        version,
        body,
        decoded_bytes,
    })
}

/// Walks the body behind a header and decodes it, whatever memory that takes.
pub fn decode(api: Api, version: i16, body: Bytes) -> Result<RequestKind, Error> {
    check(api, version, body)?.decode()
}

fn malformed(api: Api, version: i16, reason: String) -> Error {
    Error::Body {
        api,
        version,
        reason,
    }
}

/// Encodes a request with its length prefix, as a client sends it. The message must be that of the
/// API.
pub fn encode<M: Encodable>(header: &Header, body: &M) -> Result<Bytes, Error> {
    let (api, version) = (header.api, header.version);
    let failed = |reason: String| Error::Encode {
        api,
        version,
        reason,
    };
    let message = RequestHeader::default()
        .with_request_api_key(api.key())
        .with_request_api_version(version)
        .with_correlation_id(header.correlation_id)
        .with_client_id(header.client_id.clone());
    let mut out = BytesMut::new();
    out.put_bytes(0, PREFIX_BYTES);
    message
        .encode(&mut out, api.request_header_version(version))
        .and_then(|()| body.encode(&mut out, version))
        .map_err(|error| failed(format!("{error:#}")))?;
    crate::frame::finish(&mut out).map_err(|error| failed(error.to_string()))?;
    Ok(out.freeze())
}

#[cfg(test)]
mod tests;
