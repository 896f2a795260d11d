//! From a frame to its answer: header, version, handler, encoding, and the memory that each takes.
//!
//! Only Produce requests become messages as they come. The others stay frames until their answers
//! are due, so that of all that one connection asks for ahead one request at a time is decoded.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_runtime::budget::BudgetPermit;
use holdfast_wire::messages::{RequestKind, ResponseKind};
use holdfast_wire::request::{self, Header};
use holdfast_wire::{Api, response};

use crate::answer_memory::Asked;
use crate::handlers::produce::Beginning;
use crate::handlers::{self, RequestContext};
use crate::metrics::ApiLabel;
use crate::request_memory::{self, PATIENCE};
use crate::state::BrokerState;

/// A request that takes as many bytes or more as a message is decoded off the network threads.
const LARGE_MESSAGE: u64 = 1024 * 1024;

/// What goes back to a client.
#[derive(Debug)]
pub enum Answer {
    /// Nothing: the client asked for no answer.
    None,
    /// These bytes, in this order, and the memory that they hold until they are written.
    Segments(Vec<Bytes>, Option<BudgetPermit>),
    /// The request cannot be answered: the connection ends.
    Close(String),
}

/// An answer under way.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A request as a message.
#[derive(Debug)]
struct Decoded {
    request: RequestKind,
    /// The memory that it takes at most.
    bytes: u64,
    /// What of this the frame's own permit does not cover.
    held: Option<BudgetPermit>,
}

/// Begins a request whose frame holds so many bytes of the budget. Produce requests are appended
/// before this returns, so that the batches of one connection keep their order; the rest of the
/// work is in the future.
///
/// # Errors
/// The request cannot be read, is of an API that is not served, or finds no memory: the connection
/// ends, as with Kafka.
pub async fn begin(
    broker: &Arc<BrokerState>,
    context: &Arc<RequestContext>,
    mut frame: Bytes,
    held: u64,
) -> Result<Answering, String> {
    let header = match request::decode_header(&mut frame) {
        Ok(header) => header,
        Err(request::Error::UnsupportedVersion {
            api: Api::ApiVersions,
            correlation_id,
            ..
        }) => {
            let answer = response::unsupported_api_versions(correlation_id);
            let answer = answer.map_err(|error| error.to_string())?;
            return Ok(Box::pin(
                async move { Answer::Segments(vec![answer], None) },
            ));
        }
        Err(error) => return Err(error.to_string()),
    };
    let context = Arc::new(context.of_request(header.client_id.as_deref()));
    let started = broker.clock.monotonic();
    let api = header.api;
    let answering: Answering = if api == Api::Produce {
        begin_produce(broker, &context, header, frame, held).await?
    } else {
        let broker = Arc::clone(broker);
        Box::pin(async move {
            let answer = answer(&broker, &context, &header, frame, held).await;
            answer.unwrap_or_else(Answer::Close)
        })
    };
    let broker = Arc::clone(broker);
    Ok(Box::pin(async move {
        let answer = answering.await;
        let label = ApiLabel { api: api.name() };
        let metrics = &broker.environment().metrics;
        metrics.requests.get_or_create(&label).inc();
        let seconds = broker.clock.monotonic().since(started).as_secs_f64();
        metrics
            .request_seconds
            .get_or_create(&label)
            .observe(seconds);
        answer
    }))
}

async fn begin_produce(
    broker: &Arc<BrokerState>,
    context: &Arc<RequestContext>,
    header: Header,
    body: Bytes,
    held: u64,
) -> Result<Answering, String> {
    let decoded = decode(broker, &header, body, held).await?;
    let RequestKind::Produce(produce) = decoded.request else {
        return Err("the body is of another API than its header".to_owned());
    };
    let begun = handlers::produce::begin(broker, context, header.version, produce).await;
    let broker = Arc::clone(broker);
    // What is remembered of a request that waits is about as much as its message.
    let held = decoded.held;
    Ok(Box::pin(async move {
        let answer = match begun {
            Beginning::Answer(begun) => {
                let answer = ResponseKind::Produce(begun.answer(&broker).await);
                match encode(&header, &answer) {
                    Ok(bytes) => Answer::Segments(vec![bytes], None),
                    Err(reason) => Answer::Close(reason),
                }
            }
            Beginning::Silence => Answer::None,
            Beginning::Close(code) => {
                Answer::Close(format!("{code:?} for a producer that wants no answer"))
            }
        };
        drop(held);
        answer
    }))
}

/// Decodes a request that is due and serves it.
async fn answer(
    broker: &Arc<BrokerState>,
    context: &Arc<RequestContext>,
    header: &Header,
    body: Bytes,
    held: u64,
) -> Result<Answer, String> {
    let decoded = decode(broker, header, body, held).await?;
    let asked = Asked {
        api: header.api,
        decoded_bytes: decoded.bytes,
    };
    // The memory of the message is held until the end of this function.
    let _held = decoded.held;
    let request = match decoded.request {
        // A fetch takes memory for its answer by itself: it knows what was asked for.
        RequestKind::Fetch(fetch) => {
            return Ok(handlers::fetch::handle(broker, context, header, fetch).await);
        }
        other => other,
    };
    let (budget, memory) = (&broker.budget, &broker.answer_memory);
    let permit = memory.reserve(budget, asked).await;
    let permit = permit.map_err(|error| error.to_string())?;
    let answer = handlers::dispatch(broker, context, header.version, request).await?;
    let isolated = broker.aside().is_some();
    context.told_of_nobody.again(isolated, &answer)?;
    let bytes = encode(header, &answer)?;
    drop(answer);
    let permit = memory
        .settle(budget, asked, permit, bytes.len() as u64)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Answer::Segments(vec![bytes], Some(permit)))
}

/// Decodes a body, with memory for what the permit of its frame does not cover.
async fn decode(
    broker: &BrokerState,
    header: &Header,
    body: Bytes,
    held: u64,
) -> Result<Decoded, String> {
    let length = body.len() as u64;
    let checked = request::check(header.api, header.version, body);
    let checked = checked.map_err(|error| error.to_string())?;
    let bytes = checked.decoded_bytes();
    let held = match request_memory::beyond(held, length, bytes) {
        0 => None,
        more => {
            let permit = request_memory::take(&broker.budget, more, PATIENCE).await;
            Some(permit.map_err(|error| error.to_string())?)
        }
    };
    let request = if bytes >= LARGE_MESSAGE {
        tokio::task::block_in_place(|| checked.decode())
    } else {
        checked.decode()
    };
    Ok(Decoded {
        request: request.map_err(|error| error.to_string())?,
        bytes,
        held,
    })
}

fn encode(header: &Header, body: &ResponseKind) -> Result<Bytes, String> {
    response::encode(header.correlation_id, header.api, header.version, body)
        .map_err(|error| error.to_string())
}
