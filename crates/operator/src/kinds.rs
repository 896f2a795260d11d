//! The kinds of children, and what may be done to them.

use kube::api::ApiResource;

/// A kind of child.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    pub(crate) plural: &'static str,
    /// Whether one that is no longer wanted may be deleted. A set is deleted only to be made again,
    /// by an act of its own; what holds data or an identity never is.
    pub(crate) deletable: bool,
}

pub(crate) const STATEFUL_SET: &str = "StatefulSet";
pub(crate) const SERVICE: &str = "Service";
pub(crate) const CONFIG_MAP: &str = "ConfigMap";

/// Every kind of child that is watched.
pub(crate) const KINDS: &[Kind] = &[
    Kind::new("ServiceAccount", "", "serviceaccounts", false),
    Kind::new(CONFIG_MAP, "", "configmaps", false),
    Kind::new(SERVICE, "", "services", true),
    Kind::new(STATEFUL_SET, "apps", "statefulsets", false),
    Kind::new(
        "PodDisruptionBudget",
        "policy",
        "poddisruptionbudgets",
        true,
    ),
    Kind::new(
        "NetworkPolicy",
        "networking.k8s.io",
        "networkpolicies",
        true,
    ),
];

impl Kind {
    const fn new(
        name: &'static str,
        group: &'static str,
        plural: &'static str,
        deletable: bool,
    ) -> Self {
        Self {
            name,
            group,
            plural,
            deletable,
        }
    }

    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// All kinds of children are in version 1 of their group.
    pub(crate) fn api_version(&self) -> String {
        match self.group {
            "" => "v1".to_owned(),
            group => format!("{group}/v1"),
        }
    }

    pub(crate) fn resource(&self) -> ApiResource {
        ApiResource {
            group: self.group.to_owned(),
            version: "v1".to_owned(),
            api_version: self.api_version(),
            kind: self.name.to_owned(),
            plural: self.plural.to_owned(),
        }
    }
}

/// The label by which the operator finds its own.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The label with the name of a cluster that every tool understands.
pub(crate) const INSTANCE: &str = "app.kubernetes.io/instance";

/// The value of [`MANAGED_BY`], and the name under which fields are applied.
pub(crate) const MANAGER: &str = "holdfast-operator";
