//! Writes the identity, once, and what becomes of it.

use holdfast_api::CLUSTER_LABEL;
use holdfast_planner::seen::broker_of;
use holdfast_planner::{Identity, ObjectKey};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::ResourceExt;
use kube::api::{ListParams, PostParams};

use super::{Done, Scene};
use crate::error::Error;
use crate::identity_map;
use crate::kinds::{CONFIG_MAP, MANAGER};

/// How many claims one listing brings: more than a namespace has, so that there is one request.
const CLAIMS_AT_ONCE: u32 = 500;

impl Scene<'_> {
    /// Makes a new cluster. A formation beside the disks of an older one would be two clusters of one
    /// name, so the API server itself is asked whether there are claims, whatever the caches say
    /// (`INV-FORM-ONCE`).
    pub(super) async fn create_identity(&self, identity: &Identity) -> Result<Done, Error> {
        let claims = self.api::<PersistentVolumeClaim>();
        let mut params = ListParams::default().limit(CLAIMS_AT_ONCE);
        loop {
            let page = claims.list_metadata(&params).await?;
            let ours = page.items.iter().find(|claim| {
                let label = claim.labels().get(CLUSTER_LABEL).map(String::as_str);
                belongs(&claim.name_any(), label, &self.key.name)
            });
            if let Some(claim) = ours {
                return Err(Error::Stale(format!("the volume {}", claim.name_any())));
            }
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                break;
            }
        }
        self.check_absent(CONFIG_MAP, &identity_map::name(&self.key.name))
            .await?;
        let map = identity_map::write(self.key, identity, None)?;
        // If there is one by now, this fails.
        self.api::<ConfigMap>().create(&written(), &map).await?;
        Ok(Done::All)
    }

    /// Changes the identity in the version that was seen.
    pub(super) async fn update_identity(&self, identity: &Identity) -> Result<Done, Error> {
        let name = identity_map::name(&self.key.name);
        let kind = CONFIG_MAP.to_owned();
        let seen = self.look.observed.children.get(&ObjectKey {
            kind,
            name: name.clone(),
        });
        let version = seen.and_then(|seen| seen["metadata"]["resourceVersion"].as_str());
        let version = version.ok_or_else(|| Error::Stale(format!("ConfigMap {name}")))?;
        let map = identity_map::write(self.key, identity, Some(version.to_owned()))?;
        self.api::<ConfigMap>()
            .replace(&name, &written(), &map)
            .await?;
        Ok(Done::All)
    }
}

fn written() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// Whether a claim is one of the cluster's: by its label, or where somebody took that away, by its
/// name.
fn belongs(name: &str, label: Option<&str>, cluster: &str) -> bool {
    if let Some(label) = label {
        return label == cluster;
    }
    let rest = name
        .strip_prefix("data-")
        .and_then(|rest| rest.strip_prefix(cluster));
    rest.is_some_and(|rest| rest.starts_with('-') && broker_of(rest).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_found_by_its_label_or_its_name() {
        assert!(belongs("data-orders-a-1000", Some("orders"), "orders"));
        assert!(belongs("anything", Some("orders"), "orders"));
        assert!(belongs("data-orders-a-1000", None, "orders"));
        assert!(!belongs("data-orders-x-a-1000", Some("orders-x"), "orders"));
        assert!(!belongs("data-orders2-a-1000", None, "orders"));
        assert!(!belongs("data-orders", None, "orders"));
        assert!(!belongs("postgres-0", None, "orders"));
    }
}
