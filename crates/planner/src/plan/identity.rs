//! Which cluster this is. A new one is made only where nothing at all speaks for an older one.

use holdfast_api::MessageCluster;

use super::steps::{short, step};
use super::{Look, Operator, Work};
use crate::{Act, Finding, Identity, Observed, StepKind, Urgency, extended, new_identity};

/// Where a cluster stands with its identity.
#[derive(Debug)]
pub(super) struct Standing {
    /// As it shall be, with the ranges of new zones.
    pub(super) identity: Identity,
    /// As it is written down.
    pub(super) written: Option<Identity>,
}

impl Standing {
    /// Whether a zone's range of ids is written down.
    pub(super) fn knows(&self, zone: &str) -> bool {
        let zones = self.written.iter().flat_map(|written| &written.zones);
        zones.into_iter().any(|range| range.name == zone)
    }
}

/// Finds the identity, or chooses a new one.
pub(super) fn standing(
    resource: &MessageCluster,
    observed: &Observed,
    operator: &Operator,
) -> Result<Standing, Finding> {
    if let Some(written) = &observed.identity {
        let larger = extended(resource, written);
        return Ok(Standing {
            identity: larger.unwrap_or_else(|| written.clone()),
            written: Some(written.clone()),
        });
    }
    // Sets and pods count like claims: their claims exist, or will in a moment.
    let traces: Vec<String> = observed
        .claims
        .keys()
        .map(|name| format!("volume {name}"))
        .chain(
            observed
                .sets
                .keys()
                .map(|name| format!("StatefulSet {name}")),
        )
        .chain(
            observed
                .pods
                .values()
                .map(|pod| format!("pod {}", pod.name)),
        )
        .collect();
    if !traces.is_empty() {
        return Err(missing(resource, &traces));
    }
    let fresh = &observed.fresh_cluster_id;
    let identity = new_identity(resource, &observed.nodes, fresh, &operator.version)?;
    Ok(Standing {
        identity,
        written: None,
    })
}

/// Data without the identity that tells whose it is. A new formation would make its disks strangers.
fn missing(resource: &MessageCluster, traces: &[String]) -> Finding {
    let name = resource.metadata.name.as_deref().unwrap_or_default();
    let shown: Vec<&str> = traces.iter().take(3).map(String::as_str).collect();
    Finding {
        reason: "IdentityMissing",
        message: format!(
            "{} of an older cluster {name} exist, but the ConfigMap {name}-identity that says which \
             cluster it was does not: restore it (status.clusterId of a backup of the resource has \
             the id). No new cluster is formed beside old data, and nothing is touched",
            shown.join(", ")
        ),
        stalled: true,
    }
}

/// A new cluster's identity is written before anything else exists.
pub(super) fn works(look: &Look<'_>, standing: &Standing) -> Vec<Work> {
    if standing.written.is_some() {
        return Vec::new();
    }
    let zones: Vec<&str> = look.cluster.zones.iter().map(|z| z.name.as_str()).collect();
    let step = step(
        StepKind::CreateIdentity,
        format!("cluster {}", look.cluster.name),
        short(&zones),
        Urgency::Wish,
    )
    .because("the cluster is new")
    .risking("the zones' ranges of broker ids stay for ever");
    vec![Work::new(step).acting(vec![Act::CreateIdentity(standing.identity.clone())])]
}
