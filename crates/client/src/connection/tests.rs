//! A connection against a peer that a real broker never is: silent, wrong, gone in the middle.

use std::time::Duration;

use bytes::{Buf, Bytes};
use holdfast_wire::messages::api_versions_response::ApiVersion;
use holdfast_wire::messages::{
    ApiVersionsResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId,
};
use holdfast_wire::{Api, request, response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{ConnectOptions, Connection};
use crate::Error;

fn options() -> ConnectOptions {
    ConnectOptions {
        client_id: "test".to_owned(),
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_millis(300),
    }
}

/// The peer's side of one connection.
struct Peer {
    stream: TcpStream,
}

impl Peer {
    /// Reads one request and returns its header.
    async fn read(&mut self) -> request::Header {
        let length = self.stream.read_u32().await.unwrap();
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame).await.unwrap();
        request::decode_header(&mut Bytes::from(frame)).unwrap()
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Answers a producer id request with an id of the peer's choice.
    async fn answer(&mut self, header: &request::Header, id: i64) {
        let body = InitProducerIdResponse::default().with_producer_id(ProducerId(id));
        let answer =
            response::encode_message(header.correlation_id, header.api, header.version, &body);
        self.write(&answer.unwrap()).await;
    }

    /// Accepts, and answers the question for versions as an old broker does: error 35 in version
    /// 0 first, then the table.
    async fn accept(listener: TcpListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut peer = Self { stream };
        let header = peer.read().await;
        assert_eq!(header.api, Api::ApiVersions);
        peer.write(&response::unsupported_api_versions(header.correlation_id).unwrap())
            .await;
        let header = peer.read().await;
        assert_eq!((header.api, header.version), (Api::ApiVersions, 0));
        let row = |key: i16, low: i16, high: i16| {
            ApiVersion::default()
                .with_api_key(key)
                .with_min_version(low)
                .with_max_version(high)
        };
        let body = ApiVersionsResponse::default().with_api_keys(vec![
            row(Api::InitProducerId.key(), 0, 99),
            row(Api::Metadata.key(), 90, 99),
            row(Api::ApiVersions.key(), 0, 0),
        ]);
        let answer = response::encode_message(header.correlation_id, header.api, 0, &body);
        peer.write(&answer.unwrap()).await;
        peer
    }
}

async fn pair() -> (Connection, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let options = options();
    let (connection, peer) =
        tokio::join!(Connection::open(&address, &options), Peer::accept(listener));
    (connection.unwrap(), peer)
}

async fn ask(connection: &Connection) -> Result<i64, Error> {
    let body = InitProducerIdRequest::default();
    connection
        .call(&body)
        .await
        .map(|answer| answer.producer_id.0)
}

#[tokio::test]
async fn versions_are_negotiated_down_to_what_both_speak() {
    let (connection, _peer) = pair().await;
    let highest = *Api::InitProducerId.served().end();
    assert_eq!(connection.version(Api::InitProducerId).unwrap(), highest);
    for api in [Api::Metadata, Api::Fetch] {
        assert!(matches!(
            connection.version(api),
            Err(Error::Unsupported { .. })
        ));
    }
}

#[tokio::test]
async fn answers_reach_their_callers_in_any_order() {
    let (connection, mut peer) = pair().await;
    let serve = async {
        let (one, two, three) = (peer.read().await, peer.read().await, peer.read().await);
        for header in [&three, &one, &two] {
            peer.answer(header, i64::from(header.correlation_id)).await;
        }
        [one, two, three].map(|header| i64::from(header.correlation_id))
    };
    let (a, b, c, sent) = tokio::join!(ask(&connection), ask(&connection), ask(&connection), serve);
    assert_eq!([a.unwrap(), b.unwrap(), c.unwrap()], sent);
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_take_an_answer_from_the_next() {
    let (connection, mut peer) = pair().await;
    let short = Duration::from_millis(20);
    tokio::time::timeout(short, ask(&connection))
        .await
        .unwrap_err();
    let serve = async {
        let (one, two) = (peer.read().await, peer.read().await);
        // The first answer comes in two pieces, the cut within its length.
        let body = InitProducerIdResponse::default().with_producer_id(ProducerId(1));
        let late = response::encode_message(one.correlation_id, one.api, one.version, &body);
        let mut late = late.unwrap();
        peer.write(&late[..2]).await;
        late.advance(2);
        peer.write(&late).await;
        peer.answer(&two, 2).await;
    };
    let (answer, ()) = tokio::join!(ask(&connection), serve);
    assert_eq!(answer.unwrap(), 2);
    assert!(!connection.is_broken());
}

#[tokio::test]
async fn a_silent_peer_ends_the_connection_for_everybody() {
    let (connection, _peer) = pair().await;
    let first = async {
        let answer = ask(&connection).await;
        assert!(matches!(answer, Err(Error::Timeout { .. })), "{answer:?}");
    };
    let second = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer = ask(&connection).await;
        assert!(matches!(&answer, Err(Error::Closed { .. })), "{answer:?}");
        assert!(answer.unwrap_err().is_retriable());
    };
    tokio::join!(first, second);
    assert!(connection.is_broken());
}

#[tokio::test]
async fn wrong_answers_are_errors() {
    // A length of 2 GiB, an answer that nobody asked for, and the end of the stream.
    let wrong: [&[u8]; 3] = [&[0x7f, 0xff, 0xff, 0xff], &[0, 0, 0, 4, 0x7f, 0, 0, 9], &[]];
    for bytes in wrong {
        let (connection, mut peer) = pair().await;
        let serve = async {
            peer.read().await;
            peer.write(bytes).await;
            drop(peer);
        };
        let (answer, ()) = tokio::join!(ask(&connection), serve);
        assert!(matches!(&answer, Err(Error::Closed { .. })), "{answer:?}");
        assert!(connection.is_broken());
    }
    // A body that is cut short is an error of this request only.
    let (connection, mut peer) = pair().await;
    let serve = async {
        let header = peer.read().await;
        let [a, b, c, d] = header.correlation_id.to_be_bytes();
        peer.write(&[0, 0, 0, 6, a, b, c, d, 0, 0]).await;
    };
    let (answer, ()) = tokio::join!(ask(&connection), serve);
    assert!(matches!(&answer, Err(Error::Protocol { .. })), "{answer:?}");
    assert!(!connection.is_broken());
}
