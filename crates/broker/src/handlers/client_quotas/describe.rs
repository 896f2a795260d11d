//! DescribeClientQuotas.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_kernel::image::{ClusterImage, EntityKind, EntityName, QuotaEntity};
use holdfast_model::ErrorCode;
use holdfast_wire::messages::describe_client_quotas_request::ComponentData;
use holdfast_wire::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use holdfast_wire::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};

use super::super::text::text;
use super::super::{CLUSTER, Operation, RequestContext};
use crate::state::BrokerState;

/// Kafka's numbers for what a name is compared with.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

/// What a kind's name has to be; any if there is none.
type Filter = BTreeMap<EntityKind, Option<EntityName>>;

/// Shows the quotas that a filter lets through.
pub fn handle(
    broker: &Arc<BrokerState>,
    context: &RequestContext,
    request: &DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    let refused = |code: ErrorCode, message: &str| {
        DescribeClientQuotasResponse::default()
            .with_error_code(code.code())
            .with_error_message(Some(text(message)))
            .with_entries(None)
    };
    if !context.authorize(Operation::Describe, CLUSTER) {
        return refused(
            ErrorCode::ClusterAuthorizationFailed,
            "Authorization failed.",
        );
    }
    match filter(&request.components) {
        Ok(filter) => DescribeClientQuotasResponse::default()
            .with_error_message(None)
            .with_entries(Some(entries(&broker.image(), &filter, request.strict))),
        Err((code, message)) => refused(code, &message),
    }
}

fn filter(components: &[ComponentData]) -> Result<Filter, (ErrorCode, String)> {
    let wrong = |message| Err((ErrorCode::InvalidRequest, message));
    let mut filter = Filter::new();
    for component in components {
        let kind = super::kind_of(&component.entity_type)
            .map_err(|message| (ErrorCode::UnsupportedVersion, message))?;
        let wanted = match (component.match_type, &component._match) {
            (EXACT, Some(name)) => Some(EntityName::Named(name.to_string())),
            (DEFAULT, None) => Some(EntityName::Default),
            (ANY, None) => None,
            (kind, _) => return wrong(format!("match type {kind} does not fit its name")),
        };
        if filter.insert(kind, wanted).is_some() {
            return wrong(format!("{} is named twice", kind.name()));
        }
    }
    if filter.contains_key(&EntityKind::Ip) && filter.len() > 1 {
        return wrong("an address has quotas by itself, not with a user or a client".to_owned());
    }
    Ok(filter)
}

fn fits(entity: &QuotaEntity, filter: &Filter, strict: bool) -> bool {
    let each = filter.iter().all(|(kind, wanted)| {
        let name = entity.get(kind);
        name.is_some_and(|name| wanted.as_ref().is_none_or(|wanted| wanted == name))
    });
    each && (!strict || entity.len() == filter.len())
}

fn entries(image: &ClusterImage, filter: &Filter, strict: bool) -> Vec<EntryData> {
    let quotas = image.client_quotas.iter();
    let shown = quotas.filter(|(entity, _)| fits(entity, filter, strict));
    let rows = shown.map(|(entity, values)| {
        let entity = super::parts(entity).map(|(kind, name)| {
            EntityData::default()
                .with_entity_type(kind)
                .with_entity_name(name)
        });
        let values = values.iter().map(|(key, value)| {
            ValueData::default()
                .with_key(text(key))
                .with_value(value.get())
        });
        EntryData::default()
            .with_entity(entity.collect())
            .with_values(values.collect())
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(parts: &[(EntityKind, &str)]) -> QuotaEntity {
        let name = |name: &str| match name {
            "" => EntityName::Default,
            name => EntityName::Named(name.to_owned()),
        };
        parts
            .iter()
            .map(|(kind, text)| (*kind, name(text)))
            .collect()
    }

    fn component(kind: &str, match_type: i8, name: Option<&str>) -> ComponentData {
        ComponentData::default()
            .with_entity_type(text(kind))
            .with_match_type(match_type)
            .with_match(name.map(text))
    }

    #[test]
    fn a_filter_names_one_all_or_the_default_and_may_be_strict() {
        let alice = entity(&[(EntityKind::User, "alice")]);
        let default = entity(&[(EntityKind::User, "")]);
        let both = entity(&[(EntityKind::User, "alice"), (EntityKind::ClientId, "app")]);
        let found = |components: &[ComponentData], strict| {
            let filter = filter(components).unwrap();
            [&alice, &default, &both].map(|entity| fits(entity, &filter, strict))
        };
        assert_eq!(found(&[], false), [true; 3]);
        assert_eq!(found(&[], true), [false; 3]);
        let exact = [component("user", EXACT, Some("alice"))];
        assert_eq!(found(&exact, false), [true, false, true]);
        assert_eq!(found(&exact, true), [true, false, false]);
        let any = [component("user", ANY, None)];
        assert_eq!(found(&any, true), [true, true, false]);
        let default = [component("user", DEFAULT, None)];
        assert_eq!(found(&default, false), [false, true, false]);
    }

    #[test]
    fn a_filter_that_contradicts_itself_is_refused() {
        for components in [
            vec![component("group", ANY, None)],
            vec![component("user", EXACT, None)],
            vec![component("user", DEFAULT, Some("alice"))],
            vec![component("user", 3, None)],
            vec![
                component("user", ANY, None),
                component("user", DEFAULT, None),
            ],
            vec![component("ip", ANY, None), component("user", ANY, None)],
        ] {
            filter(&components).unwrap_err();
        }
    }
}
