//! The pod of a broker, within Kubernetes' restricted Pod Security.

use holdfast_api::PullPolicy;
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    EnvVar, EnvVarSource, HTTPGetAction, LocalObjectReference, ObjectFieldSelector,
    PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    SeccompProfile, SecretVolumeSource, SecurityContext, Toleration, TopologySpreadConstraint,
    Volume, VolumeMount, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::service::port_name;
use super::{labels, names};
use crate::planted::Planted;
use crate::{ValidCluster, ValidZone};

/// Brokers among themselves.
pub(super) const RPC_PORT: i32 = 9192;
/// Metrics and probes.
pub(super) const METRICS_PORT: i32 = 9292;
/// The admin API.
pub(super) const ADMIN_API_PORT: i32 = 9392;

/// Where the certificates are.
pub(super) const TLS_PATH: &str = "/etc/holdfast/tls";

/// The volume of the claim.
pub(super) const DATA_VOLUME: &str = "data";

const DATA_PATH: &str = "/var/lib/holdfast";
const CLUSTER_PATH: &str = "/etc/holdfast/cluster";
const BROKERS_PATH: &str = "/etc/holdfast/brokers";
const IDENTITY_PATH: &str = "/etc/holdfast/identity";

/// The user of the image, and the group that owns the volume.
const USER: i64 = 10001;

/// The group may read keys, nobody else.
const KEY_MODE: i32 = 0o440;

const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";

/// The taint of a node that the API server does not hear.
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// The template of a zone's pods.
pub(super) fn template(cluster: &ValidCluster, zone: &ValidZone) -> PodTemplateSpec {
    let pod = &cluster.spec.pod;
    let mut pod_labels = pod.labels.clone();
    // Ours win: Services and the set itself select by them.
    pod_labels.extend(labels::of_zone(cluster, zone));
    let mut annotations = pod.annotations.clone();
    if cluster.planted == Planted::RestartsWhenScaled {
        let brokers = cluster.spec.replicas.to_string();
        annotations.insert("holdfast.io/brokers".to_owned(), brokers);
    }
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(pod_labels),
            annotations: labels::unless_empty(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(spec(cluster, zone)),
    }
}

fn spec(cluster: &ValidCluster, zone: &ValidZone) -> PodSpec {
    let pod = &cluster.spec.pod;
    let mut node_selector = zone.node_selector.clone();
    node_selector.insert(cluster.spec.topology_key.clone(), zone.name.clone());
    let secrets = cluster.spec.image.pull_secrets.iter();
    let secrets: Vec<_> = secrets
        .map(|name| LocalObjectReference { name: name.clone() })
        .collect();
    PodSpec {
        affinity: Some(away_from_each_other(cluster)),
        automount_service_account_token: Some(false),
        containers: vec![broker(cluster, zone)],
        // A variable for each Service would be one more thing that differs between two starts.
        enable_service_links: Some(false),
        image_pull_secrets: (!secrets.is_empty()).then_some(secrets),
        init_containers: Some(vec![format(cluster, zone)]),
        node_selector: Some(node_selector),
        priority_class_name: pod.priority_class_name.clone(),
        security_context: Some(PodSecurityContext {
            fs_group: Some(USER),
            // A large volume is not walked through at every start.
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            run_as_group: Some(USER),
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        service_account_name: Some(cluster.name.clone()),
        // The first process of a namespace does not hear a signal that comes before it listens: a broker that is
        // told to end as it starts would go on until the whole grace period is over.
        share_process_namespace: Some(true),
        termination_grace_period_seconds: Some(pod.termination_grace_period_seconds),
        tolerations: Some(tolerations(&pod.tolerations)),
        topology_spread_constraints: Some(vec![TopologySpreadConstraint {
            label_selector: Some(labels::select_cluster(cluster)),
            max_skew: 1,
            topology_key: HOSTNAME_LABEL.to_owned(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            ..TopologySpreadConstraint::default()
        }]),
        volumes: Some(volumes(cluster)),
        ..PodSpec::default()
    }
}

/// Nobody evicts a broker because its node does not answer: its set could not make the pod again before the
/// node answers, and then a broker that had been well all the while would be stopped.
fn tolerations(asked: &[Toleration]) -> Vec<Toleration> {
    let mut all = asked.to_vec();
    let is_for = |one: &Toleration| one.key.as_deref().unwrap_or(UNREACHABLE) == UNREACHABLE;
    if !asked.iter().any(is_for) {
        all.push(Toleration {
            effect: Some("NoExecute".to_owned()),
            key: Some(UNREACHABLE.to_owned()),
            operator: Some("Exists".to_owned()),
            ..Toleration::default()
        });
    }
    all
}

/// Preferred only: a broker beside another one is better than no broker.
fn away_from_each_other(cluster: &ValidCluster) -> Affinity {
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                WeightedPodAffinityTerm {
                    pod_affinity_term: PodAffinityTerm {
                        label_selector: Some(labels::select_cluster(cluster)),
                        topology_key: HOSTNAME_LABEL.to_owned(),
                        ..PodAffinityTerm::default()
                    },
                    weight: 100,
                },
            ]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

/// Gives an empty disk its identity, and refuses one that is another broker's.
fn format(cluster: &ValidCluster, zone: &ValidZone) -> Container {
    let args = [
        "format".to_owned(),
        "--if-needed".to_owned(),
        format!("--data-dir={DATA_PATH}/data"),
        "--broker-id=$(BROKER_ID)".to_owned(),
        format!("--cluster-id={}", cluster.identity.cluster_id),
        format!("--formation-if-present={IDENTITY_PATH}/formation.toml"),
    ];
    Container {
        args: Some(args.into()),
        env: Some(vec![broker_id()]),
        volume_mounts: Some(vec![
            mount(DATA_VOLUME, DATA_PATH, false),
            mount("identity", IDENTITY_PATH, true),
            mount("tmp", "/tmp", false),
        ]),
        ..container(cluster, zone, "format")
    }
}

fn broker(cluster: &ValidCluster, zone: &ValidZone) -> Container {
    let args = [
        "serve".to_owned(),
        format!("--config={CLUSTER_PATH}/broker.properties"),
        format!("--config={BROKERS_PATH}/$(BROKER_ID).properties"),
    ];
    let mut ports = vec![
        port("rpc", RPC_PORT),
        port("metrics", METRICS_PORT),
        port("admin-api", ADMIN_API_PORT),
    ];
    let listeners = cluster.spec.listeners.iter();
    ports.extend(listeners.map(|listener| port(&port_name(listener), listener.port)));
    Container {
        args: Some(args.into()),
        env: Some(vec![
            broker_id(),
            variable("NODE_IP", "status.hostIP"),
            variable("POD_NAME", "metadata.name"),
            variable("POD_NAMESPACE", "metadata.namespace"),
        ]),
        ports: Some(ports),
        // A large log is opened within ten minutes, or something is wrong.
        startup_probe: Some(probe("/livez", 5, 120)),
        liveness_probe: Some(probe("/livez", 10, 6)),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        volume_mounts: Some(vec![
            mount(DATA_VOLUME, DATA_PATH, false),
            mount("cluster", CLUSTER_PATH, true),
            mount("brokers", BROKERS_PATH, true),
            mount("tls", TLS_PATH, true),
            mount("tmp", "/tmp", false),
        ]),
        ..container(cluster, zone, "broker")
    }
}

/// What both containers have in common. They have the same resources, so that a pod whose requests
/// are its limits is of the guaranteed class.
fn container(cluster: &ValidCluster, zone: &ValidZone, name: &str) -> Container {
    let policy = match cluster.spec.image.pull_policy {
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Always => "Always",
        PullPolicy::Never => "Never",
    };
    Container {
        name: name.to_owned(),
        command: Some(vec!["holdfast".to_owned()]),
        image: Some(image(cluster)),
        image_pull_policy: Some(policy.to_owned()),
        resources: zone.resources.clone(),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                add: None,
                drop: Some(vec!["ALL".to_owned()]),
            }),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            ..SecurityContext::default()
        }),
        // The last lines of the log say why a broker ended, where no message was written.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

/// The image of the brokers.
pub(super) fn image(cluster: &ValidCluster) -> String {
    let image = &cluster.spec.image;
    let name = match image.registry.as_str() {
        "" => image.repository.clone(),
        registry => format!("{registry}/{}", image.repository),
    };
    match &image.digest {
        Some(digest) => format!("{name}@{digest}"),
        None => format!("{name}:{}", cluster.version),
    }
}

fn volumes(cluster: &ValidCluster) -> Vec<Volume> {
    let config = |volume: &str, name: String| Volume {
        name: volume.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name,
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    vec![
        config("cluster", names::config(&cluster.name)),
        config("brokers", names::brokers(&cluster.name)),
        config("identity", names::identity(&cluster.name)),
        Volume {
            name: "tls".to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(names::broker_tls(&cluster.name)),
                default_mode: Some(KEY_MODE),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: "tmp".to_owned(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        },
    ]
}

/// The number at the end of the pod's name.
fn broker_id() -> EnvVar {
    variable(
        "BROKER_ID",
        "metadata.labels['apps.kubernetes.io/pod-index']",
    )
}

fn variable(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: path.to_owned(),
            }),
            ..EnvVarSource::default()
        }),
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        // Kubernetes does not keep a false.
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn probe(path: &str, period_s: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(METRICS_PORT),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_s),
        failure_threshold: Some(failures),
        timeout_seconds: Some(if period_s < 5 { period_s } else { 5 }),
        ..Probe::default()
    }
}
