//! This broker's registration, and the heartbeats that keep it.

use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::controller::{Command, Failure, Outcome, Registration};
use holdfast_model::{BrokerEpoch, BrokerId, ErrorCode, ReplicaId};
use holdfast_quorum::{Phase, Quorum};
use holdfast_rpc::proto::HeartbeatRequest;
use holdfast_rpc::{Address, Channels, Probe};
use holdfast_runtime::Probes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{ControllerClient, OfficeHandle};

/// How long one try to register waits for a controller.
const REGISTER_PATIENCE: Duration = Duration::from_secs(2);

/// Pause after a refused registration.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Where this process stands with the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// Not registered yet; the reason of the last refusal, if any.
    Registering(Option<String>),
    /// Registered, but fenced.
    Fenced(BrokerEpoch),
    /// Serves.
    Serving(BrokerEpoch),
    /// Another process or disk has this broker's place: this process must end.
    Replaced(String),
}

/// Registers and reports.
#[derive(Debug)]
pub struct Heartbeats {
    /// The way to the controller.
    pub client: ControllerClient,
    /// The image.
    pub quorum: Quorum,
    /// What this process says of itself.
    pub registration: Registration,
    /// The command with which an operator admits this disk.
    pub admission: String,
    /// How often it reports.
    pub interval: Duration,
    /// Told where it stands.
    pub lifecycle: watch::Sender<Lifecycle>,
    /// Told whether it is ready.
    pub probes: Probes,
}

impl Heartbeats {
    /// Registers, then reports until the process stops. `registered` is called once with the
    /// registration, before anybody can learn of it here.
    pub async fn run(self, registered: impl FnOnce(BrokerEpoch), stop: CancellationToken) {
        let mut foreign = self.quorum.foreign();
        let told = tokio::select! {
            biased;
            () = self.run_as_member(registered, stop) => return,
            told = foreign.wait_for(Option::is_some) => told.ok().and_then(|told| told.clone()),
        };
        if let Some(reason) = told {
            self.probes.set_not_ready(reason.clone());
            self.lifecycle.send_replace(Lifecycle::Replaced(reason));
        }
    }

    async fn run_as_member(&self, registered: impl FnOnce(BrokerEpoch), stop: CancellationToken) {
        let epoch = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            epoch = self.register() => epoch,
        };
        registered(epoch);
        tracing::info!(%epoch, "registered");
        self.lifecycle.send_replace(Lifecycle::Fenced(epoch));
        let mut timer = tokio::time::interval(self.interval);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut updates = self.quorum.subscribe();
        let alive = self.probes.heartbeat("heartbeats", Duration::from_secs(30));
        loop {
            tokio::select! {
                biased;
                // Reports go on while the broker stops, so that it is not fenced on its way out.
                () = stop.cancelled() => return,
                _ = timer.tick() => {}
                // An image that newly shows the registration is worth a report at once.
                update = updates.next() => if update.is_none() { return },
            }
            alive.touch();
            if self.report(epoch).await {
                return;
            }
        }
    }

    async fn register(&self) -> BrokerEpoch {
        let mut last = None;
        loop {
            let command = Command::Register(self.registration.clone());
            match self.client.submit(command, REGISTER_PATIENCE).await {
                Outcome::Registered(epoch) => return epoch,
                Outcome::Failed(failure) => {
                    let reason = self.reason(&failure);
                    if last.as_ref() != Some(&reason) {
                        tracing::info!(reason, "not registered yet");
                        self.probes.set_not_ready(reason.clone());
                        last = Some(reason.clone());
                    }
                    let fatal = failure.code == ErrorCode::DuplicateBrokerRegistration;
                    self.lifecycle.send_replace(if fatal {
                        Lifecycle::Replaced(reason)
                    } else {
                        Lifecycle::Registering(Some(reason))
                    });
                    if failure.code != ErrorCode::NotController {
                        tokio::time::sleep(REFUSED_PAUSE).await;
                    }
                }
                other => tracing::error!(?other, "impossible answer to a registration"),
            }
        }
    }

    /// Why this process is not registered, and what to do about it.
    fn reason(&self, failure: &Failure) -> String {
        let message = &failure.message;
        if let Phase::WaitingForAdmission { reason } = &*self.quorum.phase().borrow() {
            return format!("{reason}; an operator admits it with: {}", self.admission);
        }
        let registration = &self.registration;
        let replica = ReplicaId {
            broker: registration.broker,
            incarnation: registration.incarnation,
        };
        let retired = self.quorum.image().retired.contains_key(&replica);
        if failure.code == ErrorCode::InvalidRegistration && !retired {
            return format!("{message}; an operator admits it with: {}", self.admission);
        }
        message.clone()
    }

    /// Sends one report; true if this process was replaced.
    async fn report(&self, epoch: BrokerEpoch) -> bool {
        let image = self.quorum.image();
        let id = self.registration.broker;
        let known = image
            .brokers
            .get(&id)
            .filter(|record| record.epoch == epoch);
        let fenced = known.is_none_or(|record| record.fenced);
        let now = if fenced {
            Lifecycle::Fenced(epoch)
        } else {
            Lifecycle::Serving(epoch)
        };
        if fenced {
            self.probes
                .set_not_ready("fenced: not in the cluster's view yet");
        } else {
            self.probes.set_ready();
        }
        self.lifecycle.send_if_modified(|before| {
            let changed = *before != now;
            if changed {
                *before = now;
            }
            changed
        });
        let request = HeartbeatRequest {
            envelope: None,
            broker_epoch: epoch.0,
            ready: known.is_some(),
            stopping: known.is_some_and(|record| record.stopping),
            image_version: image.version,
        };
        match self.client.heartbeat(request).await {
            Ok(reply) if reply.stale_registration && known.is_some() => {
                // Only a controller whose image is newer than ours knows better.
                if reply.image_version >= image.version && self.is_replaced(epoch).await {
                    let reason = format!("broker {id} was registered again by another process");
                    self.lifecycle.send_replace(Lifecycle::Replaced(reason));
                    return true;
                }
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "heartbeat"),
        }
        false
    }

    async fn is_replaced(&self, epoch: BrokerEpoch) -> bool {
        // The newer image arrives here too; it is the proof.
        tokio::time::sleep(self.interval).await;
        let image = self.quorum.image();
        image
            .brokers
            .get(&self.registration.broker)
            .is_some_and(|record| record.epoch > epoch)
    }
}

/// While this node is the controller: looks whether brokers that report no more refuse connections,
/// which proves that no process is there.
pub async fn watch_for_refusals(
    office: OfficeHandle,
    quorum: Quorum,
    channels: Channels,
    me: BrokerId,
    interval: Duration,
    stop: CancellationToken,
) {
    let mut timer = tokio::time::interval(interval);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = timer.tick() => {}
        }
        if !office.is_open() {
            continue;
        }
        let image: Arc<_> = quorum.image();
        for broker in image.brokers.values().filter(|b| !b.fenced && b.id != me) {
            let address = Address::new(broker.rpc.host.clone(), broker.rpc.port);
            // Twice, so that one process replacing another at the same address is not mistaken.
            if channels.probe(&address).await == Probe::Refused
                && channels.probe(&address).await == Probe::Refused
            {
                tracing::info!(broker = %broker.id, "refuses connections: no process is there");
                office.refuses_connections(broker.id);
            }
        }
    }
}
