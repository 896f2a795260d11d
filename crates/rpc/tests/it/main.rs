//! Channels against real servers on loopback ports.

mod golden;
#[path = "../../../../tests/versions/golden.rs"]
mod golden_bytes;
mod loopback;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_model::SystemClock;
use holdfast_rpc::{Address, Channels, Class, Error, Options, Probe, Request, call, limits, proto};
use loopback::Loopback;
use tokio_stream::StreamExt;

fn channels() -> Channels {
    Channels::new(Options::default(), Arc::new(SystemClock::new()))
}

fn address(at: SocketAddr) -> Address {
    Address::new(at.ip().to_string(), at.port())
}

/// A port on which nothing listens: bound once by the kernel's choice, then closed.
async fn closed_port() -> Address {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    address(listener.local_addr().expect("address"))
}

fn request(payload: &'static [u8]) -> proto::RaftRequest {
    proto::RaftRequest {
        envelope: Some(loopback::identity().envelope()),
        payload: Bytes::from_static(payload),
        ..Default::default()
    }
}

const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_closed_port_is_a_refusal_and_stays_one_during_the_pause() {
    let channels = channels();
    let peer = closed_port().await;
    assert_eq!(channels.probe(&peer).await, Probe::Refused);
    for _attempt in 0..5 {
        let channel = channels.get(&peer, Class::Control).expect("address");
        let mut client = limits::raft_client(channel);
        let error = call(DEADLINE, client.vote(request(b"x")))
            .await
            .expect_err("nobody there");
        assert!(matches!(error, Error::Refused), "{error:?}");
    }
}

#[tokio::test]
async fn silence_is_not_a_refusal() {
    // Accepts connections by the kernel's backlog, and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let peer = address(silent.local_addr().expect("address"));
    let channels = channels();
    assert_eq!(channels.probe(&peer).await, Probe::Listening);
    let mut client = limits::raft_client(channels.get(&peer, Class::Control).expect("address"));
    let deadline = Duration::from_millis(100);
    let error = call(deadline, client.vote(request(b"x")))
        .await
        .expect_err("no answer");
    assert!(matches!(error, Error::TimedOut(_)), "{error:?}");
}

#[tokio::test]
async fn a_channel_finds_a_server_that_comes_back() {
    let channels = channels();
    let server = Loopback::start(None).await;
    let at = server.address;
    let peer = address(at);
    let mut client = limits::raft_client(channels.get(&peer, Class::Control).expect("address"));
    let answer = call(DEADLINE, client.vote(request(b"one")))
        .await
        .expect("answer");
    assert_eq!(answer.payload, Bytes::from_static(b"one"));
    server.stop().await;
    let error = call(DEADLINE, client.vote(request(b"two")))
        .await
        .expect_err("stopped");
    assert!(
        matches!(error, Error::Refused | Error::Unreachable(_)),
        "{error:?}"
    );
    let _again = Loopback::start(Some(at)).await;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        match call(DEADLINE, client.vote(request(b"three"))).await {
            Ok(answer) => {
                assert_eq!(answer.payload, Bytes::from_static(b"three"));
                break;
            }
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_message_of_another_cluster_is_refused() {
    let server = Loopback::start(None).await;
    let peer = address(server.address);
    let channel = channels().get(&peer, Class::Control).expect("address");
    let mut client = limits::raft_client(channel);
    let mut foreign = request(b"x");
    foreign.envelope.as_mut().expect("set").cluster_id = Bytes::from_static(&[9; 16]);
    let error = call(DEADLINE, client.vote(foreign))
        .await
        .expect_err("foreign");
    let Error::Answered { code, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(code, tonic::Code::FailedPrecondition);
}

#[tokio::test]
async fn raw_frames_pass_whole_up_to_the_limit() {
    let server = Loopback::start(None).await;
    let peer = address(server.address);
    let channel = channels().get(&peer, Class::Replication).expect("address");
    let mut client = limits::replication_client(channel);
    let frames: Vec<Bytes> = [0, 1, 70_000, limits::REPLICATION_BYTES - 5]
        .iter()
        .enumerate()
        .map(|(index, length)| Bytes::from(vec![index as u8; *length]))
        .collect();
    let mut open = Request::new(tokio_stream::iter(frames.clone()));
    loopback::identity().introduce(open.metadata_mut());
    let echoed = client.replicate(open).await.expect("stream").into_inner();
    let echoed: Vec<Bytes> = echoed.map(|frame| frame.expect("frame")).collect().await;
    assert_eq!(echoed, frames);

    let huge = Bytes::from(vec![0u8; limits::REPLICATION_BYTES + 1]);
    let mut open = Request::new(tokio_stream::iter([huge]));
    loopback::identity().introduce(open.metadata_mut());
    let result = async { client.replicate(open).await?.into_inner().message().await }.await;
    assert!(result.is_err(), "a frame above the limit went through");
}

/// Seen on a busy cluster: a broker that stopped waited its whole grace period for a stream of a peer.
#[tokio::test]
async fn a_stream_that_a_peer_leaves_open_does_not_hold_the_servers_end() {
    let server = Loopback::start(None).await;
    let peer = address(server.address);
    let channel = channels().get(&peer, Class::Replication).expect("address");
    let mut client = limits::replication_client(channel);
    // The echo ends when its stream does, and this one never does.
    let endless = tokio_stream::iter([Bytes::from_static(b"x")]).chain(tokio_stream::pending());
    let mut open = Request::new(endless);
    loopback::identity().introduce(open.metadata_mut());
    let mut echoed = client.replicate(open).await.expect("stream").into_inner();
    let first = echoed.message().await.expect("frame");
    assert_eq!(first, Some(Bytes::from_static(b"x")));
    let ended = tokio::time::timeout(Duration::from_mins(1), server.stop()).await;
    assert!(ended.is_ok(), "the server waits for a stream of a peer");
}
