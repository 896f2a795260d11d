//! GetTelemetrySubscriptions and PushTelemetry (KIP-714).

use std::sync::Arc;

use holdfast_model::ErrorCode;
use holdfast_wire::StrBytes;
use holdfast_wire::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest,
    PushTelemetryResponse,
};
use uuid::Uuid;

use super::RequestContext;
use crate::state::BrokerState;
use crate::telemetry::{CODECS, Push, Taken, origin};

/// What a client is to push: everything it has, as changes since the last time.
pub fn subscriptions(
    broker: &Arc<BrokerState>,
    request: &GetTelemetrySubscriptionsRequest,
) -> GetTelemetrySubscriptionsResponse {
    let answer = GetTelemetrySubscriptionsResponse::default();
    let Some(telemetry) = &broker.telemetry else {
        return answer.with_error_code(ErrorCode::UnsupportedVersion.code());
    };
    let client = match request.client_instance_id {
        id if id.is_nil() => Uuid::new_v4(),
        id => id,
    };
    telemetry.subscribe(client, broker.clock.monotonic());
    let interval = telemetry.interval().as_millis();
    answer
        .with_client_instance_id(client)
        .with_subscription_id(telemetry.subscription())
        .with_accepted_compression_types(CODECS.map(|codec| codec.id() as i8).into())
        .with_push_interval_ms(i32::try_from(interval).unwrap_or(i32::MAX))
        .with_telemetry_max_bytes(i32::try_from(telemetry.most_bytes()).unwrap_or(i32::MAX))
        .with_delta_temporality(true)
        // What begins with nothing is everything.
        .with_requested_metrics(vec![StrBytes::default()])
}

/// Takes what a client pushes.
pub fn push(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: PushTelemetryRequest,
) -> PushTelemetryResponse {
    let answer = PushTelemetryResponse::default();
    let Some(telemetry) = &broker.telemetry else {
        return answer.with_error_code(ErrorCode::UnsupportedVersion.code());
    };
    let from = origin(
        context.client_id.as_deref().unwrap_or(""),
        request.client_instance_id,
        &context.peer.ip().to_string(),
        broker.id().0,
    );
    let push = Push {
        client: request.client_instance_id,
        subscription: request.subscription_id,
        ends: request.terminating,
        codec: request.compression_type,
        metrics: request.metrics,
    };
    let now = broker.clock.monotonic();
    // Decompressing may take long.
    match tokio::task::block_in_place(|| telemetry.take(now, &push, &from)) {
        Ok(Taken::Handed) => answer,
        Ok(Taken::Dropped) => {
            broker.environment().metrics.telemetry.dropped.inc();
            answer
        }
        Err(code) => answer.with_error_code(code.code()),
    }
}
