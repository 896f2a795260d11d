use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};
use proptest::prelude::*;

use super::*;

fn header(api: Api, version: i16) -> Header {
    let client_id = Some(StrBytes::from_static_str("me"));
    Header {
        api,
        version,
        correlation_id: 77,
        client_id,
    }
}

#[test]
fn headers_of_every_version_come_back() {
    for api in [Api::Metadata, Api::ApiVersions] {
        for version in api.served() {
            let sent = header(api, version);
            let frame = match api {
                Api::Metadata => encode(&sent, &MetadataRequest::default()),
                _ => encode(&sent, &ApiVersionsRequest::default()),
            };
            let mut frame = frame.unwrap();
            assert_eq!(frame.split_to(4)[..], (frame.len() as i32).to_be_bytes());
            assert_eq!(decode_header(&mut frame).unwrap(), sent, "{api} {version}");
            decode(api, version, frame).unwrap();
        }
    }
}

#[test]
fn what_we_do_not_answer_is_named() {
    let frame = |key: i16, version: i16| {
        let mut out = BytesMut::new();
        out.put_i16(key);
        out.put_i16(version);
        out.put_i32(5);
        out.freeze()
    };
    assert!(matches!(
        decode_header(&mut frame(4, 0)),
        Err(Error::UnknownApi { key: 4, version: 0 })
    ));
    for (api, version) in [(Api::ApiVersions, 99), (Api::Produce, 2), (Api::Fetch, 3)] {
        match decode_header(&mut frame(api.key(), version)) {
            Err(Error::UnsupportedVersion {
                api: got,
                version: v,
                correlation_id: 5,
            }) => {
                assert_eq!((got, v), (api, version));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(
        decode_header(&mut frame(3, 1)),
        Err(Error::Header)
    ));
    assert!(matches!(
        decode_header(&mut Bytes::from_static(&[0, 3])),
        Err(Error::Header)
    ));
}

#[test]
fn create_topics_with_a_count_of_2_gib_is_an_error() {
    // The twelve bytes that make an unguarded decoder reserve 240 GB.
    let frame = [0u8, 19, 0, 2, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff];
    let error = decode(Api::CreateTopics, 2, Bytes::copy_from_slice(&frame[8..])).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Body {
                api: Api::CreateTopics,
                version: 2,
                ..
            }
        ),
        "{error}"
    );
    // Here even the header ends too early; with a null client id it does not.
    assert!(decode_header(&mut Bytes::copy_from_slice(&frame)).is_err());
    let mut frame =
        Bytes::from_static(&[0, 19, 0, 2, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let header = decode_header(&mut frame).unwrap();
    assert!(decode(header.api, header.version, frame).is_err());
}

#[test]
fn what_decoding_takes_is_known_before() {
    let checked = |body: &[u8]| check(Api::Metadata, 1, Bytes::copy_from_slice(body));
    let one = checked(&[0, 0, 0, 1, 0, 1, b't']).unwrap();
    let two = checked(&[0, 0, 0, 2, 0, 1, b't', 0, 1, b'u']).unwrap();
    assert!(one.decoded_bytes() > 0);
    assert_eq!(two.decoded_bytes(), 2 * one.decoded_bytes());
    assert!(matches!(two.decode(), Ok(RequestKind::Metadata(_))));
    assert!(checked(&[0, 0, 0, 3, 0, 1, b't']).is_err());
}

#[test]
fn bytes_after_the_body_are_ignored_as_kafka_ignores_them() {
    let mut body = BytesMut::new();
    MetadataRequest::default().encode(&mut body, 12).unwrap();
    body.put_slice(b"more");
    decode(Api::Metadata, 12, body.freeze()).unwrap();
}

proptest! {
    #[test]
    fn garbage_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        version in -1i16..20,
    ) {
        let bytes = Bytes::from(bytes);
        let _ = decode_header(&mut bytes.clone());
        for api in Api::ALL {
            let _ = decode(*api, version, bytes.clone());
        }
    }
}
