//! What this process says of itself.

use holdfast_kernel::image::FEATURE_LEVEL;
use holdfast_quorum::Phase;
use holdfast_rpc::Address;
use holdfast_rpc::proto::admin::{DescribeBrokerReply, Lifecycle as Shown};

use super::AdminApi;
use crate::controller::{ISOLATED, Lifecycle};

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Process {
    /// The digest of the files that it was configured from.
    pub files_digest: String,
    /// Where it listens for other brokers.
    pub rpc: Address,
}

impl AdminApi {
    pub(super) fn broker(&self) -> DescribeBrokerReply {
        let (lifecycle, detail) = self.stands();
        let store = &self.state.environment().store;
        let free = store.available_bytes();
        let replicas = self.state.partitions.all();
        let offline = replicas
            .iter()
            .filter(|replica| replica.offline_reason().is_some());
        DescribeBrokerReply {
            cluster_id: self.identity.cluster.to_string(),
            broker: self.identity.replica.broker.0,
            incarnation: self.identity.replica.incarnation.to_string(),
            start: self.identity.start.0,
            recovery_generation: self.identity.recovery.0,
            version: holdfast_model::VERSION.to_owned(),
            max_feature_level: FEATURE_LEVEL,
            lifecycle: lifecycle.into(),
            detail,
            zone: self.state.config.zone.clone().unwrap_or_default(),
            configuration_digest: self.process.files_digest.clone(),
            rpc_host: self.process.rpc.host.clone(),
            rpc_port: self.process.rpc.port.into(),
            disk_bytes: store.total_bytes(),
            disk_free_bytes: free,
            replicas_offline: offline.count() as u32,
            replicas: replicas.len() as u32,
        }
    }

    /// Where this process stands with its cluster, and why.
    fn stands(&self) -> (Shown, String) {
        let phase = self.state.quorum.phase().borrow().clone();
        let lifecycle = self.lifecycle.borrow().clone();
        match (phase, lifecycle) {
            (_, Lifecycle::Replaced(reason)) => (Shown::Replaced, reason),
            (Phase::Forming { reason, .. }, _) => (Shown::Forming, reason),
            (Phase::WaitingForAdmission { reason }, _) => (Shown::WaitingForAdmission, reason),
            (Phase::Member, Lifecycle::Registering(reason)) => {
                (Shown::Registering, reason.unwrap_or_default())
            }
            (Phase::Member, Lifecycle::Fenced(_)) => {
                (Shown::Fenced, "not in the cluster's view yet".to_owned())
            }
            (Phase::Member, Lifecycle::Serving(_)) if self.state.aside().is_some() => {
                (Shown::Fenced, ISOLATED.to_owned())
            }
            (Phase::Member, Lifecycle::Serving(_)) => (Shown::Serving, String::new()),
        }
    }
}
