//! A broker whose disk is damaged where no single replica can be mended comes back by itself, as a new disk.
//!
//! Its write-ahead log, its manifest, its index or its metadata are damaged: the process cannot go on with
//! them. If the others can do without that disk, and say so before anything is touched, the old files are
//! set aside, a new incarnation is drawn, and that one asks to be let in. Without a majority, or where the
//! old disk alone holds something, nothing is touched and a person is asked.

mod address_book;
mod comeback;

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{Clock, Incarnation, ReplicaId};
use holdfast_rpc::Address;
use holdfast_runtime::config::Config;
use holdfast_store::DataDir;

pub(crate) use address_book::remember_brokers;
pub(crate) use comeback::ask_to_come_back;

use crate::admission::{self, AdmissionRequest};
use crate::serve::{StartError, draw};

/// How long the others may take until they count this broker as gone, and a controller answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(5);

/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// Sets the files of a damaged disk aside and gives the directory another incarnation, if the cluster can
/// do without the old one.
///
/// # Errors
/// The disk fails.
pub(crate) async fn renew(
    config: &Config,
    clock: &Arc<dyn Clock>,
    disk: &mut DataDir,
    damage: &str,
) -> Result<Result<(), String>, StartError> {
    let old = ReplicaId {
        broker: disk.identity().broker,
        incarnation: disk.identity().incarnation,
    };
    tracing::error!(disk = %old, damage, "the disk is damaged: may another take its place?");
    if let Some(hindrance) = disk.hindrance_to_renewal()? {
        return Ok(Err(hindrance));
    }
    let brokers = address_book::read(&config.data_dir);
    let new = ReplicaId {
        incarnation: Incarnation(draw()),
        ..old
    };
    let request = AdmissionRequest {
        cluster: Some(disk.identity().cluster),
        replica: new,
        address: Some(own_address(config)),
        vote: false,
        replaces: Some(old.incarnation),
        only_ask: true,
    };
    if let Err(hindrance) = ask(&brokers, &request, clock).await {
        return Ok(Err(hindrance));
    }
    // The document that names them goes aside with the rest.
    if let Err(error) = address_book::keep(&config.data_dir, &brokers) {
        return Ok(Err(error.to_string()));
    }
    let aside = disk.renew(new.incarnation)?;
    tracing::error!(
        old = %old, new = %new, damage, aside = %aside.display(),
        "begins a new life: the old files are set aside, the records come from the other replicas"
    );
    Ok(Ok(()))
}

/// Where this broker listens for others.
pub(crate) fn own_address(config: &Config) -> Address {
    let rpc = config.rpc.advertised();
    Address::new(rpc.host, rpc.port)
}

/// Asks until somebody allows it. Whoever still counts the old disk as in use says no for a moment.
async fn ask(
    brokers: &[Address],
    request: &AdmissionRequest,
    clock: &Arc<dyn Clock>,
) -> Result<(), String> {
    if brokers.is_empty() {
        return Err("no other broker is known".to_owned());
    }
    let begun = clock.monotonic();
    loop {
        let reason = match admission::ask(brokers, request, QUESTION).await {
            Ok(_nothing_done) => return Ok(()),
            Err(error) => error.to_string(),
        };
        if clock.monotonic().since(begun) > PATIENCE {
            return Err(reason);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
