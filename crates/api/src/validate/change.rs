//! What may change of a resource, and what may not.

use super::Found;
use crate::cluster::{MessageClusterSpec, Storage, Zone};
use crate::quantity::quantity_bytes;
use crate::{MessageTopicSpec, rules};

pub(super) fn cluster(old: &MessageClusterSpec, new: &MessageClusterSpec, found: &mut Found) {
    let key = old.topology_key == new.topology_key;
    found.add_unless(key, "spec.topologyKey", rules::TOPOLOGY_KEY_FIXED.says);
    let laws = (rules::STORAGE_SHRINKS.says, rules::STORAGE_CLASS_FIXED.says);
    storage(&old.storage, &new.storage, "spec.storage", laws, found);
    let laws = (
        rules::ZONE_STORAGE_SHRINKS.says,
        rules::ZONE_STORAGE_CLASS_FIXED.says,
    );
    for (index, zone) in new.zones.iter().enumerate() {
        let Some(before) = in_zone(old, &zone.name) else {
            continue;
        };
        let field = format!("spec.zones[{index}].storage");
        match (zone.storage.as_ref(), before) {
            // What neither had of its own was judged above.
            (None, Before { own: false, .. }) => {}
            (Some(after), before @ Before { own: true, .. }) => {
                let laws = (rules::STORAGE_SHRINKS.says, rules::STORAGE_CLASS_FIXED.says);
                storage(before.storage, after, &field, laws, found);
            }
            (after, before) => {
                let after = after.unwrap_or(&new.storage);
                storage(before.storage, after, &field, laws, found);
            }
        }
    }
    // The zones that are named no longer, none being named: all of them stay.
    let named_before: &[Zone] = if new.zones.is_empty() {
        &old.zones
    } else {
        &[]
    };
    for before in named_before.iter().filter_map(|zone| zone.storage.as_ref()) {
        storage(before, &new.storage, "spec.zones", laws, found);
    }
}

/// The storage that a zone had.
struct Before<'a> {
    storage: &'a Storage,
    /// Whether it was the zone's own.
    own: bool,
}

/// What a zone had; nothing for a zone that was not there. When no zone was named, every zone may
/// have been there.
fn in_zone<'a>(old: &'a MessageClusterSpec, name: &str) -> Option<Before<'a>> {
    let shared = Before {
        storage: &old.storage,
        own: false,
    };
    if old.zones.is_empty() {
        return Some(shared);
    }
    let zone = old.zones.iter().find(|zone| zone.name == name)?;
    Some(match &zone.storage {
        Some(storage) => Before { storage, own: true },
        None => shared,
    })
}

fn storage(
    old: &Storage,
    new: &Storage,
    field: &str,
    (shrinks, class_fixed): (&str, &str),
    found: &mut Found,
) {
    let bytes = |storage: &Storage| quantity_bytes(&storage.size);
    // A size that is none is judged by itself.
    let grows = bytes(old)
        .zip(bytes(new))
        .is_none_or(|(old, new)| new >= old);
    found.add_unless(grows, format_args!("{field}.size"), shrinks);
    let same = old.class == new.class;
    found.add_unless(same, format_args!("{field}.class"), class_fixed);
}

pub(super) fn topic(old: &MessageTopicSpec, new: &MessageTopicSpec, found: &mut Found) {
    let cluster = old.cluster == new.cluster;
    found.add_unless(cluster, "spec.cluster", rules::TOPIC_CLUSTER_FIXED.says);
    let name = old.topic_name == new.topic_name;
    found.add_unless(name, "spec.topicName", rules::TOPIC_NAME_FIXED.says);
    let partitions = new.partitions >= old.partitions;
    found.add_unless(partitions, "spec.partitions", rules::PARTITIONS_SHRINK.says);
    let replicas = new.replicas == old.replicas;
    found.add_unless(replicas, "spec.replicas", rules::TOPIC_REPLICAS_FIXED.says);
}
