//! What becomes of each child, for who looks at a plan before anything is done.

use holdfast_api::MessageCluster;

use super::children::{Change, common_file_stands};
use super::{Judged, Look, Operator};
use crate::build::{self, names};
use crate::{Finding, ObjectKey, Observed};

/// What becomes of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is made.
    Made,
    /// It is changed.
    Changed,
    /// It is removed.
    Removed,
    /// It stays as it is.
    Kept,
}

/// A child, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildFate {
    /// Which one.
    pub key: ObjectKey,
    /// What becomes of it.
    pub fate: Fate,
}

/// All children of a cluster, and what Kubernetes makes for its brokers: in an order in which they can
/// be made. Secrets are not among what is observed: those of a new cluster are made.
///
/// # Errors
/// As for [`decide`](super::decide): nothing is done about such a resource.
pub fn fates(
    resource: &MessageCluster,
    observed: &Observed,
    operator: &Operator,
    check: &dyn Fn(&str) -> Result<(), String>,
) -> Result<Vec<ChildFate>, Vec<Finding>> {
    let judged = Judged::new(resource, observed, operator, check)?;
    let look = Look::new(&judged.cluster, observed, &judged.kept);
    let name = &judged.cluster.name;
    let is_new = judged.standing.written.is_none();
    let made = |made| if made { Fate::Made } else { Fate::Kept };
    let mut all = vec![fate("ConfigMap", names::identity(name), made(is_new))];
    let secrets = [names::authority, names::broker_tls, names::admin_tls];
    let foreign = judged.cluster.spec.certificates.authority_secret.is_some();
    for secret in secrets.iter().skip(usize::from(foreign)) {
        all.push(fate("Secret", secret(name), made(is_new)));
    }
    for child in &look.children {
        let key = child.object.key.clone();
        let fate = match child.change {
            Change::None => Fate::Kept,
            _ => changed(observed, &key),
        };
        all.push(ChildFate { key, fate });
    }
    if !look.addresses_missing.is_empty() {
        for file in [names::config(name), names::brokers(name)] {
            let mut one = fate("ConfigMap", file, Fate::Kept);
            let stands = one.key.name == names::config(name) && common_file_stands(&look);
            if !stands {
                one.fate = changed(observed, &one.key);
            }
            all.push(one);
        }
    }
    for zone in &look.zones {
        let key = zone.object.key.clone();
        let asked = zone
            .set
            .is_none_or(|set| set.replicas != zone.zone.replicas);
        let differs = zone.set.is_none() || zone.change != Change::None || asked;
        let fate = if differs {
            changed(observed, &key)
        } else {
            Fate::Kept
        };
        all.push(ChildFate { key, fate });
    }
    for broker in &look.names {
        let there = observed.claims.contains_key(&broker.claim);
        let claim = broker.claim.clone();
        all.push(fate("PersistentVolumeClaim", claim, made(!there)));
    }
    let removed = build::unwanted(&judged.cluster, observed).into_iter();
    all.extend(removed.map(|(key, _uid)| ChildFate {
        key,
        fate: Fate::Removed,
    }));
    Ok(all)
}

fn changed(observed: &Observed, key: &ObjectKey) -> Fate {
    if observed.children.contains_key(key) {
        Fate::Changed
    } else {
        Fate::Made
    }
}

fn fate(kind: &str, name: String, fate: Fate) -> ChildFate {
    let kind = kind.to_owned();
    ChildFate {
        key: ObjectKey { kind, name },
        fate,
    }
}
