//! Quotas of clients change.

use holdfast_model::ErrorCode;

use super::command::AlterQuotas;
use super::{Controller, Draft, Failure, Outcome};
use crate::image::{
    Change, EntityKind, EntityName, MAX_QUOTA_ENTITIES, MAX_QUOTA_NAME, QUOTA_FEATURE_LEVEL,
    QuotaEntity, QuotaValue, check_quota,
};

impl Controller {
    pub(super) fn alter_client_quotas(draft: &mut Draft, alterations: &[AlterQuotas]) -> Outcome {
        let level = draft.image().feature_level;
        if level < QUOTA_FEATURE_LEVEL {
            let message = format!(
                "quotas are kept from feature level {QUOTA_FEATURE_LEVEL} on, and the cluster is at {level}"
            );
            return Outcome::Failed(Failure::new(ErrorCode::UnsupportedVersion, message));
        }
        let results = alterations
            .iter()
            .map(|alteration| alter(draft, alteration));
        Outcome::QuotasAltered(results.collect())
    }
}

fn alter(draft: &mut Draft, alteration: &AlterQuotas) -> Result<(), Failure> {
    let entity = &alteration.entity;
    let wrong = |message: String| Failure::new(ErrorCode::InvalidRequest, message);
    check_entity(entity).map_err(wrong)?;
    for (key, value) in &alteration.values {
        check_quota(entity, key, *value).map_err(wrong)?;
    }
    let quotas = &draft.image().client_quotas;
    if !quotas.contains_key(entity) && quotas.len() >= MAX_QUOTA_ENTITIES {
        let message =
            format!("{MAX_QUOTA_ENTITIES} users, clients and addresses have quotas already");
        return Err(Failure::new(ErrorCode::PolicyViolation, message));
    }
    let present = quotas.get(entity).cloned().unwrap_or_default();
    for (key, value) in &alteration.values {
        let value = value.and_then(QuotaValue::new);
        if present.get(key).copied() != value {
            draft.put(Change::SetClientQuota {
                entity: entity.clone(),
                key: key.clone(),
                value,
            });
        }
    }
    Ok(())
}

fn check_entity(entity: &QuotaEntity) -> Result<(), String> {
    if entity.is_empty() {
        return Err("quotas are somebody's".to_owned());
    }
    if entity.contains_key(&EntityKind::Ip) && entity.len() > 1 {
        return Err("an address has quotas by itself, not with a user or a client".to_owned());
    }
    for (kind, name) in entity {
        let EntityName::Named(name) = name else {
            continue;
        };
        if name.is_empty() || name.len() > MAX_QUOTA_NAME {
            let kind = kind.name();
            return Err(format!(
                "the name of a {kind} has 1 to {MAX_QUOTA_NAME} bytes"
            ));
        }
        if *kind == EntityKind::Ip && name.parse::<std::net::IpAddr>().is_err() {
            return Err(format!("{name} is no address"));
        }
    }
    Ok(())
}
