//! InitProducerId: an id for an idempotent producer, never given out twice.

use std::sync::Arc;

use holdfast_kernel::controller::{Command, Outcome};
use holdfast_model::ErrorCode;
use holdfast_wire::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use parking_lot::Mutex;

use super::{CLUSTER, Operation, RequestContext};
use crate::state::{BrokerState, PRODUCER_ID_BLOCK};

/// No producer id, no epoch.
const NONE: i64 = -1;
const NO_EPOCH: i16 = -1;

/// Gives out a new id with epoch 0. A producer without transactions gets a new one also where it
/// names its old one, as with Kafka: nobody keeps which epochs of an id are taken, and two producers
/// with one id and epoch would have each other's records dropped as duplicates.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let id = match check(context, &request) {
        Ok(()) => next_id(broker).await,
        Err(code) => Err(code),
    };
    match id {
        Ok(id) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(0),
        Err(code) => InitProducerIdResponse::default()
            .with_error_code(code.code())
            .with_producer_id(ProducerId(NONE))
            .with_producer_epoch(NO_EPOCH),
    }
}

fn check(context: &RequestContext, request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    if let Some(transactional_id) = &request.transactional_id {
        if !context.authorize(Operation::Write, transactional_id) {
            return Err(ErrorCode::TransactionalIdAuthorizationFailed);
        }
        if transactional_id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        return Err(ErrorCode::CoordinatorNotAvailable);
    }
    if !context.authorize(Operation::Write, CLUSTER) {
        return Err(ErrorCode::ClusterAuthorizationFailed);
    }
    // Both or neither.
    if (request.producer_id.0 == NONE) != (request.producer_epoch == NO_EPOCH) {
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(())
}

/// The next id of this broker's block; a new block is committed by the quorum first.
async fn next_id(broker: &BrokerState) -> Result<i64, ErrorCode> {
    if let Some(id) = take(&broker.producer_ids) {
        return Ok(id);
    }
    // Clients ask again after this code.
    let later = ErrorCode::CoordinatorLoadInProgress;
    let broker_epoch = broker.environment().broker_epoch().ok_or(later)?;
    let command = Command::AllocateProducerIds {
        broker: broker.id(),
        broker_epoch,
        count: PRODUCER_ID_BLOCK,
    };
    match broker.decide(command).await {
        Outcome::ProducerIds(first) => Ok(refill(&broker.producer_ids, first)),
        outcome => {
            tracing::info!(?outcome, "no producer ids now");
            Err(later)
        }
    }
}

fn take(block: &Mutex<(i64, i64)>) -> Option<i64> {
    let mut block = block.lock();
    let (next, end) = *block;
    (next < end).then(|| {
        block.0 = next + 1;
        next
    })
}

/// Takes the first id of a new block and keeps the rest, unless another request brought a block
/// meanwhile: then the rest is left unused, which costs nothing.
fn refill(block: &Mutex<(i64, i64)>, first: i64) -> i64 {
    let mut block = block.lock();
    if block.0 >= block.1 {
        *block = (first + 1, first + i64::from(PRODUCER_ID_BLOCK));
    }
    first
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use holdfast_wire::messages::TransactionalId;

    use super::super::testing::context;
    use super::super::text::text;
    use super::*;

    #[test]
    fn no_id_is_given_out_twice_whoever_brings_a_block() {
        let block = Mutex::new((0, 0));
        let mut given = BTreeSet::new();
        assert_eq!(take(&block), None);
        // Two requests found the block empty and brought one each.
        assert!(given.insert(refill(&block, 0)));
        assert!(given.insert(refill(&block, 1000)));
        while let Some(id) = take(&block) {
            assert!(given.insert(id), "{id} was given out twice");
        }
        assert_eq!(given.len(), 1001);
        assert!(given.insert(refill(&block, 2000)));
        assert_eq!(take(&block), Some(2001));
    }

    fn plain() -> InitProducerIdRequest {
        InitProducerIdRequest::default().with_transactional_id(None)
    }

    #[test]
    fn an_id_comes_with_its_epoch_or_not_at_all() {
        assert_eq!(check(&context(), &plain()), Ok(()));
        let both = plain()
            .with_producer_id(ProducerId(7))
            .with_producer_epoch(0);
        assert_eq!(check(&context(), &both), Ok(()));
        let half = plain().with_producer_id(ProducerId(7));
        assert_eq!(check(&context(), &half), Err(ErrorCode::InvalidRequest));
        let half = plain().with_producer_epoch(1);
        assert_eq!(check(&context(), &half), Err(ErrorCode::InvalidRequest));
    }

    #[test]
    fn transactions_wait_for_a_coordinator() {
        let named = |id: &str| plain().with_transactional_id(Some(TransactionalId(text(id))));
        assert_eq!(
            check(&context(), &named("t")),
            Err(ErrorCode::CoordinatorNotAvailable)
        );
        assert_eq!(
            check(&context(), &named("")),
            Err(ErrorCode::InvalidRequest)
        );
    }
}
