//! This broker's registration, and the heartbeats that keep it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use holdfast_kernel::controller::{Command, Failure, Outcome, Registration};
use holdfast_kernel::image::{BrokerRecord, ClusterImage};
use holdfast_model::{BrokerEpoch, BrokerId, Clock, ErrorCode, ReplicaId};
use holdfast_quorum::{Phase, Quorum};
use holdfast_rpc::proto::{ControllerError, HeartbeatReply, HeartbeatRequest};
use holdfast_rpc::{Address, Channels, Probe};
use holdfast_runtime::Probes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::isolation::{Hearing, ISOLATED};
use super::{ControllerClient, OfficeHandle};
use crate::partitions::Partitions;

/// How long one try to register waits for a controller.
const REGISTER_PATIENCE: Duration = Duration::from_secs(2);

/// A pause after which a disk that is not admitted is said to wait for a person.
const FORMED: Duration = Duration::from_millis(160);

/// First and longest pause after a refused registration. While a cluster forms, the refusal may be
/// over in a moment; a disk that waits for a person may wait for days.
const REFUSED_PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

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
    /// After how long without an answer the session is over.
    pub session_timeout: Duration,
    /// Told when this broker hears from nobody.
    pub partitions: Arc<Partitions>,
    /// Time.
    pub clock: Arc<dyn Clock>,
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
        let mut hearing = Hearing::new(self.session_timeout, self.clock.monotonic());
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
            self.client.remember_brokers();
            if self.report(epoch, &mut hearing).await {
                return;
            }
        }
    }

    async fn register(&self) -> BrokerEpoch {
        let (mut pause, longest) = REFUSED_PAUSES;
        let mut last = None;
        loop {
            let command = Command::Register(self.registration.clone());
            match self.client.submit(command, REGISTER_PATIENCE).await {
                Outcome::Registered(epoch) => return epoch,
                Outcome::Failed(failure) => {
                    let reason = self.reason(&failure);
                    // While a cluster forms, what is not admitted now is in a moment.
                    let premature =
                        failure.code == ErrorCode::InvalidRegistration && pause < FORMED;
                    if !premature && last.as_ref() != Some(&reason) {
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
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(longest);
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
    async fn report(&self, epoch: BrokerEpoch, hearing: &mut Hearing) -> bool {
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
        } else if self.partitions.environment().isolated.is_set() {
            self.probes.set_not_ready(ISOLATED);
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
            image_version: image.version,
        };
        let sent = self.clock.monotonic();
        let answer = self.client.heartbeat(request).await;
        if let Ok(reply) = &answer
            && reply.error() == ControllerError::None
        {
            hearing.controller_answered(sent);
            let environment = self.partitions.environment();
            environment.isolated.controller_answered(sent);
            self.set_isolated(false);
        } else if hearing.must_ask_others(self.clock.monotonic()) {
            self.set_isolated(self.has_no_part(&image, hearing).await);
        }
        match answer {
            Ok(reply) if reply.stale_registration && known.is_some() => {
                // Only a controller whose image is newer than ours knows better.
                if reply.image_version >= image.version && self.is_replaced(epoch).await {
                    let reason = format!("broker {id} was registered again by another process");
                    self.lifecycle.send_replace(Lifecycle::Replaced(reason));
                    return true;
                }
            }
            Ok(reply) if reply.report_wanted => self.report_logs().await,
            Ok(reply) if known.is_some_and(|record| self.must_say_again(record, &reply)) => {
                self.report_logs().await;
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "heartbeat"),
        }
        false
    }

    /// Whether the image lacks what this process said of its program, because an older version was
    /// the controller then, and the present one would keep it. Without it the feature level could
    /// not be raised before this broker starts once more.
    fn must_say_again(&self, record: &BrokerRecord, reply: &HeartbeatReply) -> bool {
        let said = &self.registration;
        reply.max_feature_level > 0
            && (&record.version, record.max_feature_level)
                != (&said.version, said.max_feature_level)
    }

    /// Tells a controller that has to elect where the logs here end. It asks again if it is not told.
    async fn report_logs(&self) {
        let registration = Registration {
            logs: self.partitions.log_ends(),
            ..self.registration.clone()
        };
        let command = Command::Register(registration);
        let told = self.client.submit(command, self.interval * 2).await;
        tracing::info!(?told, "told the controller where the logs end");
    }

    /// Asks all other brokers whether they hear a controller.
    async fn has_no_part(&self, image: &ClusterImage, hearing: &Hearing) -> bool {
        let me = self.registration.broker;
        let others = image.brokers.values().filter(|broker| broker.id != me);
        let moment = self.clock.monotonic();
        let mut asked: FuturesUnordered<_> = others
            .map(|broker| {
                let address = Address::new(broker.rpc.host.clone(), broker.rpc.port);
                async move { self.client.ask_another(&address).await }
            })
            .collect();
        let count = asked.len();
        let mut answers = Vec::new();
        loop {
            let next = asked.next();
            // Who answers at all does so at about the same time. Reports must not wait for those who are silent.
            let next = if answers.is_empty() {
                next.await
            } else {
                let soon = tokio::time::timeout(self.interval, next).await;
                soon.ok().flatten()
            };
            let Some(answer) = next else { break };
            answers.extend(answer.map(|reply| {
                let ms = reply.controller_answered_ms;
                (ms > 0).then(|| Duration::from_millis(ms))
            }));
        }
        hearing.has_no_part(moment, &answers, count)
    }

    fn set_isolated(&self, isolated: bool) {
        if !self.partitions.environment().isolated.set(isolated) {
            return;
        }
        if isolated {
            tracing::warn!(
                "no controller answers, and the other brokers are silent or hear one: stepping aside"
            );
            self.partitions.for_each(|partition| partition.step_aside());
        } else {
            tracing::info!("hears from the cluster again");
        }
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
