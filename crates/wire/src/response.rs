//! Responses: with their header and length prefix, ready for the socket.

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_model::ErrorCode;
use kafka_protocol::messages::{ApiVersionsResponse, ResponseHeader, ResponseKind};
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::Api;
use crate::frame::{self, PREFIX_BYTES};

/// Why a response cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is set that this version cannot carry, or the response exceeds 2 GiB.
    #[error("cannot encode {api} v{version} response: {reason}")]
    Encode {
        /// The API.
        api: Api,
        /// The version.
        version: i16,
        /// What is wrong.
        reason: String,
    },
    /// The response is malformed.
    #[error("malformed {api} v{version} response: {reason}")]
    Decode {
        /// The API.
        api: Api,
        /// The version.
        version: i16,
        /// What is wrong.
        reason: String,
    },
}

/// Encodes a response of any API.
pub fn encode(
    correlation_id: i32,
    api: Api,
    version: i16,
    body: &ResponseKind,
) -> Result<Bytes, Error> {
    with_frame(correlation_id, api, version, |out| {
        body.encode(out, version)
    })
}

/// Encodes a response whose message type is known; it must be that of the API.
pub fn encode_message<M: Encodable>(
    correlation_id: i32,
    api: Api,
    version: i16,
    body: &M,
) -> Result<Bytes, Error> {
    with_frame(correlation_id, api, version, |out| {
        body.encode(out, version)
    })
}

fn with_frame<E: std::fmt::Display>(
    correlation_id: i32,
    api: Api,
    version: i16,
    body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<Bytes, Error> {
    let failed = |reason: String| Error::Encode {
        api,
        version,
        reason,
    };
    let mut out = BytesMut::new();
    out.put_bytes(0, PREFIX_BYTES);
    ResponseHeader::default()
        .with_correlation_id(correlation_id)
        .encode(&mut out, api.response_header_version(version))
        .map_err(|error| failed(format!("{error:#}")))?;
    body(&mut out).map_err(|error| failed(format!("{error:#}")))?;
    frame::finish(&mut out).map_err(|error| failed(error.to_string()))?;
    Ok(out.freeze())
}

/// The answer to a version of `ApiVersions` that we do not know: the body of version 0 with error
/// 35 and the versions of `ApiVersions` that we do know, as Kafka answers it.
pub fn unsupported_api_versions(correlation_id: i32) -> Result<Bytes, Error> {
    let versions = Api::ApiVersions.advertised();
    let row = kafka_protocol::messages::api_versions_response::ApiVersion::default()
        .with_api_key(Api::ApiVersions.key())
        .with_min_version(*versions.start())
        .with_max_version(*versions.end());
    let body = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(vec![row]);
    encode_message(correlation_id, Api::ApiVersions, 0, &body)
}

/// Decodes a response frame (without length prefix): the number of its request, and the message.
///
/// For clients, which chose their broker: unlike requests, responses are not walked before they are
/// decoded, so that a hostile broker may make the decoder reserve memory for a count it only claims.
pub fn decode(api: Api, version: i16, mut frame: Bytes) -> Result<(i32, ResponseKind), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Decode {
        api,
        version,
        reason: format!("{error:#}"),
    };
    let header = ResponseHeader::decode(&mut frame, api.response_header_version(version))
        .map_err(|error| failed(&error))?;
    let body = ResponseKind::decode(api.message_key(), &mut frame, version)
        .map_err(|error| failed(&error))?;
    Ok((header.correlation_id, body))
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };
    use kafka_protocol::messages::{BrokerId, FetchResponse, MetadataResponse, TopicName};
    use kafka_protocol::protocol::StrBytes;

    use super::*;

    #[test]
    fn every_response_of_every_version_comes_back() {
        for version in Api::Metadata.served() {
            let message = MetadataResponse::default();
            let frame = encode_message(7, Api::Metadata, version, &message).unwrap();
            let length = u32::from_be_bytes(*frame.first_chunk::<4>().unwrap());
            assert_eq!(length as usize, frame.len() - 4);
            let (id, kind) = decode(Api::Metadata, version, frame.slice(4..)).unwrap();
            assert_eq!(id, 7);
            assert!(matches!(kind, ResponseKind::Metadata(_)));
        }
    }

    #[test]
    fn an_unknown_version_of_api_versions_gets_a_version_0_body() {
        let frame = unsupported_api_versions(9).unwrap();
        // Length, correlation id, error code 35, one row: key 18, versions 0 to 4.
        let expected = [
            0, 0, 0, 16, 0, 0, 0, 9, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4,
        ];
        assert_eq!(frame[..], expected);
    }

    #[test]
    fn a_field_that_the_version_cannot_carry_is_an_error() {
        let message = FetchResponse::default().with_session_id(1);
        assert!(matches!(
            encode_message(1, Api::Fetch, 4, &message),
            Err(Error::Encode {
                api: Api::Fetch,
                version: 4,
                ..
            })
        ));
    }
    #[test]
    fn a_response_cut_anywhere_is_an_error_and_never_a_panic() {
        let text = StrBytes::from_static_str;
        let broker = MetadataResponseBroker::default()
            .with_node_id(BrokerId(1))
            .with_host(text("host"))
            .with_port(9092);
        let partition = MetadataResponsePartition::default()
            .with_leader_id(BrokerId(1))
            .with_replica_nodes(vec![BrokerId(1)]);
        let topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName(text("topic"))))
            .with_partitions(vec![partition]);
        let message = MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_topics(vec![topic]);
        for version in Api::Metadata.served() {
            let frame = encode_message(7, Api::Metadata, version, &message).unwrap();
            let frame = frame.slice(PREFIX_BYTES..);
            decode(Api::Metadata, version, frame.clone()).unwrap();
            for end in 0..frame.len() {
                let cut = decode(Api::Metadata, version, frame.slice(..end));
                assert!(cut.is_err(), "version {version}, cut at {end}");
            }
        }
    }
}
