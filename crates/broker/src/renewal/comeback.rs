//! The new life of a damaged disk asks to be let in.

use std::path::PathBuf;
use std::time::Duration;

use holdfast_model::ReplicaId;
use holdfast_quorum::{Phase, Quorum};
use holdfast_rpc::{Address, Identity};
use holdfast_store::DataDir;
use tokio_util::sync::CancellationToken;

use super::address_book;
use crate::admission::{self, AdmissionRequest};

/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(20);

/// Pause between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks until the cluster has let this disk in, if it is the new life of a damaged one.
pub(crate) async fn ask_to_come_back(
    directory: PathBuf,
    identity: Identity,
    own_address: Address,
    quorum: Quorum,
    stop: CancellationToken,
) {
    let Some(replaces) = DataDir::renewed_from(&directory) else {
        return;
    };
    let request = AdmissionRequest {
        cluster: Some(identity.cluster),
        replica: identity.replica,
        address: Some(own_address),
        vote: false,
        replaces: Some(replaces),
        only_ask: false,
    };
    tokio::select! {
        // Cancel-safe: the next start asks again.
        biased;
        () = stop.cancelled() => {}
        () = ask(directory, identity.replica, request, quorum) => {}
    }
}

async fn ask(directory: PathBuf, me: ReplicaId, request: AdmissionRequest, quorum: Quorum) {
    let brokers = address_book::read(&directory);
    let mut said = None;
    while !is_in(&quorum, me) {
        match admission::ask(&brokers, &request, QUESTION).await {
            Ok(admission) => tracing::info!(disk = %me, votes = admission.votes, "let in again"),
            Err(error) => {
                let reason = error.to_string();
                if said.as_ref() != Some(&reason) {
                    tracing::warn!(disk = %me, reason, "not let in yet");
                    said = Some(reason);
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    if let Err(error) = DataDir::forget_renewal(&directory) {
        tracing::warn!(%error, "that this disk was renewed is not forgotten");
    }
}

/// A member of the quorum that is admitted, and so may register; or has.
fn is_in(quorum: &Quorum, me: ReplicaId) -> bool {
    let image = quorum.image();
    let admitted = image.admitted.get(&me.broker) == Some(&me.incarnation);
    let registered = image.incarnation(me.broker) == Some(me.incarnation);
    *quorum.phase().borrow() == Phase::Member && (admitted || registered)
}
