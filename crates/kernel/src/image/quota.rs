//! Quotas of clients: kept and shown; nobody is slowed down by them yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest name of a user or client, in bytes.
pub const MAX_QUOTA_NAME: usize = 1024;

/// Entities that have quotas, at most.
pub const MAX_QUOTA_ENTITIES: usize = 10_000;

/// By what clients are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntityKind {
    /// By their address.
    Ip,
    /// By who they are.
    User,
    /// By the name that they give themselves.
    ClientId,
}

impl EntityKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ip, Self::User, Self::ClientId];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::User => "user",
            Self::ClientId => "client-id",
        }
    }

    /// The kind with a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Whose quotas they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntityName {
    /// Everybody's who has none of their own.
    Default,
    /// One's.
    Named(String),
}

/// A user, a client, a client of a user, or an address.
pub type QuotaEntity = BTreeMap<EntityKind, EntityName>;

/// How much: bytes or connections a second, or percent of a thread. Finite, and above zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuotaValue(f64);

/// Not a number is no quota, so that one equals itself.
impl Eq for QuotaValue {}

impl QuotaValue {
    /// A quota, if it is one.
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value > 0.0).then_some(Self(value))
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// What can be limited, whose, and whether in whole numbers.
const QUOTAS: [(&str, bool, bool); 5] = [
    ("producer_byte_rate", false, true),
    ("consumer_byte_rate", false, true),
    ("request_percentage", false, false),
    ("controller_mutation_rate", false, false),
    ("connection_creation_rate", true, true),
];

/// Whether an entity may have a quota, and this one.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_quota(entity: &QuotaEntity, key: &str, value: Option<f64>) -> Result<(), String> {
    let by_address = entity.contains_key(&EntityKind::Ip);
    let known = QUOTAS
        .into_iter()
        .find(|(name, of_address, _)| *name == key && *of_address == by_address);
    let Some((_, _, whole)) = known else {
        let whose = if by_address {
            "an address"
        } else {
            "a user or client"
        };
        return Err(format!("{key} is no quota of {whose}"));
    };
    let Some(value) = value else {
        return Ok(());
    };
    if QuotaValue::new(value).is_none() {
        return Err(format!("{key} must be above zero, not {value}"));
    }
    if whole && value.fract() != 0.0 {
        return Err(format!("{key} must be a whole number, not {value}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(kind: EntityKind) -> QuotaEntity {
        QuotaEntity::from([(kind, EntityName::Default)])
    }

    #[test]
    fn each_kind_has_quotas_of_its_own_within_bounds() {
        let user = entity(EntityKind::User);
        let ip = entity(EntityKind::Ip);
        check_quota(&user, "producer_byte_rate", Some(1024.0)).unwrap();
        check_quota(&user, "request_percentage", Some(12.5)).unwrap();
        check_quota(&user, "request_percentage", None).unwrap();
        check_quota(&ip, "connection_creation_rate", Some(7.0)).unwrap();
        for (entity, key, value) in [
            (&user, "connection_creation_rate", 7.0),
            (&ip, "producer_byte_rate", 7.0),
            (&user, "producer_byte_rate", 0.0),
            (&user, "producer_byte_rate", 1.5),
            (&user, "consumer_byte_rate", f64::NAN),
            (&user, "request_percentage", f64::INFINITY),
            (&user, "speed", 7.0),
        ] {
            check_quota(entity, key, Some(value)).unwrap_err();
        }
    }
}
