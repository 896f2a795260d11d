//! Lets brokers in that the formation document does not name: it names at most five, and an odd number.

use std::time::Duration;

use holdfast_broker::admission::{self, AdmissionRequest, RpcAddress};
use holdfast_model::{BrokerId, ClusterId, ReplicaId};

use super::layout::Layout;
use crate::output;

/// How long the cluster may take to form, and the broker to start.
const PATIENCE: Duration = Duration::from_mins(2);

/// Disks that wait to be admitted.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) cluster: ClusterId,
    /// The brokers of the formation document.
    pub(super) named: Vec<BrokerId>,
    /// The others' disks.
    pub(super) disks: Vec<ReplicaId>,
}

impl Waiting {
    /// Admits one after the other. A disk that was admitted before stays what it is.
    pub(super) async fn admit(self, layout: Layout) {
        let address = |broker: BrokerId| {
            let number = u16::try_from(broker.0).unwrap_or_default();
            let relay = layout.addresses(number).relay;
            RpcAddress::new(relay.ip().to_string(), relay.port())
        };
        let named: Vec<RpcAddress> = self.named.iter().map(|broker| address(*broker)).collect();
        for replica in self.disks {
            let request = AdmissionRequest {
                cluster: Some(self.cluster),
                replica,
                address: Some(address(replica.broker)),
                vote: false,
                replaces: None,
                only_ask: false,
            };
            if let Err(error) = admission::ask(&named, &request, PATIENCE).await {
                output::note(&format!(
                    "broker {} was not admitted: {error}",
                    replica.broker
                ));
            }
        }
    }
}
