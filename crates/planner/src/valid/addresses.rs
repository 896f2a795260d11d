//! The names of a cluster's brokers on the network of the Kubernetes cluster.

use holdfast_api::{MessageCluster, zone_label};

use super::BrokerName;

/// What the names of a cluster's brokers are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    namespace: String,
    cluster: String,
}

impl Addresses {
    /// The port for other brokers.
    pub(crate) const RPC_PORT: u16 = 9192;

    /// Those of a cluster.
    pub(crate) fn new(namespace: &str, cluster: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            cluster: cluster.to_owned(),
        }
    }

    /// Those of a resource.
    pub(crate) fn of(resource: &MessageCluster) -> Self {
        let metadata = &resource.metadata;
        Self::new(
            metadata.namespace.as_deref().unwrap_or_default(),
            metadata.name.as_deref().unwrap_or_default(),
        )
    }

    /// The StatefulSet of a zone.
    pub(crate) fn set(&self, zone: &str) -> String {
        format!("{}-{}", self.cluster, zone_label(zone))
    }

    /// The name by which others reach a broker. The domain of the Kubernetes cluster is left out:
    /// nobody outside of it knows it, and every pod's resolver adds it.
    pub(crate) fn host(&self, zone: &str, id: i32) -> String {
        let (set, cluster, namespace) = (self.set(zone), &self.cluster, &self.namespace);
        format!("{set}-{id}.{cluster}-brokers.{namespace}.svc")
    }

    /// Every name of a broker.
    pub(crate) fn broker(&self, zone: &str, id: i32) -> BrokerName {
        let set = self.set(zone);
        let pod = format!("{set}-{id}");
        BrokerName {
            id,
            zone: zone.to_owned(),
            claim: format!("data-{pod}"),
            host: self.host(zone, id),
            pod,
            set,
        }
    }
}
