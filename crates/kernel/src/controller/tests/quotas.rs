//! Quotas of clients.

use holdfast_model::ErrorCode;

use super::*;
use crate::image::{EntityKind, EntityName, QuotaEntity};

fn named(kind: EntityKind, name: &str) -> QuotaEntity {
    QuotaEntity::from([(kind, EntityName::Named(name.to_owned()))])
}

fn alter(office: &mut Office, entity: QuotaEntity, values: &[(&str, Option<f64>)]) -> ErrorCode {
    let values = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), *value));
    let command = Command::AlterClientQuotas {
        alterations: vec![AlterQuotas {
            entity,
            values: values.collect(),
        }],
        validate_only: false,
    };
    match office.ask(&command) {
        Outcome::QuotasAltered(mut results) => {
            let result = results.remove(0);
            result.err().map_or(ErrorCode::None, |failure| failure.code)
        }
        other => refusal(&other),
    }
}

#[test]
fn quotas_are_set_changed_and_taken_away_and_nothing_else_is() {
    let mut office = Office::of_three();
    let alice = named(EntityKind::User, "alice");
    let set =
        |office: &mut Office, value| alter(office, alice.clone(), &[("producer_byte_rate", value)]);
    assert_eq!(set(&mut office, Some(1024.0)), ErrorCode::None);
    assert_eq!(set(&mut office, Some(2048.0)), ErrorCode::None);
    let shown = office.image.client_quotas[&alice]["producer_byte_rate"];
    assert!((shown.get() - 2048.0).abs() < f64::EPSILON);
    let version = office.image.clone();
    assert_eq!(set(&mut office, Some(2048.0)), ErrorCode::None);
    assert_eq!(office.image.client_quotas, version.client_quotas);
    assert_eq!(set(&mut office, None), ErrorCode::None);
    assert!(office.image.client_quotas.is_empty(), "nobody is left");
}

#[test]
fn one_wrong_quota_spoils_all_of_its_entity() {
    let mut office = Office::of_three();
    let alice = named(EntityKind::User, "alice");
    let values = [
        ("producer_byte_rate", Some(1024.0)),
        ("consumer_byte_rate", Some(-1.0)),
    ];
    let told = alter(&mut office, alice, &values);
    assert_eq!(told, ErrorCode::InvalidRequest);
    let mut both = named(EntityKind::Ip, "10.0.0.1");
    both.extend(named(EntityKind::User, "alice"));
    let rate = [("connection_creation_rate", Some(1.0))];
    for entity in [
        both,
        QuotaEntity::new(),
        named(EntityKind::Ip, "nowhere"),
        named(EntityKind::ClientId, ""),
    ] {
        assert_eq!(alter(&mut office, entity, &rate), ErrorCode::InvalidRequest);
    }
    assert!(office.image.client_quotas.is_empty());
}

#[test]
fn an_older_cluster_keeps_no_quotas() {
    let mut office = Office::of_three();
    office.image.feature_level = 1;
    let alice = named(EntityKind::User, "alice");
    let told = alter(&mut office, alice, &[("producer_byte_rate", Some(1.0))]);
    assert_eq!(told, ErrorCode::UnsupportedVersion);
}
