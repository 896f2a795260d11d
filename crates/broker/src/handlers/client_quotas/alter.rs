//! AlterClientQuotas.

use std::sync::Arc;

use holdfast_kernel::controller::{AlterQuotas, Command, Failure, Outcome};
use holdfast_kernel::image::{ClusterImage, QuotaValue};
use holdfast_model::ErrorCode;
use holdfast_wire::messages::alter_client_quotas_request::EntryData as Wish;
use holdfast_wire::messages::alter_client_quotas_response::{EntityData, EntryData};
use holdfast_wire::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};

use super::super::text::text;
use super::super::{CLUSTER, Operation, RequestContext, failure, wait};
use crate::state::BrokerState;

/// The request has no time of its own.
const PATIENCE_MS: i32 = 5_000;

/// Changes quotas, each entity's wholly or not at all.
pub async fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: AlterClientQuotasRequest,
) -> AlterClientQuotasResponse {
    let mut good = Vec::new();
    let wishes: Vec<Result<(), Failure>> = request
        .entries
        .iter()
        .map(|wish| read(context, wish).map(|wish| good.push(wish)))
        .collect();
    let outcomes = decide(broker, &good, request.validate_only).await;
    let mut outcomes = outcomes.into_iter();
    let entries = request.entries.iter().zip(wishes).map(|(asked, wish)| {
        let outcome = wish.and_then(|()| outcomes.next().unwrap_or(Ok(())));
        render(asked, outcome.err())
    });
    AlterClientQuotasResponse::default().with_entries(entries.collect())
}

fn read(context: &RequestContext, wish: &Wish) -> Result<AlterQuotas, Failure> {
    if !context.authorize(Operation::Alter, CLUSTER) {
        let code = ErrorCode::ClusterAuthorizationFailed;
        return Err(Failure::new(code, "Authorization failed."));
    }
    let named = wish
        .entity
        .iter()
        .map(|part| (&part.entity_type, part.entity_name.as_ref()));
    let entity =
        super::entity(named).map_err(|message| Failure::new(ErrorCode::InvalidRequest, message))?;
    let values = wish
        .ops
        .iter()
        .map(|op| (op.key.to_string(), (!op.remove).then_some(op.value)));
    Ok(AlterQuotas {
        entity,
        values: values.collect(),
    })
}

async fn decide(
    broker: &Arc<BrokerState>,
    alterations: &[AlterQuotas],
    validate_only: bool,
) -> Vec<Result<(), Failure>> {
    if alterations.is_empty() {
        return Vec::new();
    }
    let command = Command::AlterClientQuotas {
        alterations: alterations.to_vec(),
        validate_only,
    };
    let outcomes = match broker.decide(command).await {
        Outcome::QuotasAltered(outcomes) => outcomes,
        other => {
            let failure = failure::of_all(other);
            return alterations.iter().map(|_| Err(failure.clone())).collect();
        }
    };
    if !validate_only {
        let kept: Vec<&AlterQuotas> = alterations
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| outcome.is_ok())
            .map(|(alteration, _)| alteration)
            .collect();
        let limit = wait::limit(PATIENCE_MS);
        // Late is not wrong: they are decided.
        wait::until(broker, limit, |image| {
            kept.iter().all(|wish| shows(image, wish))
        })
        .await;
    }
    outcomes
}

fn shows(image: &ClusterImage, wish: &AlterQuotas) -> bool {
    let present = image.client_quotas.get(&wish.entity);
    wish.values.iter().all(|(key, value)| {
        let shown = present.and_then(|quotas| quotas.get(key)).copied();
        shown == value.and_then(QuotaValue::new)
    })
}

fn render(asked: &Wish, failure: Option<Failure>) -> EntryData {
    let entity = asked.entity.iter().map(|part| {
        EntityData::default()
            .with_entity_type(part.entity_type.clone())
            .with_entity_name(part.entity_name.clone())
    });
    let code = failure
        .as_ref()
        .map_or(ErrorCode::None, |failure| failure.code);
    EntryData::default()
        .with_error_code(code.code())
        .with_error_message(failure.map(|failure| text(&failure.message)))
        .with_entity(entity.collect())
}
