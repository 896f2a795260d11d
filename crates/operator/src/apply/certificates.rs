//! Writes the Secrets with certificates.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_api::zone_label;
use holdfast_model::ClusterId;
use holdfast_planner::Identity;
use holdfast_security::wall_time;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{Done, Scene};
use crate::certificates::{Kept, Names, Texts, issued, rotated};
use crate::error::Error;
use crate::identity_map;
use crate::kinds::MANAGER;
use crate::observe::{Secrets, read_secrets};

const SECONDS_PER_DAY: u64 = 24 * 3600;

impl Scene<'_> {
    /// Makes or renews what is not good any more. The Secrets are read for it, because only here is
    /// what is secret in them needed.
    pub(super) async fn issue_certificates(&self, brokers: &[i32]) -> Result<Done, Error> {
        let now = wall_time(self.context.clock.as_ref()).ok_or(holdfast_security::Error::NoTime)?;
        let identity = self.look.observed.identity.as_ref();
        let identity = identity.ok_or_else(|| Error::Stale("the identity".to_owned()))?;
        let id = identity.cluster_id.parse::<ClusterId>();
        let id = id.map_err(|wrong: String| Error::unreadable("the identity", &wrong))?;
        let secrets = read_secrets(self.context, self.key, self.resource).await?;
        if let Some(name) = secrets.strangers.first() {
            return Err(Error::Person(format!(
                "Secret {name} exists and is not the operator's: remove it or rename the cluster"
            )));
        }
        let mut kept = secrets.kept.clone();
        if let Some(authority) = rotated(id, &kept, now)? {
            self.write_authority(&secrets, &authority).await?;
            kept.authority = authority;
        }
        let days = u64::try_from(self.resource.spec.certificates.validity_days).unwrap_or(1);
        let life = Duration::from_secs(days * SECONDS_PER_DAY);
        let names = names(identity, brokers, &self.key.namespace, &self.key.name);
        let after = issued(id, &kept, &names, life, now)?;
        self.write_changed(&secrets, &after).await?;
        // The next look reads what was written.
        self.context
            .remember(self.key, |memory| memory.certificates = None);
        Ok(Done::All)
    }

    /// The authority has no owner: like the volumes it outlives the resource, because what it issued
    /// does.
    async fn write_authority(&self, secrets: &Secrets, texts: &Texts) -> Result<(), Error> {
        let name = format!("{}-ca", self.key.name);
        let Some(version) = &secrets.authority_version else {
            let secret = Secret {
                metadata: ObjectMeta {
                    name: Some(name),
                    labels: Some(identity_map::labels(&self.key.name)),
                    ..ObjectMeta::default()
                },
                data: Some(bytes(texts)),
                ..Secret::default()
            };
            let params = PostParams {
                field_manager: Some(MANAGER.to_owned()),
                ..PostParams::default()
            };
            self.api::<Secret>().create(&params, &secret).await?;
            return Ok(());
        };
        let mut data = json!(bytes(texts));
        for gone in secrets
            .kept
            .authority
            .keys()
            .filter(|key| !texts.contains_key(*key))
        {
            data[gone] = Value::Null;
        }
        let patch = json!({ "metadata": { "resourceVersion": version }, "data": data });
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        self.api::<Secret>()
            .patch(&name, &params, &Patch::Merge(&patch))
            .await?;
        Ok(())
    }

    async fn write_changed(&self, secrets: &Secrets, after: &Kept) -> Result<(), Error> {
        let before = &secrets.kept;
        let (brokers, people) = (&secrets.brokers_version, &secrets.people_version);
        if after.brokers != before.brokers {
            self.write_owned("broker-tls", &after.brokers, brokers.as_deref())
                .await?;
        }
        if after.people != before.people {
            self.write_owned("admin-tls", &after.people, people.as_deref())
                .await?;
        }
        Ok(())
    }

    async fn write_owned(
        &self,
        suffix: &str,
        texts: &Texts,
        version: Option<&str>,
    ) -> Result<(), Error> {
        let name = format!("{}-{suffix}", self.key.name);
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                resource_version: version.map(str::to_owned),
                labels: Some(identity_map::labels(&self.key.name)),
                owner_references: Some(vec![self.owner()]),
                ..ObjectMeta::default()
            },
            data: Some(bytes(texts)),
            ..Secret::default()
        };
        let params = PatchParams::apply(MANAGER).force();
        self.api::<Secret>()
            .patch(&name, &params, &Patch::Apply(&secret))
            .await?;
        Ok(())
    }

    fn owner(&self) -> OwnerReference {
        let metadata = &self.resource.metadata;
        OwnerReference {
            api_version: holdfast_api::MessageCluster::api_version(&()).into_owned(),
            kind: holdfast_api::MessageCluster::kind(&()).into_owned(),
            name: self.key.name.clone(),
            uid: metadata.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(false),
        }
    }
}

fn bytes(texts: &Texts) -> BTreeMap<String, ByteString> {
    let pairs = texts.iter();
    pairs
        .map(|(key, text)| (key.clone(), ByteString(text.clone().into_bytes())))
        .collect()
}

/// Under which names tools reach the brokers, besides those of their role: those of their pods.
fn names(identity: &Identity, brokers: &[i32], namespace: &str, cluster: &str) -> Names {
    let zone = |id: i32| {
        let mut zones = identity.zones.iter();
        let range = holdfast_api::IDS_PER_ZONE;
        zones.find(|zone| (zone.first_id..zone.first_id + range).contains(&id))
    };
    brokers
        .iter()
        .map(|id| {
            let name = zone(*id).map(|zone| {
                let zone = zone_label(&zone.name);
                format!("{cluster}-{zone}-{id}.{cluster}-brokers.{namespace}.svc")
            });
            (*id, name.into_iter().collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use holdfast_planner::ZoneRange;

    use super::*;

    #[test]
    fn a_broker_is_known_by_the_name_of_its_pod() {
        let identity = Identity {
            zones: vec![ZoneRange {
                name: "Rack_7".to_owned(),
                first_id: 2000,
            }],
            ..Identity::default()
        };
        let names = names(&identity, &[2003, 4000], "data", "orders");
        assert_eq!(names[&2003], ["orders-rack-7-2003.orders-brokers.data.svc"]);
        assert!(names[&4000].is_empty());
    }
}
