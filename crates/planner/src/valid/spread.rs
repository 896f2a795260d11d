//! How many brokers each zone has.

use std::collections::BTreeMap;

use holdfast_api::{MessageClusterSpec, Zone};

use crate::ZoneRange;

/// The brokers of each zone that is used, by name. What no zone has for itself is spread evenly; the
/// zones that come first in `ranges` get what is left over, so that the order in which a resource
/// lists its zones moves no broker.
pub(crate) fn even_shares(
    spec: &MessageClusterSpec,
    ranges: &[ZoneRange],
) -> BTreeMap<String, i32> {
    let known = ranges.iter().map(|range| range.name.as_str());
    let asked = |name: &str| spec.zones.iter().find(|zone| zone.name == name);
    let is_new = |zone: &&Zone| !ranges.iter().any(|range| range.name == zone.name);
    let all = known
        .filter(|name| spec.zones.is_empty() || asked(name).is_some())
        .chain(spec.zones.iter().filter(is_new).map(|z| z.name.as_str()));
    let (mut shares, mut open) = (BTreeMap::new(), Vec::new());
    for name in all {
        match asked(name).and_then(|zone| zone.replicas) {
            Some(fixed) => {
                shares.insert(name.to_owned(), fixed);
            }
            None => open.push(name),
        }
    }
    let left = (spec.replicas - shares.values().sum::<i32>()).max(0);
    let count = i32::try_from(open.len()).unwrap_or(i32::MAX).max(1);
    for (place, name) in (0..).zip(open) {
        let extra = i32::from(place < left % count);
        shares.insert(name.to_owned(), left / count + extra);
    }
    shares
}
