//! A zone's StatefulSet. The ordinals of its pods are the ids of its brokers.

use std::collections::BTreeMap;

use holdfast_api::{AccessMode, CLUSTER_ID_ANNOTATION};
use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetOrdinals, StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::pod::DATA_VOLUME;
use super::{labels, names, object, pod, wish};
use crate::planted::Planted;
use crate::{Object, ValidCluster, ValidZone};

/// A zone's StatefulSet.
pub fn stateful_set(cluster: &ValidCluster, zone: &ValidZone) -> Object {
    let mut metadata = labels::metadata(cluster, cluster.set_name(zone));
    metadata.labels = Some(labels::of_zone(cluster, zone));
    metadata.annotations = Some(labels::texts([(
        labels::WISH_ANNOTATION,
        &wish::wish(cluster, zone),
    )]));
    let kept = match cluster.planted {
        Planted::ClaimsGoWithTheirSet => "Delete",
        _ => "Retain",
    };
    let retain = || Some(kept.to_owned());
    object(&StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            ordinals: Some(StatefulSetOrdinals {
                start: Some(zone.first_id),
            }),
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: retain(),
                    when_scaled: retain(),
                },
            ),
            // One broker that cannot start does not hold up the others.
            pod_management_policy: Some("Parallel".to_owned()),
            replicas: Some(zone.replicas),
            selector: labels::select_zone(cluster, zone),
            service_name: Some(names::brokers(&cluster.name)),
            template: pod::template(cluster, zone),
            // A restart takes a permit: Kubernetes starts none by itself.
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            volume_claim_templates: Some(vec![claim(cluster, zone)]),
            ..StatefulSetSpec::default()
        }),
        status: None,
    })
}

fn claim(cluster: &ValidCluster, zone: &ValidZone) -> PersistentVolumeClaim {
    let mode = match zone.storage.access_mode {
        AccessMode::ReadWriteOncePod => "ReadWriteOncePod",
        AccessMode::ReadWriteOnce => "ReadWriteOnce",
    };
    let size = Quantity(zone.storage.size.clone());
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(DATA_VOLUME.to_owned()),
            labels: Some(labels::of_zone(cluster, zone)),
            annotations: Some(labels::texts([(
                CLUSTER_ID_ANNOTATION,
                &cluster.identity.cluster_id,
            )])),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![mode.to_owned()]),
            resources: Some(VolumeResourceRequirements {
                limits: None,
                requests: Some(BTreeMap::from([("storage".to_owned(), size)])),
            }),
            storage_class_name: zone.storage.class.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
