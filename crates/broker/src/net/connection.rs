//! One connection: frames in, answers out, in order.
//!
//! The reader takes a frame as the memory budget has room for it, begins the request and hands the
//! rest of its work to the writer as a future. Produce requests append while they are begun, in
//! arrival order; everything else happens when its answer is due.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use holdfast_runtime::budget::BudgetPermit;
use holdfast_runtime::tasks::Tasks;
use holdfast_wire::frame::{self, FrameLimit, PREFIX_BYTES};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::frame_body::{self, Patience};
use crate::handlers::RequestContext;
use crate::pipeline::{self, Answer};
use crate::request_memory;
use crate::state::BrokerState;

/// Answers that one connection may have under way: Kafka's clients pipeline five requests.
const ANSWERS_IN_FLIGHT: usize = 32;

/// How long a peer may take for each part of a frame, or to read a part of an answer.
pub(super) const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);

/// Segments given to the system at once.
const SEGMENTS: usize = 64;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The peer closed it.
    #[error("closed by the peer")]
    Closed,
    /// Nothing came for too long.
    #[error("idle for too long")]
    Idle,
    /// A frame or its answer made no progress.
    #[error("the peer made no progress")]
    Stalled,
    /// The system reports an error.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A frame has an impossible length.
    #[error("{0}")]
    Frame(#[from] frame::Error),
    /// There was no memory for the rest of a frame.
    #[error("no memory for the rest of a frame")]
    NoMemory,
    /// The memory budget can never hold the frame.
    #[error("{0}")]
    Budget(#[from] holdfast_runtime::budget::Error),
    /// The request cannot be answered.
    #[error("{0}")]
    Request(String),
    /// The process stops.
    #[error("the broker stops")]
    Stopping,
}

/// An answer under way, and the memory that its request holds.
type Pending = (Pin<Box<dyn Future<Output = Answer> + Send>>, BudgetPermit);

/// Serves a connection until it ends; says why.
pub async fn serve(
    stream: TcpStream,
    context: RequestContext,
    broker: Arc<BrokerState>,
    tasks: Tasks,
) -> End {
    let (reader, writer) = stream.into_split();
    let (pending, answers) = mpsc::channel(ANSWERS_IN_FLIGHT);
    let stop = tasks.shutdown_token();
    tokio::select! {
        // Requests under way when the process stops are answered by the writer while it can; a
        // client whose answer is lost asks again elsewhere.
        biased;
        end = write(writer, answers) => end,
        end = read(reader, context, broker, pending) => end,
        () = stop.cancelled() => End::Stopping,
    }
}

async fn read(
    mut reader: OwnedReadHalf,
    context: RequestContext,
    broker: Arc<BrokerState>,
    pending: mpsc::Sender<Pending>,
) -> End {
    let context = Arc::new(context);
    loop {
        wait_for_plenty(&broker, &pending).await;
        let (frame, permit) = match next_frame(&mut reader, &broker).await {
            Ok(next) => next,
            Err(End::Closed) => {
                // What was asked before is still answered: the writer ends when all is written.
                drop(pending);
                return std::future::pending().await;
            }
            Err(end) => return end,
        };
        match pipeline::begin(&broker, &context, frame, permit.bytes()).await {
            Ok(answer) => {
                if pending.send((answer, permit)).await.is_err() {
                    return End::Closed;
                }
            }
            Err(reason) => return End::Request(reason),
        }
    }
}

/// While memory is short, a connection whose requests wait for their answers asks for no more:
/// those who send ahead and never read leave memory to those who do not.
async fn wait_for_plenty(broker: &BrokerState, pending: &mpsc::Sender<Pending>) {
    while pending.capacity() < ANSWERS_IN_FLIGHT && request_memory::is_short(&broker.budget) {
        tokio::time::sleep(request_memory::PAUSE).await;
    }
}

async fn next_frame(
    reader: &mut OwnedReadHalf,
    broker: &BrokerState,
) -> Result<(Bytes, BudgetPermit), End> {
    let idle = Duration::from_millis(broker.config.connection_idle_ms);
    let mut prefix = [0u8; PREFIX_BYTES];
    match tokio::time::timeout(idle, reader.read_exact(&mut prefix)).await {
        Err(_elapsed) => return Err(End::Idle),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(End::Closed),
        Ok(result) => result?,
    };
    let limit = FrameLimit::request(broker.config.request_max_bytes as usize);
    let length = limit.check(prefix)?;
    frame_body::read(reader, &broker.budget, length, Patience::USUAL).await
}

async fn write(mut writer: OwnedWriteHalf, mut answers: mpsc::Receiver<Pending>) -> End {
    while let Some((answer, permit)) = answers.recv().await {
        match answer.await {
            Answer::None => {}
            Answer::Close(reason) => return End::Request(reason),
            Answer::Segments(segments, _held) => {
                if let Err(end) = write_all(&mut writer, segments).await {
                    return end;
                }
            }
        }
        drop(permit);
    }
    End::Closed
}

/// Writes segments without joining them. An answer has a least speed as a frame has: whoever reads a
/// few bytes now and then would hold its memory for ever.
async fn write_all(writer: &mut OwnedWriteHalf, segments: Vec<Bytes>) -> Result<(), End> {
    let bytes: usize = segments.iter().map(Bytes::len).sum();
    let slowest = PROGRESS_TIMEOUT + Duration::from_secs(bytes as u64 / Patience::USUAL.speed);
    let written = tokio::time::timeout(slowest, write_segments(writer, segments)).await;
    written.map_err(|_elapsed| End::Stalled)?
}

async fn write_segments(writer: &mut OwnedWriteHalf, mut segments: Vec<Bytes>) -> Result<(), End> {
    segments.retain(|segment| !segment.is_empty());
    let mut next = 0;
    while next < segments.len() {
        let slices: Vec<IoSlice<'_>> = segments[next..]
            .iter()
            .take(SEGMENTS)
            .map(|segment| IoSlice::new(segment))
            .collect();
        let written = tokio::time::timeout(PROGRESS_TIMEOUT, writer.write_vectored(&slices)).await;
        let mut written = written.map_err(|_elapsed| End::Stalled)??;
        if written == 0 {
            return Err(End::Closed);
        }
        while written > 0 {
            let segment = &mut segments[next];
            let step = written.min(segment.len());
            segment.advance(step);
            written -= step;
            if segment.is_empty() {
                next += 1;
            }
        }
    }
    Ok(())
}
