//! Reads a frame behind its length, and takes memory for it only as it comes.
//!
//! What a client claims costs nothing: it is given about as much as it has sent. So that clients
//! which begin frames and stop cannot wait for each other for ever, whoever holds memory waits for
//! more only for a while, and a frame must come at a least speed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use holdfast_runtime::budget::{self, BudgetPermit, MemoryBudget, Share};
use holdfast_wire::frame::{self, FrameLimit, PEEK_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::connection::{End, PROGRESS_TIMEOUT};

/// Memory for the first part of a frame, in bytes: a client gets it for four.
const FIRST_BYTES: usize = 16 * 1024;

/// The most that is taken at once, in bytes.
const LARGEST_STEP: usize = 1024 * 1024;

/// How slow a client may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// How long each part of a frame may take.
    pub(super) part: Duration,
    /// How long a frame that is half there waits for memory.
    pub(super) memory: Duration,
    /// The least speed of a frame, in bytes a second, beside `part` for the whole.
    pub(super) speed: u64,
}

impl Patience {
    /// What clients get.
    pub(super) const USUAL: Self = Self {
        part: PROGRESS_TIMEOUT,
        memory: Duration::from_secs(10),
        speed: 64 * 1024,
    };
}

/// Reads a frame of `length` bytes, which the limit of all requests allows.
pub(super) async fn read<R: AsyncRead + Unpin>(
    reader: &mut R,
    budget: &MemoryBudget,
    length: usize,
    patience: Patience,
) -> Result<(Bytes, BudgetPermit), End> {
    let capacity = budget.capacity(Share::Requests);
    if length as u64 > capacity {
        return Err(End::Budget(budget::Error::TooLarge {
            share: Share::Requests,
            bytes: length as u64,
            capacity,
        }));
    }
    let first = length.min(FIRST_BYTES);
    let mut permit = budget.acquire(Share::Requests, first as u64).await?;
    let slowest = patience.part + Duration::from_secs(length as u64 / patience.speed);
    let whole = timeout(slowest, async {
        let mut bytes = BytesMut::with_capacity(first);
        fill(reader, &mut bytes, first, patience.part).await?;
        if let Some(peek) = bytes.first_chunk::<PEEK_BYTES>() {
            let (api_key, _) = frame::peek(*peek);
            FrameLimit::request(frame::limit_for(api_key)).check_size(length)?;
        }
        while bytes.len() < length {
            let step = bytes.len().clamp(FIRST_BYTES, LARGEST_STEP);
            let step = step.min(length - bytes.len());
            let more = timeout(
                patience.memory,
                budget.acquire(Share::Requests, step as u64),
            );
            permit.merge(more.await.map_err(|_elapsed| End::NoMemory)??);
            bytes.reserve(step);
            let end = bytes.len() + step;
            fill(reader, &mut bytes, end, patience.part).await?;
        }
        Ok::<Bytes, End>(bytes.freeze())
    });
    let bytes = whole.await.map_err(|_elapsed| End::Stalled)??;
    Ok((bytes, permit))
}

/// Reads until the buffer holds `length` bytes, never more. There is room for them.
async fn fill<R: AsyncRead + Unpin>(
    reader: &mut R,
    bytes: &mut BytesMut,
    length: usize,
    patience: Duration,
) -> Result<(), End> {
    while bytes.len() < length {
        let missing = length - bytes.len();
        let mut limited = bytes::BufMut::limit(&mut *bytes, missing);
        let count = timeout(patience, reader.read_buf(&mut limited)).await;
        if count.map_err(|_elapsed| End::Stalled)?? == 0 {
            return Err(End::Closed);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use holdfast_runtime::Metrics;
    use tokio::io::AsyncWriteExt;

    use super::*;

    const MIB: usize = 1 << 20;

    const SHORT: Patience = Patience {
        part: Duration::from_millis(300),
        memory: Duration::from_millis(100),
        speed: 64 * MIB as u64,
    };

    /// A budget whose share for requests has 25 MiB.
    fn budget() -> MemoryBudget {
        MemoryBudget::new(100 << 20, &Metrics::new())
    }

    /// A Produce request as far as its limit is concerned.
    fn frame(length: usize) -> Vec<u8> {
        let mut bytes = vec![7; length];
        bytes[..4].copy_from_slice(&[0, 0, 0, 8]);
        bytes
    }

    #[tokio::test]
    async fn frames_of_every_size_arrive_whole() {
        let budget = budget();
        for length in [
            8,
            100,
            FIRST_BYTES,
            FIRST_BYTES + 1,
            100_000,
            MIB,
            5 * MIB + 3,
        ] {
            let (mut client, mut server) = tokio::io::duplex(1000);
            let sent = frame(length);
            let expected = sent.clone();
            let (read, written) = tokio::join!(
                read(&mut server, &budget, length, Patience::USUAL),
                async move {
                    client.write_all(&sent).await?;
                    client.write_all(b"next").await
                }
            );
            written.unwrap();
            let (bytes, permit) = read.unwrap();
            assert_eq!(bytes, expected);
            assert_eq!(permit.bytes(), length.div_ceil(1024) as u64 * 1024);
        }
        assert_eq!(budget.available(Share::Requests), 25 << 20);
    }

    #[tokio::test]
    async fn a_claim_takes_no_more_memory_than_was_sent() {
        let budget = budget();
        let (mut client, mut server) = tokio::io::duplex(MIB);
        client.write_all(&frame(70_000)).await.unwrap();
        let mut reading = std::pin::pin!(read(&mut server, &budget, 20 * MIB, SHORT));
        let short = timeout(Duration::from_millis(100), &mut reading).await;
        assert!(short.is_err());
        let taken = (25 << 20) - budget.available(Share::Requests);
        assert!(taken <= 2 * 70_000, "{taken}");
        // It stops there, and is given up on.
        assert!(matches!(reading.await, Err(End::Stalled)));
        assert_eq!(budget.available(Share::Requests), 25 << 20);
    }

    #[tokio::test]
    async fn a_trickle_is_given_up_on() {
        let budget = budget();
        let (mut client, mut server) = tokio::io::duplex(MIB);
        let trickle = async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if client.write_all(b"x").await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            read = read(&mut server, &budget, 10_000, SHORT) => {
                assert!(matches!(read, Err(End::Stalled)));
            }
            () = trickle => {}
        }
    }

    #[tokio::test]
    async fn frames_that_hold_all_memory_do_not_wait_for_ever() {
        let budget = budget();
        let _others = budget.try_acquire(Share::Requests, 24 << 20).unwrap();
        let (mut client, mut server) = tokio::io::duplex(4 * MIB);
        client.write_all(&frame(2 * MIB)).await.unwrap();
        let read = read(&mut server, &budget, 2 * MIB, SHORT).await;
        assert!(matches!(read, Err(End::NoMemory)));
        assert_eq!(budget.available(Share::Requests), 1 << 20);
    }

    #[tokio::test]
    async fn what_no_limit_allows_ends_the_connection() {
        let budget = budget();
        let (mut client, mut server) = tokio::io::duplex(MIB);
        let large = read(&mut server, &budget, 26 * MIB, SHORT).await;
        assert!(matches!(large, Err(End::Budget(_))));
        let mut unknown = frame(100_000);
        unknown[..2].copy_from_slice(&[9, 9]);
        client.write_all(&unknown).await.unwrap();
        let unknown = read(&mut server, &budget, 100_000, SHORT).await;
        assert!(matches!(unknown, Err(End::Frame(_))));
    }
}
