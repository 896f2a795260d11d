//! Gets the Lease, renews it, and gives it back.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::Clock;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::decide::{LeaseView, Next, Seen, next};
use super::{LEASE_DURATION, Leadership, RENEW_DEADLINE, RETRY_PERIOD};
use crate::error::{Error, is_not_found};

/// How long one request may take: several fit into the deadline.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// The lease could not be renewed in time: another operator may begin.
#[derive(Debug, thiserror::Error)]
#[error("the lease could not be renewed within {RENEW_DEADLINE:?}: another operator may act now")]
pub(crate) struct Lost;

/// Keeps the lease for this process.
pub(crate) struct Keeper {
    api: Api<Lease>,
    name: String,
    me: String,
    clock: Arc<dyn Clock>,
    leadership: Leadership,
    seen: Option<Seen>,
}

impl Keeper {
    pub(crate) fn new(
        client: Client,
        (namespace, name): (&str, &str),
        me: String,
        clock: Arc<dyn Clock>,
        leadership: Leadership,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            me,
            clock,
            leadership,
            seen: None,
        }
    }

    /// Waits until this process has the lease; false if it is to stop before.
    pub(crate) async fn acquire(&mut self, stop: &CancellationToken) -> bool {
        loop {
            match self.attempt().await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the lease could not be read or written"),
            }
            if self.paused(stop).await {
                return false;
            }
        }
    }

    /// Renews until `stop`, then gives the lease back.
    ///
    /// # Errors
    /// The lease is lost: the process must end.
    pub(crate) async fn keep(&mut self, stop: &CancellationToken) -> Result<(), Lost> {
        while !self.paused(stop).await {
            match self.attempt().await {
                // Somebody else has it although this process renewed: it was taken away by hand.
                Ok(false) => self.leadership.end(),
                Ok(true) => {}
                Err(error) => tracing::warn!(%error, "the lease was not renewed"),
            }
            if !self.leadership.is_held() {
                self.leadership.end();
                return Err(Lost);
            }
        }
        Ok(())
    }

    /// Gives the lease back, so that another need not wait. To be called when nothing acts any more.
    pub(crate) async fn give_back(&mut self) {
        self.leadership.end();
        let given_back = async {
            let Some(lease) = self.read().await? else {
                return Ok(());
            };
            if view(&lease).holder == self.me {
                self.write(lease, "").await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = given_back.await {
            tracing::warn!(%error, "the lease was not given back; others wait until it runs out");
        }
    }

    /// Whether the process is to stop; otherwise it is time for the next attempt.
    async fn paused(&self, stop: &CancellationToken) -> bool {
        tokio::select! {
            biased;
            // Both are cancel-safe: nothing is lost.
            () = stop.cancelled() => true,
            () = tokio::time::sleep(RETRY_PERIOD) => false,
        }
    }

    /// Whether this process has the lease now.
    async fn attempt(&mut self) -> Result<bool, Error> {
        let asked_at = self.clock.monotonic();
        let lease = self.read().await?;
        let seen_as = lease.as_ref().map(view);
        match next(&self.me, seen_as.as_ref(), &mut self.seen, asked_at) {
            Next::Wait => return Ok(false),
            Next::Create => self.create().await?,
            Next::Renew | Next::TakeOver => {
                let me = self.me.clone();
                // The resource version is that which was read: of two at once one fails.
                self.write(lease.unwrap_or_default(), &me).await?;
            }
        }
        self.leadership.renewed(asked_at);
        Ok(true)
    }

    async fn read(&self) -> Result<Option<Lease>, Error> {
        match within(self.api.get(&self.name)).await {
            Ok(lease) => Ok(Some(lease)),
            Err(Error::Kube(error)) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create(&self) -> Result<(), Error> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(self.spec(&LeaseSpec::default(), &self.me)),
        };
        within(self.api.create(&PostParams::default(), &lease)).await?;
        Ok(())
    }

    async fn write(&self, lease: Lease, holder: &str) -> Result<(), Error> {
        let spec = self.spec(&lease.spec.unwrap_or_default(), holder);
        let lease = Lease {
            metadata: ObjectMeta {
                managed_fields: None,
                ..lease.metadata
            },
            spec: Some(spec),
        };
        within(self.api.replace(&self.name, &PostParams::default(), &lease)).await?;
        Ok(())
    }

    /// What the lease says after this process wrote it. The times are for people.
    fn spec(&self, before: &LeaseSpec, holder: &str) -> LeaseSpec {
        let now = Timestamp::from_millisecond(self.clock.wall_ms())
            .ok()
            .map(MicroTime);
        let is_same = before.holder_identity.as_deref() == Some(holder);
        // What counts is who has it, not when nobody has.
        let transitions = before.lease_transitions.unwrap_or_default();
        let is_handed_over = !is_same && !holder.is_empty() && before.holder_identity.is_some();
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
            renew_time: now.clone(),
            acquire_time: if is_same {
                before.acquire_time.clone()
            } else {
                now
            },
            lease_transitions: Some(transitions + i32::from(is_handed_over)),
            ..LeaseSpec::default()
        }
    }
}

async fn within<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_elapsed) => Err(Error::TimedOut(REQUEST_TIMEOUT)),
    }
}

fn view(lease: &Lease) -> LeaseView {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec
        .lease_duration_seconds
        .and_then(|s| u64::try_from(s).ok());
    LeaseView {
        holder: spec.holder_identity.unwrap_or_default(),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        // A lease that says nothing is judged as one of ours.
        duration: seconds.map_or(LEASE_DURATION, Duration::from_secs),
    }
}
