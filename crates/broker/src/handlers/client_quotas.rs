//! Quotas of clients: kept and shown, so that tools and their users find what they set. Nobody is
//! slowed down by them yet.

pub mod alter;
pub mod describe;

use holdfast_kernel::image::{EntityKind, EntityName, QuotaEntity};
use holdfast_wire::StrBytes;

use super::text::text;

/// An entity from the kinds and names of a request.
///
/// # Errors
/// A sentence that says what is wrong.
fn entity<'a>(
    parts: impl Iterator<Item = (&'a StrBytes, Option<&'a StrBytes>)>,
) -> Result<QuotaEntity, String> {
    let mut entity = QuotaEntity::new();
    for (kind, name) in parts {
        let found = kind_of(kind)?;
        let name = name.map_or(EntityName::Default, |name| {
            EntityName::Named(name.to_string())
        });
        if entity.insert(found, name).is_some() {
            return Err(format!("{kind} is named twice"));
        }
    }
    Ok(entity)
}

fn kind_of(name: &str) -> Result<EntityKind, String> {
    EntityKind::of(name)
        .ok_or_else(|| format!("quotas are those of a user, client-id or ip, not of a {name}"))
}

/// The kinds and names of an answer.
fn parts(entity: &QuotaEntity) -> impl Iterator<Item = (StrBytes, Option<StrBytes>)> {
    entity.iter().map(|(kind, name)| {
        let name = match name {
            EntityName::Default => None,
            EntityName::Named(name) => Some(text(name)),
        };
        (text(kind.name()), name)
    })
}
