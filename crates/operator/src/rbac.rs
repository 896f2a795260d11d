//! The rights that the operator needs, as data: the manifests are made of it.
//!
//! Nothing here deletes a claim, a volume, a Secret or a ConfigMap, so that no mistake in the code can.

/// What may be done to some kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it holds.
    pub scope: Scope,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The kinds, in the plural, with their parts.
    pub resources: &'static [&'static str],
    /// What may be done.
    pub verbs: &'static [&'static str],
    /// What for.
    pub why: &'static str,
}

/// Where a right holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the whole Kubernetes cluster, always: of what is in no namespace.
    Cluster,
    /// In every namespace that is watched: a ClusterRole, or with `--namespace` a Role there.
    Watched,
    /// In the operator's own namespace.
    Own,
}

const WATCH: &[&str] = &["get", "list", "watch"];

/// Every right.
pub const RULES: &[Rule] = &[
    Rule {
        scope: Scope::Watched,
        group: "holdfast.io",
        resources: &["messageclusters"],
        verbs: WATCH,
        why: "what is asked for",
    },
    Rule {
        scope: Scope::Watched,
        group: "holdfast.io",
        resources: &["messagetopics"],
        verbs: &["get", "list", "watch", "patch"],
        why: "what is asked for; its finalizer, if its topic is to be deleted with it",
    },
    Rule {
        scope: Scope::Watched,
        group: "holdfast.io",
        resources: &["messageclusters/status", "messagetopics/status"],
        verbs: &["patch"],
        why: "what was found and done",
    },
    Rule {
        scope: Scope::Watched,
        group: "",
        resources: &["configmaps"],
        verbs: &["get", "list", "watch", "create", "patch", "update"],
        why: "the brokers' files, and the identity, which is replaced in the version that was seen",
    },
    Rule {
        scope: Scope::Watched,
        group: "",
        resources: &["serviceaccounts"],
        verbs: &["get", "list", "watch", "create", "patch"],
        why: "the account of the brokers' pods, which has no rights",
    },
    Rule {
        scope: Scope::Watched,
        group: "",
        resources: &["services"],
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "the ways in; those of listeners that are no longer there go",
    },
    Rule {
        scope: Scope::Watched,
        group: "",
        resources: &["secrets"],
        verbs: &["get", "create", "patch"],
        why: "certificates; never listed, so that only what is named can be read",
    },
    Rule {
        scope: Scope::Watched,
        group: "",
        resources: &["pods"],
        verbs: &["get", "list", "watch", "delete"],
        why: "how the brokers are; to restart them under a permit",
    },
    Rule {
        scope: Scope::Watched,
        group: "",
        resources: &["persistentvolumeclaims"],
        verbs: &["get", "list", "watch", "patch"],
        why: "how the disks are; to let them grow",
    },
    Rule {
        scope: Scope::Watched,
        group: "apps",
        resources: &["statefulsets"],
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "the brokers; deleted without their pods and made again when their claims grow",
    },
    Rule {
        scope: Scope::Watched,
        group: "policy",
        resources: &["poddisruptionbudgets"],
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "so that a drain asks the operator",
    },
    Rule {
        scope: Scope::Watched,
        group: "networking.k8s.io",
        resources: &["networkpolicies"],
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "who may talk to the brokers",
    },
    Rule {
        scope: Scope::Watched,
        group: "events.k8s.io",
        resources: &["events"],
        verbs: &["create", "patch"],
        why: "what happened, for people",
    },
    Rule {
        scope: Scope::Cluster,
        group: "",
        resources: &["nodes", "persistentvolumes"],
        verbs: WATCH,
        why: "zones, drains and lost nodes; volumes that cannot leave their node",
    },
    Rule {
        scope: Scope::Cluster,
        group: "storage.k8s.io",
        resources: &["storageclasses"],
        verbs: WATCH,
        why: "whether volumes can grow",
    },
    Rule {
        scope: Scope::Own,
        group: "coordination.k8s.io",
        resources: &["leases"],
        verbs: &["get", "create", "update"],
        why: "so that one operator acts",
    },
];

#[cfg(test)]
mod tests;
