//! From a frame to its answer: header, version, handler, encoding.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_runtime::budget::BudgetPermit;
use holdfast_wire::messages::{RequestKind, ResponseKind};
use holdfast_wire::request::{self, Header};
use holdfast_wire::{Api, response};

use crate::handlers::produce::Beginning;
use crate::handlers::{self, RequestContext};
use crate::metrics::ApiLabel;
use crate::state::BrokerState;

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

/// Begins a request. Produce requests are appended before this returns, so that the batches of one
/// connection keep their order; the rest of the work is in the future.
///
/// # Errors
/// The request cannot be read, or is of an API that is not served: the connection ends, as with
/// Kafka.
pub async fn begin(
    broker: &Arc<BrokerState>,
    context: &Arc<RequestContext>,
    mut frame: Bytes,
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
    let request = request::decode(header.api, header.version, frame);
    let request = request.map_err(|error| error.to_string())?;
    let context = Arc::new(context.of_request(header.client_id.as_deref()));
    let broker = Arc::clone(broker);
    let started = broker.clock.monotonic();
    let api = header.api;
    let answering: Answering = match request {
        RequestKind::Produce(produce) => {
            let begun = handlers::produce::begin(&broker, &context, header.version, produce).await;
            let broker = Arc::clone(&broker);
            Box::pin(async move {
                match begun {
                    Beginning::Answer(begun) => {
                        let answer = begun.answer(&broker).await;
                        encode(&header, &ResponseKind::Produce(answer))
                    }
                    Beginning::Silence => Answer::None,
                    Beginning::Close(code) => {
                        Answer::Close(format!("{code:?} for a producer that wants no answer"))
                    }
                }
            })
        }
        RequestKind::Fetch(fetch) => {
            let broker = Arc::clone(&broker);
            Box::pin(
                async move { handlers::fetch::handle(&broker, &context, &header, fetch).await },
            )
        }
        other => {
            let broker = Arc::clone(&broker);
            Box::pin(async move {
                match handlers::dispatch(&broker, &context, header.version, other).await {
                    Ok(answer) => encode(&header, &answer),
                    Err(reason) => Answer::Close(reason),
                }
            })
        }
    };
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

fn encode(header: &Header, body: &ResponseKind) -> Answer {
    match response::encode(header.correlation_id, header.api, header.version, body) {
        Ok(bytes) => Answer::Segments(vec![bytes], None),
        Err(error) => Answer::Close(error.to_string()),
    }
}
