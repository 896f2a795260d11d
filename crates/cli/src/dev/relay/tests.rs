//! Real sockets on the loopback interface: what a peer sees of a broker behind a relay.

use std::net::IpAddr;

use holdfast_runtime::Metrics;

use super::*;
use crate::dev::layout::Layout;

const SOON: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(200);

struct Bench {
    relay: Relay,
    address: SocketAddr,
    broker: TcpListener,
    cuts: Cuts,
}

/// The relay of broker 0 on a free port, and the socket behind it.
async fn bench() -> Bench {
    let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let cuts = Cuts::new();
    let route = Route {
        broker: 0,
        listen: address,
        target: broker.local_addr().unwrap(),
    };
    let relay = Relay::open(route, &cuts, &Tasks::new(&Metrics::new())).unwrap();
    Bench {
        relay,
        address,
        broker,
        cuts,
    }
}

fn source(broker: u16) -> IpAddr {
    Layout::new(Some("/".into()), 9092)
        .unwrap()
        .addresses(broker)
        .source
}

async fn dial(from: u16, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source(from), 0).into())?;
    match tokio::time::timeout(SILENCE, socket.connect(to)).await {
        Ok(result) => result,
        Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Both ends of a connection from a peer to broker 0 through the relay.
async fn connected(bench: &Bench, from: u16) -> (TcpStream, TcpStream) {
    let peer = dial(from, bench.address).await.unwrap();
    let (broker, _) = tokio::time::timeout(SOON, bench.broker.accept())
        .await
        .unwrap()
        .unwrap();
    (peer, broker)
}

async fn arrives(bytes: &[u8], to: &mut TcpStream) -> bool {
    let mut buffer = vec![0; bytes.len()];
    tokio::time::timeout(SOON, to.read_exact(&mut buffer))
        .await
        .is_ok()
        && buffer == bytes
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    tokio::time::timeout(SILENCE, stream.read_u8())
        .await
        .is_err()
}

#[tokio::test]
async fn bytes_and_ends_pass_in_both_directions() {
    let bench = bench().await;
    let (mut peer, mut broker) = connected(&bench, 1).await;
    peer.write_all(b"question").await.unwrap();
    assert!(arrives(b"question", &mut broker).await);
    broker.write_all(b"answer").await.unwrap();
    assert!(arrives(b"answer", &mut peer).await);
    drop(broker);
    let ended = tokio::time::timeout(SOON, peer.read(&mut [0; 1]))
        .await
        .unwrap();
    assert_eq!(ended.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_broker_that_is_cut_off_is_silent_and_refuses_nobody() {
    let bench = bench().await;
    let (mut peer, mut broker) = connected(&bench, 1).await;
    bench.cuts.cut(0);
    peer.write_all(b"lost").await.unwrap();
    assert!(is_silent(&mut broker).await);
    // Connects that begin in the cut get no answer, as from a machine that nobody reaches.
    tokio::time::sleep(SILENCE * 2).await;
    let error = dial(1, bench.address).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(bench.cuts.heal(0));
    assert!(arrives(b"lost", &mut broker).await);
    let mut peer = dial(2, bench.address).await.unwrap();
    peer.write_all(b"again").await.unwrap();
    // What filled the queue reaches the broker first, as connections that end at once.
    for _ in 0..10 {
        let accepted = tokio::time::timeout(SOON, bench.broker.accept()).await;
        let (mut broker, _) = accepted.unwrap().unwrap();
        if arrives(b"again", &mut broker).await {
            return;
        }
    }
    panic!("the new connection never arrived");
}

#[tokio::test]
async fn what_a_broker_that_is_cut_off_sends_is_lost_too() {
    let bench = bench().await;
    let (mut cut, mut behind_cut) = connected(&bench, 1).await;
    let (mut other, mut behind_other) = connected(&bench, 2).await;
    bench.cuts.cut(1);
    cut.write_all(b"x").await.unwrap();
    other.write_all(b"y").await.unwrap();
    assert!(arrives(b"y", &mut behind_other).await);
    assert!(is_silent(&mut behind_cut).await);
    // The end of a process in the cut is not seen on the other side either.
    drop(cut);
    assert!(is_silent(&mut behind_cut).await);
    bench.cuts.heal(1);
    assert!(arrives(b"x", &mut behind_cut).await);
}

#[tokio::test]
async fn a_closed_relay_refuses() {
    let bench = bench().await;
    let address = bench.address;
    drop(bench.relay);
    let mut last = None;
    for _ in 0..50 {
        last = dial(1, address).await.err().map(|error| error.kind());
        if last == Some(io::ErrorKind::ConnectionRefused) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{last:?}");
}
